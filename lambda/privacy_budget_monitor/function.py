"""Entry point of the Lambda function: one run reads the remaining budgets of the schedule's list, and publishes them."""

import time
from collections.abc import Mapping
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from botocore.config import Config

from privacy_budget_core import __version__
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.errors import PrivacyBudgetError, ServiceError
from privacy_budget_core.throttle import throttle

from .contract import CALLS_PER_SECOND, Input
from .readings import publish_least, read, read_collaboration

PATIENCE = Config(retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=20)
"""A membership that does not answer holds the others up for three minutes at most; the next run tries it again."""

logger = Logger(service="privacy-budget-monitor", use_rfc3339=True)
client = botocore.session.get_session().create_client("cleanrooms", config=PATIENCE)
throttle(client, CALLS_PER_SECOND)
clean_rooms = CleanRooms(client)


class UnreadBudgetsError(PrivacyBudgetError):
    """Some budgets could not be read, so the run failed; those that could be read were published."""


def handler(event: Mapping[str, Any], _: object) -> None:
    """Publish the remaining budgets of an event's templates, and of all members of its collaborations.

    Raises UnreadBudgetsError, after the last one, where any could not be read.
    """
    began = time.monotonic()
    memberships: dict[str, set[str]] = {}
    for template in event.get(Input.TEMPLATES, ()):
        memberships.setdefault(template[Input.MEMBERSHIP_ID], set()).add(template[Input.TEMPLATE_ID])
    published = sum(_publish(membership_id, template_ids) for membership_id, template_ids in memberships.items())
    listed = sum(map(len, memberships.values()))
    collaboration_ids = dict.fromkeys(event.get(Input.COLLABORATIONS, ()))
    counts = [count for count in map(_publish_collaboration, collaboration_ids) if count is not None]
    logger.info(
        f"published {published + sum(counts)} of {listed + sum(counts)} privacy budgets",
        version=__version__,
        milliseconds=round((time.monotonic() - began) * 1000),
    )
    unread = []
    if published < listed:
        unread.append(f"{listed - published} of {listed} privacy budgets")
    if len(counts) < len(collaboration_ids):
        unread.append(f"{len(collaboration_ids) - len(counts)} of {len(collaboration_ids)} collaborations")
    if unread:
        raise UnreadBudgetsError(
            f"{' and '.join(unread)} could not be read, so nothing is published for them. The warnings before this name each of them."
        )


def _publish(membership_id: str, template_ids: set[str]) -> int:
    """Publish the templates of one membership, warn of those that cannot be read, and give how many could."""
    try:
        readings = read(clean_rooms, membership_id, template_ids)
    except ServiceError as error:
        names = ", ".join(sorted(template_ids))
        logger.warning(
            f"membership {membership_id} could not be read ({error}), so nothing is published for {names}. It must be in the"
            " function's account and region, and the function's role be allowed cleanrooms:ListPrivacyBudgets on it."
        )
        return 0
    for template_id in sorted(template_ids):
        if template_id in readings:
            readings[template_id].publish()
        else:
            logger.warning(
                f"Clean Rooms lists no balance for template {template_id} of membership {membership_id}. If it is gone, take it out of"
                " PrivacyBudgetMonitor(templates=[...]) and deploy."
            )
    return len(readings)


def _publish_collaboration(collaboration_id: str) -> int | None:
    """Publish all budgets of a collaboration, and give how many; warn of a collaboration that cannot be read, and give None."""
    try:
        readings = read_collaboration(clean_rooms, collaboration_id)
    except ServiceError as error:
        logger.warning(
            f"collaboration {collaboration_id} could not be read ({error}), so nothing is published for it. The function's account must be"
            " an active member of it, in the function's region, and the function's role be allowed"
            " cleanrooms:ListCollaborationPrivacyBudgets on it."
        )
        return None
    for reading in readings:
        reading.publish()
    publish_least(collaboration_id, readings)
    return len(readings)
