"""The status of an event's stack, by DescribeStacks; requested only where a decision depends on it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

SECONDS_UNTIL_SUPERSEDED: Final = 10.0
"""The age from which an event may be a late delivery: its stack may have finished without it."""
SECONDS_BETWEEN_CLOCKS: Final = 5.0
"""How far the times of two services may differ: of an operation, of an event's response URL, of a template's creation."""
SECONDS_VALID: Final = 30.0
"""How long a DescribeStacks response stays valid: at least this long, or until the event is twice as old."""

_FORWARD_ONLY: Final = ("ROLLBACK", "DELETE", "CLEANUP")
_NOT_IN: Final = {"Create": _FORWARD_ONLY, "Update": ("DELETE", "CLEANUP"), "Delete": ()}
"""For each request type, words of the stack statuses in which CloudFormation sends no such event."""


class StackStatus:
    """The stack of one event. ``describe`` returns its entry in DescribeStacks, or None where that is unknown.

    ``sent_at`` is when CloudFormation sent the event, in seconds since the epoch; None where the event does not tell.
    """

    def __init__(self, describe: Callable[[], Mapping[str, Any] | None], request_type: str, sent_at: float | None) -> None:
        self._describe = describe
        self._request_type = request_type
        self._sent_at = sent_at
        self._entry: Mapping[str, Any] | None = None
        self._asked_at: float | None = None

    def is_rolling_back(self) -> bool | None:
        """Whether the stack is rolling back; None where that is unknown."""
        entry = self._present()
        return None if entry is None else "ROLLBACK" in entry["StackStatus"]

    def began_after(self, moment: float | None) -> bool:
        """Whether the stack's create or update began after a moment; False where that is unknown, or the stack is being deleted."""
        entry = self._present() or {"StackStatus": "DELETE"}
        began = entry.get("LastUpdatedTime") or entry.get("CreationTime")
        return (
            "DELETE" not in entry["StackStatus"]
            and began is not None
            and moment is not None
            and moment < began.timestamp() - SECONDS_BETWEEN_CLOCKS
        )

    def is_old(self) -> bool:
        """Whether the event may have been delivered before, or be delivered late."""
        return self._sent_at is not None and time.time() - self._sent_at >= SECONDS_UNTIL_SUPERSEDED

    def expects_the_event(self) -> bool:
        """Whether the stack still waits for the event. True for a recent event, without a request, and where it is unknown."""
        if self._sent_at is None or not self.is_old():
            return True
        entry = self._present()
        if entry is None:
            return True
        status, updated = entry["StackStatus"], entry.get("LastUpdatedTime")
        if updated is not None and updated.timestamp() > self._sent_at + SECONDS_BETWEEN_CLOCKS:
            return False
        return status.endswith("_IN_PROGRESS") and not any(word in status for word in _NOT_IN[self._request_type])

    def _present(self) -> Mapping[str, Any] | None:
        now = time.time()
        if self._asked_at is None or now - self._asked_at > max(SECONDS_VALID, self._asked_at - (self._sent_at or now)):
            self._entry, self._asked_at = self._describe(), now
        return self._entry
