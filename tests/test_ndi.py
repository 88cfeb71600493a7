"""NDI out: a real receiver in a process of its own, on the loopback and without mDNS."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from instrument.flow import Frame, Tick
from instrument.outputs import ndi
from instrument.plugs import Unavailable

NEEDS_NDI = "the NDI package is missing: pip install ndi-python"

RECEIVER = """
import json, sys, time
import numpy as np
import NDIlib as ndi

name, folder = sys.argv[1:]
looking = ndi.FindCreate()
looking.extra_ips, looking.show_local_sources = "127.0.0.1", True
finder = ndi.find_create_v2(looking)
found, deadline = [], time.monotonic() + 20
while not found and time.monotonic() < deadline:
    ndi.find_wait_for_sources(finder, 500)
    found = [source for source in ndi.find_get_current_sources(finder) if source.ndi_name.endswith(f"({name})")]
print(json.dumps({"source": found[0].ndi_name}), flush=True)
settings = ndi.RecvCreateV3()
settings.color_format = ndi.RECV_COLOR_FORMAT_RGBX_RGBA
receiver = ndi.recv_create_v3(settings)
ndi.recv_connect(receiver, found[0])
last = None
while time.monotonic() < deadline:
    kind, video, _, _ = ndi.recv_capture_v2(receiver, 500)
    if kind == ndi.FRAME_TYPE_VIDEO:
        picture = np.array(video.data)[..., :3]
        ndi.recv_free_video_v2(receiver, video)
        if last is None or picture.shape != last.shape or abs(picture.astype(int) - last).max() > 32:
            np.save(f"{folder}/{picture.shape[1]}x{picture.shape[0]}-{int(picture[0, 0, 1] > 127)}.npy", picture)
            rate = video.frame_rate_N / video.frame_rate_D
            print(json.dumps({"size": [video.xres, video.yres], "fps": rate}), flush=True)
        last = picture.astype(int)
"""


def picture(width, height, green=-0.5):
    """A picture whose every corner differs: red runs to the right, blue runs down. [3, H, W]

    In mild colours, for NDI carries them as 4:2:2 video and cuts the strongest ones off.
    """
    across = torch.linspace(-0.5, 0.5, width).expand(height, width)
    down = torch.linspace(-0.5, 0.5, height)[:, None].expand(height, width)
    return torch.stack([across, torch.full_like(across, green), down])


def frame(image, index=0):
    return Frame(image, Tick(index, index / 60, 1 / 60, 0.0))


@pytest.fixture
def name():
    """A source name that nobody else uses."""
    return f"Phosphene test {time.monotonic_ns()}"


@pytest.fixture
def output(name):
    pytest.importorskip("NDIlib", reason=NEEDS_NDI)
    sending = ndi.Output(name=name, fps=50.0)
    yield sending
    sending.close()


@pytest.fixture
def receiver(output, name, tmp_path):
    """Another program that receives us: it writes what it sees into tmp_path and a line about each change."""
    command = [sys.executable, "-c", RECEIVER, name, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process
    process.terminate()
    process.wait(10)
    process.stdout.close()


def played_until_seen(output, image, path):
    """Show one picture over and over until the receiver has written it down: as uint8 [H, W, 3]."""
    deadline = time.monotonic() + 20.0
    shown = frame(image)
    while time.monotonic() < deadline:
        output.show(shown)
        if path.exists():
            try:
                return np.load(path)
            except (ValueError, EOFError):  # it is being written
                pass
        time.sleep(0.01)
    raise AssertionError(f"{path.name} was never received")


def test_a_receiver_sees_our_pixels_and_our_name(output, receiver, name, tmp_path):
    assert json.loads(receiver.stdout.readline())["source"] == output.source()
    assert output.source().endswith(f"({name})")
    for image in (picture(320, 180), picture(320, 180, green=0.5), picture(512, 512), picture(318, 182)):
        height, width = image.shape[1:]
        path = tmp_path / f"{width}x{height}-{int(image[1, 0, 0] > 0)}.npy"
        seen = played_until_seen(output, image, path).astype(int)
        error = np.abs(seen - frame(image).pixels)
        assert error.max() <= 16
        assert error.mean() < 4
        assert json.loads(receiver.stdout.readline()) == {"size": [width, height], "fps": 50.0}


def test_a_frame_is_not_touched_while_nobody_receives(output):
    shown = frame(picture(64, 64))
    output.show(shown)
    assert "pixels" not in vars(shown)


def test_closing_one_source_leaves_the_other(output, name):
    other = ndi.Output(name=f"{name} too")
    other.close()
    other.close()
    output.show(frame(picture(64, 64)))
    assert output.source().endswith(f"({name})")


def test_a_source_needs_a_name():
    with pytest.raises(ValueError, match="name must not be empty"):
        ndi.Output(name=" ")


def test_without_the_package_it_is_unavailable_and_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "NDIlib", None)
    with pytest.raises(Unavailable, match=r"the NDI package is not installed; pip install 'phosphene\[ndi\]'"):
        ndi.Output()


def test_a_processor_that_cannot_is_unavailable(monkeypatch):
    library = pytest.importorskip("NDIlib", reason=NEEDS_NDI)
    monkeypatch.setattr(library, "initialize", lambda: False)
    with pytest.raises(Unavailable, match="does not run on this processor"):
        ndi.Output()
