"""Pictures to learn from: whatever is there is read, what is no use is named, and nothing is prepared twice."""

import json
import struct
import zipfile
import zlib

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
    (_, half), (_, grey) = each(tmp_path)
    assert half.shape == grey.shape == (40, 60, 3)
    assert half[20, 30] == pytest.approx([128] * 3), "what is transparent has black behind it"
    assert grey[20, 30] == pytest.approx([255] * 3)


def test_what_cannot_be_unpacked_is_named_and_what_is_no_zip_is_a_mistake(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for path in sorted(folder.glob("*.bmp")):
            archive.write(path, path.name)
    broken = bytearray((tmp_path / "mine.zip").read_bytes())
    broken[200] ^= 255  # within the first picture
    (tmp_path / "mine.zip").write_bytes(broken)
    (_, said), *rest = each(tmp_path / "mine.zip")
    assert said.startswith("cannot be unpacked (Bad CRC-32")
    assert len(rest) == 3
    (tmp_path / "none.zip").write_text("no archive")
    with pytest.raises(Mistake, match=r"none\.zip: is no \.zip file that can be read"):
        list(each(tmp_path / "none.zip"))


def test_a_picture_that_is_too_large_is_no_use_but_stops_nothing(tmp_path):
    _, png = cv2.imencode(".png", picture(9))
    header = b"IHDR" + struct.pack(">2I", 40_000, 40_000) + png.tobytes()[24:29]
    large = png.tobytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + png.tobytes()[33:]
    (tmp_path / "a.png").write_bytes(large)
    assert list(each(tmp_path)) == [(str(tmp_path / "a.png"), "cannot be read; it may have too many pixels")]


def test_a_film_taken_with_a_telephone_is_upright(tmp_path):
    """A display matrix of 90 degrees, put into the file's track header by hand (ISO 14496-12, 8.3.2)."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        still = np.zeros((32, 64, 3), np.uint8)
        still[:, :32] = 255  # white on the left
        for _ in range(16):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = content.index(upright, content.index(b"tkhd"))
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    path.write_bytes(content[:at] + clockwise + content[at + len(clockwise) :])
    (_, first), *_ = each(path)
    assert first.shape == (64, 32, 3)
    assert first[:24].min() > 200, "what was on the left is on top"
    assert first[40:].max() < 60
