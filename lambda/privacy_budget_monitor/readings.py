"""What is left of the budgets of a membership, and how that is published."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import PrivacyBudgetType
from privacy_budget_core.model import Balance

from .contract import NAMESPACE, Dimension, Metric

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
    kind: PrivacyBudgetType
    balances: list[Balance]

    @property
    def remaining_fraction(self) -> float:
        """The least that is left, from 0 to 1; a limit of no use at all leaves nothing."""
        return min(balance.remaining / balance.maximum if balance.maximum else 0.0 for balance in self.balances)

    def publish(self) -> None:
        """Print the metrics, which Lambda's log hands over to CloudWatch: the embedded metric format."""
        _print({}, {Metric.REMAINING_FRACTION: (MetricUnit.NoUnit, self.remaining_fraction)}, self)
        for balance in self.balances:
            counts = {
                Metric.REMAINING: (MetricUnit.Count, balance.remaining),
                Metric.MAXIMUM: (MetricUnit.Count, balance.maximum),
            }
            _print({DETAIL[self.kind]: balance.name}, counts, self)


def read(rooms: CleanRooms, membership_id: str, template_ids: Set[str]) -> dict[str, Reading]:
    """What is left of these budgets of a membership, by template; those that Clean Rooms lists no balance for are left out.

    One ListPrivacyBudgets for each kind, and the second only where templates are not found by the first. Raises ServiceError.
    """
    readings: dict[str, Reading] = {}
    for kind in PrivacyBudgetType:
        if readings.keys() != template_ids:
            for template_id, balances in rooms.balances_by_template(membership_id, kind).items():
                if template_id in template_ids and balances:
                    readings[template_id] = Reading(membership_id, template_id, kind, balances)
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
