"""Physical ids: which template one stands for, or what became of a create that failed.

By the standard library alone, since the response of a function that cannot start needs it.
"""

import hashlib
import re
from typing import Final, NamedTuple

NOT_CREATED: Final = "not-created"
"""In the id of a failed create: no request can have taken effect."""
OUTCOME_UNKNOWN: Final = "outcome-unknown"
"""In the id of a failed create: the request may have created or adopted a template."""

_DIGITS: Final = 12
_TEMPLATE_ARN: Final = re.compile(
    r"arn:[\w-]+:cleanrooms:(?:.*:membership/(?P<membership_id>[\w-]+)/|.*[:/])privacybudgettemplate/(?P<template_id>[\w-]+)", re.ASCII
)


def of_failed_create(logical_id: str, request_id: str, outcome: str) -> str:
    """The physical id of a failed create. It depends on the request alone, so that each delivery of one request gives the same id."""
    return f"{logical_id}-{outcome}-{digest(request_id)}"


class TemplateArn(NamedTuple):
    """The ARN of a privacy budget template, in either form.

    Source: IAM's service reference has the one with a membership, Clean Rooms' service model the other one.
    """

    template_id: str
    membership_id: str | None
    """None in the form without a membership."""

    @classmethod
    def parse(cls, text: str) -> "TemplateArn | None":
        """The ARN in a text; None where the text is no such ARN."""
        match = _TEMPLATE_ARN.fullmatch(text)
        return cls(**match.groupdict()) if match else None


def template_id(physical_id: str) -> str | None:
    """The id of the template whose ARN it is; None where it is no ARN."""
    arn = TemplateArn.parse(physical_id)
    return arn.template_id if arn else None


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
