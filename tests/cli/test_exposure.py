"""The sums of what was granted, each checked by hand."""

from datetime import UTC, datetime

import pytest

from privacy_budget_cli.history.exposure import exposure
from privacy_budget_cli.history.lives import Change, Entry, Life
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefreshMode
from privacy_budget_core.model import AccessBudget, AccessLimit, Budget, DifferentialPrivacy


def at(text: str) -> float:
    """Seconds since the epoch, of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-26T09:00")


def dp(epsilon: int, refresh: str = "NONE") -> DifferentialPrivacy:
    return DifferentialPrivacy(epsilon, 30, refresh)


def uses(*limits: tuple[str, int, AutoRefreshMode | None]) -> AccessBudget:
    return AccessBudget("arn:table", tuple(AccessLimit(AccessBudgetPeriod(period), budget, refresh) for period, budget, refresh in limits))


def life(*budgets: tuple[str, Budget | None], deleted: str | None = None) -> Life:
    """A template with these budgets, each from a moment on."""
    entries = [Entry(Change.EDITED if place else Change.CREATED, at(when), after=budget) for place, (when, budget) in enumerate(budgets)]
    if deleted:
        entries.append(Entry(Change.DELETED, at(deleted)))
    return Life("m", "t", created_at=at(budgets[0][0]), deleted_at=at(deleted) if deleted else None, entries=entries)


MONTHLY = "CALENDAR_MONTH"
EPSILONS: dict[str, tuple[list[Life], str | None, list[int]]] = {
    "one budget": ([life(("2026-01-01", dp(3)))], None, [3]),
    "raised twice": ([life(("2026-01-01", dp(3)), ("2026-02-01", dp(4)), ("2026-03-01", dp(7)))], None, [7]),
    "lowered": ([life(("2026-01-01", dp(7)), ("2026-02-01", dp(3)))], None, [7]),
    "recreated": ([life(("2026-01-01", dp(3)), deleted="2026-02-01"), life(("2026-02-01", dp(4)))], None, [3, 4]),
    "created and deleted within a second": ([life(("2026-01-01", dp(3)), deleted="2026-01-01")], None, [3]),
    "each month": ([life(("2026-09-30T23:59", dp(2, MONTHLY)))], None, [2, 2, 2]),
    "a month begins with the create": ([life(("2026-11-01", dp(2, MONTHLY)))], None, [2]),
    "a month begins with the delete": ([life(("2026-10-01", dp(2, MONTHLY)), deleted="2026-11-01")], None, [2]),
    "over the new year": ([life(("2025-12-31", dp(1, MONTHLY)), deleted="2026-01-01T00:00:01")], None, [1, 1]),
    "raised within a month": ([life(("2026-10-01", dp(2, MONTHLY)), ("2026-10-31", dp(5, MONTHLY)))], None, [5, 5]),
    "lowered within a month": ([life(("2026-10-01", dp(5, MONTHLY)), ("2026-10-31", dp(2, MONTHLY)))], None, [5, 2]),
    "since, before": ([life(("2026-01-01", dp(3)))], "2025-01-01", [3]),
    "since, of an existing one": ([life(("2026-01-01", dp(3)), ("2026-02-01", dp(5)))], "2026-06-01", [5]),
    "since, raised later": ([life(("2026-01-01", dp(3)), ("2026-06-01", dp(5)))], "2026-02-01", [5]),
    "since, deleted before": ([life(("2026-01-01", dp(3)), deleted="2026-02-01")], "2026-02-01", []),
    "since, within a month": ([life(("2026-01-01", dp(3, MONTHLY)))], "2026-10-15", [3, 3]),
    "unknown at first": ([life(("2026-01-01", None), ("2026-06-01", dp(5)))], None, [5]),
    "unknown at first, each month": ([life(("2026-09-01", None), ("2026-11-02", dp(5, MONTHLY)))], None, [5, 5, 5]),
    "a refresh that this version does not know": ([life(("2026-01-01", dp(3, "CALENDAR_YEAR")))], None, [3]),
}


@pytest.mark.parametrize(("lives", "since", "epsilons"), EPSILONS.values(), ids=EPSILONS.keys())
def test_epsilon(lives: list[Life], since: str | None, epsilons: list[int]) -> None:
    found = exposure(lives, at(since) if since else 0, NOW)
    assert [grant.epsilon for grant in found.privacy] == epsilons
    assert found.epsilon == sum(epsilons)
    assert found.unknown == 0


DAY, LIFETIME = ("CALENDAR_DAY", 10, AutoRefreshMode.ENABLED), ("LIFETIME", 25, None)
USES: dict[str, tuple[Life, int, int]] = {
    "a lifetime": (life(("2026-01-01", uses(LIFETIME))), 1, 25),
    "three days": (life(("2026-11-01T23:00", uses(DAY)), deleted="2026-11-03T01:00"), 3, 30),
    "three days within a lifetime": (life(("2026-11-01T23:00", uses(DAY, LIFETIME)), deleted="2026-11-03T01:00"), 3, 25),
    "a period that does not refresh": (life(("2026-01-01", uses(("CALENDAR_DAY", 10, AutoRefreshMode.DISABLED)))), 1, 10),
    "a period that does not say": (life(("2026-11-25", uses(("CALENDAR_DAY", 10, None)))), 2, 20),
    "an edit": (life(("2026-11-01", uses(LIFETIME)), ("2026-11-02", uses(("LIFETIME", 5, None)))), 2, 30),
    "a limit of nothing": (life(("2026-11-25", uses(("CALENDAR_DAY", 0, AutoRefreshMode.ENABLED)))), 2, 0),
    "weeks begin on Monday": (life(("2026-11-22", uses(("CALENDAR_WEEK", 7, AutoRefreshMode.ENABLED)))), 2, 14),
}


@pytest.mark.parametrize(("of", "budgets", "granted"), USES.values(), ids=USES.keys())
def test_uses(of: Life, budgets: int, granted: int) -> None:
    (found,) = exposure([of], 0, NOW).uses
    assert (found.budgets, found.uses) == (budgets, granted)


def test_a_template_without_a_known_budget() -> None:
    found = exposure([life(("2026-01-01", None), deleted="2026-02-01")], 0, NOW)
    assert (found.privacy, found.unknown) == ((), 1)


@pytest.mark.parametrize(
    ("epsilons", "calculation"),
    [([3], "3"), ([3, 4], "3 + 4 = 7"), ([4, 4], "2 x 4 = 8"), ([5, 4, 4, 4, 5], "5 + 3 x 4 + 5 = 22")],
)
def test_the_calculation(epsilons: list[int], calculation: str) -> None:
    lives = [life((f"2026-01-0{day}", dp(epsilon))) for day, epsilon in enumerate(epsilons, 1)]
    assert exposure(lives, 0, NOW).calculation == calculation
