"""Values of a change set: known, or known only after the deployment.

Values are resolved by the emulator's own resolver of intrinsic functions, which a deployment uses as well. While a change set is made,
a value that depends on something unknown is unknown as a whole.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from .. import emulator
from . import patching

KNOWN_AFTER_APPLY: Final = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""Stands for a value that only the deployment can tell."""

_FUNCTIONS: Final = (
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Base64",
    "Fn::ToJsonString",
    "Fn::FindInMap",
    "Fn::ImportValue",
    "Fn::GetStackOutput",
    "Fn::GetAZs",
    "Fn::Cidr",
    "Fn::Equals",
)
"""The functions that know nothing where an argument is unknown."""

_FROM_ELSEWHERE: Final = ("Fn::GetAtt", "Fn::Sub", "Fn::ImportValue", "Fn::GetStackOutput")
"""The functions whose value may come to be before the change set is executed, or never."""

_predicting: ContextVar[bool] = ContextVar("_predicting", default=False)


class UnknownAttributes(dict[str, str]):
    """The attributes of a resource, in which only some are known."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return KNOWN_AFTER_APPLY


def is_unknown(value: Any) -> bool:
    """Whether anything in the value is known only after the deployment."""
    if isinstance(value, Mapping):
        return any(map(is_unknown, value.values()))
    if isinstance(value, list):
        return any(map(is_unknown, value))
    return isinstance(value, str) and KNOWN_AFTER_APPLY in value


@contextmanager
def predicting() -> Iterator[None]:
    """Within the block, what only a deployment can tell resolves to KNOWN_AFTER_APPLY instead of an error or something wrong."""
    token = _predicting.set(True)
    try:
        yield
    finally:
        _predicting.reset(token)


def install() -> None:
    """Have the emulator's resolver know unknown values."""
    patching.replace("_resolve_refs", _with_unknown_values)


def _with_unknown_values(resolve: Callable[..., Any]) -> Callable[..., Any]:
    def resolve_refs(value: Any, resources: Any, parameters: Any, conditions: Mapping[str, Any], *context: Any) -> Any:
        if not _predicting.get() or not isinstance(value, dict):
            return resolve(value, resources, parameters, conditions, *context)
        if "Fn::If" in value and isinstance(value["Fn::If"][0], str) and is_unknown(conditions.get(value["Fn::If"][0])):
            return KNOWN_AFTER_APPLY
        for function in _FUNCTIONS:
            if function in value:
                arguments = emulator.module("services.cloudformation.engine")._resolve_refs(
                    value[function], resources, parameters, conditions, *context
                )
                if is_unknown(arguments):
                    return KNOWN_AFTER_APPLY
                value = {function: arguments}
        try:
            resolved = resolve(value, resources, parameters, conditions, *context)
        except ValueError:
            if any(function in value for function in _FROM_ELSEWHERE):
                return KNOWN_AFTER_APPLY
            raise
        return KNOWN_AFTER_APPLY if "Fn::Sub" in value and is_unknown(resolved) else resolved

    return resolve_refs
