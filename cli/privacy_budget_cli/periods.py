"""Calendar periods, in UTC. Clean Rooms documents neither the time zone nor the first day of a week: see docs/assumptions.md."""

from datetime import UTC, datetime, timedelta
from typing import Final

from privacy_budget_core.contract import AccessBudgetPeriod

_LONGEST: Final = {AccessBudgetPeriod.CALENDAR_DAY: 1, AccessBudgetPeriod.CALENDAR_WEEK: 7, AccessBudgetPeriod.CALENDAR_MONTH: 31}
"""Days."""


def start_of(period: str, moment: float) -> float | None:
    """When the period of a moment begins, in seconds since the epoch; None for a lifetime, and for what is no period.

    :param period: A value of ``AccessBudgetPeriod``, or of ``AutoRefresh``, whose month is the same.
    """
    if period not in _LONGEST:
        return None
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == AccessBudgetPeriod.CALENDAR_WEEK:
        day -= timedelta(days=day.weekday())
    elif period == AccessBudgetPeriod.CALENDAR_MONTH:
        day = day.replace(day=1)
    return day.timestamp()


def end_of(period: str, moment: float) -> float | None:
    """When the period of a moment ends and the next one begins; None likewise."""
    start = start_of(period, moment)
    if start is None:
        return None
    return start_of(period, start + timedelta(days=_LONGEST[AccessBudgetPeriod(period)]).total_seconds())


def as_utc(moment: float) -> str:
    """A moment for a person, to the minute."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def as_iso(moment: float) -> str:
    """A moment for a program, to the second: ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
