"""``privacy-budget status``: the templates of memberships, and what is left of each budget."""

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import is_membership_id
from privacy_budget_core.errors import ServiceError
from privacy_budget_core.model import AccessBudget, DifferentialPrivacy

from .arguments import membership
from .errors import CommandError, explain
from .holdings import Holding, fraction, holdings, memberships
from .messages import say
from .session import clean_rooms
from .terminal import Bar

DESCRIPTION: Final = "Show the privacy budget templates of memberships, and what is left of each budget."

FINE, UNREADABLE, BELOW = 0, 1, 3
"""Exit statuses; where one membership cannot be read it is UNREADABLE, whatever the others hold."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's own arguments."""
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("memberships", nargs="*", default=[], type=membership, metavar="MEMBERSHIP", help="membership ids (UUIDs)")
    named.add_argument("--all", action="store_true", help="every active membership of the account, in the region")
    named.add_argument("--outputs", type=Path, metavar="FILE", help="those in the outputs MembershipId of cdk deploy --outputs-file FILE")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument(
        "--fail-below",
        type=_fraction,
        metavar="FRACTION",
        help=f"exit with status {BELOW} where less than this part is left of any budget, for example 0.2",
    )


def run(options: Namespace, console: Console) -> int:
    """Print what there is, and give the exit status. Raises CommandError, ServiceError and BotoCoreError."""
    client = clean_rooms(options.session, options.endpoint_url)
    rooms = CleanRooms(client)
    wanted = memberships(client) if options.all else options.memberships or _memberships_in(options.outputs)
    found: list[dict[str, Any]] = []
    statuses = {FINE}
    for membership_id in wanted:
        try:
            held = holdings(rooms, membership_id)
        except ServiceError as error:
            if not isinstance(error.__cause__, ClientError):
                raise  # it would hit every other membership as well
            reason = explain(error, client.meta.region_name)
            say(f"membership {membership_id}: {reason}")
            found.append({"membershipId": membership_id, "error": reason})
            statuses.add(UNREADABLE)
            continue
        if not options.json:
            console.print(_shown(membership_id, held), crop=False)
        found.append({"membershipId": membership_id, "templates": [holding.as_json() for holding in held]})
        if options.fail_below is not None:
            statuses |= {_compared(holding, options.fail_below) for holding in held}
    if options.json:
        console.out(json.dumps({"memberships": found}, indent=2))
    elif not wanted:
        console.print("There is no active membership." if options.all else f"No output MembershipId in {options.outputs}: nothing to show.")
    return UNREADABLE if UNREADABLE in statuses else max(statuses)


def _compared(holding: Holding, least: float) -> int:
    """The exit status for what is left, which is told on standard error where it is not FINE."""
    left = holding.remaining_fraction
    if left is None:
        say(f"{holding.template.arn}: Clean Rooms lists no budget, so what is left cannot be told; try again later")
        return UNREADABLE
    if left < least:
        say(f"{holding.template.arn}: {_percent(left)} is left, which is below {least:g}")
        return BELOW
    return FINE


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise ArgumentTypeError(f"must be a number above 0 and up to 1, got {text!r}")
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


def _shown(membership_id: str, held: list[Holding]) -> RenderableType:
    if not held:
        return Text(f"Membership {membership_id} has no privacy budget template.")
    title = Text(f"Privacy budget templates in Clean Rooms, membership {membership_id}:", style="bold")
    return Group(title, *(part for holding in held for part in (*_parts(holding), "")))


def _parts(holding: Holding) -> Iterator[RenderableType]:
    """The ARN, which is never folded so that it can be copied; what the template is; what is left."""
    yield Text(holding.template.arn, no_wrap=True, overflow="ignore")
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("Kind", holding.template.identity.budget_type)
    budget = holding.template.budget
    if isinstance(budget, DifferentialPrivacy):
        facts.add_row("Budget", f"epsilon {budget.epsilon}, noise of {budget.users_noise_per_query} users per query")
        facts.add_row("Refresh", budget.auto_refresh)
    if isinstance(budget, AccessBudget):
        facts.add_row("Table", budget.resource_arn)
        facts.add_row("Limits", str(budget))
    facts.add_row("Tags", "\n".join(f"{key} = {value}" for key, value in holding.tags.items()) or "none")
    facts.add_row("Owner", holding.owner or "no stack")
    facts.add_row("Left", "" if holding.balances else "not listed")
    yield Padding(facts, (0, 0, 0, 2), expand=False)
    left = Table.grid(padding=(0, 1, 0, 0))
    left.add_column()
    left.add_column(justify="right", min_width=4)
    left.add_column(no_wrap=True)
    for balance in holding.balances:
        share = fraction(balance)
        left.add_row(Bar(share), _percent(share), f"{balance.remaining} of {balance.maximum} {balance.name}")
    yield Padding(left, (0, 0, 0, 2), expand=False)


def _percent(share: float) -> str:
    """Rounded down, so that 100% is all of it."""
    return f"{math.floor(share * 100)}%"
