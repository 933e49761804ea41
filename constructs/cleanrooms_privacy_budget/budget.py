"""What a privacy budget template grants, as its author writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Token

from privacy_budget_core import contract
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, PrivacyBudgetType, Property, Range


@dataclass(frozen=True)
class AccessLimit:
    """How many times a table may be used in one period, or over the template's life: made by one of its four methods.

    Source: ``BudgetParameter`` in the Clean Rooms API, and "Access budgets" in the AWS Clean Rooms user guide.
    """

    period: AccessBudgetPeriod
    budget: int
    auto_refresh: bool | None = None

    @staticmethod
    def per_day(budget: int, *, auto_refresh: bool = True) -> "AccessLimit":
        """So many uses a calendar day.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance is filled up again each day. Default: it is.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_DAY, budget, auto_refresh)

    @staticmethod
    def per_week(budget: int, *, auto_refresh: bool = True) -> "AccessLimit":
        """So many uses a calendar week.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance is filled up again each week. Default: it is.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_WEEK, budget, auto_refresh)

    @staticmethod
    def per_month(budget: int, *, auto_refresh: bool = True) -> "AccessLimit":
        """So many uses a calendar month.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        :param auto_refresh: Whether the balance is filled up again each month. Default: it is.
        """
        return AccessLimit(AccessBudgetPeriod.CALENDAR_MONTH, budget, auto_refresh)

    @staticmethod
    def lifetime(budget: int) -> "AccessLimit":
        """So many uses over the template's whole life.

        :param budget: How often the table may be used, a whole number from 0 to 1,000,000.
        """
        return AccessLimit(AccessBudgetPeriod.LIFETIME, budget)

    def render(self) -> dict[str, Any]:
        """The limit as a member of ``BudgetParameters``."""
        rendered: dict[str, Any] = {"Type": self.period.value, "Budget": self.budget}
        if self.auto_refresh is not None:
            rendered["AutoRefresh"] = (AutoRefreshMode.ENABLED if self.auto_refresh else AutoRefreshMode.DISABLED).value
        return rendered


@dataclass(frozen=True)
class PrivacyBudget:
    """What a template grants: made by ``differential_privacy`` or ``access_budget``."""

    kind: PrivacyBudgetType
    properties: dict[str, Any]
    auto_refresh: AutoRefresh | None = None
    limits: tuple[AccessLimit, ...] = ()

    @staticmethod
    def differential_privacy(
        *, epsilon: float, users_noise_per_query: float, auto_refresh: AutoRefresh = AutoRefresh.NONE
    ) -> "PrivacyBudget":
        """Limit what can be learnt about any one person from all queries together.

        Source: CreatePrivacyBudgetTemplate in the Clean Rooms API reference.

        :param epsilon: The privacy budget, a whole number from 1 to 20; the larger, the more queries and the less privacy. It can
            be raised at any time, but not lowered once querying began.
        :param users_noise_per_query: The noise added to each query, counted in users whose contribution it hides: a whole number
            from 10 to 100. It governs how fast the budget is used up, and can be edited either way.
        :param auto_refresh: Whether the budget starts anew every calendar month. Default: never. It cannot be edited: a change
            deletes the template and creates it anew.
        """
        return PrivacyBudget(
            kind=PrivacyBudgetType.DIFFERENTIAL_PRIVACY,
            properties={
                Property.AUTO_REFRESH.value: AutoRefresh(auto_refresh).value,
                Property.PARAMETERS.value: {"Epsilon": epsilon, "UsersNoisePerQuery": users_noise_per_query},
            },
            auto_refresh=auto_refresh,
        )

    @staticmethod
    def access_budget(*, resource_arn: str, limits: Sequence[AccessLimit]) -> "PrivacyBudget":
        """Limit how often one table may be used by queries and jobs.

        Source: CreatePrivacyBudgetTemplate in the Clean Rooms API reference.

        :param resource_arn: The ARN of the configured table association, or intermediate table, whose uses are counted.
        :param limits: One limit per day, week or month, or a lifetime limit, or one of each.
        """
        return PrivacyBudget(
            kind=PrivacyBudgetType.ACCESS_BUDGET,
            properties={
                Property.PARAMETERS.value: {
                    "ResourceArn": resource_arn,
                    "BudgetParameters": [limit.render() for limit in limits],
                }
            },
            limits=tuple(limits),
        )

    def broken_rules(self) -> Iterator[str]:
        """The rules that literal values break, each with the value; tokens are left for the handler to check."""
        parameters = self.properties[Property.PARAMETERS]
        if self.kind is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
            yield from outside("epsilon", parameters["Epsilon"], contract.EPSILON)
            yield from outside("users_noise_per_query", parameters["UsersNoisePerQuery"], contract.USERS_NOISE_PER_QUERY)
            return
        resource_arn = parameters["ResourceArn"]
        if not contract.is_resource_arn(str(resource_arn)) and not Token.is_unresolved(resource_arn):
            yield f"resource_arn must be {contract.RESOURCE_ARN_RULE}, got {resource_arn!r}"
        periods = [limit.period for limit in self.limits]
        if rule := contract.wrong_limits(periods):
            yield f"limits {rule}, got {[period.value for period in periods]}"
        for limit in self.limits:
            yield from outside(f"budget of the {limit.period} limit", limit.budget, contract.ACCESS_LIMIT_BUDGET)


def outside(name: str, value: object, allowed: Range) -> Iterator[str]:
    """The rule that a literal number breaks, if it does. Only what is no such number is asked for a token, which takes time."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not (is_whole and value in allowed) and not Token.is_unresolved(value):
        yield f"{name} must be {allowed}, got {value!r}"
