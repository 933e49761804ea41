"""CloudFormation's custom-resource protocol: crhelper, and what of it has to be replaced.

Every event gets exactly one response: in time, valid, with the beginning of its reason. Nothing of the event is logged here.
"""

import logging
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from crhelper import CfnResource

from . import cfn_response
from .errors import DeliveryError, ExpiredEventError

SECONDS_TO_ANSWER: Final = 30.0
"""How long before the invocation's deadline an unfinished event is answered; a third of the time where that is less.

It is longer than any single wait of the client's (``retries``), so that the handler, which may send nothing more, returns before
the deadline: Lambda would deliver the event of an invocation that timed out again, after CloudFormation had its response.
"""

SILENT_LOGGERS: Final = ("crhelper", "boto3", "botocore", "urllib3")
"""Their messages below warnings hold the response URL, credentials or whole events."""

LONGEST_SERVICE_TIMEOUT: Final = 3600.0
"""How many seconds CloudFormation waits where the resource does not say."""


def sent_at(event: Mapping[str, Any]) -> float | None:
    """When CloudFormation sent an event and signed its response URL, in seconds since the epoch; None where the URL does not tell."""
    signed = parse_qs(urlsplit(event["ResponseURL"]).query).get("X-Amz-Date", [""])
    with suppress(ValueError):
        return datetime.fromisoformat(signed[0]).replace(tzinfo=UTC).timestamp()
    return None


def given_up_at(event: Mapping[str, Any]) -> float:
    """When CloudFormation stops waiting, in seconds since the epoch: ServiceTimeout after it sent the event.

    An event that does not tell when it was sent has no end: the function's maximum event age has.
    """
    try:
        timeout = float(event["ResourceProperties"].get("ServiceTimeout", LONGEST_SERVICE_TIMEOUT))
    except (KeyError, TypeError, ValueError):
        return math.inf
    began = sent_at(event)
    return math.inf if began is None else began + timeout


class CustomResource(CfnResource, ABC):
    """One event and its one response. A subclass registers what to do by crhelper's ``create``, ``update`` and ``delete``.

    An object serves one event, so that nothing of it reaches the next one: crhelper's own would keep NoEcho and the timer.
    """

    RequestType: str

    def __init__(self, event: Mapping[str, Any], context: Any) -> None:
        with _without_clients():
            # By default crhelper logs whole events, the response URL included, and sleeps two minutes at a Delete.
            super().__init__(log_level="INFO", boto_level="WARNING", sleep_on_delete=0)
        for name in SILENT_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL if name == "crhelper" else logging.WARNING)
        self._event, self._context = event, context
        self._given_up_at = given_up_at(event)
        self._lock = threading.Lock()
        self._is_answered = False
        self._undelivered: DeliveryError | None = None
        self._timer: threading.Timer | None = None

    @abstractmethod
    def failure_reason(self, error: Exception) -> str:
        """An exception in the words that CloudFormation shows."""

    @abstractmethod
    def timeout_reason(self) -> str:
        """What was going on when the time ran out."""

    @abstractmethod
    def may_have_written(self) -> bool:
        """Whether the event may have changed something, even if it fails."""

    @abstractmethod
    def log_record(self, status: str, reason: str) -> None:
        """Log the event's one record, just before its response is sent."""

    def respond(self) -> None:
        """Handle the event and answer it once. Raises DeliveryError, so that Lambda delivers the event again."""
        self(self._event, self._context)
        if self._timer is not None and self._timer.is_alive():
            self._timer.join(self._seconds_left())
        if self._undelivered is not None:
            raise self._undelivered

    def may_act(self) -> bool:
        """Whether CloudFormation still waits for this event: after its response, or the service timeout, nothing may happen any more."""
        return not self._is_answered and time.time() < self._given_up_at

    def deliver(self, body: bytes) -> None:
        """Send the response. Raises DeliveryError."""
        cfn_response.deliver(self._event["ResponseURL"], body, self._seconds_left)

    def _log_setup(self, event: Mapping[str, Any], context: Any) -> None:
        # crhelper would set the level and the format of every logger anew.
        pass

    def _wrap_function(self, handle: Callable[[Mapping[str, Any], Any], str | None] | None) -> None:
        # crhelper would handle an event that CloudFormation has given up on, and log a traceback with the event's values in it.
        try:
            if not self.may_act():
                raise ExpiredEventError("CloudFormation no longer waits for this event, which was delivered too late: nothing was done")
            self.PhysicalResourceId = (handle(self._event, self._context) if handle else None) or ""
        except Exception as error:
            self.Status = cfn_response.FAILED
            self.Reason = self.failure_reason(error)

    def _set_timeout(self) -> None:
        # crhelper's timer fires half a second before the deadline and answers with an empty physical id.
        left = self._seconds_left()
        self._timer = threading.Timer(left - min(SECONDS_TO_ANSWER, left / 3), self._time_out)
        self._timer.daemon = True
        self._timer.start()

    def _time_out(self) -> None:
        self._send(cfn_response.FAILED, self.timeout_reason())

    def _cfn_response(self, _: Mapping[str, Any]) -> None:
        # crhelper would give a create that failed a random physical id.
        self._send()

    def _send(self, status: str | None = None, reason: str = "", **_: object) -> None:
        # crhelper sends a second response after its timer's, cuts the beginning of the reason, exceeds 4,096 bytes, and retries for ever.
        status, reason = (status, reason) if status else (self.Status, self.Reason)
        is_success = status == cfn_response.SUCCESS
        id_ = self.PhysicalResourceId if is_success else cfn_response.failed_id(self._event, self.may_have_written())
        body = cfn_response.body(self._event, status, reason, id_, self.Data)
        with self._lock:
            if self._is_answered:
                return
            self._is_answered = True
        self.log_record(status, reason)
        try:
            self.deliver(body)
        except DeliveryError as error:
            self._undelivered = error

    def _seconds_left(self) -> float:
        return float(self._context.get_remaining_time_in_millis()) / 1000


@contextmanager
def _without_clients() -> Iterator[None]:
    """Keep crhelper from creating three boto3 clients, which serve its polling alone."""
    before = os.environ.get("AWS_SAM_LOCAL")
    os.environ["AWS_SAM_LOCAL"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_SAM_LOCAL"]
        else:
            os.environ["AWS_SAM_LOCAL"] = before
