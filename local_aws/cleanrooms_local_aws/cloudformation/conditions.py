"""Conditions, evaluated by the emulator's own resolver of intrinsic functions.

The emulator evaluates them by other code, which knows And, Or, Not, Equals, Select and Ref to a parameter, and takes everything else
as it is written. Upstream could take this: the whole of it is its ``_resolve_refs`` over the section ``Conditions``.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from .. import emulator
from . import current_stack, patching
from .known_values import KNOWN_AFTER_APPLY, is_unknown

_OPERANDS: Final = {
    "Fn::And": (2, 10, "every Fn::And object requires a list of at least 2 and at most 10 boolean parameters."),
    "Fn::Or": (2, 10, "every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters."),
    "Fn::Not": (1, 1, "every Fn::Not object requires a list with exactly 1 boolean parameter."),
}
"""How many operands each function of conditions takes, and what CloudFormation says of others."""

_FORBIDDEN: Final = ("Fn::GetAtt", "Fn::ImportValue", "Fn::GetStackOutput")
"""The functions whose values are not known before a deployment; CloudFormation refuses them in conditions."""


class Conditions(dict[str, Any]):
    """The conditions of a template, each evaluated when it is first asked for."""

    def __init__(self, definitions: Mapping[str, Any], evaluate: Callable[[Any, "Conditions"], Any]) -> None:
        super().__init__()
        self._definitions = definitions
        self._evaluate = evaluate
        self._open: list[str] = []

    def get(self, name: str, *_: Any) -> Any:
        """The condition's value. Raises ValueError where it has none; there is no default, whatever the emulator asks for."""
        if name not in self:
            self[name] = self._value(name)
        return self[name]

    def _value(self, name: str) -> Any:
        if name not in self._definitions:
            raise ValueError(f"Template format error: Unresolved condition dependency {name} in the Conditions block of the template")
        if name in self._open:
            raise ValueError(f"Template error: Found circular condition dependency between {' and '.join(self._open)}")
        self._open.append(name)
        value = self._evaluate(self._definitions[name], self)
        self._open.pop()
        if not isinstance(value, bool) and not is_unknown(value):
            raise ValueError("Template format error: Conditions can only be boolean operations on parameters and other conditions")
        return value


def evaluate(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each condition of a template. Raises ValueError with the sentence in which CloudFormation refuses the template."""
    definitions = template.get("Conditions") or {}
    engine = emulator.module("services.cloudformation.engine")
    _check_references(definitions, {*(template.get("Parameters") or {}), *parameters})
    mappings = as_text(template.get("Mappings") or {})
    conditions = Conditions(
        definitions,
        lambda expression, known: engine._resolve_refs(as_text(expression), {}, parameters, known, mappings, *current_stack.current()),
    )
    return {name: conditions.get(name) for name in definitions}


def as_text(value: Any) -> Any:
    """The value with every number and boolean in it as CloudFormation compares it, that is, as a string."""
    if isinstance(value, Mapping):
        return {key: as_text(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_text(member) for member in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _check_references(definitions: Mapping[str, Any], parameters: set[str]) -> None:
    engine = emulator.module("services.cloudformation.engine")
    for function in _functions(definitions):
        if function in _FORBIDDEN:
            raise ValueError(f"Template error: Cannot use {function} in Conditions")
    unresolved = {name for name, _ in engine._intrinsic_references(definitions) if name not in parameters and not name.startswith("AWS::")}
    if unresolved:
        raise ValueError(
            f"Template format error: Unresolved dependencies [{', '.join(sorted(unresolved))}]."
            " Cannot reference resources in the Conditions block of the template"
        )


def _functions(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, argument in value.items():
            yield name
            yield from _functions(argument)
    elif isinstance(value, list):
        for member in value:
            yield from _functions(member)


def install() -> None:
    """Have the emulator evaluate conditions this way."""
    patching.replace("_resolve_refs", _with_condition_functions)
    patching.replace("_evaluate_conditions", lambda _: evaluate)
    patching.replace("_deploy_stack_async", _with_stack_id)
    patching.replace("_roll_back_operation", _with_previous_conditions)


def _with_condition_functions(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Evaluate And, Or and Not of boolean operands, some of which may be unknown."""

    def resolve_refs(value: Any, *context: Any) -> Any:
        function = next((name for name in _OPERANDS if isinstance(value, dict) and name in value), None)
        if function is None:
            return resolve(value, *context)
        least, most, rule = _OPERANDS[function]
        operands = emulator.module("services.cloudformation.engine")._resolve_refs(value[function], *context)
        if not isinstance(operands, list) or not least <= len(operands) <= most:
            raise ValueError(f"Template error: {rule}")
        known = [operand for operand in operands if not is_unknown(operand)]
        if not all(isinstance(operand, bool) for operand in known):
            raise ValueError(f"Template error: {rule}")
        decisive = function == "Fn::Or"
        if function != "Fn::Not" and decisive in known:
            return decisive
        if len(known) < len(operands):
            return KNOWN_AFTER_APPLY
        return not known[0] if function == "Fn::Not" else not decisive

    return resolve_refs


def _with_stack_id(deploy: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Evaluate a stack's conditions again once it has its id."""

    async def deploy_with_conditions(name: str, id_: str, template: Any, parameters: Any, *arguments: Any, **options: Any) -> None:
        emulator.module("services.cloudformation")._stacks[name]["_conditions"] = evaluate(template, parameters)
        await deploy(name, id_, template, parameters, *arguments, **options)

    return deploy_with_conditions


def _with_previous_conditions(roll_back: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Restore a stack's conditions with its template."""

    async def roll_back_with_conditions(
        name: str, id_: str, stack: dict[str, Any], operation: Mapping[str, Any], *arguments: Any, **options: Any
    ) -> None:
        await roll_back(name, id_, stack, operation, *arguments, **options)
        if operation.get("previous_stack"):
            stack["_conditions"] = operation["previous_stack"].get("_conditions", {})

    return roll_back_with_conditions
