"""The command's standard output: as wide as the terminal, or unlimited where the output is piped."""

import math
import os
import sys
from io import TextIOWrapper
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

_NEVER_FOLDED: Final = 10_000
_NARROWEST, _WIDEST = 4, 24


def console() -> Console:
    """Standard output. A character that its encoding lacks becomes a question mark. Piped output has no colour and no folded lines."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if folded else _NEVER_FOLDED, highlight=False, markup=False, emoji=False)


class Bar:
    """A bar for a remaining fraction from 0 to 1. It is full only at 1, and empty only at 0."""

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, _WIDEST)
        filled = width if self._fraction >= 1 else min(width - 1, math.ceil(self._fraction * width))
        full, empty = ("#", ".") if options.ascii_only else ("█", "░")
        colour = "red" if self._fraction < 0.2 else "yellow" if self._fraction < 0.5 else "green"
        yield Segment(full * filled, Style(color=colour))
        yield Segment(empty * (width - filled), Style(dim=True))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST, _WIDEST)
