"""What a privacy budget is, in the terms that the whole handler speaks."""

from collections.abc import Mapping
from dataclasses import dataclass

from .contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, OnBudgetReset, OnExisting, PrivacyBudgetType


@dataclass(frozen=True)
class DifferentialPrivacy:
    """A differential-privacy budget: ``epsilon`` bounds what can be learnt, the noise is counted in users per query."""

    epsilon: int
    users_noise_per_query: int
    auto_refresh: AutoRefresh | str

    def __str__(self) -> str:
        return f"epsilon {self.epsilon}, noise {self.users_noise_per_query}, auto refresh {self.auto_refresh}"


@dataclass(frozen=True)
class AccessLimit:
    """How many uses of a table one period allows; ``auto_refresh`` is None where the author left it to the service."""

    period: AccessBudgetPeriod | str
    budget: int
    auto_refresh: AutoRefreshMode | None = None

    def __str__(self) -> str:
        return f"{self.budget} per {self.period}" + (f" (refresh {self.auto_refresh})" if self.auto_refresh else "")


@dataclass(frozen=True)
class AccessBudget:
    """Limits on the uses of one table; in the order of their periods' names, so that equal budgets compare equal."""

    resource_arn: str
    limits: tuple[AccessLimit, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", tuple(sorted(self.limits, key=lambda limit: limit.period)))

    def __str__(self) -> str:
        return ", ".join(str(limit) for limit in self.limits)


@dataclass(frozen=True)
class UnknownBudget:
    """A budget of a type that the service added after this version: found, but never changed."""

    kind: str

    def __str__(self) -> str:
        return f"a budget of type {self.kind}"


Budget = DifferentialPrivacy | AccessBudget | UnknownBudget


@dataclass(frozen=True)
class Identity:
    """What Clean Rooms allows one template of: a membership, a kind and, for an access budget, a table."""

    membership_id: str
    kind: PrivacyBudgetType | str
    resource_arn: str | None = None

    def __str__(self) -> str:
        table = f" of {self.resource_arn}" if self.resource_arn else ""
        return f"the {self.kind} template{table} in membership {self.membership_id}"


@dataclass(frozen=True)
class DesiredTemplate:
    """A privacy budget template as its author declared it."""

    membership_id: str
    budget: Budget
    tags: Mapping[str, str]
    on_existing: OnExisting = OnExisting.FAIL
    on_budget_reset: OnBudgetReset = OnBudgetReset.REFUSE
    preview_impact: bool = False

    @property
    def identity(self) -> Identity:
        """What Clean Rooms allows one of."""
        return identity_of(self.membership_id, self.budget)


def identity_of(membership_id: str, budget: Budget) -> Identity:
    """The identity of a template that holds this budget in this membership."""
    if isinstance(budget, AccessBudget):
        return Identity(membership_id, PrivacyBudgetType.ACCESS_BUDGET, budget.resource_arn)
    if isinstance(budget, UnknownBudget):
        return Identity(membership_id, budget.kind)
    return Identity(membership_id, PrivacyBudgetType.DIFFERENTIAL_PRIVACY)


@dataclass(frozen=True)
class Balance:
    """How much of one part of a budget is left: an aggregation's count, or a period's uses of a table."""

    name: str
    remaining: int
    maximum: int

    def __str__(self) -> str:
        return f"{self.maximum - self.remaining} of {self.maximum} {self.name}"
