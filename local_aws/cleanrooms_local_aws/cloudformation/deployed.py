"""The deployed resources of a stack."""

from collections.abc import Mapping
from typing import Any


def resources(stack: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The stack's resources by logical id, without those whose creation failed."""
    return {name: resource for name, resource in stack["_resources"].items() if resource.get("ResourceStatus") != "CREATE_FAILED"}


def template(stack: Mapping[str, Any]) -> dict[str, Any]:
    """The template that the stack's resources come from: after a failed operation, what that one provisioned comes from its template."""
    stable: dict[str, Any] = stack.get("_template") or {}
    failed = stack.get("_failed_operation")
    if failed is None:
        return stable
    provisioned = {*failed["created"], *failed.get("failed_creates", ())}
    of_failed = {name: definition for name, definition in failed["template"].get("Resources", {}).items() if name in provisioned}
    return {**failed["template"], **stable, "Resources": {**stable.get("Resources", {}), **of_failed}}
