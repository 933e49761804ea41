"""Nested stacks, which the emulator deploys by the code of every other stack.

By itself it has less for them: no transforms and dynamic references, no cleanup after a replacement, no rollback, and deletions that
happen while the root stack may still fail. Here a nested stack is rolled back and cleaned up with its root, as in CloudFormation.
Upstream could take this: it replaces one long function by the one that deploys root stacks.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from uuid import uuid4

from .. import emulator
from . import current_stack, patching
from .cleanup import cleaning_up, delete
from .known_values import is_unknown

TYPE: Final = "AWS::CloudFormation::Stack"

_Provisioned = tuple[str, dict[str, str]]

_root: ContextVar[dict[str, Any] | None] = ContextVar("_root", default=None)
"""The root stack whose deployment runs; its ``_cleanup`` is what its nested stacks will delete once it has succeeded."""
_rolling_back: ContextVar[bool] = ContextVar("_rolling_back", default=False)


def install() -> None:
    """Have stacks deploy, roll back and delete their nested stacks this way."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    provisioners._RESOURCE_HANDLERS[TYPE] |= {"create": _create, "delete": _delete}
    provisioners._REPLACING_PROPERTIES[TYPE] = ()
    patching.replace("_update_resource", _with_nested_stacks)
    patching.replace("_delete_resource", _after_the_root)
    patching.replace("_roll_back_operation", _with_nested_rollback)
    patching.replace("_deploy_stack_async", _with_cleanup)


def shell(parent: Mapping[str, Any], logical_id: str) -> dict[str, Any] | None:
    """The nested stack that a change set has made for review; None where there is none."""
    nested = (stack for stack in _children(parent["StackName"]) if stack.get("_logical_id") == logical_id)
    return next((stack for stack in nested if stack["StackStatus"] == "REVIEW_IN_PROGRESS"), None)


def blank(parent: Mapping[str, Any], logical_id: str, status: str) -> dict[str, Any]:
    """A nested stack that has nothing yet, of which the emulator knows nothing yet either."""
    now, name = emulator.module("core.responses").now_iso(), f"{parent['StackName']}-{logical_id}-{uuid4().hex[:12].upper()}"
    return {
        "StackName": name,
        "StackId": f"{parent['StackId'].rpartition(':')[0]}:stack/{name}/{uuid4()}",
        "StackStatus": status,
        "StackStatusReason": "",
        "CreationTime": now,
        "LastUpdatedTime": now,
        "Description": "",
        "Parameters": [],
        "Tags": [],
        "Outputs": [],
        "DisableRollback": False,
        "RootId": parent.get("RootId", parent["StackId"]),
        "ParentId": parent["StackId"],
        "_parent_stack_name": parent["StackName"],
        "_logical_id": logical_id,
        "_region": parent.get("_region"),
        "_resources": {},
        "_template": {},
        "_template_body": "",
        "_resolved_params": {},
        "_conditions": {},
    }


def add(stack: dict[str, Any]) -> dict[str, Any]:
    """Pass a blank nested stack to the emulator."""
    cloudformation = emulator.module("services.cloudformation")
    cloudformation._stacks[stack["StackName"]] = stack
    cloudformation._stack_events[stack["StackId"]] = []
    stacks = emulator.module("services.cloudformation.stacks")
    stacks._add_event(stack["StackId"], stack["StackName"], stack["StackName"], TYPE, stack["StackStatus"], physical_id=stack["StackId"])
    return stack


def read(properties: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The template that properties name: its text, as it was sent, as it is processed, and its parameters. Raises ValueError."""
    engine = emulator.module("services.cloudformation.engine")
    url = properties.get("TemplateURL")
    text, error = emulator.module("services.cloudformation.helpers")._resolve_template({"TemplateURL": [url]}) if url else (None, None)
    if error is not None or not text:
        raise ValueError(f"TemplateURL must reference a valid S3 object to which you have access, got {url!r}.")
    values = properties.get("Parameters") or {}
    if any(isinstance(value, list) for value in values.values()):
        raise ValueError("Value of property Parameters must be an object with String (or simple type) properties")
    given = [{"Key": name, "Value": "" if value is None else str(value)} for name, value in values.items()]
    try:
        sent = engine._parse_template(text)
    except Exception as error:  # of JSON or YAML
        raise ValueError(f"Template format error: {error}") from error
    processed = engine._apply_transforms(sent, given, previous)
    return text, sent, processed, engine._resolve_parameters(_without_rules_for_unknown(processed, values), given, previous)


def _without_rules_for_unknown(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The template with no rule for a parameter whose value is not known."""
    parameters = dict(template.get("Parameters") or {})
    for name in parameters.keys() & {name for name, value in values.items() if is_unknown(value)}:
        listed = str(parameters[name].get("Type")).startswith(("CommaDelimitedList", "List<", "AWS::SSM::Parameter::Value<List<"))
        parameters[name] = {"Type": "CommaDelimitedList" if listed else "String", "NoEcho": parameters[name].get("NoEcho", False)}
    return {**template, "Parameters": parameters}


def _create(logical_id: str, properties: Mapping[str, Any], parent_name: str) -> _Provisioned:
    parent = current_stack.existing(parent_name)
    stack = shell(parent, logical_id) or add(blank(parent, logical_id, "CREATE_IN_PROGRESS"))
    try:
        _deploy(stack, parent, properties, previous=None)
    except ValueError as error:
        stack["StackStatus"] = "CREATE_FAILED"
        _delete(stack["StackId"], properties)
        raise ValueError(f"Embedded stack {stack['StackId']} was not successfully created: {error}") from error
    return stack["StackId"], _attributes(stack)


def _update(stack: dict[str, Any], properties: Mapping[str, Any]) -> _Provisioned:
    previous = copy.deepcopy({name: value for name, value in stack.items() if name != "_operation"})
    try:
        _deploy(stack, current_stack.existing(stack["_parent_stack_name"]), properties, previous)
    except ValueError as error:
        raise ValueError(f"Embedded stack {stack['StackId']} was not successfully updated: {error}") from error
    stacks = emulator.module("services.cloudformation.stacks")
    order = stacks._topological_sort(stack["_template"].get("Resources", {}), stack["_conditions"])
    stable = stack.get("_operation", {}).get("previous_stack", previous)
    stack["_operation"] = stacks._failed_operation(
        True, stable, order, None, None, [], False, stack["_template"], stack["_resolved_params"], False, stack["Tags"], stable["Tags"]
    )
    return stack["StackId"], _attributes(stack)


def _deploy(stack: dict[str, Any], parent: Mapping[str, Any], properties: Mapping[str, Any], previous: dict[str, Any] | None) -> None:
    """Create or update a nested stack, on a thread of its own. Raises ValueError, with the reason, where it fails; it is rolled back."""
    stacks = emulator.module("services.cloudformation.stacks")
    engine = emulator.module("services.cloudformation.engine")
    provisioners = emulator.module("services.cloudformation.provisioners")
    name, id_ = stack["StackName"], stack["StackId"]
    text, sent, template, parameters = read(properties, stack["_resolved_params"])
    with current_stack.about(name, id_):
        conditions = engine._evaluate_conditions(template, parameters)
        engine.validate_template_support(template, conditions, params=parameters)
    provisioners._check_nested_stack_capabilities(parent["StackName"], sent)
    provisioners._check_nested_stack_capabilities(parent["StackName"], template)
    status = "UPDATE_IN_PROGRESS" if previous else "CREATE_IN_PROGRESS"
    stack |= {
        "StackStatus": status,
        "StackStatusReason": "",
        "LastUpdatedTime": emulator.module("core.responses").now_iso(),
        "Description": template.get("Description", ""),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value["Value"], "NoEcho": value["NoEcho"]} for key, value in parameters.items()
        ],
        "Tags": [
            {"Key": key, "Value": value}
            for key, value in provisioners._tag_map(properties.get("Tags")).items()
            if not key.startswith("aws:")
        ],
        "Capabilities": provisioners._inherited_capabilities(parent["StackName"]),
        "_template_body": text,
    }
    if previous is None:
        stack |= {"_template": template, "_resolved_params": parameters}
    stacks._add_event(id_, name, name, TYPE, status, physical_id=id_)
    events = emulator.module("services.cloudformation")._stack_events[id_]
    before = len(events)
    asyncio.run(
        stacks._deploy_stack_async(
            name, id_, template, parameters, False, stack["Tags"], is_update=previous is not None, previous_stack=previous
        )
    )
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise ValueError(_failure(name, events[before:]))


def _failure(name: str, events: list[dict[str, Any]]) -> str:
    """The reason that CloudFormation gives in the parent for a failed operation."""
    for event in events:
        status = event["ResourceStatus"]
        if status in ("CREATE_FAILED", "UPDATE_FAILED"):
            if event["LogicalResourceId"] == name:
                return str(event["ResourceStatusReason"])
            verb = status.removesuffix("_FAILED").lower()
            return f"The following resource(s) failed to {verb}: [{event['LogicalResourceId']}]."
    return "The operation was rolled back."


def _delete(physical_id: str, _: Mapping[str, Any]) -> None:
    """Delete a nested stack. Raises ValueError where something of it cannot be deleted."""
    stacks = emulator.module("services.cloudformation.stacks")
    stack = current_stack.existing(physical_id)
    if stack["StackStatus"] == "DELETE_COMPLETE":
        return
    if _rolling_back.get() or stack["StackStatus"] == "CREATE_FAILED":
        for definition in stack["_template"].get("Resources", {}).values():
            if definition.get("DeletionPolicy") == "RetainExceptOnCreate":
                definition["DeletionPolicy"] = "Delete"
    asyncio.run(stacks._delete_stack_async(stack["StackName"], stack["StackId"]))
    if stack["StackStatus"] != "DELETE_COMPLETE":
        raise ValueError(f"Embedded stack {stack['StackId']} was not successfully deleted: {stack['StackStatusReason']}")


def _attributes(stack: Mapping[str, Any]) -> dict[str, str]:
    return {f"Outputs.{output['OutputKey']}": output["OutputValue"] for output in stack["Outputs"]}


def _children(parent: str) -> list[dict[str, Any]]:
    stacks = emulator.module("services.cloudformation")._stacks.values()
    return [stack for stack in stacks if stack.get("_parent_stack_name") == parent and stack["StackStatus"] != "DELETE_COMPLETE"]


def _with_nested_stacks(update: Callable[..., _Provisioned]) -> Callable[..., _Provisioned]:
    """Update nested stacks even where none of their properties changes: what their parameters and templates lead to may have."""

    def update_or_deploy(type_: str, physical_id: str, old: Any, new_: Mapping[str, Any], *arguments: Any) -> _Provisioned:
        if type_ != TYPE:
            return update(type_, physical_id, old, new_, *arguments)
        stack = current_stack.existing(physical_id)
        if _rolling_back.get():  # it has been, before its parent
            return stack["StackId"], _attributes(stack)
        return _update(stack, new_)

    return update_or_deploy


def _after_the_root(delete: Callable[..., None]) -> Callable[..., None]:
    """Put off what an updated nested stack deletes until its root has succeeded."""

    def delete_or_put_off(type_: str, id_: str, properties: Any, stack_name: str = "", logical_id: str = "") -> None:
        root = _root.get()
        if root is None or _rolling_back.get() or stack_name == root["StackName"]:
            delete(type_, id_, properties, stack_name, logical_id)
        else:
            root.setdefault("_cleanup", []).append([type_, id_, properties, stack_name, logical_id])

    return delete_or_put_off


@contextmanager
def _as_rollback() -> Iterator[None]:
    token = _rolling_back.set(True)
    try:
        yield
    finally:
        _rolling_back.reset(token)


def _with_nested_rollback(roll_back: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Roll nested stacks back with their parent."""

    async def roll_back_all(name: str, id_: str, stack: dict[str, Any], operation: Any, *arguments: Any, **options: Any) -> None:
        with _as_rollback(), current_stack.about(name, id_):
            for child in _children(name):
                if "_operation" in child:
                    await roll_back_all(child["StackName"], child["StackId"], child, child.pop("_operation"))
            await roll_back(name, id_, stack, operation, *arguments, **options)
        stack.pop("_cleanup", None)

    return roll_back_all


def _with_cleanup(deploy: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Delete what nested stacks have put off, once their root has succeeded."""

    async def deploy_and_clean_up(name: str, *arguments: Any, **options: Any) -> None:
        stack = emulator.module("services.cloudformation")._stacks[name]
        if _root.get() is not None:
            await deploy(name, *arguments, **options)
            return
        token = _root.set(stack)
        try:
            await deploy(name, *arguments, **options)
        finally:
            _root.reset(token)
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        _forget_operations(name)
        put_off = stack.pop("_cleanup", [])
        if put_off:
            with cleaning_up(stack):
                for type_, physical_id, properties, stack_name, logical_id in put_off:
                    await delete(current_stack.existing(stack_name), logical_id, type_, physical_id, properties)

    return deploy_and_clean_up


def _forget_operations(parent: str) -> None:
    for child in _children(parent):
        child.pop("_operation", None)
        _forget_operations(child["StackName"])
