"""What is set before torch is imported, and a network so small that it costs nothing."""

import shutil
from pathlib import Path

import pytest

from instrument.__main__ import prepare_process

prepare_process()  # as in a show, or waiting threads spin and slow each other down


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A model folder of random numbers."""
    from parts import write_model  # it imports torch

    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def generator(model_folder):
    """Its generator."""
    from parts import CPU

    from instrument.generators.stylegan2 import Generator

    return Generator(model_folder, CPU)


@pytest.fixture
def own_plugs(monkeypatch):
    """The plugs of the tests' own, found as those of a user's folder are: the output `memory`."""
    from instrument import outputs

    monkeypatch.setattr(outputs, "__path__", [*outputs.__path__, str(Path(__file__).parent / "plugs" / "outputs")])


@pytest.fixture(scope="module")
def browser():
    """A real browser, which tests open pages in."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("needs: apt install chromium")
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()
