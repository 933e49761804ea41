"""Requests and answers checked against botocore's own model of the service, generically by shape.

botocore checks a request only in part (neither maximum, pattern nor enumeration), so the local service does what the live one
does for itself. The same check over answers keeps the emulation from drifting away from the model.

One exception is made: the ARN of a template, or of a table's association, as IAM writes it has more than the 100 characters that
the model allows, and another pattern.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import botocore.session

from . import arns
from .exceptions import ValidationException

OPERATIONS: Final = (
    "CreatePrivacyBudgetTemplate",
    "GetPrivacyBudgetTemplate",
    "UpdatePrivacyBudgetTemplate",
    "DeletePrivacyBudgetTemplate",
    "ListPrivacyBudgetTemplates",
    "ListPrivacyBudgets",
    "PreviewPrivacyImpact",
    "ListCollaborationPrivacyBudgetTemplates",
    "GetCollaborationPrivacyBudgetTemplate",
    "ListCollaborationPrivacyBudgets",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    "CreateConfiguredTableAssociation",
    "GetConfiguredTableAssociation",
    "UpdateConfiguredTableAssociation",
    "DeleteConfiguredTableAssociation",
    "ListConfiguredTableAssociations",
    "CreateConfiguredTableAnalysisRule",
    "GetConfiguredTableAnalysisRule",
    "UpdateConfiguredTableAnalysisRule",
    "DeleteConfiguredTableAnalysisRule",
    "CreateConfiguredTableAssociationAnalysisRule",
    "GetConfiguredTableAssociationAnalysisRule",
    "UpdateConfiguredTableAssociationAnalysisRule",
    "DeleteConfiguredTableAssociationAnalysisRule",
)
"""Those that are answered here; moto answers the others that it knows."""

Fault = tuple[str, str]
"""A member's path, and what is wrong with it."""

_TYPES: Final[Mapping[str, tuple[Any, str]]] = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "a list"),
    "string": (str, "a string"),
    "integer": (int, "a whole number"),
    "double": (int | float, "a number"),
    "timestamp": (int | float, "a number of seconds"),
    "boolean": (bool, "true or false"),
}
_ARN_SHAPES: Final = frozenset({"CleanroomsArn", "PrivacyBudgetTemplateArn", "ConfiguredTableAssociationArn"})


def route(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Find the operation that a request is for, and the labels in its (decoded) path; None where the service has none such."""
    for operation, (verb, pattern) in _routes().items():
        match = pattern.fullmatch(path)
        if verb == method and match:
            return operation, match.groupdict()
    return None


def request(operation: str, labels: Mapping[str, str], query: Mapping[str, Sequence[str]], body: str) -> dict[str, Any]:
    """Read the request's members from path, query string and JSON body. Raises ValidationException naming each that is wrong."""
    shape = _operation(operation).input_shape
    located = {name for name, member in shape.members.items() if "location" in member.serialization}
    given = _json_object(body)
    misplaced = [(name, "must not be in the body") for name in given if name in located]
    members = {**given, **labels}
    for name, values in query.items():
        wanted = shape.members.get(name)
        if wanted is None or wanted.serialization.get("location") != "querystring":
            misplaced.append((name, "must not be in the query string"))
        else:
            members[name] = _from_query(wanted, values)
    wrong = misplaced + list(faults(shape, members))
    if wrong:
        raise _invalid(wrong)
    return members


def _json_object(body: str) -> dict[str, Any]:
    try:
        given = json.loads(body) if body else {}
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _invalid([("body", f"must be a JSON object, got {body!r}")])
    return given


def status(operation: str) -> int:
    """The HTTP status of an answer that is no error."""
    return int(_operation(operation).http["responseCode"])


def answer_faults(operation: str, answer: Mapping[str, Any]) -> list[Fault]:
    """List what an answer has against the operation's output shape."""
    return list(faults(_operation(operation).output_shape, answer))


def error_faults(code: str, http_status: int, body: Mapping[str, Any]) -> list[Fault]:
    """List what an error answer has against its shape."""
    shape = _service().shape_for(code)
    expected = shape.metadata["error"]["httpStatusCode"]
    wrong_status = [("status", f"must be {expected}, got {http_status}")] if http_status != expected else []
    return wrong_status + list(faults(shape, body))


def faults(shape: Any, value: Any, path: str = "") -> Iterator[Fault]:
    """Yield everything in which a value breaks its shape's rules."""
    types, name = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        yield path, f"must be {name}, got {value!r}"
    elif shape.type_name == "structure":
        yield from _structure_faults(shape, value, path)
    elif shape.type_name == "map":
        yield from _range_faults(shape, len(value), path, " entries")
        for key, entry in value.items():
            yield from faults(shape.key, key, f"{path} key {key!r}")
            yield from faults(shape.value, entry, f"{path}[{key!r}]")
    elif shape.type_name == "list":
        yield from _range_faults(shape, len(value), path, " entries")
        for index, entry in enumerate(value):
            yield from faults(shape.member, entry, f"{path}[{index}]")
    elif shape.type_name == "string":
        if shape.name not in _ARN_SHAPES or not arns.is_under_membership(value):
            yield from _string_faults(shape, value, path)
    elif shape.type_name != "boolean":
        yield from _range_faults(shape, value, path, "")


def _structure_faults(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[Fault]:
    prefix = f"{path}." if path else ""
    if shape.metadata.get("union") and len(value) != 1:
        yield path, f"must hold exactly one of {', '.join(shape.members)}, got {', '.join(value) or 'none'}"
    for name in shape.required_members:
        if name not in value:
            yield prefix + name, "must be given"
    for name, member in value.items():
        if name in shape.members:
            yield from faults(shape.members[name], member, prefix + name)
        else:
            yield prefix + name, f"must be one of {', '.join(shape.members)}"


def _string_faults(shape: Any, value: str, path: str) -> Iterator[Fault]:
    yield from _range_faults(shape, len(value), path, " characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value, re.ASCII):
        yield path, f"must match {pattern}, got {value!r}"
    if shape.enum and value not in shape.enum:
        yield path, f"must be one of {', '.join(shape.enum)}, got {value!r}"


def _range_faults(shape: Any, size: float, path: str, unit: str) -> Iterator[Fault]:
    if size < shape.metadata.get("min", size):
        yield path, f"must be at least {shape.metadata['min']}{unit}, got {size}"
    if size > shape.metadata.get("max", size):
        yield path, f"must be at most {shape.metadata['max']}{unit}, got {size}"


def _from_query(shape: Any, values: Sequence[str]) -> Any:
    """Read a query string's values in the type that the shape wants; text that is no number stays, for the check to refuse."""
    if shape.type_name == "list":
        return list(values)
    if shape.type_name == "integer" and re.fullmatch(r"-?[0-9]{1,9}", values[-1]):
        return int(values[-1])
    return values[-1]


def _invalid(wrong: Sequence[Fault]) -> ValidationException:
    return ValidationException("; ".join(f"{name} {what}" for name, what in wrong), "FIELD_VALIDATION_FAILED", wrong)


@cache
def _service() -> Any:
    return botocore.session.get_session().get_service_model("cleanrooms")


def _operation(name: str) -> Any:
    return _service().operation_model(name)


@cache
def _routes() -> dict[str, tuple[str, re.Pattern[str]]]:
    """By operation, its HTTP method and its path as a pattern; only an ARN, a path's last label, has slashes in it."""
    routes = {}
    for operation in _service().operation_names:
        http = _operation(operation).http
        uri = http["requestUri"].replace("{resourceArn}", "(?P<resourceArn>.+)")
        routes[operation] = http["method"], re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", uri))
    return routes
