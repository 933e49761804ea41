"""The status of budgets as a person reads it."""

import math
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from privacy_budget_core.model import AccessBudget, DifferentialPrivacy, type_of

from ..periods import as_utc
from ..terminal import Bar
from .budgets import BudgetStatus


def shown(where: str, budgets: list[BudgetStatus]) -> RenderableType:
    """The budgets of a membership or a collaboration, each with a bar for what remains of every aggregation and limit."""
    if not budgets:
        return Text(f"{where[0].upper()}{where[1:]} has no privacy budget template.")
    title = Text(f"Privacy budget templates in Clean Rooms, {where}:", style="bold")
    return Group(title, *(part for budget in budgets for part in (*_parts(budget), "")))


def percent(fraction: float) -> str:
    """Rounded down, so that 100% is all of it."""
    return f"{math.floor(fraction * 100)}%"


def _parts(status: BudgetStatus) -> Iterator[RenderableType]:
    """The ARN, which is never folded so that it can be copied; what the template is; what remains."""
    yield Text(status.arn, no_wrap=True, overflow="ignore")
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("Type", type_of(status.budget))
    budget = status.budget
    if isinstance(budget, DifferentialPrivacy):
        facts.add_row("Budget", f"epsilon {budget.epsilon}, noise of {budget.users_noise_per_query} users per query")
        end = next((balance.ends_at for balance in status.balances if balance.ends_at is not None), None)
        facts.add_row("Refresh", budget.auto_refresh if end is None else f"{budget.auto_refresh}, next at {as_utc(end)}")
    if isinstance(budget, AccessBudget):
        facts.add_row("Table", budget.resource_arn)
        facts.add_row("Limits", str(budget))
    if status.account_id is None:
        facts.add_row("Tags", "\n".join(f"{key} = {value}" for key, value in status.tags.items()) or "none")
        facts.add_row("Owner", status.owner or "no stack")
    else:
        facts.add_row("Member", f"account {status.account_id}")
    facts.add_row("Remaining", "" if status.balances else "not listed")
    yield Padding(facts, (0, 0, 0, 2), expand=False)
    remaining = Table.grid(padding=(0, 1, 0, 0))
    remaining.add_column()
    remaining.add_column(justify="right", min_width=4)
    remaining.add_column(no_wrap=True)
    has_ends = not isinstance(budget, DifferentialPrivacy) and any(balance.ends_at is not None for balance in status.balances)
    if has_ends:
        remaining.add_column(overflow="fold")
    for balance in status.balances:
        of = f"{balance.remaining} of {balance.maximum} {balance.name}"
        until = [f"until {as_utc(balance.ends_at)}" if balance.ends_at is not None else ""] if has_ends else []
        remaining.add_row(Bar(balance.remaining_fraction), percent(balance.remaining_fraction), of, *until)
    yield Padding(remaining, (0, 0, 0, 2), expand=False)
