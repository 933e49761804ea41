"""What Clean Rooms holds of a membership's privacy budgets, as a table."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from privacy_budget_handler import mark
from privacy_budget_handler.budget import AccessBudget, Balance, DifferentialPrivacy
from privacy_budget_handler.client import CleanRooms, Template


def holdings(rooms: CleanRooms, membership_id: str) -> RenderableType:
    """The membership's templates, a table each. Raises ServiceError."""
    templates = rooms.templates(membership_id)
    if not templates:
        return Text(f"Membership {membership_id} has no privacy budget template.")
    described: list[RenderableType] = []
    for template in templates:
        described += [Text(template.arn, no_wrap=True), _table(template, rooms.tags(template.arn), _balances(rooms, template))]
    return Group(Text(f"Privacy budget templates in Clean Rooms, membership {membership_id}:", style="bold"), *described)


def _balances(rooms: CleanRooms, template: Template) -> list[Balance]:
    return rooms.balances(template.membership_id, template.identity.kind, template.id)


def _table(template: Template, tags: dict[str, str], balances: list[Balance]) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("Kind", template.identity.kind)
    budget = template.budget
    if isinstance(budget, DifferentialPrivacy):
        table.add_row("Budget", f"epsilon {budget.epsilon}, noise of {budget.users_noise_per_query} users per query")
        table.add_row("Refresh", budget.auto_refresh)
    if isinstance(budget, AccessBudget):
        table.add_row("Table", budget.resource_arn)
        table.add_row("Limits", str(budget))
    table.add_row("Tags", "\n".join(f"{key} = {value}" for key, value in sorted(tags.items()) if key not in mark.KEYS) or "none")
    table.add_row("Owner", tags.get(mark.OWNER, "no stack"))
    table.add_row("Left", "\n".join(f"{left.remaining} of {left.maximum} {left.name}" for left in balances) or "not listed")
    return table
