"""Change sets that say what a deployment would lead to: with property values, with nested change sets, and with what is not known.

Source: the API reference of CreateChangeSet, DescribeChangeSet and DeleteChangeSet, and "Change sets for nested stacks" in the user
guide. The emulator compares templates, whose values it resolves without the resources that are deployed. Upstream could take this
with the prediction that it rests on.
"""

import json
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from .. import emulator
from ..errors import UnresolvableError
from . import create_only, current_stack, nested_stacks, patching
from .prediction import Prediction, before, predict
from .responses import Element, Response, completed, error, is_true

_Handler = Callable[[dict[str, Any]], Any]
_Change = dict[str, Any]

_NESTED_REASON: Final = "Executable from root change set"
_SHOWN: Final = ("Metadata", "CreationPolicy", "UpdatePolicy", "DeletionPolicy", "UpdateReplacePolicy", "DependsOn", "Condition")


class _Predicted(dict[str, Any]):
    """A template with resolved properties, as the emulator compares it, and the prediction that it comes from."""

    def __init__(self, resources: Mapping[str, Any], prediction: Prediction | None = None) -> None:
        super().__init__(Resources=resources)
        self.prediction = prediction


class _Unresolvable(list[_Change]):
    """The changes of a change set that fails: none, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def install() -> None:
    """Have the emulator make, describe and delete change sets this way."""
    changesets = emulator.module("services.cloudformation.changesets")
    compare: Callable[..., list[_Change]] = changesets._diff_resources
    changesets._resolve_props_for_diff = _resolve
    changesets._diff_resources = lambda old, new, *arguments: (
        _Unresolvable(str(new)) if isinstance(new, UnresolvableError) else _changes(compare, old, new, *arguments)
    )
    patching.replace("_stack_has_no_updates", _and_predicts_none)
    patching.replace_action("CreateChangeSet", _creating)
    patching.replace_action("DescribeChangeSet", lambda describe: _by_stack_name(_describing(describe)))
    patching.replace_action("ExecuteChangeSet", lambda execute: _then_forget_orphans(_by_stack_name(execute)))
    patching.replace_action("ListChangeSets", _by_stack_name)
    patching.replace_action("DeleteChangeSet", lambda delete: _then_forget_orphans(_deleting(delete)))
    patching.replace_action("DeleteStack", _then_forget_orphans)


def _and_predicts_none(has_no_updates: Callable[..., bool]) -> Callable[..., bool]:
    """Let UpdateStack find as much to update as a change set does: what a template refers to may have changed."""

    def check(stack: Mapping[str, Any], template: dict[str, Any], parameters: dict[str, Any], *arguments: Any) -> bool:
        if not has_no_updates(stack, template, parameters, *arguments):
            return False
        try:
            return not predict(stack, template, parameters).changes
        except ValueError:  # the update will say why it fails
            return False

    return check


def _resolve(template: dict[str, Any], parameters: dict[str, Any], _: str, stack_id: str) -> _Predicted | UnresolvableError:
    """Stands in for what resolves both templates that a change set compares."""
    stack = current_stack.existing(stack_id)
    if template is stack.get("_template"):
        return _Predicted(before(stack))
    if not template:
        return _Predicted({})
    try:
        prediction = predict(stack, template, parameters)
    except UnresolvableError as error:
        return error
    return _Predicted(prediction.after, prediction)


def _changes(
    compare: Callable[..., list[_Change]], old: Any, new: _Predicted, resources: Any, template: Any, changed_parameters: Any, retag: Any
) -> list[_Change]:
    """The changes, in the emulator's form, with what it does not know of them."""
    changes = compare(_by_path(old), _by_path(new), resources, _by_path(template), changed_parameters, retag)
    prediction = new.prediction
    if prediction is None:
        return changes
    changes += _removals(prediction, resources)
    changes += _nested_changes(prediction, resources, {change["ResourceChange"]["LogicalResourceId"] for change in changes})
    for change in changes:
        _add_prediction(change["ResourceChange"], prediction)
    return sorted(changes, key=lambda change: str(change["ResourceChange"]["LogicalResourceId"]))


def _removals(prediction: Prediction, resources: Mapping[str, Any]) -> list[_Change]:
    """The removals of resources whose creation failed and that the new template no longer has."""
    return [
        _removal(logical_id, resource)
        for logical_id, resource in resources.items()
        if resource.get("ResourceStatus") == "CREATE_FAILED" and logical_id not in prediction.after
    ]


def _nested_changes(prediction: Prediction, resources: Mapping[str, Any], listed: Container[str]) -> list[_Change]:
    """The changes of nested stacks in which something changes although their own properties do not."""
    return [
        _automatic(logical_id, resources[logical_id]["PhysicalResourceId"])
        for logical_id, nested in prediction.nested.items()
        if logical_id not in listed and nested.changes
    ]


def _add_prediction(change: dict[str, Any], prediction: Prediction) -> None:
    """Add to a change what the emulator does not know: contexts, values, conditions still open, and the nested prediction."""
    logical_id = change["LogicalResourceId"]
    shown = prediction.shown(logical_id)
    change |= {name: _context(side) for name, side in zip(("BeforeContext", "AfterContext"), shown, strict=True) if side}
    for detail in change.get("Details", []):
        _add_values(detail["Target"], shown[0] or {}, shown[1] or {})
    if change["Action"] == "Add":
        change.pop("PhysicalResourceId", None)
    if logical_id in prediction.undecided:
        change["Action"] = "Dynamic"
    if logical_id in prediction.nested:
        change["_nested"] = prediction.nested[logical_id]


def _by_path(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as the emulator compares it: what is in it by its path decides about a replacement as well."""
    return {
        "Resources": {
            logical_id: {**resource, "Properties": create_only.by_path(resource.get("Type", ""), resource.get("Properties") or {})}
            for logical_id, resource in (template.get("Resources") or {}).items()
        }
    }


def _removal(logical_id: str, resource: Mapping[str, Any]) -> _Change:
    """A resource whose creation failed, and which the next operation deletes."""
    change = {
        "Action": "Remove",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": resource["PhysicalResourceId"],
        "ResourceType": resource["ResourceType"],
        "PolicyAction": "Delete",
    }
    return {"ResourceChange": change}


def _automatic(logical_id: str, physical_id: str) -> _Change:
    """A nested stack that itself stays as it is, and in which something changes."""
    detail = {"Target": {"Attribute": "Properties", "RequiresRecreation": "Never"}, "Evaluation": "Dynamic", "ChangeSource": "Automatic"}
    change = {
        "Action": "Modify",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id,
        "ResourceType": nested_stacks.TYPE,
        "Replacement": "False",
        "Scope": ["Properties"],
        "Details": [detail],
    }
    return {"ResourceChange": change}


def _context(resource: Mapping[str, Any]) -> str:
    shown = {name: resource[name] for name in ("Properties", *_SHOWN) if name in resource}
    return json.dumps(_as_strings(shown), separators=(",", ":"))


def _as_strings(value: Any) -> Any:
    """The value with its scalars as strings, as CloudFormation gives them to custom resources as well."""
    return emulator.module("services.cloudformation.custom_resource")._normalise_resource_properties(value)


def _add_values(target: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Say of what a change targets where it is, and what it was and will be."""
    name: str | None = target.get("Name")
    if target["Attribute"] == "Properties" and name is None:
        return
    path = target["Attribute"]
    if name is not None:
        path, target["Name"] = f"{path}/{name}", name.partition("/")[0]
    found = {"BeforeValue": create_only.at(old, path), "AfterValue": create_only.at(new, path)}
    values = {side: _text(value) for side, value in found.items() if value is not None}
    kind = {("BeforeValue",): "Remove", ("AfterValue",): "Add", ("BeforeValue", "AfterValue"): "Modify"}.get(tuple(values))
    if kind is not None:
        target |= {"Path": f"/{path}", **values, "AttributeChangeType": kind}


def _text(value: Any) -> str:
    value = _as_strings(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _creating(create: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Any:
        name = (parameters.get("StackName") or [""])[0]
        stack = current_stack.record(name)
        reviewed = stack if stack is not None and stack["StackStatus"] == "REVIEW_IN_PROGRESS" else None
        is_new = (parameters.get("ChangeSetType") or ["UPDATE"])[0] == "CREATE"
        on_failure = parameters.get("OnStackFailure")
        if reviewed is not None and is_new:
            # The emulator would make another stack. As an update it compares with what there is, which is nothing.
            parameters = {key: value for key, value in parameters.items() if key != "OnStackFailure"} | {"ChangeSetType": ["UPDATE"]}
        try:
            response = create(parameters)
        except ValueError as refusal:
            if is_new and reviewed is None:
                emulator.module("services.cloudformation")._stacks.pop(name, None)
            return error("ValidationError", str(refusal))
        if response[0] == 200:
            change_set = _find(parameters)
            if is_new:
                change_set["ChangeSetType"] = "CREATE"
                change_set["OnStackFailure"] = (on_failure or [""])[0]
            _complete(change_set, with_nested=is_true(parameters, "IncludeNestedStacks"))
        return response

    return handle


def _find(parameters: Mapping[str, Any]) -> dict[str, Any]:
    changesets = emulator.module("services.cloudformation.changesets")
    stack = current_stack.record((parameters.get("StackName") or [""])[0])
    _, found = changesets._find_change_set((parameters.get("ChangeSetName") or [""])[0], stack["StackName"] if stack else "")
    return found or {}


def _complete(change_set: dict[str, Any], *, with_nested: bool) -> None:
    """Add to a change set what the emulator leaves out: its parameters as they were given, and its nested change sets."""
    change_set["Parameters"] = [_parameter(name, value) for name, value in change_set["_resolved_params"].items()]
    change_set["IncludeNestedStacks"] = with_nested
    if isinstance(change_set["Changes"], _Unresolvable):
        change_set["StatusReason"], change_set["Changes"] = change_set["Changes"].reason, []
    for change in (change["ResourceChange"] for change in change_set["Changes"]):
        nested: Prediction | None = change.pop("_nested", None)
        if nested is not None and with_nested and nested.changes:
            change["ChangeSetId"] = _add_nested(change_set, change["LogicalResourceId"], nested)


def _parameter(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    if value["NoEcho"]:
        return {"ParameterKey": name, "ParameterValue": "****"}
    if "SsmName" in value:
        return {"ParameterKey": name, "ParameterValue": value["SsmName"], "ResolvedValue": value["Value"]}
    return {"ParameterKey": name, "ParameterValue": value["Value"]}


def _add_nested(parent: Mapping[str, Any], logical_id: str, prediction: Prediction) -> str:
    """Make a change set of a nested stack, and the nested stack itself where it is new. Gives the change set's id."""
    compare = emulator.module("services.cloudformation.changesets")._diff_resources
    stack = dict(prediction.stack)
    if current_stack.record(stack["StackId"]) is None:
        nested_stacks.add(stack)
    previous = {name: value.get("Value") for name, value in stack["_resolved_params"].items()}
    changed = {name for name, value in prediction.parameters.items() if previous.get(name) != value["Value"]}
    name = f"{parent['ChangeSetName']}-{logical_id}-{uuid4().hex[:12].upper()}"
    id_ = f"{parent['ChangeSetId'].rpartition(':')[0]}:changeSet/{name}/{uuid4()}"
    change_set = {
        **parent,
        "ChangeSetId": id_,
        "ChangeSetName": name,
        "StackId": stack["StackId"],
        "StackName": stack["StackName"],
        "ExecutionStatus": "UNAVAILABLE",
        "StatusReason": _NESTED_REASON,
        "Description": "",
        "ChangeSetType": "UPDATE" if stack["_template"] else "CREATE",
        "Changes": compare(
            _Predicted(prediction.before),
            _Predicted(prediction.after, prediction),
            stack["_resources"],
            prediction.template,
            changed,
            (),
        ),
        "ParentChangeSetId": parent["ChangeSetId"],
        "RootChangeSetId": parent.get("RootChangeSetId", parent["ChangeSetId"]),
        "_template": prediction.template,
        "_template_body": prediction.text,
        "_resolved_params": prediction.parameters,
    }
    emulator.module("services.cloudformation")._change_sets[id_] = change_set
    _complete(change_set, with_nested=True)
    return id_


def _describing(describe: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Response:
        change_set = _find(parameters)

        def complete(result: Element) -> None:
            for name in ("IncludeNestedStacks", "ParentChangeSetId", "RootChangeSetId"):
                result.set(name, change_set.get(name))
            for element, parameter in zip(result.list("Parameters"), change_set["Parameters"], strict=True):
                element.set("ResolvedValue", parameter.get("ResolvedValue"))
            for element, change in zip(result.list("Changes"), change_set["Changes"], strict=True):
                with_values = is_true(parameters, "IncludePropertyValues")
                _complete_change(element.member("ResourceChange"), change["ResourceChange"], with_values=with_values)

        return completed(describe(parameters), complete)

    return handle


def _complete_change(element: Element, change: _Change, *, with_values: bool) -> None:
    element.set("ChangeSetId", change.get("ChangeSetId"))
    if not with_values:
        return
    for name in ("BeforeContext", "AfterContext"):
        element.set(name, change.get(name))
    for detail, told in zip(element.list("Details"), change.get("Details", []), strict=True):
        for name in ("Path", "BeforeValue", "AfterValue", "AttributeChangeType"):
            detail.member("Target").set(name, told["Target"].get(name))


def _by_stack_name(handle: _Handler) -> _Handler:
    """Take a stack's id for its name, by which the emulator looks change sets up."""

    def handle_by_name(parameters: dict[str, Any]) -> Any:
        stack = current_stack.record((parameters.get("StackName") or [""])[0])
        return handle({**parameters, "StackName": [stack["StackName"]]} if stack else parameters)

    return handle_by_name


def _deleting(delete: _Handler) -> _Handler:
    def handle(parameters: dict[str, Any]) -> Any:
        if "ParentChangeSetId" in _find(parameters):
            name = parameters["ChangeSetName"][0]
            return error("InvalidChangeSetStatus", f"ChangeSet [{name}] can only be deleted from its root change set")
        return delete(parameters)

    return handle


def _then_forget_orphans(handle: _Handler) -> _Handler:
    """Delete nested change sets, and the nested stacks that they have made, with their root change set."""

    def handle_and_forget(parameters: dict[str, Any]) -> Any:
        response = handle(parameters)
        cloudformation = emulator.module("services.cloudformation")
        for id_, change_set in list(_nested(cloudformation._change_sets)):
            if change_set["RootChangeSetId"] not in cloudformation._change_sets:
                del cloudformation._change_sets[id_]
                stack = current_stack.record(change_set["StackId"])
                if stack is not None and stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                    stack["StackStatus"] = "DELETE_COMPLETE"
        return response

    return handle_and_forget


def _nested(change_sets: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((id_, change_set) for id_, change_set in change_sets.items() if "RootChangeSetId" in change_set)
