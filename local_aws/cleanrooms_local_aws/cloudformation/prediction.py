"""The predicted result of deploying a template.

Properties are resolved in the order and by the code of a deployment. A resource that is created, replaced, or changed in a way that
decides about its identity gives nothing that is known; one that does not change gives what it gives now.
"""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .. import emulator
from ..errors import UnresolvableError
from ..native_types.schemas import TYPES
from . import create_only, current_stack, deployed, nested_stacks
from .known_values import KNOWN_AFTER_APPLY, UnknownAttributes, is_unknown, predicting

_Resource = dict[str, Any]

_SSM_REFERENCE: Final = re.compile(r"\{\{resolve:ssm:[^}]*\}\}")
"""What a change set resolves. It shows neither ``ssm-secure`` nor ``secretsmanager`` references' values."""


_NAMES: Final = {type_.type: tuple(type_.attributes) for type_ in TYPES}
"""The attributes that name a resource or its parent, of the types that have others than ``Arn``."""


@dataclass
class Prediction:
    """A stack before and after, each as resources with resolved properties by logical id."""

    stack: Mapping[str, Any]
    template: dict[str, Any]
    parameters: dict[str, Any]
    text: str
    """The template as it was sent; empty for a root stack, whose change set has it anyway."""
    before: dict[str, _Resource] = field(default_factory=dict)
    after: dict[str, _Resource] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)
    """The logical ids of those whose condition is unknown."""
    nested: dict[str, "Prediction"] = field(default_factory=dict)
    masked: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The properties after, with ``****`` for what comes of a parameter that is not to be shown; empty where there is none."""

    def shown(self, logical_id: str) -> tuple[_Resource | None, _Resource | None]:
        """A resource before and after, as a change set shows it; None where there is none."""
        old, new = self.before.get(logical_id), self.after.get(logical_id)
        if old is not None and _has_secret_parameters(self.stack.get("_resolved_params", {})):
            old = {**old, "Properties": _masked_before(self.stack, logical_id)}
        if new is not None and logical_id in self.masked:
            new = {**new, "Properties": self.masked[logical_id]}
        return old, new

    @property
    def changes(self) -> bool:
        """Whether anything of the stack changes: its resources, or what leads to its outputs."""
        return (
            self.template != self.stack.get("_template")
            or self.parameters != self.stack.get("_resolved_params")
            or self.before.keys() != self.after.keys()
            or any(self.before[name]["Properties"] != after["Properties"] for name, after in self.after.items())
            or any(nested.changes for nested in self.nested.values())
        )


def predict(stack: Mapping[str, Any], template: dict[str, Any], parameters: dict[str, Any], text: str = "") -> Prediction:
    """Predict the result of deploying the template to the stack. Raises UnresolvableError, and ValueError for a template to be refused."""
    prediction = Prediction(stack, template, parameters, text, before(stack))
    with predicting(), current_stack.about(stack["StackName"], stack["StackId"]):
        _Predictor(stack, prediction).run()
    return prediction


def before(stack: Mapping[str, Any]) -> dict[str, _Resource]:
    """The deployed resources of a stack."""
    template = deployed.template(stack)
    definitions, mappings = template.get("Resources", {}), template.get("Mappings", {})
    names = (stack["StackName"], stack["StackId"])
    return {
        logical_id: _with_policies(
            {**definitions.get(logical_id, {}), "Type": resource["ResourceType"], "Properties": _stored(resource)},
            (stack["_resources"], stack.get("_resolved_params", {}), stack.get("_conditions", {}), mappings, *names),
        )
        for logical_id, resource in deployed.resources(stack).items()
    }


def _has_secret_parameters(parameters: Mapping[str, Any]) -> bool:
    return any(parameter["NoEcho"] for parameter in parameters.values())


def _without_secret_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {**value, "Value": "****"} if value["NoEcho"] else value for name, value in parameters.items()}


def _masked_before(stack: Mapping[str, Any], logical_id: str) -> dict[str, Any]:
    """A deployed resource, resolved again from its template with ``****`` for the parameters that are not to be shown."""
    engine = emulator.module("services.cloudformation.engine")
    template = deployed.template(stack)
    parameters = _without_secret_parameters(stack["_resolved_params"])
    context = (parameters, stack["_conditions"], template.get("Mappings", {}), stack["StackName"], stack["StackId"])
    properties = copy.deepcopy(template.get("Resources", {}).get(logical_id, {}).get("Properties", {}))
    with predicting():
        resolved = engine._resolve_refs(properties, stack["_resources"], *context)
    dynamic: Mapping[str, str] = stack["_resources"][logical_id].get("_dynamic") or {}
    shown: dict[str, Any] = _each_text(resolved, lambda text: _SSM_REFERENCE.sub(lambda found: dynamic.get(found[0], found[0]), text))
    return shown


def _stored(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's properties, without the values of secrets."""
    properties: dict[str, Any] = resource.get("Properties") or {}
    masked: dict[str, Any] = _each_text(properties, lambda text: _without_secrets(text, resource.get("_dynamic") or {}))
    return masked


def _without_secrets(text: str, dynamic: Mapping[str, str]) -> str:
    for literal, value in dynamic.items():
        if value and not literal.startswith("{{resolve:ssm:"):
            text = text.replace(value, literal)
    return text


def _each_text(value: Any, change: Callable[[str], Any]) -> Any:
    """The value with each text in it changed."""
    if isinstance(value, dict):
        return {name: _each_text(member, change) for name, member in value.items()}
    if isinstance(value, list):
        return [_each_text(member, change) for member in value]
    return change(value) if isinstance(value, str) else value


def _with_policies(definition: _Resource, context: tuple[Any, ...]) -> _Resource:
    """The definition with its policies as names, also where its template gives functions for them."""
    policy = emulator.module("services.cloudformation.stacks")._resource_policy
    names = [name for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in definition]
    return {**definition, **{name: policy(definition, name, *context) for name in names}}


class _Predictor:
    def __init__(self, stack: Mapping[str, Any], prediction: Prediction) -> None:
        self._engine = emulator.module("services.cloudformation.engine")
        self._provisioners = emulator.module("services.cloudformation.provisioners")
        self._stack = stack
        self._prediction = prediction
        self._deployed = deployed.resources(stack)
        self._resources: dict[str, _Resource] = dict(self._deployed)
        template, parameters = prediction.template, prediction.parameters
        self._unchanged = template == stack.get("_template") and parameters == stack.get("_resolved_params")
        self._context = (
            parameters,
            self._engine._evaluate_conditions(template, parameters),
            template.get("Mappings", {}),
            stack["StackName"],
            stack["StackId"],
        )

    def run(self) -> None:
        definitions, conditions = self._prediction.template.get("Resources", {}), self._context[1]
        for logical_id in self._engine._topological_sort(definitions, conditions):
            definition = definitions[logical_id]
            if is_unknown(conditions.get(definition.get("Condition"))):
                self._prediction.undecided.add(logical_id)
            resource = {**definition, "Properties": self._properties(logical_id, definition, *self._context)}
            if _has_secret_parameters(self._prediction.parameters):
                masked = _without_secret_parameters(self._prediction.parameters)
                self._prediction.masked[logical_id] = self._properties(logical_id, definition, masked, *self._context[1:])
            self._prediction.after[logical_id] = _with_policies(resource, (self._resources, *self._context))
            if definition.get("Type") == nested_stacks.TYPE:
                self._predict_nested(logical_id, resource["Properties"])
            self._resources[logical_id] = self._known(logical_id, resource)

    def _properties(self, logical_id: str, definition: Mapping[str, Any], *context: Any) -> dict[str, Any]:
        resolved = self._engine._resolve_refs(copy.deepcopy(definition.get("Properties", {})), self._resources, *context)
        known = {name: value for name, value in resolved.items() if value is not self._engine._NO_VALUE}
        properties: dict[str, Any] = self._with_dynamic_references(known, self._deployed.get(logical_id, {}).get("_dynamic"))
        return properties

    def _with_dynamic_references(self, properties: Any, previous: Mapping[str, str] | None) -> Any:
        """Resolve dynamic references as a deployment does, apart from secrets, which no change set shows."""

        def resolve(found: re.Match[str]) -> str:
            try:
                value, _ = self._engine._resolve_dynamic_references(found.group(0), previous, reuse_ssm=self._unchanged)
            except ValueError as error:
                raise UnresolvableError(str(error)) from error
            return str(value)

        return _each_text(properties, lambda text: text if is_unknown(text) else _SSM_REFERENCE.sub(resolve, text))

    def _predict_nested(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        if is_unknown(properties.get("TemplateURL")):
            return
        existing = self._deployed.get(logical_id)
        stack = current_stack.existing(existing["PhysicalResourceId"]) if existing else nested_stacks.shell(self._stack, logical_id)
        if stack is None:
            stack = nested_stacks.blank(self._stack, logical_id, "REVIEW_IN_PROGRESS")
        try:
            text, _, template, parameters = nested_stacks.read(properties, stack["_resolved_params"])
            self._prediction.nested[logical_id] = predict(stack, template, parameters, text)
        except ValueError as error:
            raise UnresolvableError(f"Nested stack {logical_id}: {error}") from error

    def _known(self, logical_id: str, resource: Mapping[str, Any]) -> _Resource:
        """The values that references to a resource resolve to."""
        type_, new = resource.get("Type", ""), resource["Properties"]
        old = self._deployed.get(logical_id)
        if old is None or logical_id in self._prediction.undecided:
            return {"PhysicalResourceId": KNOWN_AFTER_APPLY, "Attributes": UnknownAttributes()}
        before = self._prediction.before[logical_id]["Properties"]
        nested = self._prediction.nested.get(logical_id)
        if before == new and (nested is None or not nested.changes):
            return old
        if self._may_be_replaced(type_, before, new):
            return {"PhysicalResourceId": KNOWN_AFTER_APPLY, "Attributes": UnknownAttributes()}
        # What names the resource stays as long as the resource does; any other attribute may change with it.
        names = {name: value for name, value in old.get("Attributes", {}).items() if name in _NAMES.get(type_, ("Arn",))}
        return {**old, "Attributes": UnknownAttributes(names)}

    def _may_be_replaced(self, type_: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        old, new = create_only.by_path(type_, before), create_only.by_path(type_, after)
        changed = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
        return any(self._provisioners._property_recreation(type_, name) != "Never" for name in changed)
