"""The lock that a running server holds on its folder.

A process id alone would not do: after a crash another process may have it.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECONDS_TO_LOCK: Final = 1.0
"""Longer than anybody holds the lock only to see whether it is held."""


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    process_id: int
    port: int | None
    """None while it starts."""


def find(file: Path) -> Server | None:
    """Find the server that holds a file's lock, or none."""
    while True:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            server = _read(descriptor)
            if server is not None:
                return server
        else:
            return None
        finally:
            os.close(descriptor)
        time.sleep(0.01)


def _read(descriptor: int) -> Server | None:
    """Read what the holder of the lock wrote; None where it has not done so yet."""
    try:
        written = json.loads(os.pread(descriptor, 1000, 0))
        return Server(written["process_id"], written["port"])
    except ValueError:
        return None


class ServerLock:
    """The lock of a running server on its folder, held until its process ends."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Take the lock; False where another server has it."""
        deadline = time.monotonic() + _SECONDS_TO_LOCK
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.01)
            else:
                self.write(None)
                return True

    def write(self, port: int | None) -> None:
        """Say who serves and, once it is ready, at which port."""
        written = json.dumps({"process_id": os.getpid(), "port": port}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, written, 0)

    def is_held(self) -> bool:
        """Whether this lock is still the folder's; it is not once the folder has been deleted."""
        try:
            return os.path.samestat(self._file.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False


@contextmanager
def only_one(file: Path) -> Iterator[int]:
    """Let one process at a time pass; the others wait. A process that inherits the descriptor keeps them waiting until it closes it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
