"""Checks that the emulator lacks: invalid templates and a changed service token are refused.

Upstream could take this: its checks are in the same place.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .. import emulator
from . import current_stack, deployed, patching
from .known_values import KNOWN_AFTER_APPLY, is_unknown

_NOT_DEPLOYED: Final = ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE")


def install() -> None:
    """Have the emulator refuse it as well."""

    def stricter(validate: Callable[..., None]) -> Callable[..., None]:
        def check(template: Mapping[str, Any], conditions: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
            validate(template, conditions, *arguments, **options)
            _check_conditions_exist(template)
            _check_resource_types(template, conditions)
            if options.get("params") is not None and not template.get("Transform"):
                _check_references(template, conditions)

        return check

    def keeping_the_token(refusal: Callable[..., str | None]) -> Callable[..., str | None]:
        def check(type_: str, old: Mapping[str, Any], new: Mapping[str, Any], *physical_id: Any) -> str | None:
            if _is_custom(type_) and old.get("ServiceToken") != new.get("ServiceToken"):
                return "Modifying service token is not allowed."
            return refusal(type_, old, new, *physical_id)

        return check

    patching.replace("validate_template_support", stricter)
    patching.replace("_custom_named_replacement_error", keeping_the_token)


def _is_custom(type_: str) -> bool:
    return type_.startswith("Custom::") or type_ == "AWS::CloudFormation::CustomResource"


def _check_conditions_exist(template: Mapping[str, Any]) -> None:
    known = (template.get("Conditions") or {}).keys()
    for section in ("Resources", "Outputs"):
        members = [member for member in (template.get(section) or {}).values() if isinstance(member, dict)]
        for name in (member["Condition"] for member in members if isinstance(member.get("Condition"), str)):
            if name not in known:
                raise ValueError(f"Template format error: Unresolved condition dependency {name} in the {section} block of the template")
        for name in _chosen_by(members):
            if name not in known:
                raise ValueError(f"Template error: unresolved condition dependency {name} in Fn::If")


def _chosen_by(value: Any) -> Iterator[str]:
    """The names of the conditions that Fn::If asks for."""
    if isinstance(value, list):
        for member in value:
            yield from _chosen_by(member)
    elif isinstance(value, dict):
        arguments = value.get("Fn::If")
        if isinstance(arguments, list) and arguments and isinstance(arguments[0], str):
            yield arguments[0]
        for member in value.values():
            yield from _chosen_by(member)


def _check_references(template: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
    """Refuse references to what is not in the template, or is taken out of it by a condition."""
    resources, outputs = (_present(template.get(section) or {}, conditions) for section in ("Resources", "Outputs"))
    known = {*(template.get("Parameters") or {}), *resources}
    values = {
        "Resources": [resource.get("Properties") for resource in resources.values()],
        "Outputs": [output.get("Value") for output in outputs.values()],
    }
    for section, used in values.items():
        references = emulator.module("services.cloudformation.engine")._intrinsic_references(_chosen(used, conditions))
        unresolved = {name for name, _ in references if name not in known and not name.startswith("AWS::")}
        if unresolved:
            names = ", ".join(sorted(unresolved))
            raise ValueError(f"Template format error: Unresolved resource dependencies [{names}] in the {section} block of the template")


def _present(members: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a section that no condition takes out; an unknown condition counts as true."""
    return {name: member for name, member in members.items() if conditions.get(member.get("Condition"), True)}


def _chosen(value: Any, conditions: Mapping[str, Any]) -> Any:
    """The value with only that branch of each Fn::If which its condition chooses, or both where it is unknown."""
    if isinstance(value, list):
        return [_chosen(member, conditions) for member in value]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        name, *branches = value["Fn::If"]
        condition = conditions.get(name) if isinstance(name, str) else KNOWN_AFTER_APPLY
        return _chosen(branches if is_unknown(condition) else branches[:1] if condition else branches[1:], conditions)
    return {name: _chosen(member, conditions) for name, member in value.items()}


def _check_resource_types(template: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
    stack = current_stack.record(current_stack.current().name)
    if stack is None or stack["StackStatus"] in _NOT_DEPLOYED:
        return
    resources = template.get("Resources") or {}
    changed = [
        logical_id
        for logical_id, resource in deployed.resources(stack).items()
        if logical_id in resources
        and conditions.get(resources[logical_id].get("Condition"), True)
        and resources[logical_id].get("Type") != resource["ResourceType"]
    ]
    if changed:
        raise ValueError(
            "Update of resource type is not permitted. The new template modifies resource type of the following resources:"
            f" [{', '.join(sorted(changed))}]"
        )
