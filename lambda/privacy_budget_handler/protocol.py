"""CloudFormation's custom-resource protocol: crhelper, with what it leaves open closed.

Every event gets exactly one answer: in time, valid, with the beginning of its reason. Nothing of the event is logged here.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from . import cfn_response
from .deferred import defer
from .errors import DeliveryError, ExpiredEventError

defer("boto3")  # crhelper imports it for the clients of its polling, which are not made here
from crhelper import CfnResource  # noqa: E402

SECONDS_TO_ANSWER: Final = 30.0
"""How long before the invocation's deadline an unfinished event is answered; a third of the time where that is less.

It is longer than any single wait of the client's (``attempts``), so that the handler, which is allowed nothing more, returns
before the deadline: Lambda would deliver the event of an invocation that timed out again, after CloudFormation had its answer.
"""

SILENT_LOGGERS: Final = ("crhelper", "boto3", "botocore", "urllib3")
"""Their messages below warnings hold the response URL, credentials or whole events."""


LONGEST_SERVICE_TIMEOUT: Final = 3600.0
"""How many seconds CloudFormation waits where the resource does not say."""


def sent_at(event: Mapping[str, Any]) -> float | None:
    """When CloudFormation sent an event and signed its response URL, in seconds since the epoch; None where the URL does not tell."""
    signed = parse_qs(urlsplit(event["ResponseURL"]).query).get("X-Amz-Date", [""])
    with suppress(ValueError):
        return datetime.strptime(signed[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
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


class Resource(CfnResource):
    """A custom resource whose handlers are given by crhelper's ``create``, ``update`` and ``delete`` decorators.

    ``explain`` puts an exception into the words that CloudFormation shows; ``unfinished`` says what was going on when the time
    ran out; ``tell`` is told status and reason of each event's one answer; ``may_have_written`` says whether an event that fails
    may have changed something all the same.
    """

    _event: Mapping[str, Any]
    _context: Any

    def __init__(
        self,
        explain: Callable[[Exception], str],
        unfinished: Callable[[], str],
        tell: Callable[[str, str], None],
        may_have_written: Callable[[], bool] = lambda: False,
    ) -> None:
        self._explain = explain
        self._unfinished = unfinished
        self._tell = tell
        self._may_have_written = may_have_written
        self._lock = threading.Lock()
        self._invocation: object = None
        self._answered = True
        self._undelivered: DeliveryError | None = None
        self._timer: threading.Timer | None = None
        with _without_clients():
            super().__init__(log_level="INFO", boto_level="WARNING", sleep_on_delete=0)
        for name in SILENT_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL if name == "crhelper" else logging.WARNING)

    def __call__(self, event: Mapping[str, Any], context: Any) -> None:
        """Handle one event and answer it once. Raises DeliveryError, so that Lambda delivers the event again."""
        with self._lock:
            self._invocation, self._answered, self._undelivered = object(), False, None
        self._event, self._context = event, context
        self.NoEcho = False
        self.PhysicalResourceId = ""
        super().__call__(event, context)
        if self._timer is not None and self._timer.is_alive():
            self._timer.join(self._seconds_left())
        if self._undelivered is not None:
            raise self._undelivered

    def may_act(self) -> bool:
        """Whether somebody still waits for this event: after its answer, or CloudFormation's patience, nothing may happen any more."""
        return not self._answered and time.time() < given_up_at(self._event)

    def _log_setup(self, event: Mapping[str, Any], context: Any) -> None:
        """Leave the loggers as they are: crhelper would set levels and formats anew for each event."""

    def _wrap_function(self, handle: Callable[[Mapping[str, Any], Any], str | None] | None) -> None:
        try:
            if not self.may_act():
                raise ExpiredEventError("CloudFormation no longer waits for this event, which was delivered too late: nothing was done")
            self.PhysicalResourceId = (handle(self._event, self._context) if handle else None) or ""
        except Exception as error:
            self.Status = cfn_response.FAILED
            self.Reason = self._explain(error)

    def _set_timeout(self) -> None:
        left = self._seconds_left()
        self._timer = threading.Timer(left - min(SECONDS_TO_ANSWER, left / 3), self._out_of_time, (self._invocation,))
        self._timer.daemon = True
        self._timer.start()

    def _out_of_time(self, invocation: object) -> None:
        if invocation is self._invocation:
            self._send(cfn_response.FAILED, self._unfinished())

    def _send(self, status: str | None = None, reason: str = "", **_: object) -> None:
        """Answer, unless this event has its answer already. A failure never changes the physical id, nor has it attributes."""
        status, reason = (status, reason) if status else (self.Status, self.Reason)
        id_ = self.PhysicalResourceId if status == cfn_response.SUCCESS else cfn_response.failed_id(self._event, self._may_have_written())
        body = cfn_response.body(self._event, status, reason, id_, self.Data)
        with self._lock:
            if self._answered:
                return
            self._answered = True
        self._tell(status, reason)
        try:
            cfn_response.deliver(self._event["ResponseURL"], body, self._seconds_left)
        except DeliveryError as error:
            self._undelivered = error

    def _cfn_response(self, _: Mapping[str, Any]) -> None:
        self._send()

    def _seconds_left(self) -> float:
        return float(self._context.get_remaining_time_in_millis()) / 1000


@contextmanager
def _without_clients() -> Iterator[None]:
    """Keep crhelper from making three boto3 clients, which serve its polling alone."""
    before = os.environ.get("AWS_SAM_LOCAL")
    os.environ["AWS_SAM_LOCAL"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_SAM_LOCAL"]
        else:
            os.environ["AWS_SAM_LOCAL"] = before
