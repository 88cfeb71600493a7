"""The X server that a window is on, and that the show outlives it: left to itself, Xlib ends the program with the server."""

import ctypes

OnError = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
OnExit = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class Server:
    """Tells when the X server is `lost`. Needs libX11 1.7 and GLX; without them Xlib does as it pleases.

    Xlib(3), XSetIOErrorExitHandler. After a loss Xlib answers every call with nothing, so whoever waits for an answer
    waits for ever: then a window is no longer touched.
    """

    def __init__(self) -> None:
        self.lost = False
        self.callbacks = OnError(self.on_error), OnExit(self.on_exit)  # Xlib has no more than their addresses

    def outlive(self) -> None:
        """From now on, of the server that the current OpenGL context is drawn by."""
        try:
            x11, opengl = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libGL.so.1")
            current, on_exit = opengl.glXGetCurrentDisplay, x11.XSetIOErrorExitHandler
        except (OSError, AttributeError):
            return
        current.restype, on_exit.argtypes = ctypes.c_void_p, [ctypes.c_void_p, OnExit, ctypes.c_void_p]
        display = current()
        if display:
            x11.XSetIOErrorHandler(self.callbacks[0])
            on_exit(display, self.callbacks[1], None)

    def on_error(self, display: int) -> int:
        self.lost = True
        return 0

    def on_exit(self, display: int, data: int) -> None:
        """Return, where Xlib's own handler would exit."""
