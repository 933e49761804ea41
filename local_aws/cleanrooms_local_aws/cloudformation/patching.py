"""Replacement of functions of the emulator's CloudFormation."""

from collections.abc import Callable
from typing import Any, Final

from .. import emulator

_MODULES: Final = tuple(
    f"services.cloudformation.{name}" for name in ("engine", "provisioners", "stacks", "changesets", "handlers", "drift")
)

Function = Callable[..., Any]


def replace(name: str, make: Callable[[Function], Function]) -> None:
    """Replace a function in every module that holds it; ``make`` receives the present one and returns the new one."""
    modules = [module for module in map(emulator.module, _MODULES) if hasattr(module, name)]
    present = getattr(modules[0], name)
    new = make(present)
    for module in modules:
        if getattr(module, name) is present:
            setattr(module, name, new)


def replace_action(name: str, make: Callable[[Function], Function]) -> None:
    """Replace the handler of one of the API's actions."""
    handlers = emulator.module("services.cloudformation.handlers")._ACTION_HANDLERS
    handlers[name] = make(handlers[name])
