"""``privacy-budget preview``: how many aggregations each pair of epsilon and noise would allow, according to Clean Rooms."""

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Final

from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.table import Table

from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import EPSILON, USERS_NOISE_PER_QUERY, AutoRefresh, Range
from privacy_budget_core.model import DifferentialPrivacy

from . import session
from .arguments import membership
from .impact import Impact

_WIDEST: Final = 140


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument("membership", type=membership, metavar="MEMBERSHIP", help="a membership's id (a UUID)")
    for option, range_, default, examples in (
        ("--epsilon", EPSILON, "1..20", "3, or 1..5, or 1,3,10..20"),
        ("--noise", USERS_NOISE_PER_QUERY, "10,30,100", "30, or 20..25, or 10,30,50..100"),
    ):
        parser.add_argument(
            option,
            type=numbers_in(range_),
            default=default,
            metavar="NUMBERS",
            help=f"from {range_.minimum} to {range_.maximum}: {examples} (default: {default})",
        )
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart as well, as PNG, SVG or PDF by the file's name")


def run(options: Namespace, console: Console) -> int:
    """Request the counts of each pair, within the quota, and print them. Raises CommandError, ServiceError and BotoCoreError."""
    if options.plot:
        from . import chart  # noqa: PLC0415 - what it needs comes with an extra, and takes a second to import

        chart.check(options.plot)
    clean_rooms = CleanRooms(session.clean_rooms(options.session, options.endpoint_url))
    pairs = list(product(options.noise, options.epsilon))
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        impacts = [
            Impact(epsilon, noise, clean_rooms.preview(options.membership, DifferentialPrivacy(epsilon, noise, AutoRefresh.NONE)))
            for noise, epsilon in progress.track(pairs, description=f"{session.CALLS_A_SECOND} calls a second")
        ]
    if options.json:
        console.out(json.dumps(_as_json(options.membership, impacts), indent=2))
    else:
        console.print(f"What a budget would allow in membership {options.membership}, by noise in users per query:", style="bold")
        console.print(Columns([_table(noise, impacts) for noise in options.noise], padding=(1, 3)), width=min(console.width, _WIDEST))
    if options.plot:
        chart.draw(impacts, options.membership, options.plot)
    return 0


def numbers_in(range_: Range) -> Callable[[str], list[int]]:
    """A parser of numbers and ranges such as ``1,3,10..20``, which gives each number once, in ascending order."""

    def numbers(text: str) -> list[int]:
        found: set[int] = set()
        for part in text.split(","):
            first, dots, last = part.strip().partition("..")
            if not first.isdecimal() or not (last.isdecimal() if dots else True):
                raise ArgumentTypeError(f"must be numbers and ranges such as 1,3,10..20, got {text!r}")
            ends = int(first), int(last or first)
            for end in ends:
                if end not in range_:
                    raise ArgumentTypeError(f"must be {range_}, got {end}")
            if ends[0] > ends[1]:
                raise ArgumentTypeError(f"a range must begin with its smaller number, got {part.strip()!r}")
            found.update(range(ends[0], ends[1] + 1))
        return sorted(found)

    return numbers


def _as_json(membership_id: str, impacts: list[Impact]) -> dict[str, object]:
    return {
        "membershipId": membership_id,
        "impacts": [
            {"epsilon": impact.epsilon, "usersNoisePerQuery": impact.users_noise_per_query, "maxCounts": impact.max_counts}
            for impact in impacts
        ],
    }


def _table(noise: int, impacts: list[Impact]) -> RenderableType:
    """The counts of one noise: a row for each epsilon, a column for each type of aggregation."""
    rows = [impact for impact in impacts if impact.users_noise_per_query == noise]
    table = Table(box=None, padding=(0, 1, 0, 0), title=f"noise {noise}", title_justify="left", title_style="bold")
    table.add_column("epsilon", justify="right", style="bold")
    for aggregation in rows[0].max_counts:
        table.add_column(aggregation.replace("_", "\n"), justify="right", vertical="bottom")
    for row in rows:
        table.add_row(str(row.epsilon), *map(str, row.max_counts.values()))
    return table
