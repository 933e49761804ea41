"""The end of an update: what is no longer needed is deleted; a failure of that does not fail the update."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import emulator


@contextmanager
def cleaning_up(stack: dict[str, Any]) -> Iterator[None]:
    """Within the block, an operation that has succeeded is still in progress."""
    status, stack["StackStatus"] = stack["StackStatus"], "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    try:
        yield
    finally:
        stack["StackStatus"] = status


async def delete(stack: dict[str, Any], logical_id: str, type_: str, physical_id: str, properties: Any) -> None:
    """Delete a resource of a stack, and note in the stack's events what became of that."""
    stacks = emulator.module("services.cloudformation.stacks")
    name, id_ = stack["StackName"], stack["StackId"]
    stacks._add_event(id_, name, logical_id, type_, "DELETE_IN_PROGRESS", physical_id=physical_id)
    try:
        await emulator.module("core.concurrency").run_reentrant(stacks._delete_resource, type_, physical_id, properties, name, logical_id)
        status, reason = "DELETE_COMPLETE", ""
    except Exception as error:  # whatever it is
        status, reason = "DELETE_FAILED", str(error)
    stacks._add_event(id_, name, logical_id, type_, status, reason, physical_id)
