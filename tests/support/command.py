"""The command ``privacy-budget`` as tests run it, and budgets for it to show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.deployed_clean_rooms import made_by_hand
from tests.support.stack import Backend


@dataclass
class Ended:
    """How the command ended, and what it printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Ended]


def spent_budget(backend: Backend, membership: str, count: int = 7, **tags: str) -> dict[str, Any]:
    """A differential-privacy template, epsilon 3 and noise 30, of which so many COUNT of 99 are consumed."""
    template = made_by_hand(backend.client, membership, **tags)
    if count:
        backend.spend(template, type="COUNT", count=count)
    return template


def access_budget(backend: Backend, membership: str, name: str = "sales", **limits: int) -> dict[str, Any]:
    """An access budget of a table, with limits by their periods."""
    made: dict[str, Any] = backend.client.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="ACCESS_BUDGET",
        parameters={
            "accessBudget": {
                "resourceArn": backend.table(membership, name),
                "budgetParameters": [{"type": period, "budget": budget} for period, budget in limits.items()],
            }
        },
    )["privacyBudgetTemplate"]
    return made
