"""One event from CloudFormation: its properties parsed, its resource reconciled, one log record that tells what was done."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from botocore.config import Config

from . import __version__, mark, properties
from .budget import DesiredTemplate, DifferentialPrivacy
from .client import Calls, CleanRooms, OutOfTime, ServiceError, call
from .contract import MAX_AGGREGATIONS, UNKNOWN
from .lifecycle import Refusal
from .properties import InvalidProperty
from .protocol import Resource, TooLate
from .reconcile import Outcome, Reconciler, Story

PATIENCE = Config(
    retries={"mode": "standard", "total_max_attempts": 120},
    connect_timeout=5,
    read_timeout=20,
)
"""More attempts than fit into the longest timeout, so that the event's time alone ends them: full jitter, doubling up to 20 s between
two of them. Against the quota of 5 calls a second that drains hundreds of functions at once; a hang costs one read timeout and is
tried again."""

logger = Logger(service="privacy-budget-handler", use_rfc3339=True)
session = botocore.session.get_session()
rooms = CleanRooms(session.create_client("cleanrooms", config=PATIENCE))
story = Story()


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Handle and answer one event. Raises NotDelivered where CloudFormation did not take the answer."""
    global story  # noqa: PLW0603 - of the event at hand: an execution environment handles one at a time
    story = Story(event)
    rooms.calls = Calls(may_send=resource.may_act)
    resource(event, context)


def tell(status: str, reason: str) -> None:
    """Write the event's one record, and a warning for everything kept, adopted, handed back or put back."""
    names = {
        "stack": story.event["StackId"],
        "logical_id": story.event["LogicalResourceId"],
        "request_id": story.event["RequestId"],
        "template": resource.PhysicalResourceId or story.event.get("PhysicalResourceId"),
    }
    for warning in story.warnings:
        logger.warning(warning, **names)
    logger.info(
        f"{story.event['RequestType']} answered with {status}",
        **names,
        found=story.found,
        budget_before=story.before,
        budget_after=story.after,
        done=story.done,
        reason=reason,
        calls=rooms.calls.count,
        version=__version__,
        milliseconds=round((time.monotonic() - story.began) * 1000),
    )


def explain(error: Exception) -> str:
    """An exception in the words that CloudFormation shows: first what a person needs, never a traceback."""
    if isinstance(error, InvalidProperty | Refusal | TooLate):
        return str(error)
    if isinstance(error, ServiceError):
        return " ".join([str(error), *getattr(error, "__notes__", [])])
    if isinstance(error, OutOfTime):
        return unfinished()
    logger.exception("the handler met an error that it does not know")
    return f"{type(error).__name__}: {error} (an error that the handler does not know; the function's log has its traceback)"


def unfinished() -> str:
    """What was going on when the time ran out."""
    done = f" Done so far: {'; '.join(story.done)}." if story.done else ""
    return (
        f"The function's time ran out after {rooms.calls.count} requests to Clean Rooms, the last: {rooms.calls.last}.{done}"
        " The next deployment goes on from what stands."
    )


resource = Resource(explain, unfinished, tell)


@resource.create
def create(event: Mapping[str, Any], _: Any) -> str:
    """Create: the desired template, or one that an earlier delivery of the event made."""
    reconciler = _reconciler(event)
    desired = properties.parse(event["ResourceProperties"])
    return _stands(reconciler.create(desired), desired)


@resource.update
def update(event: Mapping[str, Any], _: Any) -> str:
    """Update: in place, or another template where the identity changed."""
    reconciler = _reconciler(event)
    desired = properties.parse(event["ResourceProperties"])
    previous = properties.parse_previous(event.get("OldResourceProperties", {}))
    return _stands(reconciler.update(event["PhysicalResourceId"], desired, previous), desired)


@resource.delete
def delete(event: Mapping[str, Any], _: Any) -> str:
    """Delete: what this resource made, and nothing else."""
    reconciler = _reconciler(event)
    reconciler.delete(event["PhysicalResourceId"], properties.parse_identity(event["ResourceProperties"]))
    return str(event["PhysicalResourceId"])


def _reconciler(event: Mapping[str, Any]) -> Reconciler:
    owner = mark.owner(event["StackId"], event["LogicalResourceId"])
    return Reconciler(rooms, owner, event["RequestId"], _rolling_back(event["StackId"]), story)


def _stands(outcome: Outcome, desired: DesiredTemplate) -> str:
    resource.Data = {**outcome.attributes, **_privacy_impact(desired)}
    return outcome.physical_id


def _privacy_impact(desired: DesiredTemplate) -> dict[str, str]:
    """How many aggregations the budget allows, where that was asked for; a service that does not tell fails nothing."""
    if not desired.preview_impact or not isinstance(desired.budget, DifferentialPrivacy):
        return {}
    allowed: Mapping[str, int] = {}
    try:
        allowed = rooms.preview(desired.membership_id, desired.budget)
    except ServiceError as error:
        story.warnings.append(f"could not tell how many aggregations the budget allows: {error}")
    return {name: str(allowed.get(type_, UNKNOWN)) for type_, name in MAX_AGGREGATIONS.items()}


def _rolling_back(stack_id: str) -> Callable[[], bool | None]:
    """Whether the stack is on its way back, asked of DescribeStacks once, where it matters; None where that cannot be told."""

    @functools.cache
    def ask() -> bool | None:
        client = session.create_client("cloudformation", config=PATIENCE)
        try:
            stacks = call(client, "describe_stacks", {"StackName": stack_id})["Stacks"]
        except ServiceError as error:
            story.warnings.append(f"could not tell whether the stack is rolling back: {error}")
            return None
        return "ROLLBACK" in stacks[0]["StackStatus"]

    return ask
