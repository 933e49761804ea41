"""One event from CloudFormation: its properties parsed, its resource reconciled, one log record that tells what was done."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import botocore.session
from aws_lambda_powertools import Logger

from privacy_budget_core import __version__, ownership, properties
from privacy_budget_core.clean_rooms import CleanRooms, call
from privacy_budget_core.contract import MAX_AGGREGATIONS, UNKNOWN
from privacy_budget_core.errors import InvalidPropertyError, OutOfTimeError, RefusalError, ServiceError, SupersededError
from privacy_budget_core.model import DesiredTemplate, DifferentialPrivacy
from privacy_budget_core.reconciler import EventRecord, Outcome, Reconciler
from privacy_budget_core.retries import ONE_ATTEMPT, Requests, watch

from . import protocol
from .cfn_response import printable
from .errors import ExpiredEventError
from .protocol import Resource
from .stack_status import StackStatus

SECONDS_TO_DESCRIBE: Final = 60.0
"""How long DescribeStacks is tried; after that an event goes on without knowing."""
SECONDS_TO_PREVIEW: Final = 30.0
"""The same of PreviewPrivacyImpact."""

logger = Logger(service="privacy-budget-handler", use_rfc3339=True)
session = botocore.session.get_session()
clean_rooms = CleanRooms(session.create_client("cleanrooms", config=ONE_ATTEMPT))


class Invocation:
    """All that is known of the event at hand."""

    def __init__(self, event: Mapping[str, Any], requests: Requests) -> None:
        self.event = event
        self.requests = requests
        self.record = EventRecord()
        self.began = time.monotonic()


invocation = Invocation({}, Requests())


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Handle and answer one event. Raises DeliveryError where CloudFormation did not take the answer."""
    global invocation  # noqa: PLW0603 - an execution environment handles one event at a time
    invocation = Invocation(event, Requests(may_send=resource.may_act))
    resource(event, context)


def tell(status: str, reason: str) -> None:
    """Write the event's one record, and a warning for everything kept, adopted, handed back or put back."""
    names = {
        "stack": invocation.event["StackId"],
        "logical_id": invocation.event["LogicalResourceId"],
        "request_id": invocation.event["RequestId"],
        "template": resource.PhysicalResourceId or invocation.event.get("PhysicalResourceId"),
    }
    record = invocation.record
    for warning in record.warnings:
        logger.warning(printable(warning), **names)
    logger.info(
        f"{invocation.event['RequestType']} answered with {status}",
        **names,
        found=record.found,
        budget_before=record.before,
        budget_after=record.after,
        done=record.done,
        reason=printable(reason),
        calls=invocation.requests.count,
        version=__version__,
        milliseconds=round((time.monotonic() - invocation.began) * 1000),
    )


def explain(error: Exception) -> str:
    """An exception in the words that CloudFormation shows: first what a person needs, never a traceback."""
    if isinstance(error, InvalidPropertyError | RefusalError | ExpiredEventError):
        return str(error)
    if isinstance(error, ServiceError):
        notes: list[str] = getattr(error, "__notes__", [])
        return " ".join([f"{str(error).rstrip('.')}.", *notes]) if notes else str(error)
    if isinstance(error, SupersededError):
        return "The stack no longer expects this event, which was delivered late: nothing was done"
    if isinstance(error, OutOfTimeError):
        return unfinished()
    logger.exception("the handler met an error that it does not know")
    return f"{type(error).__name__}: {error} (an error that the handler does not know; the function's log has its traceback)"


def unfinished() -> str:
    """What was going on when the time ran out."""
    done = f" Done so far: {'; '.join(invocation.record.done)}." if invocation.record.done else ""
    requests = invocation.requests
    return (
        f"The function's time ran out after {requests.count} requests to Clean Rooms, the last: {requests.last}.{done}"
        " The next deployment goes on from what stands."
    )


resource = Resource(explain, unfinished, tell, lambda: invocation.requests.may_have_written)
watch(clean_rooms.client, lambda: invocation.requests)


@resource.create
def create(event: Mapping[str, Any], _: Any) -> str:
    """Create: the desired template, or one that an earlier delivery of the event created."""
    desired = properties.parse(event["ResourceProperties"])
    return _succeed(_reconciler(event).create(desired), desired)


@resource.update
def update(event: Mapping[str, Any], _: Any) -> str:
    """Update: in place, or another template where the identity changed."""
    reconciler, physical_id, declared = _reconciler(event), event["PhysicalResourceId"], event["ResourceProperties"]
    try:
        desired = properties.parse(declared)
    except InvalidPropertyError as error:
        identity = properties.parse_identity(declared)
        kept = reconciler.keep(physical_id, identity.membership_id if identity else UNKNOWN, "what is declared", error)
        return _succeed(kept)
    previous = properties.parse_previous(event.get("OldResourceProperties", {}))
    return _succeed(reconciler.update(physical_id, desired, previous), desired)


@resource.delete
def delete(event: Mapping[str, Any], _: Any) -> str:
    """Delete: what the physical id stands for, and nothing else."""
    try:
        _reconciler(event).delete(event["PhysicalResourceId"], properties.parse_identity(event["ResourceProperties"]))
    except SupersededError as error:
        invocation.record.warnings.append(explain(error))
    return str(event["PhysicalResourceId"])


def _reconciler(event: Mapping[str, Any]) -> Reconciler:
    owner = ownership.owner(event["StackId"], event["LogicalResourceId"])
    stack = StackStatus(lambda: describe_stack(event["StackId"]), event["RequestType"], protocol.sent_at(event))
    invocation.requests.may_write = stack.expects_the_event
    invocation.requests.was_delivered_before = stack.is_old()
    return Reconciler(clean_rooms, owner, event["RequestId"], stack, invocation.requests, invocation.record)


def _succeed(outcome: Outcome, desired: DesiredTemplate | None = None) -> str:
    resource.Data = {**outcome.attributes, **(_privacy_impact(desired) if desired else {})}
    return outcome.physical_id


def _privacy_impact(desired: DesiredTemplate) -> dict[str, str]:
    """How many aggregations the budget allows, where that was asked for; a service that does not tell fails nothing."""
    if not desired.preview_impact or not isinstance(desired.budget, DifferentialPrivacy):
        return {}
    allowed: Mapping[str, int] = {}
    requests = invocation.requests
    requests.may_send = _for_a_while(SECONDS_TO_PREVIEW)
    try:
        allowed = clean_rooms.preview(desired.membership_id, desired.budget)
    except (ServiceError, OutOfTimeError) as error:
        if not resource.may_act():
            raise
        told = error if isinstance(error, ServiceError) else requests.last
        invocation.record.warnings.append(f"could not tell how many aggregations the budget allows: {told}")
    return {name: str(allowed.get(type_, UNKNOWN)) for type_, name in MAX_AGGREGATIONS.items()}


def describe_stack(stack_id: str) -> Mapping[str, Any] | None:
    """The stack's entry in DescribeStacks; None where that cannot be told."""
    client = session.create_client("cloudformation", config=ONE_ATTEMPT)
    requests = Requests(may_send=_for_a_while(SECONDS_TO_DESCRIBE))
    watch(client, lambda: requests)
    try:
        stacks: Sequence[Mapping[str, Any]] = call(client, "describe_stacks", {"StackName": stack_id})["Stacks"]
    except (ServiceError, OutOfTimeError) as error:
        if not resource.may_act():
            raise
        told = error if isinstance(error, ServiceError) else requests.last
        invocation.record.warnings.append(f"could not tell what the stack is doing: {told}")
        return None
    return stacks[0] if stacks else None


def _for_a_while(seconds: float) -> Callable[[], bool]:
    """Whether an event's time is not over, nor what a question may take of it without whose answer the event goes on."""
    end = time.monotonic() + seconds
    return lambda: resource.may_act() and time.monotonic() < end
