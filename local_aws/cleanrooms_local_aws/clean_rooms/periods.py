"""The periods over which a budget is counted, in UTC and in seconds since the epoch."""

import functools
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """The period of a limit (``AccessBudgetType`` of the service model)."""

    CALENDAR_DAY = "CALENDAR_DAY"
    CALENDAR_WEEK = "CALENDAR_WEEK"
    CALENDAR_MONTH = "CALENDAR_MONTH"
    LIFETIME = "LIFETIME"


def start_of(period: Period, moment: float) -> float:
    """When the period that this moment lies in began. A week begins on Monday, an assumption; a lifetime begins at the moment."""
    if period is Period.LIFETIME:
        return moment
    day = _day_of(moment)
    if period is Period.CALENDAR_WEEK:
        day -= timedelta(days=day.weekday())
    elif period is Period.CALENDAR_MONTH:
        day = day.replace(day=1)
    return day.timestamp()


@functools.lru_cache(maxsize=1024)  # asked at each look at a budget, of few periods
def end_of(period: Period, start: float) -> float | None:
    """When the period that began at ``start`` ends, which is when the next one begins; None for a lifetime."""
    if period is Period.LIFETIME:
        return None
    longest = {Period.CALENDAR_DAY: 1, Period.CALENDAR_WEEK: 7, Period.CALENDAR_MONTH: 31}
    return start_of(period, (_day_of(start) + timedelta(days=longest[period])).timestamp())


def _day_of(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
