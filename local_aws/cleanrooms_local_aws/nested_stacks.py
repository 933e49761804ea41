"""Nested stacks that keep what their templates tell them to keep, and of which nothing is left when their creation fails.

The emulator deletes all that a nested stack holds, whatever the deletion policies say, and nothing where its creation fails.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import emulator


def install() -> None:
    """Have stacks delete their nested stacks this way."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    stacks = emulator.module("services.cloudformation")._stacks
    nested = provisioners._RESOURCE_HANDLERS["AWS::CloudFormation::Stack"]
    create: Callable[..., tuple[str, dict[str, Any]]] = nested["create"]
    delete: Callable[..., None] = nested["delete"]

    def create_or_roll_back(logical_id: str, properties: Mapping[str, Any], parent: str) -> tuple[str, dict[str, Any]]:
        try:
            return create(logical_id, properties, parent)
        except Exception:
            for name, stack in list(stacks.items()):
                if name.startswith(f"{parent}-{logical_id}-") and stack["StackStatus"] == "CREATE_FAILED":
                    delete_by_policy(name, properties)
            raise

    def delete_by_policy(name_or_id: str, properties: Mapping[str, Any]) -> None:
        name = provisioners._nested_stack_lookup_name(name_or_id)
        kept = {"Retain"} if _is_rolled_back(stacks, name) else {"Retain", "RetainExceptOnCreate"}
        for logical_id, resource in stacks[name]["_template"]["Resources"].items():
            if resource.get("DeletionPolicy") in kept:
                stacks[name]["_resources"].pop(logical_id, None)
        delete(name, properties)

    nested["create"], nested["delete"] = create_or_roll_back, delete_by_policy


def _is_rolled_back(stacks: Mapping[str, Mapping[str, Any]], name: str | None) -> bool:
    """Whether a nested stack is deleted because its own creation, or the deployment that made it, failed."""
    while name is not None:
        status = stacks[name]["StackStatus"]
        if status == "CREATE_FAILED" or "ROLLBACK" in status:
            return True
        name = stacks[name].get("_parent_stack_name")
    return False
