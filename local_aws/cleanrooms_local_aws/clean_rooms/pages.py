"""Answers of the list operations page by page; a token says after which entry to go on, so that it outlives the process."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from .exceptions import ValidationException

LARGEST_PAGE: Final = 100


class Numbered(Protocol):
    """An entry that knows how many were created before it."""

    number: int


Entry = TypeVar("Entry", bound=Numbered)


def page(
    operation: str,
    member: str,
    entries: Sequence[Entry],
    write: Callable[[Entry], Mapping[str, Any]],
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """The page that a request asks for, of entries in the order of their creation."""
    after = _number(operation, request["nextToken"]) if "nextToken" in request else 0
    rest = [entry for entry in entries if entry.number > after]
    shown = rest[: request.get("maxResults", LARGEST_PAGE)]
    answer: dict[str, Any] = {member: [write(entry) for entry in shown]}
    if len(shown) < len(rest):
        answer["nextToken"] = base64.urlsafe_b64encode(f"{operation}:{shown[-1].number}".encode()).decode()
    return answer


def _number(operation: str, token: str) -> int:
    try:
        name, number = base64.urlsafe_b64decode(token).decode().split(":")
        if name == operation:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ValidationException(f"nextToken must be one that {operation} answered with, got {token!r}")
