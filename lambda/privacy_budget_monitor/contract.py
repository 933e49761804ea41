"""The input that the schedule hands to the function, and how fast the function works."""

from enum import StrEnum
from typing import Final

CALLS_PER_SECOND: Final = 4
"""How often the function calls an operation; the quota is 5, and others may need it at the same time."""


class Input(StrEnum):
    """Members of the schedule's input: a list of templates, each of which has a membership and an id, and the ids of collaborations."""

    TEMPLATES = "templates"
    COLLABORATIONS = "collaborations"
    MEMBERSHIP_ID = "membershipId"
    TEMPLATE_ID = "templateId"
