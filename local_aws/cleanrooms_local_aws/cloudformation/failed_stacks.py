"""Stacks whose operation failed with rollback disabled: they can be updated, or rolled back to the last stable state.

Source: "Choose how to handle failures when provisioning resources" in the CloudFormation user guide. The emulator refuses the update,
or by a change set takes the failed resource for one that exists. Upstream could take this: it has the failed operation, for
RollbackStack.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from .. import emulator
from . import current_stack, deployed, patching
from .cleanup import cleaning_up, delete
from .responses import error, is_true

_FAILED: Final = ("CREATE_FAILED", "UPDATE_FAILED")
_UPDATABLE: Final = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
)
_Handler = Callable[[dict[str, Any]], Any]

_log = logging.getLogger(__name__)
_rollback_disabled: ContextVar[bool] = ContextVar("_rollback_disabled", default=False)


def install() -> None:
    """Have such stacks go on this way."""
    patching.replace_action("UpdateStack", _updating_failed_stacks)
    patching.replace_action("CreateChangeSet", _refusing_stacks_that_cannot_be_updated)
    patching.replace_action("ExecuteChangeSet", _executing_without_rollback)
    patching.replace("_stack_has_no_updates", _unless_failed)
    patching.replace("_custom_named_replacement_error", _refusing_replacements)
    patching.replace("_deploy_stack_async", _resuming)


def _stack(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    return current_stack.record((parameters.get("StackName") or [""])[0])


def _needs_disabled_rollback(status: str, operation: str) -> Any:
    return error(
        "ValidationError",
        f"This stack is currently in a non-terminal [{status}] state. To update the stack from this state, please use the"
        f" disable-rollback parameter with {operation} API. To rollback to the last known good state, use the rollback-stack API",
    )


def _not_updatable(stack: Mapping[str, Any]) -> Any:
    return error("ValidationError", f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated.")


def _updating_failed_stacks(update: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Any:
        stack = _stack(parameters)
        if stack is None or stack["StackStatus"] in (*_UPDATABLE, "DELETE_COMPLETE"):
            return update(parameters)
        status = stack["StackStatus"]
        if status not in _FAILED:
            return _not_updatable(stack)
        if not is_true(parameters, "DisableRollback"):
            return _needs_disabled_rollback(status, "update-stack")
        stack["StackStatus"] = "UPDATE_COMPLETE"  # a status that the emulator lets be updated
        response = update(parameters)
        if stack["StackStatus"] == "UPDATE_COMPLETE":
            stack["StackStatus"] = status
        return response

    return handle


def _refusing_stacks_that_cannot_be_updated(create: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Any:
        stack = _stack(parameters)
        type_ = (parameters.get("ChangeSetType") or ["UPDATE"])[0]
        if stack is not None and type_ == "UPDATE" and stack["StackStatus"] not in (*_UPDATABLE, *_FAILED, "DELETE_COMPLETE"):
            return _not_updatable(stack)
        return create(parameters)

    return handle


def _executing_without_rollback(execute: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Any:
        find = emulator.module("services.cloudformation.changesets")._find_change_set
        names = ((parameters.get(name) or [""])[0] for name in ("ChangeSetName", "StackName"))
        _, change_set = find(*names)
        stack = current_stack.record(change_set["StackName"]) if change_set else None
        if stack is not None and change_set["ExecutionStatus"] == "AVAILABLE":
            disabled = is_true(parameters, "DisableRollback") or change_set.get("OnStackFailure") == "DO_NOTHING"
            if stack["StackStatus"] in _FAILED and not disabled:
                return _needs_disabled_rollback(stack["StackStatus"], "execute-change-set")
            if stack["StackStatus"] not in (*_UPDATABLE, *_FAILED, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
                return _not_updatable(stack)
        return execute(parameters)

    return handle


def _unless_failed(has_no_updates: Callable[..., bool]) -> Callable[..., bool]:
    """Let a failed operation be tried again with nothing changed."""

    def check(stack: Mapping[str, Any], *arguments: Any) -> bool:
        return "_failed_operation" not in stack and has_no_updates(stack, *arguments)

    return check


def _refusing_replacements(refusal: Callable[..., str | None]) -> Callable[..., str | None]:
    def check(type_: str, old: Any, new: Any, *physical_id: Any) -> str | None:
        replaces = emulator.module("services.cloudformation.provisioners")._replacing_change
        if _rollback_disabled.get() and replaces(type_, old, new):
            return "Replacement type updates not supported on stack with disable-rollback."
        return refusal(type_, old, new, *physical_id)

    return check


def _resuming(deploy: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def resume(
        name: str,
        id_: str,
        template: Any,
        parameters: Any,
        disable_rollback: bool,
        tags: Any,
        is_update: bool = False,
        previous_stack: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        stack = emulator.module("services.cloudformation")._stacks[name]
        earlier = stack.get("_failed_operation")
        if earlier is not None and previous_stack is not None:
            previous_stack["_template"] = deployed.template(stack)
            await _delete_failed_creates(stack, previous_stack)
        token = _rollback_disabled.set(disable_rollback and is_update)
        try:
            await deploy(
                name, id_, template, parameters, disable_rollback, tags, is_update=is_update, previous_stack=previous_stack, **options
            )
        finally:
            _rollback_disabled.reset(token)
        failed = stack.get("_failed_operation")
        if failed is not None:
            failed["failed_creates"] = [each for each in stack["_resources"] if each not in deployed.resources(stack)]
            if failed["failed_update"] is not None:
                await _send_back_failed_update(stack, failed)
                stack["_resources"][failed["failed_update"][0]]["ResourceStatus"] = "UPDATE_FAILED"
            if earlier is not None:
                stack["_failed_operation"] = _since_last_stable_state(earlier, failed)
        elif earlier is not None and stack["StackStatus"] in _FAILED:  # refused before anything was done
            stack["_failed_operation"] = earlier
        elif earlier is not None:
            await _delete_predecessors(stack, earlier)

    return resume


async def _delete_failed_creates(stack: dict[str, Any], previous_stack: dict[str, Any]) -> None:
    """Delete what has no stable state to go back to, as the next operation does; its creation is then sent again."""
    for logical_id in [each for each in stack["_resources"] if each not in deployed.resources(stack)]:
        previous_stack["_resources"].pop(logical_id, None)
        await _delete(stack, logical_id, stack["_resources"].pop(logical_id))


async def _delete_predecessors(stack: dict[str, Any], earlier: Mapping[str, Any]) -> None:
    """Delete what operations replaced that failed later on, now that one has succeeded."""
    stable = (earlier.get("previous_stack") or {}).get("_resources", {})
    definitions = stack["_template"].get("Resources", {})
    with cleaning_up(stack):
        for logical_id in earlier["replaced_ids"]:
            old, new = stable.get(logical_id), stack["_resources"].get(logical_id)
            retained = definitions.get(logical_id, {}).get("UpdateReplacePolicy") in ("Retain", "RetainExceptOnCreate")
            if old is not None and new is not None and old["PhysicalResourceId"] != new["PhysicalResourceId"] and not retained:
                await _delete(stack, logical_id, old)


async def _delete(stack: dict[str, Any], logical_id: str, resource: Mapping[str, Any]) -> None:
    await delete(stack, logical_id, resource["ResourceType"], resource["PhysicalResourceId"], resource["Properties"])


async def _send_back_failed_update(stack: dict[str, Any], failed: dict[str, Any]) -> None:
    """Return the resource whose update failed to its last stable state; that of the others is kept."""
    stacks = emulator.module("services.cloudformation.stacks")
    logical_id, type_, physical_id, applied, previous, attributes = failed["failed_update"]
    if applied is None or applied == previous or not stacks._sends_back_failed_update(type_):
        return
    events = emulator.module("services.cloudformation")._stack_events[stack["StackId"]]
    end, status = events.pop(), stack["StackStatus"]
    stack["StackStatus"] = "UPDATE_IN_PROGRESS"
    try:
        await stacks._revert_update(
            stack["StackId"],
            stack["StackName"],
            logical_id,
            type_,
            physical_id,
            applied,
            previous,
            attributes,
            stack["_resources"].get(logical_id),
        )
        failed["failed_update"] = [logical_id, type_, physical_id, None, None, None]
    except Exception:  # RollbackStack tries again
        _log.exception("The failed update of %s could not be sent back.", logical_id)
    stack["StackStatus"] = status
    events.append({**end, "Timestamp": stacks.now_iso()})


def _since_last_stable_state(earlier: Mapping[str, Any], failed: dict[str, Any]) -> dict[str, Any]:
    """The changes that RollbackStack undoes: all since the last successful operation."""
    stable = {name: earlier[name] for name in ("is_update", "previous_stack", "previous_tags")}
    provisioned = [each for each in failed["created"] if each not in earlier["created"]]
    replaced = [each for each in failed["replaced_ids"] if each not in earlier["replaced_ids"]]
    return {
        **failed,
        **stable,
        "created": [*earlier["created"], *provisioned],
        "replaced_ids": [*earlier["replaced_ids"], *replaced],
        "template": {
            **failed["template"],
            "Resources": {**earlier["template"].get("Resources", {}), **failed["template"].get("Resources", {})},
        },
    }
