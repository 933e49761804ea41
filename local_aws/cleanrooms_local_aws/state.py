"""The server's state on disk, saved while it runs: a crash loses at most the last second.

The emulator by itself saves when it is stopped in good order, and leaves an operation that was cut off in progress for ever.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from . import emulator
from .clean_rooms import state as clean_rooms
from .folder import Folder, write_atomically

SECONDS_BETWEEN_SAVES: Final = 0.5

_AFTER_INTERRUPTION: Final = {
    "CREATE_IN_PROGRESS": "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
}
"""A status from which the next deploy or destroy can go on, for each in which an operation was cut off."""

_INTERRUPTED: Final = "The local AWS was stopped during this operation. Deploy or destroy again."

_log = logging.getLogger(__name__)


class State:
    """Saves what changed; everything here runs on the server's event loop."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._changed = False
        self._saved: dict[str, bytes] = {}

    def change(self) -> None:
        """Note that something may have changed."""
        self._changed = True

    def load(self) -> None:
        """Restore Clean Rooms, and end what was cut off; the rest the emulator has restored by itself."""
        if self._folder.clean_rooms.exists():
            clean_rooms.load(self._folder.clean_rooms.read_bytes())
        for stack in _stacks():
            _end_interrupted(stack)
        self.save()

    def save(self) -> None:
        """Save what differs from what was last saved; stacks last, so that after a crash none names what was not saved."""
        self._changed = any(stack["StackStatus"] in _AFTER_INTERRUPTION for stack in _stacks())
        self._save(self._folder.clean_rooms.name, clean_rooms.dump)
        services = emulator.module("app")._build_persistence_save_dict()
        for name in sorted(services, key=lambda name: (name == "cloudformation", name)):
            self._save(f"{name}.json", partial(_document, name, services[name]))

    async def keep_saving(self) -> None:
        """Save shortly after each change, until the task is cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_SAVES)
            if self._changed:
                try:
                    self.save()
                except OSError:
                    _log.exception("The state could not be saved; it is tried again with the next change.")

    def _save(self, name: str, content: Callable[[], bytes]) -> None:
        try:
            document = content()
        except RuntimeError:  # a function's thread was just adding to it: it is saved next time
            self._changed = True
            return
        if self._saved.get(name) != document:
            write_atomically(self._folder.state / name, document)
            self._saved[name] = document


def _document(name: str, get: Callable[[], Any]) -> bytes:
    """Write a service's state as the emulator reads it."""
    persistence = emulator.module("core.persistence")
    wrapped = {"__ministack_format__": persistence._state_format_version(name), "payload": get()}
    return json.dumps(wrapped, default=persistence._json_default).encode()


def _stacks() -> list[dict[str, Any]]:
    """All stacks of all accounts and regions."""
    return list(emulator.module("services.cloudformation")._stacks._data.values())


def _end_interrupted(stack: dict[str, Any]) -> None:
    status = _AFTER_INTERRUPTION.get(stack["StackStatus"])
    if status is None:
        return
    _log.warning("stack %s was %s when the server stopped; it is %s now", stack["StackName"], stack["StackStatus"], status)
    if status == "UPDATE_ROLLBACK_COMPLETE":
        # What GetTemplate answers is what the CDK CLI compares with: it must not be the template that was not deployed.
        stack["_template_body"] = json.dumps(stack["_template"])
    stack["StackStatus"], stack["StackStatusReason"] = status, _INTERRUPTED
    emulator.module("services.cloudformation.stacks")._add_event(
        stack["StackId"], stack["StackName"], stack["StackName"], "AWS::CloudFormation::Stack", status, _INTERRUPTED, stack["StackId"]
    )
