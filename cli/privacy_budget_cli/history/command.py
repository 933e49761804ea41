"""The subcommand: its arguments, its output and its exit status."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import Progress

from privacy_budget_core.clean_rooms import CleanRooms, Template
from privacy_budget_core.errors import NotFoundError, ServiceError
from privacy_budget_core.ownership import OwnershipTags

from ..arguments import membership
from ..errors import explain
from ..messages import say
from ..session import LOOKUPS_A_SECOND, cloud_trail
from ..session import clean_rooms as new_client
from .cloud_trail import Record
from .lives import lives
from .report import History, as_json, shown

FINE, UNREADABLE = 0, 1
"""Exit statuses."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's own arguments."""
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("memberships", nargs="*", default=[], type=membership, metavar="MEMBERSHIP", help="membership ids (UUIDs)")
    named.add_argument("--all", action="store_true", help="every active membership of the account, in the region")
    parser.add_argument("--since", type=_moment, default=0.0, metavar="DATE", help="show and sum from then on: 2026-01-31, or with a time")
    parser.add_argument(
        "--from-file",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="PATH",
        help="read files of a trail as well, or folders of them: JSON, plain or .gz. LookupEvents alone reaches back 90 days",
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart as well, as PNG, SVG or PDF by the file's name")


def run(options: Namespace, console: Console) -> int:
    """Print the histories, and give the exit status. Raises CommandError, ServiceError, ClientError and BotoCoreError."""
    if options.plot:
        from ..chart import check  # noqa: PLC0415 - what it needs comes with an extra, and takes a second to import

        check(options.plot)
    clean_rooms = CleanRooms(new_client(options.session, options.endpoint_url))
    wanted = clean_rooms.active_memberships() if options.all else options.memberships
    record = _record(options)
    existing, owners, unread = _existing(clean_rooms, wanted, record)
    found = lives(record.calls, existing, owners)
    now = time.time()
    histories = [
        History(membership_id, [life for life in found if life.membership_id == membership_id], record, options.since, now)
        for membership_id in existing
    ]
    if options.json:
        errors = [{"membershipId": membership_id, "error": reason} for membership_id, reason in unread.items()]
        console.out(json.dumps({"memberships": [*map(as_json, histories), *errors]}, indent=2))
    else:
        for history in histories:
            console.print(shown(history), crop=False)
        if not wanted:
            console.print("There is no active membership.")
    if options.plot:
        from .chart import draw  # noqa: PLC0415

        draw(histories, options.plot)
    return UNREADABLE if unread else FINE


def _record(options: Namespace) -> Record:
    """The files, and CloudTrail's event history."""
    record = Record()
    if options.from_file:
        record.read_files(options.from_file)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(f"{LOOKUPS_A_SECOND} lookups a second", total=None)
        record.look_up(cloud_trail(options.session, options.endpoint_url), lambda: progress.advance(task))
    return record


def _existing(
    clean_rooms: CleanRooms, wanted: Sequence[str], record: Record
) -> tuple[dict[str, list[Template]], dict[str, str | None], dict[str, str]]:
    """By membership, its templates; by template id, its owner; and of the memberships that cannot be read, why not.

    A membership that does not exist any more may have a record all the same.
    """
    existing: dict[str, list[Template]] = {}
    owners: dict[str, str | None] = {}
    unread: dict[str, str] = {}
    on_record = {call.membership_id for call in record.calls}
    for membership_id in wanted:
        try:
            templates = clean_rooms.templates(membership_id)
            owners |= {template.id: OwnershipTags.of(clean_rooms.tags(template.arn)).owner for template in templates}
            existing[membership_id] = templates
        except ServiceError as error:
            if not isinstance(error.__cause__, ClientError):
                raise  # it would hit every other membership as well
            if isinstance(error, NotFoundError) and membership_id in on_record:
                say(f"membership {membership_id} does not exist any more; its history is from the record alone")
                existing[membership_id] = []
                continue
            unread[membership_id] = explain(error, clean_rooms.client.meta.region_name)
            say(f"membership {membership_id}: {unread[membership_id]}")
    return existing, owners, unread


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a date such as 2026-01-31, or a date and time in ISO 8601, got {text!r}") from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if seconds > time.time():
        raise ArgumentTypeError(f"must not be in the future, got {text!r}")
    return seconds
