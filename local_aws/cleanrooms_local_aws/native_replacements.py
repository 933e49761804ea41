"""Replacement as the schemas of Clean Rooms' types say, which the emulator knows in part.

A template and an association are deleted before their successors are created, as both cannot stand at once; a rollback is such a
replacement too, and brings back a resource with a new id. Upstream could read ``replacementStrategy`` of a schema.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from . import emulator
from .native_resources import Handler, Properties, Provisioned
from .native_types import PREFIX, TYPES

_DELETE_FIRST: Final = frozenset(type_.type for type_ in TYPES if type_.delete_first)


def install(handlers: Mapping[str, Handler]) -> None:
    """Have stacks replace these types this way."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    for type_ in TYPES:
        provisioners._REPLACING_PROPERTIES[type_.type] = tuple(name for name in type_.create_only if "/" not in name)
        nested = tuple(name.partition("/")[0] for name in type_.create_only if "/" in name)
        provisioners._CONDITIONALLY_REPLACING_PROPERTIES[type_.type] = nested
    _replace_on_nested_properties()
    _run_on_threads()
    _delete_before_replacing()
    _roll_back_by_replacing(handlers)


def _replace_on_nested_properties() -> None:
    """Replace on properties of properties too; the emulator knows those of the first level."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    replacing_change: Callable[[str, Properties, Properties], bool] = provisioners._replacing_change
    nested = {type_.type: [name.split("/") for name in type_.create_only if "/" in name] for type_ in TYPES}

    def replacing_change_anywhere(resource_type: str, old: Properties, new: Properties) -> bool:
        paths = nested.get(resource_type, ())
        return replacing_change(resource_type, old, new) or any(_at(old, path) != _at(new, path) for path in paths)

    provisioners._replacing_change = replacing_change_anywhere
    emulator.module("services.cloudformation.stacks")._replacing_change = replacing_change_anywhere


def _run_on_threads() -> None:
    """Keep the server answering while a resource waits for its quota."""
    stacks = emulator.module("services.cloudformation.stacks")
    on_worker_thread: Callable[[str], bool] = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda type_: type_.startswith(PREFIX) or on_worker_thread(type_)


def _delete_before_replacing() -> None:
    """Replace by deleting first where the schema says so, unless the old resource is to be kept."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    replace: Callable[..., Provisioned] = provisioners._replace_resource

    def replace_in_order(
        resource_type: str, physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Provisioned:
        if resource_type in _DELETE_FIRST and not provisioners._RETAIN_REPLACED.get():
            provisioners._delete_resource(resource_type, physical_id, old, stack_name, logical_id)
        return replace(resource_type, physical_id, old, new, stack_name, logical_id)

    provisioners._replace_resource = replace_in_order


def _roll_back_by_replacing(handlers: Mapping[str, Handler]) -> None:
    """Have a rollback create anew what its operation deleted first; the emulator would take the old one to stand still."""
    stacks = emulator.module("services.cloudformation.stacks")
    roll_back: Callable[..., Awaitable[None]] = stacks._roll_back_operation
    run: Callable[..., Awaitable[dict[str, Any]]] = emulator.module("core.concurrency").run_reentrant

    async def roll_back_replacements(
        stack_name: str, stack_id: str, stack: dict[str, Any], operation: Mapping[str, Any], *reason: str, **options: str
    ) -> None:
        restorable = await run(_with_lost_predecessors, handlers, stack, operation)
        await roll_back(stack_name, stack_id, stack, restorable, *reason, **options)
        if restorable != operation and stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE":
            _resolve_outputs(stack_name, stack_id, stack)

    stacks._roll_back_operation = roll_back_replacements
    emulator.module("services.cloudformation.handlers")._roll_back_operation = roll_back_replacements


def _with_lost_predecessors(handlers: Mapping[str, Handler], stack: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """Describe replacements whose predecessor is gone as updates in place, which a rollback sends back by replacing once more."""
    previous = (operation["previous_stack"] or {}).get("_resources", {})
    described = dict(operation)
    for logical_id in operation["replaced_ids"]:
        old = previous[logical_id]
        if old["ResourceType"] in _DELETE_FIRST and not handlers[old["ResourceType"]].stands(old["PhysicalResourceId"]):
            old["PhysicalResourceId"] = stack["_resources"][logical_id]["PhysicalResourceId"]
            described["replaced_ids"] = [id_ for id_ in described["replaced_ids"] if id_ != logical_id]
    if operation["failed_update"] is not None:
        logical_id, type_, physical_id, applied, *_ = operation["failed_update"]
        if applied is None and type_ in _DELETE_FIRST and not handlers[type_].stands(physical_id):
            stack["_resources"][logical_id] = {**previous[logical_id], "Properties": {}}
            described |= {"created": [*operation["created"], logical_id], "failed_update": None}
    return described


def _resolve_outputs(stack_name: str, stack_id: str, stack: dict[str, Any]) -> None:
    """Write the outputs of a stack anew, some of whose resources have other ids now."""
    stacks = emulator.module("services.cloudformation.stacks")
    template, parameters = stack["_template"], stack["_resolved_params"]
    conditions = stacks._evaluate_conditions(template, parameters)
    mappings = template.get("Mappings", {})
    stack["Outputs"], exports = stacks._resolve_stack_outputs(
        template.get("Outputs", {}), conditions, stack["_resources"], parameters, mappings, stack_name, stack_id
    )
    emulator.module("services.cloudformation")._exports.update(exports)


def _at(properties: Any, path: Sequence[str]) -> Any:
    """Give what stands at a path; None where nothing does."""
    for name in path:
        properties = properties.get(name) if isinstance(properties, dict) else None
    return properties
