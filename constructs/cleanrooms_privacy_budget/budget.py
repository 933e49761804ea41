"""The budget of a template, as its author writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from privacy_budget_core import contract
from privacy_budget_core import model as core
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, PrivacyBudgetType, Property
from privacy_budget_core.guardrails import Guardrails

from .literals import is_token, not_a_flag, not_among, outside, rendered, whole


@dataclass(frozen=True)
class AccessLimit:
    """How many times a table may be used in one period or in the template's life; made by one of its four methods.

    Source: ``BudgetParameter`` in the Clean Rooms API, and "Access budgets" in the AWS Clean Rooms user guide.
    """

    period: AccessBudgetPeriod
    budget: int
    auto_refresh: bool | str | None = None

    @staticmethod
    def per_day(budget: float, *, auto_refresh: bool | str = True) -> "AccessLimit":
        """Limit the uses per calendar day.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance refills each day, or a token that gives ENABLED or DISABLED. Default: it does.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_DAY, whole(budget), auto_refresh)

    @staticmethod
    def per_week(budget: float, *, auto_refresh: bool | str = True) -> "AccessLimit":
        """Limit the uses per calendar week.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance refills each week, or a token that gives ENABLED or DISABLED. Default: it does.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_WEEK, whole(budget), auto_refresh)

    @staticmethod
    def per_month(budget: float, *, auto_refresh: bool | str = True) -> "AccessLimit":
        """Limit the uses per calendar month.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance refills each month, or a token that gives ENABLED or DISABLED. Default: it does.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_MONTH, whole(budget), auto_refresh)

    @staticmethod
    def lifetime(budget: float) -> "AccessLimit":
        """Limit the uses over the template's life.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        """
        return AccessLimit(AccessBudgetPeriod.LIFETIME, whole(budget))

    def broken_rules(self) -> Iterator[str]:
        """The rules that literal values break."""
        yield from not_among("period", self.period, AccessBudgetPeriod)
        yield from outside(f"budget of the {self.period} limit", self.budget, contract.ACCESS_LIMIT_BUDGET)
        if self.auto_refresh is not None:
            yield from not_a_flag(f"auto_refresh of the {self.period} limit", self.auto_refresh)

    def render(self) -> dict[str, Any]:
        """The limit as a member of ``BudgetParameters``."""
        limit: dict[str, Any] = {"Type": rendered(self.period), "Budget": self.budget}
        if isinstance(self.auto_refresh, bool):
            limit["AutoRefresh"] = (AutoRefreshMode.ENABLED if self.auto_refresh else AutoRefreshMode.DISABLED).value
        elif self.auto_refresh is not None:
            limit["AutoRefresh"] = self.auto_refresh
        return limit


@dataclass(frozen=True)
class PrivacyBudget:
    """What a template grants, made by ``differential_privacy`` or ``access_budget``."""

    budget_type: PrivacyBudgetType
    epsilon: Any = None
    users_noise_per_query: Any = None
    auto_refresh: AutoRefresh | str | None = None
    resource_arn: str | None = None
    limits: tuple[AccessLimit, ...] = ()

    @staticmethod
    def differential_privacy(
        *, epsilon: float, users_noise_per_query: float, auto_refresh: AutoRefresh | str = AutoRefresh.NONE
    ) -> "PrivacyBudget":
        """Limit what can be learnt about any one person from all queries together.

        Source: CreatePrivacyBudgetTemplate in the Clean Rooms API reference.

        :param epsilon: The privacy budget, a whole number from 1 to 20. A larger one allows more queries and gives less privacy. It
            can be raised at any time; Clean Rooms does not let it be lowered once querying has begun.
        :param users_noise_per_query: The noise added to each query, as the number of users whose contribution it hides: a whole
            number from 10 to 100. More noise consumes the budget more slowly. It can be edited either way.
        :param auto_refresh: Whether the budget is refreshed every calendar month; a member of AutoRefresh, or a token. Default: never.
            It cannot be edited: a change recreates the template.
        """
        return PrivacyBudget(
            PrivacyBudgetType.DIFFERENTIAL_PRIVACY,
            epsilon=whole(epsilon),
            users_noise_per_query=whole(users_noise_per_query),
            auto_refresh=auto_refresh,
        )

    @staticmethod
    def access_budget(*, resource_arn: str, limits: Sequence[AccessLimit]) -> "PrivacyBudget":
        """Limit how often one table may be used by queries and jobs.

        Source: CreatePrivacyBudgetTemplate in the Clean Rooms API reference.

        :param resource_arn: The ARN of the configured table association, or intermediate table, whose uses are counted.
        :param limits: One limit per day, week or month, or a lifetime limit, or one of each.
        """
        listed = tuple(limits) if isinstance(limits, Sequence) else (limits,)
        return PrivacyBudget(PrivacyBudgetType.ACCESS_BUDGET, resource_arn=resource_arn, limits=listed)

    @property
    def properties(self) -> dict[str, Any]:
        """The budget as properties of the resource."""
        if self.budget_type is PrivacyBudgetType.ACCESS_BUDGET:
            limits = [limit.render() for limit in self.limits]
            return {Property.PARAMETERS.value: {"ResourceArn": self.resource_arn, "BudgetParameters": limits}}
        return {
            Property.AUTO_REFRESH.value: rendered(self.auto_refresh),
            Property.PARAMETERS.value: {"Epsilon": self.epsilon, "UsersNoisePerQuery": self.users_noise_per_query},
        }

    def broken_rules(self) -> Iterator[str]:
        """The rules that literal values break, each with the value; the function checks what tokens stand for."""
        if self.budget_type is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
            yield from outside("epsilon", self.epsilon, contract.EPSILON)
            yield from outside("users_noise_per_query", self.users_noise_per_query, contract.USERS_NOISE_PER_QUERY)
            yield from not_among("auto_refresh", self.auto_refresh, AutoRefresh)
            return
        if not contract.is_resource_arn(str(self.resource_arn)) and not is_token(self.resource_arn):
            yield f"resource_arn must be {contract.RESOURCE_ARN_RULE}, got {self.resource_arn!r}"
        if strangers := [limit for limit in self.limits if not isinstance(limit, AccessLimit)]:
            yield f"limits must be made by AccessLimit.per_day, per_week, per_month or lifetime, got {strangers[0]!r}"
            return
        periods = [limit.period for limit in self.limits]
        if rule := contract.wrong_limits(periods):
            yield f"limits {rule}, got {[rendered(period) for period in periods]}"
        for limit in self.limits:
            yield from limit.broken_rules()

    def broken_guardrails(self, guardrails: Guardrails) -> list[str]:
        """The guardrails that literal values break, each as a sentence."""
        if self.budget_type is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
            return guardrails.differential_privacy_violations(
                self.epsilon if isinstance(self.epsilon, int) else None,
                self.users_noise_per_query if isinstance(self.users_noise_per_query, int) else None,
                self.auto_refresh if self.auto_refresh in set(AutoRefresh) else None,
            )
        if not all(isinstance(limit.budget, int) for limit in self.limits):
            return []
        return guardrails.access_limit_violations([core.AccessLimit(limit.period, limit.budget) for limit in self.limits])
