"""Pictures to learn from: whatever is there is read, what is no use is named, and nothing is prepared twice."""

import json
import zipfile

import av
import cv2
import numpy as np
import pytest
import torch

from instrument.document import Mistake
from instrument.training import pictures as module
from instrument.training.pictures import Pictures, each, open_pictures

CPU = torch.device("cpu")


def picture(number, height=40, width=60):
    """A grey rectangle with its number as its brightness, and a white square in its middle."""
    found = np.full((height, width, 3), 5 * number, np.uint8)
    found[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 255
    return found


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures of several kinds and sizes, two of them in a folder below, and four files that are none."""
    where = tmp_path / "mine"
    (where / "more").mkdir(parents=True)
    for number in range(20):
        suffix = ("png", "jpg", "webp", "bmp")[number % 4]
        place = where / "more" if number >= 18 else where
        cv2.imwrite(str(place / f"{number:02}.{suffix}"), picture(number, 40 + number, 60))
    (where / "notes.txt").write_text("not a picture, and not said to be one")
    (where / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (where / "empty.jpg").write_bytes(b"")
    (where / "other.jpg").write_text("words")
    return where


def opened(source, work, **more):
    return open_pictures(str(source), 16, work, **{"count": 20, "device": CPU, **more})


def test_a_folder_is_read_in_order_squared_and_what_is_no_use_is_named(folder, tmp_path, caplog):
    found = opened(folder, tmp_path / "work")
    assert found.pixels.shape == (20, 3, 16, 16)
    assert found.pixels.dtype == np.uint8
    corners = found.pixels[:18, 0, 0, 0].astype(int)
    assert corners == pytest.approx([5 * number for number in range(18)], abs=3)
    assert (found.pixels[:, :, 8, 8] > 200).all(), "the middle is in the middle"
    names = [line.split(":")[0].rsplit("/", 1)[-1] for line in found.skipped]
    assert names == ["broken.png", "empty.jpg", "other.jpg"]
    assert len(caplog.messages) == 3


def test_a_zip_is_read_as_the_folder_is(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    one, two = opened(folder, tmp_path / "a"), opened(tmp_path / "mine.zip", tmp_path / "b")
    assert np.array_equal(one.pixels, two.pixels)
    assert len(two.skipped) == 3


def test_a_video_is_its_frames(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 60, 40, "yuv420p"
        for number in range(18):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        container.mux(stream.encode(None))
    found = opened(path, tmp_path / "work")
    assert len(found) == 18
    assert found.pixels[:, 0, 0, 0].astype(int) == pytest.approx([5 * number for number in range(18)], abs=4)


def test_a_world_is_drawn_and_every_resolution_has_the_same_pictures(tmp_path):
    small = open_pictures("world:liquid", 16, tmp_path, count=6, device=CPU)
    large = open_pictures("world:liquid", 32, tmp_path, count=6, device=CPU)
    halved = large.pixels.reshape(6, 3, 16, 2, 16, 2).mean((3, 5))
    assert np.abs(halved - small.pixels).mean() < 12
    assert np.abs(halved - np.roll(small.pixels, 1, 0)).mean() > 40


def test_what_is_prepared_is_kept_until_the_source_changes(folder, tmp_path, monkeypatch):
    first = opened(folder, tmp_path / "work")
    with monkeypatch.context() as patched:
        patched.setattr(module, "each", lambda source: pytest.fail("read again"))
        second = opened(folder, tmp_path / "work")
    assert np.array_equal(first.pixels, second.pixels)
    assert second.skipped == first.skipped
    cv2.imwrite(str(folder / "new.png"), picture(1))
    assert len(opened(folder, tmp_path / "work")) == 21


def test_what_broke_off_is_prepared_anew(folder, tmp_path):
    opened(folder, tmp_path / "work")
    (tmp_path / "work" / "pictures-16.json").write_text(json.dumps({"key": {}, "skipped": []}))
    assert len(opened(folder, tmp_path / "work")) == 20


@pytest.mark.parametrize("count", [0, 15])
def test_too_few_pictures_are_refused_with_the_reason(tmp_path, count):
    (tmp_path / "few").mkdir()
    for number in range(count):
        cv2.imwrite(str(tmp_path / "few" / f"{number}.png"), picture(number))
    (tmp_path / "few" / "bad.png").write_bytes(b"bad")
    with pytest.raises(Mistake, match=rf"few: {count} pictures \(1 files were no use\); from fewer than 16"):
        opened(tmp_path / "few", tmp_path / "work")
    assert not list((tmp_path / "work").glob("*.writing"))


@pytest.mark.parametrize(
    ("source", "words"),
    [("nowhere", "there is no such source"), ("world:bloms", "did you mean 'blooms'?"), ("here.txt", "no such source")],
)
def test_a_source_that_is_none_is_answered_with_what_can_be(tmp_path, monkeypatch, source, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text("")
    with pytest.raises(Mistake) as refused:
        opened(source, tmp_path / "work")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_video_that_is_none_is_a_mistake_with_its_name(tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    with pytest.raises(Mistake, match=r"film\.mp4"):
        opened(tmp_path / "film.mp4", tmp_path / "work")


def test_a_batch_is_the_same_for_the_same_chance_and_mirrored_for_half():
    pixels = np.zeros((4, 3, 8, 8), np.uint8)
    pixels[..., :4] = 255
    found = Pictures("", pixels).batch(400, torch.Generator().manual_seed(1), flip=True)
    assert torch.equal(found, Pictures("", pixels).batch(400, torch.Generator().manual_seed(1), flip=True))
    assert found.unique().tolist() == [-1, 1]
    assert (found[:, 0, 0, 0] < 0).float().mean() == pytest.approx(0.5, abs=0.1)


def test_transparent_and_grey_pictures_are_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([picture(9), np.full((40, 60), 128, np.uint8)]))
    cv2.imwrite(str(tmp_path / "b.png"), picture(9)[..., 0])
    assert [pixels.shape for _, pixels in each(tmp_path)] == [(40, 60, 3)] * 2
