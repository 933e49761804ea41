"""The times of stack events, of which no two are the same: the CDK CLI sorts by them, and would show an end before its start."""

import threading
from datetime import UTC, datetime, timedelta

from .. import emulator

_RESOLUTION = timedelta(milliseconds=1)


def install() -> None:
    """Have stacks note such times."""
    lock = threading.Lock()
    last = datetime.min.replace(tzinfo=UTC)

    def now_iso() -> str:
        nonlocal last
        with lock:
            last = max(last + _RESOLUTION, datetime.now(UTC))
            return last.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    emulator.module("services.cloudformation.stacks").now_iso = now_iso
