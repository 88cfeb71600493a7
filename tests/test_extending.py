"""The examples of docs/extending.md, played."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's examples as files, each where its first line says."""
    for block in re.findall(r"```(?:python|toml)\n(# \S+\n.*?)```", PAGE.read_text("utf-8"), re.S):
        name, _, content = block.partition("\n")
        path = tmp_path / name.removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, "utf-8")
    return tmp_path


def play(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PHOSPHENE_PLUGS": str(folder)}
    command = [sys.executable, "-m", "instrument", "play", "--patch", "my-patch.toml", "--seconds", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_one_new_file_a_plug_and_they_play_together(folder: Path) -> None:
    assert sorted(path.parent.name for path in folder.glob("*/*.py")) == ["bends", "inputs", "modulators", "outputs"]
    done = play(folder, "--fps", "10", "--report", "report.json")
    assert done.returncode == 0, done.stderr
    report = (folder / "report.json").read_text()
    assert '"faults": []' in report
    header, _, pixels = (folder / "sheet.ppm").read_bytes().partition(b"\n")
    width, height = map(int, header.split()[1:3])
    sheet = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    assert width >= 2 * height, "a picture at 0 s and one at 1 s"
    assert sheet.std() > 10


def test_their_settings_and_parameters_are_known_everywhere(folder: Path) -> None:
    done = play(folder, "--set", "slope/secnds=3")
    assert done.returncode == 2
    assert "slope/seconds" in done.stderr
    (folder / "my-patch.toml").write_text((folder / "my-patch.toml").read_text().replace("every = 2", "evry = 2"))
    done = play(folder)
    assert done.returncode == 2
    assert "did you mean 'every'" in done.stderr
