"""Strict reading: each mistake is one line that says where, what, and what could be."""

from typing import Any, Literal

import pytest

from instrument.document import Mistake, Table, described, fitted, flat, limited, located, parsed, read, settled
from instrument.parameters import Range, Unknown, unknown
from instrument.plugs import Unavailable

CHANNELS = Literal["all"] | tuple[int, int] | float


def said(call, *arguments):
    with pytest.raises(Mistake) as refused:
        call(*arguments)
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (0.5, float, 0.5),
        (True, bool, True),
        ("a", str, "a"),
        ("all", CHANNELS, "all"),
        ([2, 5], CHANNELS, (2, 5)),
        (1, CHANNELS, 1.0),
        ("saw", Literal["sine", "saw"], "saw"),
        ([1, 2], list[int], [1, 2]),
        ([], list[int], []),
        ({"a": 1}, dict, {"a": 1}),
        ([{"a": 1}], list[dict[str, Any]], [{"a": 1}]),
        ("x", str | None, "x"),
        ([1, "x"], Any, [1, "x"]),
    ],
)
def test_what_fits_is_taken(value, kind, fits):
    found = fitted("here", value, kind)
    assert found == fits and type(found) is type(fits)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (3.0, int, "a whole number"),
        (True, int, "a whole number"),
        (2**63, int, "a whole number"),
        (True, float, "a number"),
        ("3", float, "a number"),
        (float("nan"), float, "a number"),
        (float("inf"), float, "a number"),
        (10**400, float, "a number"),
        (1, bool, "true or false"),
        (3, str, "text"),
        ("any", CHANNELS, "one of 'all' or [a whole number, a whole number] or a number"),
        ([1, 2, 3], CHANNELS, "[a whole number, a whole number]"),
        ([1, "2"], CHANNELS, "a whole number"),
        ("sign", Literal["sine", "saw"], "one of 'sine', 'saw'"),
        ([], Literal["sine", "saw"], "one of 'sine', 'saw'"),
        ([1, "x"], list[int], "a whole number"),
        ("x", list[int], "a list, each a whole number"),
        ([3], list[dict[str, Any]], "a table"),
        (3, list[dict[str, Any]], "a list, each a table"),
        (3, dict, "a table"),
        (3, str | None, "text"),
    ],
)
def test_what_does_not_fit_is_answered_with_what_would(value, kind, words):
    line = said(fitted, "file: key", value, kind)
    assert line.startswith("file: key must be ")
    assert f"{words}, got " in line or f"{words} or " in line


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        ("0.5", float, 0.5),
        ("true", bool, True),
        ("false", bool, False),
        ("fit", Literal["fit", "fill"], "fit"),
        ("2", int | str, 2),
        ("x", int | str, "x"),
        ("x.mp4", str, "x.mp4"),
    ],
)
def test_text_of_the_command_line_becomes_its_type(text, kind, value):
    assert parsed("--output", text, kind) == value


@pytest.mark.parametrize(("text", "kind"), [("x", int), ("1.5", int), ("yes", bool), ("fat", Literal["fit"])])
def test_text_of_another_type_is_refused(text, kind):
    assert said(parsed, "--output", text, kind) == f"--output must be {described(kind)}, got {text!r}"


def test_a_key_is_taken_once_and_what_is_left_is_unknown():
    table = Table("a.toml", {"about": "x", "abuot": "y"})
    assert table.take("about", str) == "x"
    assert said(table.end) == "a.toml: no key 'abuot'; did you mean 'about'? There is: about"


def test_a_missing_key_is_named_with_its_type_unless_there_is_a_default():
    table = Table("a.toml", {})
    assert said(table.take, "bpm", float) == "a.toml: lacks the key 'bpm' (a number)"
    assert table.take("bpm", float, 120.0) == 120.0


def test_tables_in_a_table_know_where_they_are():
    table = Table("a.toml", {"bends": {"kick": {"op": "zoom"}}})
    inner = table.tables("bends")
    assert said(inner["kick"].take, "layer", str) == "a.toml: [bends.kick]: lacks the key 'layer' (text)"
    assert Table("a.toml", {}).tables("bends") == {}
    assert said(Table("a.toml", {"bends": {"kick": 3}}).tables, "bends") == "a.toml: bends.kick must be a table, got 3"


def test_what_is_left_can_be_taken_at_once():
    table = Table("a.toml", {"a": 1, "b": 2})
    table.take("a", int)
    assert table.rest() == {"b": 2}
    table.end()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"bpm = ", "is not valid TOML"), (b"\xff\xfe", "is not text in UTF-8"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, words):
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    line = said(read, path)
    assert line.startswith(f"{path}: ") and words in line


def test_settings_are_held_against_the_signature():
    def make(*, shape: Literal["saw"] = "saw", on: str, seed: int): ...

    assert settled("f", make, {"on": "audio/onset"}) == {"on": "audio/onset"}
    assert said(settled, "f", make, {}) == "f: lacks the setting 'on' (text)"
    assert said(settled, "f", make, {"on": "a", "shpe": "saw"}).startswith(
        "f: no setting 'shpe'; did you mean 'shape'?"
    )
    assert said(settled, "f", make, {"on": "a", "shape": 3}) == "f: shape must be one of 'saw', got 3"
    assert "no setting 'seed'" in said(settled, "f", make, {"on": "a", "seed": 3}), "the instrument gives the seed"


def test_rest_values_are_written_flat_or_as_tables():
    assert flat("f", {"walk/speed": 1, "hit": {"decay": 0.5}}) == {"walk/speed": 1.0, "hit/decay": 0.5}
    assert said(flat, "f: [rest]", {"hit": {"decay": "x"}}) == "f: [rest]: hit/decay must be a number, got 'x'"


def test_a_number_out_of_its_range_is_answered_with_the_range():
    limits = Range(1, 999, "beats a minute")
    assert limited("f: bpm", 120, limits) == 120
    assert said(limited, "f: bpm", 0, limits) == "f: bpm lies in 1..999 beats a minute, got 0"


# --- errors with their place


def placed(error, *passing):
    def fails():
        with located("a.toml: [walk]", passing):
            raise error

    return said(fails)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (
            ValueError("osc: port must be in range 0..65535, got 99999"),
            "osc: port must be in range 0..65535, got 99999",
        ),
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError"),
        (Unknown(unknown("walk", "drft", ["drift"])), "no walk 'drft'; did you mean 'drift'? There is: drift"),
        (Unavailable("no laser", "plug one in"), "no laser; plug one in"),
    ],
)
def test_a_sentence_for_the_user_is_kept_and_gets_a_place(error, answer):
    assert placed(error) == f"a.toml: [walk]: {answer}"


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (KeyError("speed"), "KeyError: 'speed'"),
        (TypeError("no\nway"), "TypeError: no"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_an_error_in_a_plug_is_named_with_its_kind_and_line(error, answer):
    line = placed(error)
    assert line.startswith(f"a.toml: [walk]: {answer} ({__file__}, line ")


def test_what_may_pass_passes():
    with pytest.raises(Unavailable):
        placed(Unavailable("no laser"), Unavailable)
    with pytest.raises(MemoryError):
        placed(MemoryError())
