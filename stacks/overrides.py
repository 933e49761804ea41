"""What the command line may set in place of cdk.json: make's arguments, and the context of the same meaning (``-c epsilon=5``).

It imports no CDK, so that make checks its arguments at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from privacy_budget_core.contract import (
    EPSILON,
    MEMBERSHIP_ID_RULE,
    USERS_NOISE_PER_QUERY,
    AutoRefresh,
    OnBudgetReset,
    OnExisting,
    Range,
    is_membership_id,
)


class SettingError(ValueError):
    """A setting that the app does not take; the message names the setting, the rule and the value."""


@dataclass(frozen=True)
class Override:
    """One setting of the command line."""

    argument: str
    """Its name as make's argument."""
    setting: str
    """Its name in the context, which is that of cdk.json."""
    rule: str
    accepts: Callable[[str], bool]

    def check(self, value: str, name: str) -> None:
        """Raise SettingError, which gives the setting this name, where the value breaks its rule."""
        if not self.accepts(value):
            raise SettingError(f"{name} must be {self.rule}, got {value!r}")


def _number(argument: str, setting: str, range_: Range) -> Override:
    return Override(argument, setting, str(range_), lambda value: value.isdecimal() and int(value) in range_)


def _one_of(argument: str, setting: str, values: type[StrEnum]) -> Override:
    return Override(argument, setting, " or ".join(values), lambda value: value in list(values))


OVERRIDES: Final = (
    Override("MEMBERSHIP", "membership", MEMBERSHIP_ID_RULE, is_membership_id),
    _number("EPSILON", "epsilon", EPSILON),
    _number("NOISE", "usersNoisePerQuery", USERS_NOISE_PER_QUERY),
    _one_of("REFRESH", "autoRefresh", AutoRefresh),
    _one_of("ON_EXISTING", "onExisting", OnExisting),
    _one_of("ON_BUDGET_RESET", "onBudgetReset", OnBudgetReset),
)
