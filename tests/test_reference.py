"""The reference page is what the signatures say."""

from pathlib import Path

from instrument import reference


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[1] / "docs" / "parameters.md"
    assert page.read_text("utf-8") == reference.page(), "run: python -m instrument.reference > docs/parameters.md"
