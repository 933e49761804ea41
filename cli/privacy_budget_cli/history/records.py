"""CloudTrail's records of calls that change a template or its tags.

Source: "CloudTrail record contents" and "CloudTrail userIdentity element" in the CloudTrail user guide. What a record lists under
``resources`` for Clean Rooms is not documented, so only the request and the response are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from privacy_budget_core import ownership
from privacy_budget_core.contract import Operation
from privacy_budget_core.physical_id import TemplateArn

SOURCE: Final = "cleanrooms.amazonaws.com"

_STACK_OF_NATIVE_TYPE, _LOGICAL_ID_OF_NATIVE_TYPE = "aws:cloudformation:stack-id", "aws:cloudformation:logical-id"


@dataclass(frozen=True)
class Caller:
    """Who made a call."""

    name: str
    """For a person: a user's name, ``role/session``, or root; and through which service."""
    arn: str | None


@dataclass(frozen=True)
class Call:
    """A call that succeeded."""

    event_id: str
    at: float
    """Seconds since the epoch."""
    operation: Operation
    caller: Caller
    membership_id: str | None
    """None for a tag call whose ARN does not name the membership."""
    template_id: str | None
    """None for a create whose response the record lacks."""
    settings: Mapping[str, Any]
    """Of a create and an update: type, parameters and refresh, from the response, or else from the request."""
    tags: Mapping[str, str]
    removed: frozenset[str]

    @property
    def owner(self) -> str | None:
        """The owner that the call's tags name: by the owner tag, or by those that CloudFormation sets for the native type."""
        stack, logical_id = self.tags.get(_STACK_OF_NATIVE_TYPE), self.tags.get(_LOGICAL_ID_OF_NATIVE_TYPE)
        native = ownership.owner(stack, logical_id) if stack and logical_id else None
        return self.tags.get(ownership.OWNER) or native


class UnreadableRecordError(ValueError):
    """A record of Clean Rooms that is not as CloudTrail documents it."""


def read(record: Mapping[str, Any]) -> Call | None:
    """The call of a record; None where it failed or changes no template. Raises UnreadableRecordError."""
    if record.get("eventSource") != SOURCE or record.get("errorCode") or record.get("eventName") not in set(Operation):
        return None
    try:
        return _call(record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableRecordError(f"record {record.get('eventID')}: {error!r}") from error


def _call(record: Mapping[str, Any]) -> Call | None:
    operation = Operation(record["eventName"])
    request: Mapping[str, Any] = record["requestParameters"]
    response: Mapping[str, Any] = (record.get("responseElements") or {}).get("privacyBudgetTemplate") or {}
    arn = None
    if operation in (Operation.TAG, Operation.UNTAG):
        arn = TemplateArn.parse(request["resourceArn"])
        if arn is None:
            return None
    return Call(
        event_id=record["eventID"],
        at=datetime.fromisoformat(record["eventTime"]).timestamp(),
        operation=operation,
        caller=_caller(record["userIdentity"]),
        membership_id=arn.membership_id if arn else request["membershipIdentifier"],
        template_id=arn.template_id if arn else request.get("privacyBudgetTemplateIdentifier") or response.get("id"),
        settings=response if "parameters" in response else request,
        tags=dict(request.get("tags") or {}),
        removed=frozenset(request.get("tagKeys") or ()),
    )


def _caller(identity: Mapping[str, Any]) -> Caller:
    arn = identity.get("arn")
    match identity.get("type"):
        case "AssumedRole":
            name = str(arn).partition(":assumed-role/")[2] or str(arn)
        case "IAMUser":
            name = f"user {identity.get('userName') or arn}"
        case "Root":
            name = "root"
        case other:
            name = str(arn or identity.get("principalId") or identity.get("invokedBy") or other)
    service = identity.get("invokedBy")
    return Caller(f"{name} through {service}" if service and service != name else name, arn)
