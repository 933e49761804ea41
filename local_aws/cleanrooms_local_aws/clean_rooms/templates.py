"""A privacy budget template and what was consumed of its budget: the ledger's entries, which can be written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .periods import Period, end_of, start_of


class BudgetType(StrEnum):
    """The type of a privacy budget (``PrivacyBudgetType`` of the service model)."""

    DIFFERENTIAL_PRIVACY = "DIFFERENTIAL_PRIVACY"
    ACCESS_BUDGET = "ACCESS_BUDGET"

    @property
    def member(self) -> str:
        """The member of a request's or an answer's union that holds this budget type's parameters."""
        return {BudgetType.DIFFERENTIAL_PRIVACY: "differentialPrivacy", BudgetType.ACCESS_BUDGET: "accessBudget"}[self]


@dataclass(frozen=True)
class Membership:
    """A template's membership and its collaboration."""

    id: str
    arn: str
    collaboration_id: str
    collaboration_arn: str


@dataclass
class Meter:
    """One limit and how much of it was used since ``start`` (seconds since the epoch).

    It counts the aggregations of one type, or a period's uses of a table.
    """

    maximum: int
    period: Period
    refreshes: bool
    start: float
    used: int = 0

    @property
    def remaining(self) -> int:
        """The remaining budget; 0 if the maximum was lowered below what was consumed."""
        return max(0, self.maximum - self.used)

    @property
    def end(self) -> float | None:
        """When the counted period ends; None for a lifetime."""
        return end_of(self.period, self.start)

    def roll(self, now: float) -> None:
        """Start anew if the counted period is over and another follows it."""
        if self.refreshes and self.end is not None and now >= self.end:
            self.start = start_of(self.period, now)
            self.used = 0


@dataclass
class Template:
    """A privacy budget template; ``number`` counts the ledger's creates, and ``parameters`` are as the service answers them."""

    id: str
    number: int
    arn: str
    account_id: str
    membership: Membership
    budget_type: BudgetType
    auto_refresh: str
    parameters: dict[str, Any]
    tags: dict[str, str]
    create_time: float
    update_time: float
    budget_id: str
    budget_update_time: float
    meters: dict[str, Meter] = field(default_factory=dict)
    querying_began: bool = False

    @property
    def resource_arn(self) -> str | None:
        """The table of an access budget."""
        access_budget = self.parameters.get(BudgetType.ACCESS_BUDGET.member)
        return access_budget["resourceArn"] if access_budget else None

    def roll(self, now: float) -> None:
        """Start every meter anew whose period is over."""
        for meter in self.meters.values():
            meter.roll(now)


def from_json(entry: Mapping[str, Any]) -> Template:
    """Read a template back from what ``dataclasses.asdict`` made of it."""
    read = {
        "budget_type": BudgetType(entry["budget_type"]),
        "membership": Membership(**entry["membership"]),
        "meters": {name: Meter(**{**meter, "period": Period(meter["period"])}) for name, meter in entry["meters"].items()},
    }
    return Template(**{**entry, **read})
