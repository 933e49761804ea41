"""What is left of the budgets of a membership, and how that is published."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import PrivacyBudgetType
from privacy_budget_core.metrics import NAMESPACE, Dimension, Metric
from privacy_budget_core.model import Balance, remaining_fraction

DETAIL: Final = {
    PrivacyBudgetType.DIFFERENTIAL_PRIVACY: Dimension.AGGREGATION,
    PrivacyBudgetType.ACCESS_BUDGET: Dimension.PERIOD,
}
"""What a balance is of."""


@dataclass(frozen=True)
class Reading:
    """What is left of one budget; there is at least one balance."""

    membership_id: str
    template_id: str
    budget_type: PrivacyBudgetType
    balances: list[Balance]

    def publish(self) -> None:
        """Print the metrics, which Lambda's log hands over to CloudWatch: the embedded metric format."""
        fraction = remaining_fraction(self.balances)
        if fraction is not None:
            _print({}, {Metric.REMAINING_FRACTION: (MetricUnit.NoUnit, fraction)}, self)
        for balance in self.balances:
            counts = {
                Metric.REMAINING: (MetricUnit.Count, balance.remaining),
                Metric.MAXIMUM: (MetricUnit.Count, balance.maximum),
            }
            _print({DETAIL[self.budget_type]: balance.name}, counts, self)


def read(clean_rooms: CleanRooms, membership_id: str, template_ids: Set[str]) -> dict[str, Reading]:
    """What is left of these budgets of a membership, by template; those that Clean Rooms lists no balance for are left out.

    One ListPrivacyBudgets for each budget type, and the second only where templates are not found by the first. Raises ServiceError.
    """
    readings: dict[str, Reading] = {}
    for budget_type in PrivacyBudgetType:
        if readings.keys() != template_ids:
            for template_id, balances in clean_rooms.balances_by_template(membership_id, budget_type).items():
                if template_id in template_ids and balances:
                    readings[template_id] = Reading(membership_id, template_id, budget_type, balances)
    return readings


def _print(detail: Mapping[Dimension, str], values: Mapping[Metric, tuple[MetricUnit, float]], reading: Reading) -> None:
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    metrics.add_dimension(Dimension.MEMBERSHIP_ID.value, reading.membership_id)
    metrics.add_dimension(Dimension.PRIVACY_BUDGET_TEMPLATE_ID.value, reading.template_id)
    for dimension, name in detail.items():
        metrics.add_dimension(dimension.value, name)
    for metric, (unit, value) in values.items():
        metrics.add_metric(metric.value, unit, value)
    metrics.flush_metrics()
