"""The wheel: all that plays is in it, and from it alone the program plays, far from the checkout."""

import importlib.util
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from command_line import environment, kicks, pictures

CHECKOUT = Path(__file__).parents[1]
MISSING = [name for name in ("build", "hatchling", "pip") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs: pip install {' '.join(MISSING)}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(folder.glob("phosphene-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `phosphene` of an environment that has the wheel, and borrows the other packages from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    scripts, packages = (
        Path(sysconfig.get_path(name, "venv", {"base": str(folder), "platbase": str(folder)}))
        for name in ("scripts", "purelib")
    )
    # in a .pth file, another environment's own .pth files are not followed: this checkout stays out
    (packages / "borrowed.pth").write_text("\n".join(sysconfig.get_path(name) for name in ("purelib", "platlib")))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(scripts / "python")]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, timeout=120
    )
    return scripts / "phosphene"


def test_code_and_data_are_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    kinds = [
        "instrument/**/*.py",
        "patches/*.toml",
        "scenes/*.toml",
        "models/*/model.toml",
        "models/*/weights.safetensors",
    ]
    shipped = [path.relative_to(CHECKOUT) for kind in kinds for path in CHECKOUT.glob(kind)]
    expected = {str(path if path.parts[0] == "instrument" else "instrument" / path) for path in shipped}
    expected |= {"instrument/music/demo.ogg", "instrument/outputs/preview.html"}
    assert {name.split("/")[1] for name in expected} >= {"patches", "scenes", "models", "music", "inputs", "commands"}
    assert expected <= held
    assert not [name for name in held if name.startswith(("tests/", "docs/")) or "__pycache__" in name]


def test_it_plays_and_renders_from_an_unrelated_folder(installed: Path, tmp_path: Path) -> None:
    variables = environment()
    variables.pop("PYTHONPATH", None)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installed.with_name(command[0])), *command[1:]],
            cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    played = run("phosphene", "play", "--audio", "demo", "--output", "none", "--seconds", "0.5", "--osc-port", "0")
    assert played.returncode == 0, played.stderr
    assert "Playing first-light with the patch audio" in played.stderr
    assert not any(tmp_path.iterdir())
    kicks(tmp_path / "song.wav")
    rendered = run(
        "phosphene", "render", "song.wav", "-o", "out.mp4", "--scene", "overdrive", "--seconds", "0.5", "--fps", "10"
    )
    assert rendered.returncode == 0, rendered.stderr
    frames, _ = pictures(tmp_path / "out.mp4")
    assert frames.shape == (5, 256, 256, 3)
    wrong = run("phosphene", "play", "--patch", "nothing")
    assert wrong.returncode == 2
    assert str(CHECKOUT) not in wrong.stderr
    told = run("python", "-c", "import instrument; print(instrument.__file__)")
    assert told.stdout.startswith(str(installed.parents[1]))
