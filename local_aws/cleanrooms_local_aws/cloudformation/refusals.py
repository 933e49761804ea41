"""What CloudFormation refuses, and the emulator lets pass: templates before anything is touched, and a changed service token."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from . import current_stack, deployed, patching

_NOT_DEPLOYED: Final = ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE")


def install() -> None:
    """Have the emulator refuse it as well."""

    def stricter(validate: Callable[..., None]) -> Callable[..., None]:
        def check(template: Mapping[str, Any], conditions: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
            validate(template, conditions, *arguments, **options)
            _check_conditions_exist(template)
            _check_resource_types(template, conditions)

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
