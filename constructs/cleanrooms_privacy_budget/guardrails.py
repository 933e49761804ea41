"""Limits that the owner of a provider sets for every template that uses it."""

from dataclasses import dataclass

from privacy_budget_core.errors import InvalidGuardrailError
from privacy_budget_core.guardrails import Guardrails

from .literals import whole


@dataclass(frozen=True, kw_only=True)
class PrivacyBudgetGuardrails(Guardrails):
    """Limits for every template of a provider: at synth in the provider's app, and in the function for every stack that uses it.

    A template beyond a guardrail is refused before anything is touched, whatever language or tool declared it. One that exists
    already is kept, and its next update must comply; a rollback never fails because of a guardrail.

    :param max_epsilon: The highest epsilon, from 1 to 20. Default: 20.
    :param min_users_noise_per_query: The least noise, in users per query, from 10 to 100. Default: 10.
    :param allow_monthly_refresh: Whether a differential-privacy budget may refresh every calendar month. Default: it may.
    :param max_uses: The most uses of a table by period, each from 0 to 1,000,000. A limit of another period complies where it
        cannot exceed that: 14 per day is at most 98 per week. No limit per day, week or month bounds a lifetime. Default: no limit.
    :param allow_budget_reset: Whether templates may declare OnBudgetReset.ALLOW. Default: they may.
    :param allow_adoption: Whether templates may declare OnExisting.ADOPT. Default: they may.
    :raises ValueError: A value breaks a rule.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_epsilon", whole(self.max_epsilon))
        object.__setattr__(self, "min_users_noise_per_query", whole(self.min_users_noise_per_query))
        if isinstance(self.max_uses, dict):
            object.__setattr__(self, "max_uses", {period: whole(uses) for period, uses in self.max_uses.items()})
        try:
            super().__post_init__()
        except InvalidGuardrailError as error:
            raise ValueError(str(error)) from error

    @staticmethod
    def named(attribute: str) -> str:
        """A guardrail as Python code names it."""
        return attribute
