"""Every command line that a page or a help text shows is one: its options exist, and what it names can be had."""

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from instrument import catalog, options
from instrument.__main__ import COMMANDS, Parser

ROOT = Path(__file__).parents[1]
VERBS = sorted(path.stem for path in COMMANDS.glob("[!_]*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^ *(?:[A-Z_]+=\S+ )?phosphene (.*?)(?: #.*)?$", re.M)  # perhaps after an environment variable
INLINE = re.compile(r"`phosphene ([a-z]+)\b([^`]*)`")


def shown() -> list[tuple[str, str]]:
    """Where a whole command line is shown, and its words after `phosphene`."""
    texts = {path.name: path.read_text("utf-8") for path in PAGES}
    for verb in VERBS:
        texts[f"{verb} --help"] = ast.get_docstring(ast.parse((COMMANDS / f"{verb}.py").read_text("utf-8"))) or ""
    return [(where, words) for where, text in texts.items() for words in LINE.findall(text)]


def parser_of(verb: str) -> Parser:
    assert verb in VERBS
    parser = Parser(prog=f"phosphene {verb}")
    importlib.import_module(f"instrument.commands.{verb}").arguments(parser)
    return parser


def test_there_are_some_on_the_pages_and_in_the_help() -> None:
    assert {"README.md", "outputs.md", "play --help", "render --help", "bench --help"} <= {
        where for where, _ in shown()
    }


@pytest.mark.parametrize(("where", "words"), shown(), ids=lambda value: value)
def test_a_command_line_that_is_shown_can_be_typed(
    where: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verb, *arguments = shlex.split(words)
    args = parser_of(verb).parse(arguments)  # or it exits
    if verb in ("play", "render") and not (args.patch or "").endswith(".toml"):  # a patch that the page itself writes
        options.chosen(args.scene, args.patch)
    if "/" not in (getattr(args, "model", None) or "/"):  # one of the reader's own has its folder before it
        catalog.data("models", args.model)
    if verb == "play" and args.output:
        options.outputs(args.output, args.overwrite)
    if verb == "bench":
        assert set(args.what) <= importlib.import_module("instrument.commands.bench").MEASUREMENTS.keys()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_command_that_a_sentence_names_exists_and_so_do_its_options(path: Path) -> None:
    for verb, rest in INLINE.findall(path.read_text("utf-8")):
        assert set(re.findall(r"--[a-z-]+", rest)) <= set(re.findall(r"--[a-z-]+", parser_of(verb).format_help()))


def test_the_options_in_the_table_of_commands_exist() -> None:
    row = next(
        line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if "`phosphene play [SCENE]`" in line
    )
    assert set(re.findall(r"--[a-z-]+", row)) <= set(re.findall(r"--[a-z-]+", parser_of("play").format_help()))
