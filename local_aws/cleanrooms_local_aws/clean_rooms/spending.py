"""Using up a budget: what only queries do in the live service, and what the local one offers a route for."""

import json
from dataclasses import dataclass

from .exceptions import ValidationException


@dataclass(frozen=True)
class Aggregations:
    """A number of aggregations of one type, which use up a differential-privacy budget."""

    type: str
    count: int


@dataclass(frozen=True)
class TableUses:
    """A number of uses of a table, which count against each limit of its access budget."""

    count: int


Amount = Aggregations | TableUses


def amount(body: str) -> Amount:
    """Read ``{"amount": {"type": "COUNT", "count": 5}}`` or ``{"amount": {"uses": 3}}``. Raises ValidationException."""
    try:
        given = json.loads(body)["amount"]
        if given.keys() == {"type", "count"} and isinstance(given["type"], str) and _counts(given["count"]):
            return Aggregations(given["type"], given["count"])
        if given.keys() == {"uses"} and _counts(given["uses"]):
            return TableUses(given["uses"])
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise ValidationException(
        'the body must be {"amount": {"type": <aggregation>, "count": <number>}} or {"amount": {"uses": <number>}}'
        f" with a whole number of at least 1, got {body!r}"
    )


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
