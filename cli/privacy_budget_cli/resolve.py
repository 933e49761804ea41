"""Values that only CloudFormation can resolve, as far as they can be known before a deployment."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ID_IS: Final = {("AWS::CleanRooms::Membership", "MembershipIdentifier")}
"""Attributes that are the physical id of their resource."""

_NOTHING: Final = object()
"""Ref of AWS::NoValue, which takes away the property that it stands for."""

_REFERENCE: Final = re.compile(r"\$\{(!?)([^}]+)\}")


@dataclass(frozen=True)
class Unresolved:
    """A value that cannot be known yet. Two that compare equal have the same value, whatever it is."""

    expression: str
    """The intrinsic function as JSON, with everything that is known put in."""
    changes: bool = False
    """Whether the deployment changes what it refers to, so that the value may become another one."""
    is_new: bool = False
    """Whether it refers to a resource that the deployment creates."""

    def __str__(self) -> str:
        return self.expression


@dataclass(frozen=True)
class Scope:
    """What is known while the values of a template are resolved."""

    pseudo: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values, or Unresolved."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Of the template's resources, by their logical ids."""
    physical_ids: Mapping[str, str] = field(default_factory=dict)
    """Of the resources that stand."""
    changing: frozenset[str] = frozenset()
    """Those of them that the deployment changes, so that it may replace them."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    exports: Callable[[], Mapping[str, str]] = dict

    def resolve(self, value: Any) -> Any:
        """A value of a template as CloudFormation would hand it over, every scalar a string; Unresolved what cannot be known."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name == "Ref" or name.startswith("Fn::"):
                    return self._intrinsic(name, argument)
            resolved = {name: self.resolve(entry) for name, entry in value.items()}
            return {name: entry for name, entry in resolved.items() if entry is not _NOTHING}
        if isinstance(value, list):
            return [entry for entry in map(self.resolve, value) if entry is not _NOTHING]
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._of_resource(resource, attribute)
            case "Fn::Sub":
                return self._substituted(*([argument, {}] if isinstance(argument, str) else argument))
            case "Fn::If":
                condition, then, otherwise = argument
                argument = [self.conditions.get(condition), then, otherwise]
        known = self.resolve(argument)
        if name == "Fn::Join" and not unresolved_in(known):
            separator, parts = known
            return str(separator.join(parts))
        if name == "Fn::ImportValue" and isinstance(known, str) and known in self.exports():
            return self.exports()[known]
        return _unresolved(name, known)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self.parameters:
            return self.parameters[name]
        if name in self.pseudo:
            return self.pseudo[name]
        return self._of_resource(name, None)

    def _of_resource(self, name: str, attribute: str | None) -> Any:
        stays = name in self.physical_ids and name not in self.changing
        if stays and (attribute is None or (self.types.get(name), attribute) in _ID_IS):
            return self.physical_ids[name]
        expression = {"Ref": name} if attribute is None else {"Fn::GetAtt": [name, attribute]}
        return Unresolved(json.dumps(expression), changes=name in self.changing, is_new=name not in self.physical_ids)

    def _substituted(self, text: str, variables: Mapping[str, Any]) -> Any:
        """Fn::Sub as the join that it is."""
        parts: list[Any] = []
        end = 0
        for found in _REFERENCE.finditer(text):
            literal, name = found.groups()
            parts.append(text[end : found.start()])
            if literal:
                parts.append(f"${{{name}}}")
            elif name in variables:
                parts.append(variables[name])
            else:
                parts.append({"Fn::GetAtt": name} if "." in name else {"Ref": name})
            end = found.end()
        return self._intrinsic("Fn::Join", ["", [*parts, text[end:]]])


def unresolved_in(value: Any) -> list[Unresolved]:
    """What cannot be known of a value and its parts."""
    if isinstance(value, Unresolved):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [unresolved for part in parts for unresolved in unresolved_in(part)]


def substituted(value: Any, known: Mapping[Unresolved, str]) -> Any:
    """The same value with what has become known put in."""
    if isinstance(value, Unresolved):
        return known.get(value, value)
    if isinstance(value, Mapping):
        return {name: substituted(entry, known) for name, entry in value.items()}
    if isinstance(value, list):
        return [substituted(entry, known) for entry in value]
    return value


def _unresolved(name: str, argument: Any) -> Unresolved:
    parts = unresolved_in(argument)
    return Unresolved(
        json.dumps({name: argument}, default=lambda part: json.loads(part.expression)),
        changes=any(part.changes for part in parts),
        is_new=any(part.is_new for part in parts),
    )
