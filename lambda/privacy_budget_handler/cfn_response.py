"""The response to CloudFormation, by the standard library alone: it must get through when nothing else can be imported.

Source: "Custom resource response objects" in the CloudFormation user guide. The response URL is a secret; it is in no message
and no log.
"""

import functools
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from privacy_budget_core import physical_id

from .errors import DeliveryError

SUCCESS: Final = "SUCCESS"
FAILED: Final = "FAILED"

MAX_BYTES: Final = 4096
"""The most that CloudFormation accepts."""

ELLIPSIS: Final = "..."

ATTEMPTS: Final = 5
SECONDS_PER_ATTEMPT: Final = 5.0
SECONDS_KEPT_BACK: Final = 0.3


def failed_id(event: Mapping[str, Any], may_have_written: bool) -> str:
    """The physical id of a failed event: the event's own or, for a create, one that says what became of it."""
    if event.get("PhysicalResourceId"):
        return str(event["PhysicalResourceId"])
    outcome = physical_id.OUTCOME_UNKNOWN if may_have_written else physical_id.NOT_CREATED
    return physical_id.of_failed_create(str(event.get("LogicalResourceId", "resource")), str(event.get("RequestId", "")), outcome)


def body(event: Mapping[str, Any], status: str, reason: str = "", id_: str = "", data: Mapping[str, str] | None = None) -> bytes:
    """The response's bytes, at most MAX_BYTES: a reason that is too long is cut at its end."""
    response = {
        "Status": status,
        "PhysicalResourceId": id_ or failed_id(event, may_have_written=False),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": False,
        "Data": dict(data or {}),
    }
    if status == FAILED:
        response["Data"] = {}
        response["Reason"] = printable(reason) or "no reason was given"
    room = MAX_BYTES - len(json.dumps({**response, "Reason": ""}))
    if room < 0:
        return body(event, FAILED, f"the response is longer than the {MAX_BYTES} bytes that CloudFormation accepts")
    if status == FAILED:
        response["Reason"] = _shortened(response["Reason"], room)
    return json.dumps(response).encode()


def printable(text: str) -> str:
    """A text on one line, without the control characters that make a stack's events unreadable in some tools."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _shortened(reason: str, room: int) -> str:
    """As much of a reason's beginning as fits into so many bytes of JSON."""
    if _length(reason) <= room:
        return reason
    room -= len(ELLIPSIS)
    for end, character in enumerate(reason):
        room -= _length(character)
        if room < 0:
            return reason[:end] + ELLIPSIS
    return reason


def _length(text: str) -> int:
    return len(json.dumps(text)) - len('""')


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The system's certificates, read once an execution environment: reading them takes longer than sending the response."""
    return ssl.create_default_context()


def deliver(url: str, response: bytes, seconds_left: Callable[[], float]) -> None:
    """PUT the response to the pre-signed URL, again while there is time. Raises DeliveryError."""
    parts = urlsplit(url)
    target = urlunsplit(("", "", parts.path, parts.query, ""))
    outcome = "there was no time left"
    for attempt in range(ATTEMPTS):
        time.sleep(max(0.0, min(0.2 * 2**attempt - 0.2, seconds_left() - SECONDS_KEPT_BACK)))
        left = seconds_left() - SECONDS_KEPT_BACK
        if left <= 0:
            break
        connection = http.client.HTTPSConnection(parts.netloc, context=_trusted(), timeout=min(SECONDS_PER_ATTEMPT, left))
        try:
            connection.request("PUT", target, response, {"content-type": "", "content-length": str(len(response))})
            reply = connection.getresponse()
            reply.read()
            if 200 <= reply.status < 300:
                return
            outcome = f"HTTP status {reply.status}"
        except (OSError, http.client.HTTPException) as error:
            outcome = type(error).__name__
        finally:
            connection.close()
    raise DeliveryError(f"CloudFormation did not accept the response: {outcome}")
