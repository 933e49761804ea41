"""Values as their author wrote them: which are tokens, which are whole numbers, and which rules literals break."""

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from aws_cdk import Token

from privacy_budget_core.contract import Range


def is_token(value: object) -> bool:
    """Whether a value is known only at deployment. jsii takes no NaN and no object of Python's own, so it is not asked about those."""
    if isinstance(value, float):
        return math.isfinite(value) and Token.is_unresolved(value)
    return (isinstance(value, str) or hasattr(type(value), "__jsii_type__")) and Token.is_unresolved(value)


def whole(value: Any) -> Any:
    """A whole number of any type, such as ``numpy.int64(3)`` or ``Decimal(3)``, as an int; any other value as it is."""
    if type(value) is int or isinstance(value, bool):
        return value
    if hasattr(value, "__index__"):
        return value.__index__()
    is_number = isinstance(value, Decimal | float) and math.isfinite(value) and not is_token(value)
    return int(value) if is_number and value == int(value) else value


def outside(name: str, value: object, allowed: Range) -> Iterator[str]:
    """The rule that a literal number breaks, if it does. Only a value that breaks it may be a token, as asking takes time."""
    if (isinstance(value, bool) or value not in allowed) and not is_token(value):
        yield f"{name} must be {allowed}, got {value!r}"


def not_among(name: str, value: object, members: Iterable[Enum]) -> Iterator[str]:
    """The rule that a value breaks which is none of an enumeration's members, by the name that Python code gives them."""
    allowed = list(members)
    if value not in allowed and not is_token(value):
        names = [f"{type(member).__name__}.{member.name}" for member in allowed]
        yield f"{name} must be {', '.join(names[:-1])} or {names[-1]}, got {value!r}"


def not_a_flag(name: str, value: object) -> Iterator[str]:
    """The rule that a value breaks which is neither True nor False."""
    if not isinstance(value, bool) and not is_token(value):
        yield f"{name} must be True or False, got {value!r}"
