"""The command's standard output: as wide as the terminal, or unlimited where the output is piped."""

import math
import os
import re
import sys
from io import TextIOWrapper
from typing import IO, Final, cast

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

_NEVER_FOLDED: Final = 10_000
_NARROWEST, _WIDEST = 4, 24


def console() -> Console:
    """Standard output. A character that its encoding lacks becomes a question mark.

    Piped output has no colour, no folded lines and no blanks at the ends of lines. NO_COLOR takes every style from a terminal as well.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    piped = not sys.stdout.isatty()
    return Console(
        file=cast(IO[str], _WithoutTrailingBlanks(sys.stdout)) if piped else None,
        width=_NEVER_FOLDED if piped and "COLUMNS" not in os.environ else None,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


class _WithoutTrailingBlanks:
    """A stream of whole lines. Tables fill their last column with blanks, which only a terminal hides."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write lines without the blanks at their ends."""
        return self._stream.write(re.sub(" +$", "", text, flags=re.MULTILINE))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


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
