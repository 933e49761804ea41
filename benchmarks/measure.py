"""Samples taken in shuffled rounds, and the tables made of them.

Each round takes every variant once, in an order of its own, so that whatever else the machine does falls on all of them alike. A ratio
compares two samples of one round.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table as RichTable

T = TypeVar("T")


def in_rounds(title: str, variants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """The samples of every variant, in the order of the rounds."""
    samples: dict[str, list[T]] = {name: [] for name in variants}
    order = [name for _ in range(rounds) for name in random.sample([*variants], len(variants))]
    for name in track(order, title, console=Console(stderr=True)):
        samples[name].append(variants[name]())
    return samples


def spread(samples: Sequence[float], digits: int = 0) -> str:
    """The median and, where they are not one figure, the least and the most."""
    middle, least, most = (f"{value:,.{digits}f}" for value in (median(samples), min(samples), max(samples)))
    return middle if least == most else f"{middle} ({least} to {most})"


def ratio(samples: Sequence[float], others: Sequence[float]) -> str:
    """How many times the other samples of the same rounds."""
    return spread([mine / other for mine, other in zip(samples, others, strict=True)], 2)


@dataclass(frozen=True)
class Table:
    """Rows of text under headings."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """The table as a page has it."""
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def show(self) -> None:
        """Print the table."""
        shown = RichTable(*self.headings, title=self.title)
        for row in self.rows:
            shown.add_row(*row)
        Console().print(shown)


@dataclass(frozen=True)
class Result:
    """A benchmark's table, and what it was made from: of each variant each quantity's samples."""

    table: Table
    samples: dict[str, dict[str, list[float]]]
