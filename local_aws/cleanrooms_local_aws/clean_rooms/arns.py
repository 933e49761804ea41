"""The ARN of a privacy budget template, of which AWS's own sources give two forms.

The service model has ``…:privacybudgettemplate/<id>``; IAM's service authorization reference has the membership in it. Which one
the live service answers with is unknown, so either can be chosen and both are understood.
"""

import re
from enum import StrEnum
from typing import Final


class ArnForm(StrEnum):
    """The form of the ARNs in responses."""

    SERVICE_MODEL = "SERVICE_MODEL"
    """``arn:aws:cleanrooms:<region>:<account>:privacybudgettemplate/<id>``"""
    IAM = "IAM"
    """``arn:aws:cleanrooms:<region>:<account>:membership/<membership>/privacybudgettemplate/<id>``"""


_TEMPLATE: Final = re.compile(
    r"arn:aws:cleanrooms:\w{2}-\w{4,9}-\d:\d{12}:(membership/[\w-]+/)?privacybudgettemplate/(?P<id>[\w-]+)",
    re.ASCII,
)

_UNDER_MEMBERSHIP: Final = re.compile(
    r"arn:aws:cleanrooms:\w{2}-\w{4,9}-\d:\d{12}:membership/[\w-]+/(privacybudgettemplate|configuredtableassociation)/[\w-]+", re.ASCII
)


def template_arn(form: ArnForm, region: str, account_id: str, membership_id: str, template_id: str) -> str:
    """Write a template's ARN in the form that is asked for."""
    membership = f"membership/{membership_id}/" if form is ArnForm.IAM else ""
    return f"arn:aws:cleanrooms:{region}:{account_id}:{membership}privacybudgettemplate/{template_id}"


def template_id(arn: str) -> str | None:
    """Read the id from a template's ARN of either form; None where the ARN is not a template's."""
    match = _TEMPLATE.fullmatch(arn)
    return match["id"] if match else None


def is_under_membership(arn: str) -> bool:
    """Whether an ARN is a template's or an association's as IAM writes it, which is longer than the service model allows."""
    return _UNDER_MEMBERSHIP.fullmatch(arn) is not None
