"""References from one stack to another: exports, which are kept as long as they are imported, and Fn::GetStackOutput, which keeps nothing.

The emulator lets a stack change or drop what another imports, keeps what was dropped, and gives outputs of stacks that were deleted.
Upstream could take this.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .. import emulator
from . import current_stack, patching


def install() -> None:
    """Have stacks refer to each other as in CloudFormation."""
    patching.replace("_resolve_stack_outputs", _with_exports_in_use)
    patching.replace("_resolve_refs", _with_outputs_of_stacks)


def _with_exports_in_use(resolve: Callable[..., tuple[list[Any], dict[str, Any]]]) -> Callable[..., tuple[list[Any], dict[str, Any]]]:
    """Check exports once the values of a stack's outputs are known, and drop those that it has no more."""

    def resolve_and_check(*arguments: Any) -> tuple[list[Any], dict[str, Any]]:
        outputs, new = resolve(*arguments)
        exports = emulator.module("services.cloudformation")._exports
        stack_id = arguments[-1]
        for name in new:
            if exports.get(name, {"StackId": stack_id})["StackId"] != stack_id:
                owner = current_stack.record(exports[name]["StackId"])
                raise ValueError(f"Export with name {name} is already exported by stack {owner['StackName'] if owner else 'another'}")
        own = {name: export for name, export in exports.items() if export["StackId"] == stack_id}
        changed = [name for name, export in own.items() if name in new and new[name]["Value"] != export["Value"]]
        dropped = [name for name in own if name not in new]
        for name, what in [*((name, "updated") for name in changed), *((name, "deleted") for name in dropped)]:
            importer = _importer(name)
            if importer is not None:
                raise ValueError(f"Export {name} cannot be {what} as it is in use by {importer}")
        for name in dropped:
            del exports[name]
        return outputs, new

    return resolve_and_check


def _importer(export: str) -> str | None:
    imported_names = emulator.module("services.cloudformation.handlers")._imported_export_names
    for name, stack in emulator.module("services.cloudformation")._stacks.items():
        if stack["StackStatus"] not in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS") and export in imported_names(stack, name):
            return str(name)
    return None


def _with_outputs_of_stacks(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Resolve Fn::GetStackOutput of another region as well, and of no stack that was deleted."""

    def resolve_refs(value: Any, *context: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("Fn::GetStackOutput"), Mapping):
            return resolve(value, *context)
        engine = emulator.module("services.cloudformation.engine")
        reference = {name: engine._resolve_refs(argument, *context) for name, argument in value["Fn::GetStackOutput"].items()}
        region = {"_region": reference.get("Region")}
        with emulator.module("services.cloudformation.stacks")._stack_region_context(region):
            stack = current_stack.record(str(reference.get("StackName")))
            if stack is None or stack["StackStatus"] == "DELETE_COMPLETE":
                raise ValueError(f"Stack '{reference.get('StackName')}' of Fn::GetStackOutput does not exist")
            return resolve({"Fn::GetStackOutput": {**reference, "StackName": stack["StackName"]}}, *context)

    return resolve_refs
