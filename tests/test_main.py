"""The command line itself: what it says of itself, its exit codes, and the commands that look at the machine."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import PROGRAM, Server, environment, phosphene, running
from virtual_display import until

from instrument import __version__
from instrument.commands import doctor

VERBS = ["analyse", "bench", "calibrate", "devices", "doctor", "play", "render", "score", "train"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server()) as loaded:
        yield loaded


def test_it_says_its_version_and_what_it_can_do(tmp_path: Path) -> None:
    said = phosphene(tmp_path, "--version")
    assert (said.returncode, said.stdout) == (0, f"phosphene {__version__}\n")
    for arguments, code in ((["--help"], 0), ([], 2)):
        said = phosphene(tmp_path, *arguments)
        assert said.returncode == code
        assert all(re.search(rf"^  {verb} +[A-Z].*\.$", said.stdout, re.M) for verb in VERBS), said.stdout


def test_help_and_a_wrong_command_load_nothing_that_takes_seconds() -> None:
    main = "import sys\nfrom instrument.__main__ import main\n"
    script = main + "try: main([sys.argv[1]])\nfinally: assert 'torch' not in sys.modules"
    for argument, code in (("--help", 0), ("plya", 2)):
        done = subprocess.run([sys.executable, "-c", script, argument], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_each_command_explains_itself(server: Server, tmp_path: Path, verb: str) -> None:
    code, said = server.answer(tmp_path, verb, "--help")
    assert code == 0
    assert said.startswith(f"usage: phosphene {verb}")
    if verb not in ("devices", "doctor"):
        assert f"examples:\n  phosphene {verb}" in said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            ["plya"],
            "phosphene: no command 'plya'; did you mean 'play'? There is: analyse, bench, calibrate, devices, doctor, import, ",
        ),
        (["xyzzy"], "phosphene: no command 'xyzzy'. There is: analyse, bench, calibrate, devices, doctor, import, "),
        (["play", "--ouptut", "none"], "phosphene play: no option '--ouptut'; did you mean '--output'? There is: "),
        (["play", "--outpu=none"], "phosphene play: no option '--outpu'; did you mean '--output'? There is: "),
        (["play", "first-light", "undertow"], "phosphene play: 'undertow' is one word too many"),
        (["play", "--fps", "0"], "phosphene play: argument --fps: '0' is no number above 0"),
        (["play", "--fps", "0.01"], "phosphene play: argument --fps: '0.01' lies not in 0.1..1000 frames a second"),
        (["play", "--seconds", "nan"], "phosphene play: argument --seconds: 'nan' is no number above 0"),
        (["play", "--size", "1280"], "phosphene play: argument --size: '1280' is no size such as 1280x720"),
        (["play", "--seed", "1e3"], "phosphene play: argument --seed: '1e3' is no whole number of 64 bits"),
        (["play", "--osc-port", "x"], "phosphene play: argument --osc-port: invalid int value: 'x'"),
        (["render", "song.wav"], "phosphene render: the following arguments are required: -o/--output"),
        (["bench", "stat"], "phosphene: bench: no measurement 'stat'; did you mean 'start'? There is: "),
    ],
)
def test_wrong_words_are_answered_in_one_line(server: Server, tmp_path: Path, words: list[str], answer: str) -> None:
    code, said = server.answer(tmp_path, *words)
    assert code == 2
    assert said.startswith(answer)
    assert said.count("\n") == 1


def test_devices_lists_each_kind_or_says_why_there_is_none(tmp_path: Path) -> None:
    said = phosphene(tmp_path, "devices")
    assert said.returncode == 0
    assert re.findall(r"^\S.*", said.stdout, re.M) == ["Sound", "MIDI", "Displays", "NDI", "GPU"]
    assert re.search(r"^Displays\n  none$", said.stdout, re.M)
    assert re.search(r"^GPU\n  ", said.stdout, re.M)


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="the extra is empty there")
def test_the_doctor_names_what_would_make_a_processor_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(doctor, "there_is_openvino", lambda: True)
    for there, said in (
        (True, r"float32 on tiles, .*openvino$"),
        (False, r"float32, .*; llvmlite would make it quicker$"),
    ):
        monkeypatch.setattr(doctor.tiles, "there_are", lambda there=there: there)
        found = doctor.executors()
        assert found.works == there and re.match(said, found.what)
    assert found.remedy == "pip install 'phosphene[cpu]'"
    monkeypatch.setattr(doctor.torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert doctor.executors().works, "nothing would help there"


def test_the_doctor_says_what_works_and_what_mends_the_rest(tmp_path: Path) -> None:
    said = phosphene(tmp_path, "doctor")
    assert said.returncode == 0, said.stdout
    looks = re.findall(r"^(ok|--)  (.{12}) (.+)$", said.stdout, re.M)
    assert [name.strip() for _, name, _ in looks][:5] == ["phosphene", "models", "device", "executors", "video files"]
    assert re.search(r"^--  window .*no display.*\n +mend: .*DISPLAY", said.stdout, re.M)
    for line in said.stdout.splitlines():
        assert re.match(r"ok  |--  | +mend: ", line), line


def test_the_bench_measures_and_replaces_only_figures_of_its_own(server: Server, tmp_path: Path) -> None:
    quick = ["control", "overhead", "osc", "start"]
    measured = phosphene(tmp_path, "bench", *quick, "--seconds", "0.3", "--json", "figures.json")
    assert measured.returncode == 0, measured.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures) == ["phosphene", "machine", "seconds", *quick]
    assert figures["control"]["all_ms"]["p50"] > 0
    assert figures["overhead"]["ratio"] > 0  # how fast is for the bench to say, not for a test
    assert figures["osc"]["received"] == figures["osc"]["sent"] > 100
    assert figures["start"]["median_s"] > 0
    (tmp_path / "other.json").write_text("{}")
    control = ["bench", "control", "--seconds", "0.1", "--json"]
    again = [server.answer(tmp_path, *control, name) for name in ("figures.json", "other.json")]
    assert again[0][0] == 0, again
    assert again[1] == (2, "phosphene: --json: other.json exists already and is something else; it is left as it is\n")
    assert (tmp_path / "other.json").read_text() == "{}"


def test_a_reader_who_leaves_early_is_no_fault() -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*PROGRAM, "doctor"], env=environment(), text=True, **pipes) as doctor:
        assert doctor.stdout
        assert doctor.stderr
        doctor.stdout.close()
        said = doctor.stderr.read()
        assert doctor.wait(60) == 1
    assert "Error" not in said
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc, to see how far it has come")
def test_ctrl_c_while_it_loads_ends_it_without_a_word(tmp_path: Path) -> None:
    with running(tmp_path, "play", "--output", "none") as show:
        maps = Path(f"/proc/{show.process.pid}/maps")
        until(lambda: "libtorch" in maps.read_text())
        assert show.stopped() == 130
        assert show.said == ""
