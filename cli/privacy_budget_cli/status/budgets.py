"""The templates that Clean Rooms has, with their tags and what remains of their budgets."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import CleanRooms, CollaborationTemplate, Template
from privacy_budget_core.model import AccessBudget, Balance, Budget, DifferentialPrivacy, remaining_fraction, type_of

from ..periods import as_iso, end_of


@dataclass(frozen=True)
class BudgetStatus:
    """A template and its balances; none where the service lists none."""

    arn: str
    id: str
    budget: Budget
    balances: list[Balance]
    all_tags: Mapping[str, str] | None = None
    """None for a template that a collaboration shows, since only its own member may read its tags."""
    account_id: str | None = None
    """The member that a collaboration's template belongs to."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags without the ownership tags."""
        return {key: value for key, value in sorted((self.all_tags or {}).items()) if key not in ownership.KEYS}

    @property
    def owner(self) -> str | None:
        """The stack and resource that own the template, as its owner tag names them."""
        return (self.all_tags or {}).get(ownership.OWNER)

    @property
    def remaining_fraction(self) -> float | None:
        """The least that remains of any aggregation or limit, from 0 to 1; None where the service lists no balance."""
        return remaining_fraction(self.balances)

    def as_json(self) -> dict[str, Any]:
        """All of it, in the service's own names."""
        whose = {"tags": self.tags, "owner": self.owner} if self.account_id is None else {"creatorAccountId": self.account_id}
        return {
            "arn": self.arn,
            "id": self.id,
            "privacyBudgetType": type_of(self.budget),
            **parameters(self.budget),
            **whose,
            "balances": [_balance(balance) for balance in self.balances],
            "remainingFraction": self.remaining_fraction,
        }


def parameters(budget: Budget) -> dict[str, Any]:
    """A budget in the service's own names; nothing of a type that this version does not know."""
    if isinstance(budget, DifferentialPrivacy):
        return {"epsilon": budget.epsilon, "usersNoisePerQuery": budget.users_noise_per_query, "autoRefresh": budget.auto_refresh}
    if isinstance(budget, AccessBudget):
        limits = [{"type": limit.period, "budget": limit.budget, "autoRefresh": limit.auto_refresh} for limit in budget.limits]
        return {"resourceArn": budget.resource_arn, "limits": limits}
    return {}


def of_membership(clean_rooms: CleanRooms, membership_id: str) -> list[BudgetStatus]:
    """The templates of a membership. Raises ServiceError."""
    templates = clean_rooms.templates(membership_id)
    balances: dict[str, list[Balance]] = {}
    for budget_type in _types(templates):
        balances |= clean_rooms.balances_by_template(membership_id, budget_type)
    return [
        BudgetStatus(one.arn, one.id, one.budget, _with_ends(one.budget, balances.get(one.id, [])), clean_rooms.tags(one.arn))
        for one in templates
    ]


def of_collaboration(clean_rooms: CleanRooms, collaboration_id: str) -> list[BudgetStatus]:
    """The templates of every member of a collaboration. Raises ServiceError."""
    templates = clean_rooms.collaboration_templates(collaboration_id)
    balances: dict[str, list[Balance]] = {}
    for budget_type in _types(templates):
        balances |= clean_rooms.collaboration_balances(collaboration_id, budget_type)
    return [
        BudgetStatus(one.arn, one.id, one.budget, _with_ends(one.budget, balances.get(one.id, [])), account_id=one.account_id)
        for one in templates
    ]


def _types(templates: Iterable[Template | CollaborationTemplate]) -> list[str]:
    return sorted({type_of(template.budget) for template in templates})


def _with_ends(budget: Budget, balances: list[Balance]) -> list[Balance]:
    """The balances with the end of their period, which Clean Rooms tells of access limits only."""
    if not isinstance(budget, DifferentialPrivacy):
        return balances
    return [balance._replace(ends_at=end_of(budget.auto_refresh, time.time())) for balance in balances]


def _balance(balance: Balance) -> dict[str, Any]:
    end = as_iso(balance.ends_at) if balance.ends_at is not None else None
    return {"type": balance.name, "remaining": balance.remaining, "maximum": balance.maximum, "periodEnd": end}
