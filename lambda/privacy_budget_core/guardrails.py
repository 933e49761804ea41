"""Guardrails: limits that the owner of a provider sets for every template that uses it.

One judgement serves synth, the plan and the function, so that all three refuse with the same sentence. By the standard library alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .contract import ACCESS_LIMIT_BUDGET, EPSILON, USERS_NOISE_PER_QUERY, AccessBudgetPeriod, AutoRefresh, OnBudgetReset, OnExisting, Range
from .errors import InvalidGuardrailError
from .model import AccessBudget, AccessLimit, DesiredTemplate, DifferentialPrivacy

ENVIRONMENT_VARIABLE: Final = "PRIVACY_BUDGET_GUARDRAILS"
"""The function's environment variable that holds the guardrails as JSON; absent where there are none."""

REMEDY: Final = "Comply with it, or ask the owner of the privacy budget provider to change it"

_DAY, _WEEK, _MONTH, _LIFETIME = AccessBudgetPeriod
_PERIODS_WITHIN: Final[Mapping[tuple[str, str], int]] = {
    (_DAY, _DAY): 1,
    (_DAY, _WEEK): 7,
    (_DAY, _MONTH): 31,
    (_WEEK, _DAY): 1,
    (_WEEK, _WEEK): 1,
    (_WEEK, _MONTH): 6,
    (_MONTH, _DAY): 1,
    (_MONTH, _WEEK): 2,
    (_MONTH, _MONTH): 1,
    **{(_LIFETIME, period): 1 for period in AccessBudgetPeriod},
}
"""How many periods of a limit one period of a guardrail can touch. No calendar limit bounds the uses of a lifetime."""


@dataclass(frozen=True)
class Guardrails:
    """What a template may declare. The default sets no limit."""

    max_epsilon: int | None = None
    """The highest epsilon, from 1 to 20."""
    min_users_noise_per_query: int | None = None
    """The least noise, in users per query, from 10 to 100."""
    allow_monthly_refresh: bool = True
    """Whether a differential-privacy budget may refresh every calendar month."""
    max_uses: Mapping[AccessBudgetPeriod, int] = field(default_factory=dict)
    """The most uses of a table in each period, from 0 to 1,000,000."""
    allow_budget_reset: bool = True
    """Whether OnBudgetReset may be ALLOW."""
    allow_adoption: bool = True
    """Whether OnExisting may be ADOPT."""

    def __post_init__(self) -> None:
        _check(self.named("max_epsilon"), self.max_epsilon, EPSILON)
        _check(self.named("min_users_noise_per_query"), self.min_users_noise_per_query, USERS_NOISE_PER_QUERY)
        if not isinstance(self.max_uses, Mapping):
            raise InvalidGuardrailError(f"{self.named('max_uses')} must be a number for each period, got {self.max_uses!r}")
        for period, uses in self.max_uses.items():
            if period not in set(AccessBudgetPeriod):
                names = ", ".join(AccessBudgetPeriod)
                raise InvalidGuardrailError(f"{self.named('max_uses')} must name periods out of {names}, got {period!r}")
            _check(f"{self.named('max_uses')}.{period}", uses, ACCESS_LIMIT_BUDGET)
        for flag in ("allow_monthly_refresh", "allow_budget_reset", "allow_adoption"):
            if not isinstance(getattr(self, flag), bool):
                raise InvalidGuardrailError(f"{self.named(flag)} must be true or false, got {getattr(self, flag)!r}")

    @staticmethod
    def named(attribute: str) -> str:
        """A guardrail as JSON names it."""
        return _NAMES[attribute]

    @classmethod
    def from_json(cls, text: str | None) -> "Guardrails":
        """The guardrails of an environment variable; a null is none. Raises InvalidGuardrailError."""
        try:
            members = json.loads(text or "{}")
        except ValueError as error:
            raise InvalidGuardrailError(f"the guardrails must be a JSON object, got {text!r}") from error
        if not isinstance(members, dict):
            raise InvalidGuardrailError(f"the guardrails must be a JSON object, got {text!r}")
        if isinstance(members.get("MaxUses"), dict):
            members["MaxUses"] = {period: uses for period, uses in members["MaxUses"].items() if uses is not None}
        if unknown := members.keys() - _NAMES.values():
            raise InvalidGuardrailError(f"{', '.join(sorted(unknown))}: no such guardrail; there are {', '.join(_NAMES.values())}")
        return cls(**{attribute: members[name] for attribute, name in _NAMES.items() if members.get(name) is not None})

    def to_json(self) -> str:
        """The guardrails that differ from the default, as JSON."""
        default = Guardrails()
        members = {name: getattr(self, attribute) for attribute, name in _NAMES.items()}
        return json.dumps({name: value for name, value in members.items() if value != getattr(default, _ATTRIBUTES[name])}, sort_keys=True)

    def violations(self, desired: DesiredTemplate) -> list[str]:
        """The guardrails that a template breaks, each as a sentence."""
        broken = self.option_violations(desired.on_existing, desired.on_budget_reset)
        if isinstance(desired.budget, DifferentialPrivacy):
            budget = desired.budget
            return [*self.differential_privacy_violations(budget.epsilon, budget.users_noise_per_query, budget.auto_refresh), *broken]
        if isinstance(desired.budget, AccessBudget):
            return [*self.access_limit_violations(desired.budget.limits), *broken]
        return broken

    def differential_privacy_violations(
        self, epsilon: int | None, users_noise_per_query: int | None, auto_refresh: AutoRefresh | str | None
    ) -> list[str]:
        """The guardrails that a differential-privacy budget breaks; None is a value that is not known yet, and breaks none."""
        broken = []
        if self.max_epsilon is not None and epsilon is not None and epsilon > self.max_epsilon:
            broken.append(f"epsilon must be at most {self.max_epsilon}, got {epsilon}: the provider's guardrail MaxEpsilon. {REMEDY}.")
        least = self.min_users_noise_per_query
        if least is not None and users_noise_per_query is not None and users_noise_per_query < least:
            broken.append(
                f"users noise per query must be at least {least}, got {users_noise_per_query}:"
                f" the provider's guardrail MinUsersNoisePerQuery. {REMEDY}."
            )
        if not self.allow_monthly_refresh and auto_refresh not in (None, AutoRefresh.NONE):
            broken.append(
                f"auto refresh must be {AutoRefresh.NONE}, got {auto_refresh}: the provider's guardrail AllowMonthlyRefresh. {REMEDY}."
            )
        return broken

    def access_limit_violations(self, limits: Sequence[AccessLimit]) -> list[str]:
        """The guardrails that the limits of an access budget break."""
        broken = []
        for period, most in self.max_uses.items():
            bounds = [limit.budget * _PERIODS_WITHIN[limit.period, period] for limit in limits if (limit.period, period) in _PERIODS_WITHIN]
            if min(bounds, default=most + 1) > most:
                declared = ", ".join(f"{limit.budget} per {limit.period}" for limit in limits)
                broken.append(
                    f"a table must have a limit of at most {most} uses per {period}, got {declared}:"
                    f" the provider's guardrail MaxUses. {REMEDY}."
                )
        return broken

    def option_violations(self, on_existing: OnExisting | str | None, on_budget_reset: OnBudgetReset | str | None) -> list[str]:
        """The guardrails that a template's own options break; None is a value that is not known yet, and breaks none."""
        broken = []
        if not self.allow_budget_reset and on_budget_reset == OnBudgetReset.ALLOW:
            broken.append(
                f"OnBudgetReset must be {OnBudgetReset.REFUSE}, got {OnBudgetReset.ALLOW}:"
                f" the provider's guardrail AllowBudgetReset. {REMEDY}."
            )
        if not self.allow_adoption and on_existing == OnExisting.ADOPT:
            broken.append(
                f"OnExisting must be {OnExisting.FAIL}, got {OnExisting.ADOPT}: the provider's guardrail AllowAdoption. {REMEDY}."
            )
        return broken


_NAMES: Final = {
    "max_epsilon": "MaxEpsilon",
    "min_users_noise_per_query": "MinUsersNoisePerQuery",
    "allow_monthly_refresh": "AllowMonthlyRefresh",
    "max_uses": "MaxUses",
    "allow_budget_reset": "AllowBudgetReset",
    "allow_adoption": "AllowAdoption",
}
_ATTRIBUTES: Final = {name: attribute for attribute, name in _NAMES.items()}


def _check(name: str, value: Any, allowed: Range) -> None:
    if value is not None and (isinstance(value, bool) or value not in allowed):
        raise InvalidGuardrailError(f"{name} must be {allowed}, got {value!r}")
