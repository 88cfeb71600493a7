"""Finding things by name: plugs, ops, and the patches, scenes and models that are data."""

import importlib
import os
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from instrument.bend import OPS, Op
from instrument.document import located
from instrument.parameters import Unknown, unknown

Kind = Literal["inputs", "modulators", "walks", "generators", "outputs"]
Data = Literal["patches", "scenes", "models"]
DATA: tuple[Data, ...] = get_args(Data)
CLASSES = {
    "inputs": "Input",
    "modulators": "Modulator",
    "walks": "Walk",
    "generators": "Generator",
    "outputs": "Output",
}
CHECKPOINTS = (".pkl", ".pt", ".pth")
PACKAGE = Path(__file__).parent
PLUGS = os.environ.get("PHOSPHENE_PLUGS")  # a folder of plugs of the user's own, laid out like this package


def plugs(kind: Kind | Literal["bends"]) -> list[str]:
    """The names of all plugs of a kind: the files in its folder."""
    return sorted(module.name for module in pkgutil.iter_modules(folder(kind).__path__))


def plug(kind: Kind, name: str) -> Any:
    """The class of a plug: imports `instrument/KIND/NAME.py`, and no other plug.

    Raises Unknown with the nearest name if there is no such file.
    """
    if name not in plugs(kind):
        raise Unknown(unknown(kind.removesuffix("s"), name, plugs(kind)))
    return getattr(importlib.import_module(f"{folder(kind).__name__}.{name}"), CLASSES[kind])


def op(name: str) -> Op:
    """A bend's op by name. Raises Unknown with the nearest name."""
    if name not in ops():
        raise Unknown(unknown("op", name, OPS))
    return OPS[name]


def ops() -> dict[str, Op]:
    """Every op there is: imports all of `bends/`. Raises Mistake with the place in a file that cannot be imported."""
    for module in plugs("bends"):
        with located(f"bends/{module}.py"):
            importlib.import_module(f"{folder('bends').__name__}.{module}")
    return OPS


def folder(kind: str) -> ModuleType:
    """The package of a kind of plug, with the user's own folder added to its path."""
    package = importlib.import_module(f"instrument.{kind}")
    if PLUGS and (own := str(Path(PLUGS).absolute() / kind)) not in package.__path__:
        package.__path__.append(own)
    return package


def shelves(kind: Data) -> list[Path]:
    """Where data of a kind is looked for: the working folder first, then what Phosphene came with."""
    return [place for place in dict.fromkeys([Path.cwd() / kind, *shipped(kind)]) if place.is_dir()]


def shipped(kind: Data) -> list[Path]:
    """Where data lies that Phosphene came with: inside the installed package, or beside it in a checkout."""
    return [PACKAGE / kind, PACKAGE.parent / kind]


def kept(kind: Data, path: Path) -> str:
    """What to write down so that this is found again from any folder: the name if it is shipped, or its absolute path."""
    if path.resolve().parent in [place.resolve() for place in shipped(kind)]:
        return path.resolve().name.removesuffix(".toml")
    return str(path.absolute())


def recalled(kind: Data, written: str) -> Path:
    """The path of what `kept` wrote down: of a name the shipped thing, whatever the working folder has by that name."""
    places = [place / (written if kind == "models" else f"{written}.toml") for place in shipped(kind)]
    return next((place for place in places if place.exists()), Path(written))


def data(kind: Data, name: str) -> Path:
    """The file (patch, scene, checkpoint) or folder (model) of a name, or of a path if that is what the name is.

    Raises Unknown with the nearest name, and what there is.
    """
    path = Path(name)
    if path.is_file() and (path.suffix in CHECKPOINTS if kind == "models" else path.suffix == ".toml"):
        return path
    listed = names(kind)
    if name and kind == "models" and path.is_dir() and (name not in listed or (path / "model.toml").exists()):
        return path
    if name not in listed:
        raise Unknown(unknown(kind.removesuffix("es") if kind == "patches" else kind.removesuffix("s"), name, listed))
    return listed[name]


def names(kind: Data) -> dict[str, Path]:
    """Everything of a kind on the shelves: name -> file or folder."""
    pattern = "*/model.toml" if kind == "models" else "*.toml"
    found: dict[str, Path] = {}
    for shelf in reversed(shelves(kind)):
        for path in sorted(shelf.glob(pattern)):
            found[path.parent.name if kind == "models" else path.stem] = path.parent if kind == "models" else path
    return found
