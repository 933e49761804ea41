"""Physical ids: which template one stands for, or what became of a create that failed.

By the standard library alone, since the response of a function that cannot start needs it.
"""

import hashlib
import re
from typing import Final

NOT_CREATED: Final = "not-created"
"""In the id of a failed create: no request can have taken effect."""
OUTCOME_UNKNOWN: Final = "outcome-unknown"
"""In the id of a failed create: the request may have created or adopted a template."""

_DIGITS: Final = 12
_ARN: Final = re.compile(r"arn:[\w-]+:cleanrooms:.*[:/]privacybudgettemplate/(?P<template>[\w-]+)", re.ASCII)


def of_failed_create(logical_id: str, request_id: str, outcome: str) -> str:
    """The physical id of a failed create. It depends on the request alone, so that each delivery of one request gives the same id."""
    return f"{logical_id}-{outcome}-{digest(request_id)}"


def template_id(physical_id: str) -> str | None:
    """The template id in an ARN of either form; None where the physical id is no ARN."""
    match = _ARN.fullmatch(physical_id)
    return match["template"] if match else None


def says_nothing_was_created(physical_id: str) -> bool:
    """Whether the create failed before any request can have taken effect."""
    return _digest_of(physical_id, NOT_CREATED) is not None


def request_digest(physical_id: str) -> str | None:
    """The digest of the request whose create failed with an unknown outcome; None for any other physical id."""
    return _digest_of(physical_id, OUTCOME_UNKNOWN)


def _digest_of(physical_id: str, outcome: str) -> str | None:
    logical_id, _, digits = physical_id.partition(f"-{outcome}-")
    is_digest = len(digits) == _DIGITS and not digits.strip("0123456789abcdef")
    return digits if is_digest and logical_id.isalnum() else None


def digest(request_id: str) -> str:
    """A request in twelve hexadecimal digits."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:_DIGITS]
