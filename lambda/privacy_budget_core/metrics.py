"""The names of the CloudWatch metrics: the monitor's function publishes them, alarms and dashboards read them."""

from enum import StrEnum
from typing import Final

NAMESPACE: Final = "CleanRooms/PrivacyBudget"


class Metric(StrEnum):
    """The metrics."""

    REMAINING_FRACTION = "RemainingFraction"
    """The part of a budget that remains, from 0 to 1: the least over its aggregations or limits."""
    REMAINING = "Remaining"
    """How many aggregations of a type, or uses in a period, remain."""
    MAXIMUM = "Maximum"
    """How many aggregations of a type, or uses in a period, the budget allows in all."""


class Dimension(StrEnum):
    """The dimensions of the metrics."""

    MEMBERSHIP_ID = "MembershipId"
    COLLABORATION_ID = "CollaborationId"
    PRIVACY_BUDGET_TEMPLATE_ID = "PrivacyBudgetTemplateId"
    AGGREGATION = "Aggregation"
    PERIOD = "Period"
