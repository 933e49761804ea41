"""CloudTrail's event history: the Clean Rooms calls of the last 90 days, found by LookupEvents.

The emulator's own history, which is off by default, has no sessions of roles, no answers and no pages, and does not outlive the
process. Source: "CloudTrail record contents" and "CloudTrail userIdentity element" in the CloudTrail user guide, LookupEvents in its
API reference.
"""

import base64
import binascii
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from . import emulator
from .errors import EventLookupError
from .folder import write_atomically

DAYS_KEPT: Final = 90
EVENTS_KEPT: Final = 50_000
LARGEST_PAGE: Final = 50

Event = dict[str, Any]
"""A record as CloudTrail delivers it."""

_ATTRIBUTES: Final[Mapping[str, Callable[[Event], list[str]]]] = {
    "EventId": lambda event: [event["eventID"]],
    "EventName": lambda event: [event["eventName"]],
    "ReadOnly": lambda event: [_read_only(event)],
    "Username": lambda event: [_username(event)],
    "ResourceType": lambda event: [resource["type"] for resource in event["resources"]],
    "ResourceName": lambda event: [resource["ARN"] for resource in event["resources"]],
    "EventSource": lambda event: [event["eventSource"]],
    "AccessKeyId": lambda event: [event["userIdentity"].get("accessKeyId", "")],
}
"""What can be looked up, and its values in an event."""


@dataclass(frozen=True)
class Caller:
    """Who makes a call, and from where."""

    identity: Mapping[str, Any]
    source_ip_address: str
    user_agent: str


class CloudTrail:
    """The events of every account and region, one a line in a file; ``publish`` gets each once it is there."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time, publish: Callable[[Event], object] | None = None) -> None:
        self._file = file
        self._clock = clock
        self._publish = publish
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the events of earlier runs, and forget the old ones."""
        if self._file.exists():
            oldest = self._clock() - DAYS_KEPT * 86_400
            self._events.extend(event for event in _read(self._file) if _epoch(event) >= oldest)
            write_atomically(self._file, "".join(f"{json.dumps(event)}\n" for event in self._events).encode())

    def record(
        self,
        caller: Caller,
        *,
        account_id: str,
        region: str,
        source: str,
        name: str,
        read_only: bool,
        request: Mapping[str, Any] | None,
        answer: Mapping[str, Any] | None,
        error: tuple[str, str] | None,
        resources: list[dict[str, str]],
    ) -> None:
        """Add a management event; ``error`` is a pair of its code and its message."""
        event: Event = {
            "eventVersion": "1.11",
            "userIdentity": dict(caller.identity),
            "eventTime": datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": source,
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": caller.source_ip_address,
            "userAgent": caller.user_agent,
            **({"errorCode": error[0], "errorMessage": error[1]} if error else {}),
            "requestParameters": request or None,
            "responseElements": (answer or None) if not read_only and error is None else None,
            "requestID": str(uuid.uuid4()),
            "eventID": str(uuid.uuid4()),
            "readOnly": read_only,
            "resources": resources,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account_id,
            "eventCategory": "Management",
        }
        with self._lock:
            self._events.append(event)
            with self._file.open("a") as file:
                file.write(f"{json.dumps(event)}\n")
        if self._publish is not None:
            self._publish(event)

    def lookup(self, account_id: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer LookupEvents, the newest event first. Raises EventLookupError."""
        size = request.get("MaxResults", LARGEST_PAGE)
        if not isinstance(size, int) or not 1 <= size <= LARGEST_PAGE:
            raise EventLookupError("InvalidMaxResultsException", f"MaxResults must be from 1 to {LARGEST_PAGE}, got {size!r}.")
        if "EventCategory" in request:
            if request["EventCategory"] != "insight":
                raise EventLookupError("InvalidEventCategoryException", f"EventCategory must be insight, got {request['EventCategory']!r}.")
            return {"Events": []}
        wanted = _filter(request)
        with self._lock:
            found = [
                event
                for event in reversed(self._events)
                if (event["recipientAccountId"], event["awsRegion"]) == (account_id, region) and wanted(event)
            ]
        start = _start(request, found)
        page = found[start : start + size]
        answer: dict[str, Any] = {"Events": [_answered(event) for event in page]}
        if start + size < len(found):
            answer["NextToken"] = _token(request, page[-1]["eventID"])
        return answer


def install(trail: CloudTrail) -> None:
    """Have LookupEvents look here; trails themselves stay the emulator's."""
    responses = emulator.module("core.responses")

    def lookup_events(request: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
        try:
            status, answer = 200, trail.lookup(responses.get_account_id(), responses.get_region(), request)
        except EventLookupError as error:
            status, answer = 400, {"__type": error.code, "message": str(error)}
        return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()

    emulator.module("services.cloudtrail")._DISPATCH["LookupEvents"] = lookup_events


def caller_by_key(access_key_id: str, account_id: str, source_ip_address: str, user_agent: str) -> Caller | None:
    """The caller that a request's access key belongs to; None where nobody has such a key."""
    evaluator = emulator.module("core.iam_evaluator")
    credential = evaluator.resolve_credential(access_key_id, account_id)
    if isinstance(credential, evaluator.CredentialResolutionError):
        return None
    session = emulator.module("services.sts")._sessions.get(access_key_id)
    identity = {**_identity(credential.principal_arn, account_id), "accessKeyId": access_key_id}
    if session is not None:
        issued = datetime.fromtimestamp(session["IssuedAt"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        context = identity.setdefault("sessionContext", {})
        context["attributes"] = {"creationDate": issued, "mfaAuthenticated": "false"}
    return Caller(identity, source_ip_address, user_agent)


def caller_by_service(principal_arn: str, account_id: str, service: str) -> Caller:
    """A principal on whose behalf a service makes a call."""
    return Caller({**_identity(principal_arn, account_id), "invokedBy": service}, service, service)


def _identity(principal_arn: str, account_id: str) -> dict[str, Any]:
    """Write ``userIdentity`` for an account's root, one of its users or a session of one of its roles."""
    iam = emulator.module("services.iam")
    kind, _, name = principal_arn.split(":", 5)[5].partition("/")
    if kind == "root":
        return {"type": "Root", "principalId": account_id, "arn": principal_arn, "accountId": account_id}
    if kind == "user":
        user_name = name.rsplit("/", 1)[-1]
        user = iam._users.get_scoped(account_id, None, user_name) or {}
        return {
            "type": "IAMUser",
            "principalId": user.get("UserId", ""),
            "arn": principal_arn,
            "accountId": account_id,
            "userName": user_name,
        }
    role_name, _, session_name = name.partition("/")
    role = iam._roles.get_scoped(account_id, None, role_name) or {}
    issuer = {
        "type": "Role",
        "principalId": role.get("RoleId", ""),
        "arn": role.get("Arn", f"arn:aws:iam::{account_id}:role/{role_name}"),
        "accountId": account_id,
        "userName": role_name,
    }
    return {
        "type": "AssumedRole",
        "principalId": f"{issuer['principalId']}:{session_name}",
        "arn": principal_arn,
        "accountId": account_id,
        "sessionContext": {"sessionIssuer": issuer},
    }


def _username(event: Event) -> str:
    """The name that LookupEvents finds an event by: a user's, a session's, or root."""
    identity = event["userIdentity"]
    match identity["type"]:
        case "AssumedRole":
            return str(identity["arn"].rpartition("/")[2])
        case "IAMUser":
            return str(identity["userName"])
    return "root"


def _read_only(event: Event) -> str:
    return "true" if event["readOnly"] else "false"


def _epoch(event: Event) -> int:
    return int(datetime.fromisoformat(event["eventTime"]).timestamp())


def _filter(request: Mapping[str, Any]) -> Callable[[Event], bool]:
    attributes = request.get("LookupAttributes") or []
    start, end = request.get("StartTime"), request.get("EndTime")
    if len(attributes) > 1 or any(attribute.get("AttributeKey") not in _ATTRIBUTES for attribute in attributes):
        raise EventLookupError(
            "InvalidLookupAttributesException",
            f"LookupAttributes must be at most one, by any of {', '.join(_ATTRIBUTES)}, got {json.dumps(attributes)}.",
        )
    if start is not None and end is not None and start > end:
        raise EventLookupError("InvalidTimeRangeException", f"StartTime must not be after EndTime, got {start} and {end}.")

    def wanted(event: Event) -> bool:
        if (start is not None and _epoch(event) < int(start)) or (end is not None and _epoch(event) > end):
            return False
        return all(attribute.get("AttributeValue") in _ATTRIBUTES[attribute["AttributeKey"]](event) for attribute in attributes)

    return wanted


def _answered(event: Event) -> dict[str, Any]:
    """Write an event as LookupEvents answers it."""
    resources = [{"ResourceType": resource["type"], "ResourceName": resource["ARN"]} for resource in event["resources"]]
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": _read_only(event),
        "EventTime": _epoch(event),
        "EventSource": event["eventSource"],
        "Username": _username(event),
        "Resources": resources,
        "CloudTrailEvent": json.dumps(event),
        **({"AccessKeyId": event["userIdentity"]["accessKeyId"]} if "accessKeyId" in event["userIdentity"] else {}),
    }


def _question(request: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a page's request shares with that of the page before."""
    return {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}


def _token(request: Mapping[str, Any], last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([_question(request), last], sort_keys=True).encode()).decode()


def _start(request: Mapping[str, Any], found: list[Event]) -> int:
    """The index of the page's first event."""
    if "NextToken" not in request:
        return 0
    try:
        question, last = json.loads(base64.urlsafe_b64decode(request["NextToken"]))
        if question == _question(request):
            return next(index for index, event in enumerate(found) if event["eventID"] == last) + 1
    except (binascii.Error, ValueError, TypeError, StopIteration):
        pass
    raise EventLookupError("InvalidNextTokenException", "NextToken must be one that LookupEvents answered with for the same parameters.")


def _read(file: Path) -> Iterator[Event]:
    """Read the events of a file; the last line may have been cut off."""
    for line in file.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        yield event
