"""Replacement as the schemas of Clean Rooms' types say, which the emulator knows in part.

A template and an association are deleted before their successors are created, as both cannot exist at once; a rollback is such a
replacement too, and brings back a resource with a new id. Upstream could read ``replacementStrategy`` of a schema.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from .. import emulator
from ..cloudformation import patching
from .resources import Handler, Properties, Provisioned
from .schemas import PREFIX, TYPES

_DELETE_FIRST: Final = frozenset(type_.type for type_ in TYPES if type_.delete_first)


def install(handlers: Mapping[str, Handler]) -> None:
    """Have stacks replace these types this way."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    for type_ in TYPES:
        provisioners._REPLACING_PROPERTIES[type_.type] = type_.create_only
    patching.replace("_runs_on_worker_thread", _or_waits_for_its_quota)
    patching.replace("_replace_resource", lambda replace: _deleting_first(replace, handlers))
    patching.replace("_roll_back_operation", lambda roll_back: _replacing_once_more(roll_back, handlers))


def _or_waits_for_its_quota(on_worker_thread: Callable[[str], bool]) -> Callable[[str], bool]:
    """Keep the server answering while a resource waits for its quota."""
    return lambda type_: type_.startswith(PREFIX) or on_worker_thread(type_)


def _deleting_first(replace: Callable[..., Provisioned], handlers: Mapping[str, Handler]) -> Callable[..., Provisioned]:
    """Replace by deleting first where the schema says so, unless the old resource is to be kept."""
    provisioners = emulator.module("services.cloudformation.provisioners")

    def replace_in_order(type_: str, physical_id: str, old: Properties, new: Properties, *names: str) -> Provisioned:
        if type_ in _DELETE_FIRST and not provisioners._RETAIN_REPLACED.get():
            handlers[type_].delete(physical_id, old)
        return replace(type_, physical_id, old, new, *names)

    return replace_in_order


def _replacing_once_more(roll_back: Callable[..., Awaitable[None]], handlers: Mapping[str, Handler]) -> Callable[..., Awaitable[None]]:
    """Have a rollback create anew what its operation deleted first; the emulator would assume that the old one still exists."""
    run: Callable[..., Awaitable[dict[str, Any]]] = emulator.module("core.concurrency").run_reentrant
    # Taken before cloudformation.references refuses the change of an export in use, for which a rollback has no choice.
    resolve_outputs = emulator.module("services.cloudformation.stacks")._resolve_stack_outputs

    async def roll_back_replacements(
        stack_name: str, stack_id: str, stack: dict[str, Any], operation: Mapping[str, Any], *reason: str, **options: str
    ) -> None:
        previous = (operation["previous_stack"] or {}).get("_resources", {})
        before = _references(previous)
        await roll_back(stack_name, stack_id, stack, await run(_with_lost_predecessors, handlers, stack, operation), *reason, **options)
        if stack["_resources"] is previous and _references(previous) != before:
            _write_outputs(resolve_outputs, stack_name, stack_id, stack)

    return roll_back_replacements


def _references(resources: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The values of references, by resource."""
    return [(resource["PhysicalResourceId"], resource["Attributes"]) for resource in resources.values()]


def _with_lost_predecessors(handlers: Mapping[str, Handler], stack: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """Describe replacements whose predecessor is gone as updates in place, which a rollback sends back by replacing once more."""
    previous = (operation["previous_stack"] or {}).get("_resources", {})
    described = dict(operation)

    def is_lost(type_: str, physical_id: str) -> bool:
        return type_ in _DELETE_FIRST and not handlers[type_].exists(physical_id)

    for logical_id in operation["created"]:
        old, new = previous.get(logical_id), stack["_resources"].get(logical_id)
        if not old or not new or old["PhysicalResourceId"] == new["PhysicalResourceId"]:
            continue
        if is_lost(old["ResourceType"], old["PhysicalResourceId"]):
            old["PhysicalResourceId"] = new["PhysicalResourceId"]
            described["replaced_ids"] = [id_ for id_ in described["replaced_ids"] if id_ != logical_id]
    if operation["failed_update"] is not None:
        logical_id, type_, physical_id, applied, *_ = operation["failed_update"]
        if applied is None and is_lost(type_, physical_id):
            stack["_resources"][logical_id] = {**previous[logical_id], "Properties": {}}
            described |= {"created": [*operation["created"], logical_id], "failed_update": None}
    return described


def _write_outputs(resolve: Callable[..., Any], stack_name: str, stack_id: str, stack: dict[str, Any]) -> None:
    """Write the outputs of a stack anew, some of whose resources have other ids or attributes now."""
    template, parameters = stack["_template"], stack["_resolved_params"]
    conditions = emulator.module("services.cloudformation.stacks")._evaluate_conditions(template, parameters)
    context = (conditions, stack["_resources"], parameters, template.get("Mappings", {}), stack_name, stack_id)
    try:
        stack["Outputs"], exports = resolve(template.get("Outputs", {}), *context)
    except ValueError:  # an output of another stack that is gone by now: a rollback does not fail for it
        return
    emulator.module("services.cloudformation")._exports.update(exports)
