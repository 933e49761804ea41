"""The permissions boundary of a role in a template, which the emulator drops although it honours one that is set by API."""

from collections.abc import Callable, Mapping
from typing import Any

from .. import emulator

_Provision = Callable[..., tuple[str, dict[str, Any]]]


def install() -> None:
    """Have stacks set and change the boundaries of their roles."""
    role = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::IAM::Role"]
    create: _Provision = role["create"]
    update: _Provision = role["update"]

    def create_with_boundary(logical_id: str, properties: Mapping[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        return _bounded(create(logical_id, properties, stack_name), properties)

    def update_with_boundary(
        physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], *names: Any, **more_names: Any
    ) -> tuple[str, dict[str, Any]]:
        return _bounded(update(physical_id, old, new, *names, **more_names), new)

    role["create"], role["update"] = create_with_boundary, update_with_boundary


def _bounded(provisioned: tuple[str, dict[str, Any]], properties: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    emulator.module("services.iam")._roles[provisioned[0]]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
    return provisioned
