"""DescribeStacks, with a nested stack's parent and root, and with what stored parameters are called beside what they are."""

from collections.abc import Callable
from typing import Any

from . import current_stack, patching
from .responses import Element, Response, completed


def install() -> None:
    """Have the emulator describe stacks this way."""

    def completing(describe: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
        return lambda parameters: completed(describe(parameters), _complete)

    patching.replace_action("DescribeStacks", completing)


def _complete(result: Element) -> None:
    for described in result.list("Stacks"):
        stack = current_stack.existing(described.text("StackId") or "")
        described.set("ParentId", stack.get("ParentId"))
        described.set("RootId", stack.get("RootId"))
        for parameter in described.list("Parameters"):
            value = stack["_resolved_params"].get(parameter.text("ParameterKey"), {})
            if "SsmName" in value and not value["NoEcho"]:
                parameter.set("ParameterValue", value["SsmName"])
                parameter.set("ResolvedValue", value["Value"])
