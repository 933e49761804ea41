"""``python -m privacy_budget_cli MEMBERSHIP…``: what Clean Rooms holds, and what is left of it."""

import argparse
import json
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console

from privacy_budget_handler.client import CleanRooms, ServiceError
from privacy_budget_handler.contract import is_membership_id

from .status import holdings


def main() -> int:
    """Print the templates of the memberships named, or of those in the outputs of a deployment. Exit status 1 where one cannot be read."""
    parser = argparse.ArgumentParser(prog="privacy_budget_cli", description=main.__doc__)
    parser.add_argument("memberships", nargs="*", metavar="MEMBERSHIP", help="membership ids (UUIDs)")
    parser.add_argument("--outputs", type=Path, metavar="FILE", help="the file of cdk deploy --outputs-file")
    arguments = parser.parse_args()
    memberships = arguments.memberships or _memberships_of(arguments.outputs, parser)
    console = Console(soft_wrap=True)
    try:
        rooms = CleanRooms(boto3.client("cleanrooms"))
        for membership in memberships:
            console.print(holdings(rooms, membership))
    except (ServiceError, BotoCoreError) as error:
        print(f"Clean Rooms could not be read: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _memberships_of(outputs: Path | None, parser: argparse.ArgumentParser) -> list[str]:
    if outputs is None:
        parser.error("name a membership, or give --outputs")
    stacks = json.loads(outputs.read_text())
    found = {output["MembershipId"] for output in stacks.values() if is_membership_id(output.get("MembershipId", ""))}
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
