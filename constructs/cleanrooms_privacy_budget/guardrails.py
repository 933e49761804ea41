"""Limits that the owner of a provider sets for every template that uses it."""

from collections.abc import Mapping
from typing import Any

from privacy_budget_core.contract import AccessBudgetPeriod
from privacy_budget_core.errors import InvalidGuardrailError
from privacy_budget_core.guardrails import Guardrails

from .literals import is_token, whole


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
    :raises ValueError: A value breaks a rule, or is a token.
    """

    def __init__(
        self,
        *,
        max_epsilon: float | None = None,
        min_users_noise_per_query: float | None = None,
        allow_monthly_refresh: bool = True,
        max_uses: Mapping[AccessBudgetPeriod, float] | None = None,
        allow_budget_reset: bool = True,
        allow_adoption: bool = True,
    ) -> None:
        uses: Any = max_uses or {}
        values = {"max_epsilon": max_epsilon, "min_users_noise_per_query": min_users_noise_per_query, "max_uses": max_uses}
        if isinstance(uses, Mapping):
            values |= {f"max_uses.{period}": most for period, most in uses.items()}
        for name, value in values.items():
            if is_token(value):
                raise ValueError(f"{name} must be known at synth, where templates are judged by it, got a token")
        try:
            super().__init__(
                whole(max_epsilon),
                whole(min_users_noise_per_query),
                allow_monthly_refresh,
                {period: whole(most) for period, most in uses.items()} if isinstance(uses, Mapping) else uses,
                allow_budget_reset,
                allow_adoption,
            )
        except InvalidGuardrailError as error:
            raise ValueError(str(error)) from error

    @staticmethod
    def named(attribute: str) -> str:
        """A guardrail as Python code names it."""
        return attribute
