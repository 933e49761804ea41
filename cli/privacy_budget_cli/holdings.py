"""What Clean Rooms holds of privacy budgets, and how much is left of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import CleanRooms, Template, call
from privacy_budget_core.model import AccessBudget, Balance, Budget, DifferentialPrivacy


@dataclass(frozen=True)
class Holding:
    """A template with its tags, and what is left of its budget: nothing listed where the service lists nothing."""

    template: Template
    all_tags: Mapping[str, str]
    balances: list[Balance]

    @property
    def tags(self) -> dict[str, str]:
        """Its tags but those that the handler keeps for itself."""
        return {key: value for key, value in sorted(self.all_tags.items()) if key not in ownership.KEYS}

    @property
    def owner(self) -> str | None:
        """The stack and resource that it belongs to, as its owner tag tells."""
        return self.all_tags.get(ownership.OWNER)

    @property
    def remaining_fraction(self) -> float | None:
        """The least that is left of any aggregation or limit, from 0 to 1; None where the service lists none."""
        return min(map(fraction, self.balances), default=None)

    def as_json(self) -> dict[str, Any]:
        """All of it, in the service's own names."""
        return {
            "arn": self.template.arn,
            "id": self.template.id,
            "privacyBudgetType": self.template.identity.budget_type,
            **_parameters(self.template.budget),
            "tags": self.tags,
            "owner": self.owner,
            "balances": [{"type": left.name, "remaining": left.remaining, "maximum": left.maximum} for left in self.balances],
            "remainingFraction": self.remaining_fraction,
        }


def _parameters(budget: Budget) -> dict[str, Any]:
    """A budget in the service's own names; nothing of a type that this version does not know."""
    if isinstance(budget, DifferentialPrivacy):
        return {"epsilon": budget.epsilon, "usersNoisePerQuery": budget.users_noise_per_query, "autoRefresh": budget.auto_refresh}
    if isinstance(budget, AccessBudget):
        limits = [{"type": limit.period, "budget": limit.budget, "autoRefresh": limit.auto_refresh} for limit in budget.limits]
        return {"resourceArn": budget.resource_arn, "limits": limits}
    return {}


def fraction(balance: Balance) -> float:
    """How much is left, from 0 to 1. Of a limit of 0, which allows no use, nothing is."""
    return balance.remaining / balance.maximum if balance.maximum else 0.0


def holdings(rooms: CleanRooms, membership_id: str) -> list[Holding]:
    """The templates of a membership. Raises ServiceError."""
    templates = rooms.templates(membership_id)
    balances: dict[str, list[Balance]] = {}
    for kind in sorted({template.identity.budget_type for template in templates}):
        balances |= rooms.balances_by_template(membership_id, kind)
    return [Holding(template, rooms.tags(template.arn), balances.get(template.id, [])) for template in templates]


def memberships(client: Any) -> list[str]:
    """The ids of the account's active memberships, by ListMemberships. Raises ServiceError."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = call(client, "list_memberships", {"status": "ACTIVE", **token})
        found += [summary["id"] for summary in page["membershipSummaries"]]
        if "nextToken" not in page:
            return found
        token = {"nextToken": page["nextToken"]}
