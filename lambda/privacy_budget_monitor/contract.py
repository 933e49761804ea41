"""What the construct declares and the function does: the names of the metrics, and of what the schedule hands over."""

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "CleanRooms/PrivacyBudget"

CALLS_A_SECOND: Final = 4
"""How often the function calls ListPrivacyBudgets; the quota is 5, and others may need it at the same time."""


class Metric(StrEnum):
    """What is published."""

    REMAINING_FRACTION = "RemainingFraction"
    """What is left of a budget, from 0 to 1: the least over its aggregations or limits."""
    REMAINING = "Remaining"
    """How many aggregations of a type, or uses in a period, are left."""
    MAXIMUM = "Maximum"
    """How many there are in all."""


class Dimension(StrEnum):
    """What a metric is of."""

    MEMBERSHIP_ID = "MembershipId"
    PRIVACY_BUDGET_TEMPLATE_ID = "PrivacyBudgetTemplateId"
    AGGREGATION = "Aggregation"
    PERIOD = "Period"


class Input(StrEnum):
    """Members of the schedule's input: a list of templates, each of which has a membership and an id."""

    TEMPLATES = "templates"
    MEMBERSHIP_ID = "membershipId"
    TEMPLATE_ID = "templateId"
