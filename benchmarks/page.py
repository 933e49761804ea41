"""The page that shows what was measured: docs/performance.md, with each table between two marks."""

from pathlib import Path
from typing import Final

from .peers import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
END: Final = "<!-- end -->"


def begin(name: str) -> str:
    """The mark that a benchmark's figures follow."""
    return f"<!-- figures: {name} -->"


def fill(text: str, name: str, figures: str) -> str:
    """A page's text with these figures in their place. Raises ValueError where it has no place for them."""
    before, mark, rest = text.partition(begin(name))
    old, end, after = rest.partition(END)
    if not mark or not end or begin("")[:-4] in old:
        raise ValueError(f"the page must have one {begin(name)} with its {END}")
    return f"{before}{mark}\n\n{figures}\n\n{end}{after}"


def write(figures: dict[str, str], page: Path = PAGE) -> None:
    """Put all figures into the page."""
    text = page.read_text()
    for name, one in figures.items():
        text = fill(text, name, one)
    page.write_text(text)
