"""The sum of what was granted: how many budgets there were, and which epsilon they add up to.

Sequential composition: whoever uses up several budgets over the same data has had the sum of their epsilons. A recreated template
and each calendar month of a refreshing one are budgets of their own; within one budget, a raised epsilon counts once, at its highest.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from privacy_budget_core.contract import AutoRefresh, AutoRefreshMode
from privacy_budget_core.model import AccessBudget, AccessLimit, Budget, DifferentialPrivacy

from ..periods import end_of
from .lives import Life


@dataclass(frozen=True)
class PrivacyGrant:
    """One differential-privacy budget: of a template, or of one calendar month of a refreshing template."""

    raises: tuple[tuple[float, int], ...]
    """When epsilon reached which value, each higher than the one before: the first of them when the budget began."""

    @property
    def epsilon(self) -> int:
        """The highest epsilon of the budget."""
        return self.raises[-1][1]


@dataclass(frozen=True)
class UsesGrant:
    """The access budgets of one table."""

    resource_arn: str
    budgets: int
    """How often the balance was filled: by a create, by an edit, and by each new period."""
    uses: int
    """How many uses of the table these allow, all together."""


@dataclass(frozen=True)
class Exposure:
    """What was granted to all who query a membership's data."""

    privacy: tuple[PrivacyGrant, ...]
    uses: tuple[UsesGrant, ...]
    unknown: int
    """Templates whose budget is not known, which the sums leave out."""

    @property
    def epsilon(self) -> int:
        """The sum of every budget's epsilon."""
        return sum(grant.epsilon for grant in self.privacy)

    @property
    def calculation(self) -> str:
        """The sum as it is added up, such as ``5 + 2 x 3 = 11``."""
        parts = [(epsilon, len(list(same))) for epsilon, same in groupby(grant.epsilon for grant in self.privacy)]
        terms = " + ".join(f"{count} x {epsilon}" if count > 1 else str(epsilon) for epsilon, count in parts)
        return f"{terms} = {self.epsilon}" if len(self.privacy) > 1 else str(self.epsilon)


def exposure(lives: Iterable[Life], since: float, now: float) -> Exposure:
    """What some templates granted from a moment on, or over their whole lives."""
    privacy: list[PrivacyGrant] = []
    uses: list[UsesGrant] = []
    unknown = 0
    for life in lives:
        end = life.deleted_at if life.deleted_at is not None else now
        if end <= since:
            continue
        spans = list(_spans(life.budgets, since, end))
        if not spans:
            unknown += 1
        privacy += privacy_grants(spans)
        uses += _uses_grants(spans)
    return Exposure(tuple(sorted(privacy, key=lambda grant: grant.raises[0][0])), tuple(_by_table(uses)), unknown)


@dataclass(frozen=True)
class Span:
    """A budget from one moment to another, in seconds since the epoch."""

    begin: float
    end: float
    budget: Budget


def privacy_grants(spans: Sequence[Span]) -> list[PrivacyGrant]:
    """The differential-privacy budgets of one template, which has the same refresh from its create to its delete."""
    epsilons = [(span, span.budget) for span in spans if isinstance(span.budget, DifferentialPrivacy)]
    if not epsilons:
        return []
    grants = []
    for begin, end in _windows(epsilons[0][1].auto_refresh, spans[0].begin, spans[-1].end):
        raises: list[tuple[float, int]] = []
        for span, budget in epsilons:
            is_in_effect = span.begin < end and (span.end > begin or span.begin >= begin)
            if is_in_effect and (not raises or budget.epsilon > raises[-1][1]):
                raises.append((max(begin, span.begin), budget.epsilon))
        grants.append(PrivacyGrant(tuple(raises)))
    return grants


def _uses_grants(spans: Sequence[Span]) -> Iterator[UsesGrant]:
    """The access budgets of one template: each edit refills the balance."""
    for span in spans:
        if isinstance(span.budget, AccessBudget):
            fills = [(limit, len(_windows(_refresh(limit), span.begin, span.end))) for limit in span.budget.limits]
            yield UsesGrant(span.budget.resource_arn, max(count for _, count in fills), min(limit.budget * count for limit, count in fills))


def _refresh(limit: AccessLimit) -> str:
    """The period after which a limit's balance is filled again; one that does not say counts as refreshing."""
    return AutoRefresh.NONE if limit.auto_refresh is AutoRefreshMode.DISABLED else limit.period


def _windows(period: str, begin: float, end: float) -> list[tuple[float, float]]:
    """The periods that a time touches, the first and the last cut to it; one where nothing refreshes."""
    windows = []
    while (next_begin := end_of(period, begin)) is not None and next_begin < end:
        windows.append((begin, next_begin))
        begin = next_begin
    return [*windows, (begin, math.inf)]


def _spans(budgets: Sequence[tuple[float, Budget]], since: float, end: float) -> Iterator[Span]:
    """Each budget as long as it was in effect, from a moment on."""
    for place, (begin, budget) in enumerate(budgets):
        until = budgets[place + 1][0] if place + 1 < len(budgets) else end
        if until > since or begin >= since:
            yield Span(max(begin, since), max(until, since), budget)


def _by_table(grants: Iterable[UsesGrant]) -> Iterator[UsesGrant]:
    for table, of_table in groupby(sorted(grants, key=lambda grant: grant.resource_arn), lambda grant: grant.resource_arn):
        same = list(of_table)
        yield UsesGrant(table, sum(grant.budgets for grant in same), sum(grant.uses for grant in same))
