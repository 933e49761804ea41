"""The requests of one event, and how long each is retried.

botocore's own retries are off: they share their tokens among all events of a client and do not know an event's deadline. Its
``needs-retry`` hook asks this module instead.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ConnectionError as NotConnected
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, HTTPClientError

from .errors import OutOfTimeError, SupersededError

if TYPE_CHECKING:
    from botocore.client import BaseClient

ONE_ATTEMPT: Final = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
"""The configuration of a client that is watched."""

LONGEST_PAUSE: Final = 10.0
"""Seconds between two attempts at most: drawn from zero to a limit that doubles up to this (full jitter)."""
SECONDS_TO_TAKE_EFFECT: Final = 30.0
"""How long a new role, policy or token may be unknown to the service."""

_WRITES: Final = ("Create", "Update", "Delete", "Tag", "Untag")
_NOT_SENT: Final = (ConnectTimeoutError, EndpointConnectionError)
_THROTTLED: Final = 429
_SERVER_ERROR: Final = 500
_UNKNOWN_YET: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Error codes for a role or token that is not known everywhere yet, or a clock that is off."""


class Requests:
    """The requests of one event.

    ``may_send`` tells whether the event still has time. ``may_write``, called before the first write, tells whether the stack still
    expects the event. ``was_delivered_before`` tells whether an earlier delivery may have written.
    """

    def __init__(
        self,
        may_send: Callable[[], bool] = lambda: True,
        may_write: Callable[[], bool] = lambda: True,
        was_delivered_before: bool = False,
    ) -> None:
        self.may_send = may_send
        self.may_write = may_write
        self.was_delivered_before = was_delivered_before
        self.count = 0
        self.last = "nothing yet"
        self.wrote = False
        """Whether a write of this delivery succeeded, or may have."""
        self.unknown_since: float | None = None
        """When the caller's permission or token was first refused in a way that passes."""
        self._had_written = False

    @property
    def may_have_written(self) -> bool:
        """Whether the event may have changed something."""
        return self.wrote or self.was_delivered_before

    def wrote_nothing(self) -> None:
        """Note that the existing template is of another request, so that this event changed nothing."""
        self.wrote = self.was_delivered_before = False

    def begin(self, operation: str) -> None:
        """Count a request that is about to be sent. Raises OutOfTimeError and SupersededError."""
        if not self.may_send():
            raise OutOfTimeError
        if operation.startswith(_WRITES):
            if not self.wrote and not self.may_write():
                raise SupersededError
            self._had_written, self.wrote = self.wrote, True
        self.count += 1
        self.last = f"{operation} → no response yet"

    def pause(self, operation: str, attempts: int, status: int, error: dict[str, Any], exception: Exception | None) -> float | None:
        """Seconds until the next attempt; None where this one is the last. Raises OutOfTimeError."""
        code = error.get("Code", "an error") if error else repr(exception) if exception else "answered"
        self.last = f"{operation} → {code}"
        if code == "answered":
            return None
        is_passing = status == _THROTTLED or status >= _SERVER_ERROR or code.startswith("Throttling")
        is_refused = bool(error) and status < _SERVER_ERROR and code != "ConflictException"
        if operation.startswith(_WRITES) and (is_refused or isinstance(exception, _NOT_SENT)):
            self.wrote = self._had_written
        if not self.may_send():
            raise OutOfTimeError
        if is_passing or isinstance(exception, HTTPClientError | NotConnected) or self._takes_effect_soon(code, error):
            return random.uniform(0, min(LONGEST_PAUSE, 2.0 ** min(attempts - 1, 10)))  # noqa: S311 - no secret
        return None

    def _takes_effect_soon(self, code: str, error: dict[str, Any]) -> bool:
        # "… because no identity-based policy allows the … action": the policy may be on its way. An explicit deny reads otherwise.
        is_not_allowed = code == "AccessDeniedException" and (error.get("Message") or "").partition("because")[2].split()[:1] == ["no"]
        if not is_not_allowed and code not in _UNKNOWN_YET:
            return False
        if self.unknown_since is None:
            self.unknown_since = time.monotonic()
        return time.monotonic() - self.unknown_since < SECONDS_TO_TAKE_EFFECT


@contextmanager
def watched(client: "BaseClient", requests: Requests) -> Iterator[None]:
    """Count and retry a client's requests as those of one event."""

    def before_send(event_name: str, **_: object) -> None:
        requests.begin(event_name.rpartition(".")[2])

    def needs_retry(operation: Any, attempts: int, response: Any, caught_exception: Exception | None, **_: object) -> float | None:
        status, error = (response[0].status_code, response[1].get("Error", {})) if response else (0, {})
        return requests.pause(operation.name, attempts, status, error, caught_exception)

    service = client.meta.service_model.service_id.hyphenize()
    hooks = client.meta.events
    hooks.register(f"before-send.{service}", before_send)
    hooks.register_first(f"needs-retry.{service}", needs_retry)  # type: ignore[arg-type] # the stubs know no return value
    try:
        yield
    finally:
        hooks.unregister(f"before-send.{service}", before_send)
        hooks.unregister(f"needs-retry.{service}", needs_retry)  # type: ignore[arg-type]
