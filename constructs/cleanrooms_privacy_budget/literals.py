"""Checks of the values that a construct is given: tokens, whole numbers, and the rules that literals break."""

import math
import operator
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from numbers import Real
from typing import Any

from aws_cdk import Token

from privacy_budget_core.contract import Range


def is_token(value: object) -> bool:
    """Whether a value is known only at deployment. jsii takes no NaN and no object of Python's own, so it is not asked about those."""
    if isinstance(value, float):
        return math.isfinite(value) and Token.is_unresolved(value)
    return (isinstance(value, str) or is_cdk_object(value)) and Token.is_unresolved(value)


def is_cdk_object(value: object) -> bool:
    """Whether a value is an object of the CDK, or a class's that implements one of its interfaces."""
    return hasattr(value, "__jsii_ref__") or bool(getattr(type(value), "__jsii_ifaces__", None))


def whole(value: Any) -> Any:
    """A whole number of any type, such as ``numpy.int64(3)`` or ``Decimal(3)``, as an int; any other value as it is."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)
    except TypeError:
        pass
    is_number = isinstance(value, Real | Decimal) and not is_token(value)
    if not is_number:
        return value
    try:
        number = int(value)
    except (ValueError, OverflowError):  # NaN, infinity
        return value
    return number if number == value else value


def outside(name: str, value: object, allowed: Range) -> Iterator[str]:
    """The rule that a literal number breaks, if it does. Only a value that breaks it may be a token, as asking takes time."""
    if (isinstance(value, bool) or value not in allowed) and not is_token(value):
        yield f"{name} must be {allowed}, got {value!r}"


def not_among(name: str, value: object, members: Iterable[Enum], *, may_be_token: bool = True) -> Iterator[str]:
    """The rule that a value breaks which is none of an enumeration's members, by the name that Python code gives them."""
    allowed = list(members)
    if not (isinstance(value, str | Enum) and value in allowed) and not (may_be_token and is_token(value)):
        names = [f"{type(member).__name__}.{member.name}" for member in allowed]
        yield f"{name} must be {', '.join(names[:-1])} or {names[-1]}, got {value!r}"


def rendered(value: Any) -> Any:
    """A member of an enumeration, or its value, as plain text; a token as it is."""
    return value.value if isinstance(value, Enum) else value


def not_a_flag(name: str, value: object) -> Iterator[str]:
    """The rule that a value breaks which is neither True nor False."""
    if not isinstance(value, bool) and not is_token(value):
        yield f"{name} must be True or False, got {value!r}"
