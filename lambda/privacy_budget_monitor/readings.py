"""The remaining budgets of a membership or a collaboration, and how they are published."""

from collections.abc import Iterable, Mapping, Set
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
    """The balances of one budget, at least one."""

    dimensions: Mapping[Dimension, str]
    """Whose budget it is: the dimensions of all its metrics."""
    budget_type: PrivacyBudgetType
    balances: list[Balance]

    def publish(self) -> None:
        """Print the metrics, which Lambda's log hands over to CloudWatch: the embedded metric format."""
        fraction = remaining_fraction(self.balances)
        if fraction is not None:
            _print(self.dimensions, {Metric.REMAINING_FRACTION: (MetricUnit.NoUnit, fraction)})
        for balance in self.balances:
            counts = {
                Metric.REMAINING: (MetricUnit.Count, balance.remaining),
                Metric.MAXIMUM: (MetricUnit.Count, balance.maximum),
            }
            _print({**self.dimensions, DETAIL[self.budget_type]: balance.name}, counts)


def read(clean_rooms: CleanRooms, membership_id: str, template_ids: Set[str]) -> dict[str, Reading]:
    """The remaining budgets of a membership, by template; those without a balance in Clean Rooms are omitted.

    One ListPrivacyBudgets for each budget type, and the second only where templates are not found by the first. Raises ServiceError.
    """
    readings: dict[str, Reading] = {}
    for budget_type in PrivacyBudgetType:
        if readings.keys() != template_ids:
            for template_id, balances in clean_rooms.balances_by_template(membership_id, budget_type).items():
                if template_id in template_ids and balances:
                    of = {Dimension.MEMBERSHIP_ID: membership_id, Dimension.PRIVACY_BUDGET_TEMPLATE_ID: template_id}
                    readings[template_id] = Reading(of, budget_type, balances)
    return readings


def read_collaboration(clean_rooms: CleanRooms, collaboration_id: str) -> list[Reading]:
    """The remaining budgets of all members, by one ListCollaborationPrivacyBudgets for each budget type. Raises ServiceError."""
    return [
        Reading({Dimension.COLLABORATION_ID: collaboration_id, Dimension.PRIVACY_BUDGET_TEMPLATE_ID: template_id}, budget_type, balances)
        for budget_type in PrivacyBudgetType
        for template_id, balances in clean_rooms.collaboration_balances(collaboration_id, budget_type).items()
        if balances
    ]


def publish_least(collaboration_id: str, readings: Iterable[Reading]) -> None:
    """Print the lowest remaining fraction of a collaboration's budgets; nothing if it has none."""
    fraction = remaining_fraction(balance for reading in readings for balance in reading.balances)
    if fraction is not None:
        _print({Dimension.COLLABORATION_ID: collaboration_id}, {Metric.REMAINING_FRACTION: (MetricUnit.NoUnit, fraction)})


def _print(dimensions: Mapping[Dimension, str], values: Mapping[Metric, tuple[MetricUnit, float]]) -> None:
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    for dimension, name in dimensions.items():
        metrics.add_dimension(dimension.value, name)
    for metric, (unit, value) in values.items():
        metrics.add_metric(metric.value, unit, value)
    metrics.flush_metrics()
