"""The subcommand: its arguments, its output and its exit status."""

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console

from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import is_membership_id
from privacy_budget_core.errors import ServiceError

from ..arguments import collaboration, membership
from ..errors import CommandError, explain
from ..messages import say
from ..session import clean_rooms as new_client
from .budgets import BudgetStatus, of_collaboration, of_membership
from .report import percent, shown

FINE, UNREADABLE, BELOW = 0, 1, 3
"""Exit statuses; where one membership cannot be read it is UNREADABLE, whatever the others have."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's own arguments."""
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("memberships", nargs="*", default=[], type=membership, metavar="MEMBERSHIP", help="membership ids (UUIDs)")
    named.add_argument("--all", action="store_true", help="every active membership of the account, in the region")
    named.add_argument("--outputs", type=Path, metavar="FILE", help="those in the outputs MembershipId of cdk deploy --outputs-file FILE")
    named.add_argument(
        "--collaboration", type=collaboration, metavar="ID", help="every member's templates, of a collaboration that the account is in"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument(
        "--fail-below",
        type=_fraction,
        metavar="PERCENT",
        help=f"exit with status {BELOW} where less than this remains of an aggregation or period, for example 20%% (or 0.2)",
    )


def run(options: Namespace, console: Console) -> int:
    """Print what there is, and give the exit status. Raises CommandError, ServiceError and BotoCoreError."""
    clean_rooms = CleanRooms(new_client(options.session, options.endpoint_url))
    if options.collaboration:
        return _Report("collaboration", clean_rooms, of_collaboration).run([options.collaboration], options, console)
    wanted = clean_rooms.active_memberships() if options.all else options.memberships or _memberships_in(options.outputs)
    if not wanted and not options.json:
        console.print("There is no active membership." if options.all else f"No output MembershipId in {options.outputs}: nothing to show.")
        return FINE
    return _Report("membership", clean_rooms, of_membership).run(wanted, options, console)


class _Report:
    """The output for memberships, or for a collaboration."""

    def __init__(self, noun: str, clean_rooms: CleanRooms, read: Callable[[CleanRooms, str], list[BudgetStatus]]) -> None:
        self._noun = noun
        self._clean_rooms = clean_rooms
        self._read = read

    def run(self, ids: Iterable[str], options: Namespace, console: Console) -> int:
        """Print each, and give the exit status. Raises ServiceError where it would hit every other one as well."""
        found: list[dict[str, Any]] = []
        statuses = {FINE}
        for id_ in ids:
            try:
                budgets = self._read(self._clean_rooms, id_)
            except ServiceError as error:
                if not isinstance(error.__cause__, ClientError):
                    raise
                reason = explain(error, self._clean_rooms.client.meta.region_name)
                say(f"{self._noun} {id_}: {reason}")
                found.append({f"{self._noun}Id": id_, "error": reason})
                statuses.add(UNREADABLE)
                continue
            if not options.json:
                console.print(shown(f"{self._noun} {id_}", budgets), crop=False)
            found.append({f"{self._noun}Id": id_, "templates": [budget.as_json() for budget in budgets]})
            if options.fail_below is not None:
                statuses |= {_compared(budget, options.fail_below) for budget in budgets}
        if options.json:
            console.out(json.dumps({f"{self._noun}s": found}, indent=2))
        return UNREADABLE if UNREADABLE in statuses else max(statuses)


def _compared(budget: BudgetStatus, least: float) -> int:
    """The exit status for what remains; says so on standard error where it is not FINE."""
    if not budget.balances:
        say(f"{budget.arn}: Clean Rooms lists no budget, so what remains cannot be told; try again later")
        return UNREADABLE
    below = [balance for balance in budget.balances if balance.remaining_fraction < least]
    if below:
        told = ", ".join(f"{percent(balance.remaining_fraction)} of {balance.name}" for balance in below)
        say(f"{budget.arn}: less than {least * 100:g}% remains: {told}")
        return BELOW
    return FINE


def _fraction(text: str) -> float:
    """A part of a budget, from 0 to 1, given as 20% or as 0.2."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"must be above 0% and up to 100%, for example 20% (or 0.2), got {text!r}")
    return value


def _memberships_in(outputs: Path) -> list[str]:
    try:
        stacks: dict[str, dict[str, Any]] = json.loads(outputs.read_text(encoding="utf-8"))
        values = {output.get("MembershipId") for output in stacks.values()}
    except FileNotFoundError:
        raise CommandError(f"{outputs} does not exist; deploy first, by cdk deploy --outputs-file {outputs}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise CommandError(f"{outputs} is not what cdk deploy --outputs-file writes; deploy again ({error})") from None
    return sorted(value for value in values if isinstance(value, str) and is_membership_id(value))
