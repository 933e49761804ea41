"""Privacy budgets, templates and balances: the types that all parts share.

Named tuples where they can be: a frozen dataclass compiles its methods in each cold start, which takes three times as long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, OnBudgetReset, OnExisting, PrivacyBudgetType


class DifferentialPrivacy(NamedTuple):
    """A differential-privacy budget: ``epsilon`` from 1 to 20, and the noise in users per query from 10 to 100."""

    epsilon: int
    users_noise_per_query: int
    auto_refresh: AutoRefresh | str

    def __str__(self) -> str:
        return f"epsilon {self.epsilon}, noise {self.users_noise_per_query}, auto refresh {self.auto_refresh}"


class AccessLimit(NamedTuple):
    """How many uses of a table a period allows; ``auto_refresh`` is None where the template does not set it."""

    period: AccessBudgetPeriod | str
    budget: int
    auto_refresh: AutoRefreshMode | None = None

    def __str__(self) -> str:
        return f"{self.budget} per {self.period}" + (f" (refresh {self.auto_refresh})" if self.auto_refresh else "")


@dataclass(frozen=True)
class AccessBudget:
    """Limits on the uses of one table, sorted by period so that equal budgets compare equal."""

    resource_arn: str
    limits: tuple[AccessLimit, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", tuple(sorted(self.limits, key=lambda limit: limit.period)))

    def __str__(self) -> str:
        return ", ".join(str(limit) for limit in self.limits)


class UnknownBudget(NamedTuple):
    """A budget of a type that this version does not know: read, never changed."""

    budget_type: str

    def __str__(self) -> str:
        return f"a budget of type {self.budget_type}"


Budget = DifferentialPrivacy | AccessBudget | UnknownBudget


class Identity(NamedTuple):
    """A template's identity: membership, budget type and, for an access budget, table. Clean Rooms allows one template of each."""

    membership_id: str
    budget_type: PrivacyBudgetType | str
    resource_arn: str | None = None

    def __str__(self) -> str:
        table = f" of {self.resource_arn}" if self.resource_arn else ""
        return f"the {self.budget_type} template{table} in membership {self.membership_id}"


class DesiredTemplate(NamedTuple):
    """A privacy budget template as the resource's properties declare it."""

    membership_id: str
    budget: Budget
    tags: Mapping[str, str]
    on_existing: OnExisting = OnExisting.FAIL
    on_budget_reset: OnBudgetReset = OnBudgetReset.REFUSE
    preview_impact: bool = False

    @property
    def identity(self) -> Identity:
        """The identity; Clean Rooms allows one template of each."""
        return identity_of(self.membership_id, self.budget)


def identity_of(membership_id: str, budget: Budget) -> Identity:
    """The identity of a template with this budget in this membership."""
    return Identity(membership_id, type_of(budget), budget.resource_arn if isinstance(budget, AccessBudget) else None)


def type_of(budget: Budget) -> PrivacyBudgetType | str:
    """The budget type."""
    if isinstance(budget, UnknownBudget):
        return budget.budget_type
    return PrivacyBudgetType.ACCESS_BUDGET if isinstance(budget, AccessBudget) else PrivacyBudgetType.DIFFERENTIAL_PRIVACY


class Balance(NamedTuple):
    """How much of a budget remains, for one aggregation type or one period."""

    name: str
    remaining: int
    maximum: int
    ends_at: float | None = None
    """When the period of an access limit ends, in seconds since the epoch; None for a lifetime and for an aggregation."""

    @property
    def remaining_fraction(self) -> float:
        """The part that remains, from 0 to 1; 0 for a limit of 0, which allows no use."""
        return self.remaining / self.maximum if self.maximum else 0.0

    def __str__(self) -> str:
        return f"{self.maximum - self.remaining} of {self.maximum} {self.name}"


def remaining_fraction(balances: Iterable[Balance]) -> float | None:
    """The least that remains of any aggregation or limit, from 0 to 1; None where there is no balance."""
    return min((balance.remaining_fraction for balance in balances), default=None)
