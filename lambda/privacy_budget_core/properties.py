"""The resource's properties, parsed from CloudFormation's strings and checked."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from . import __version__, contract
from .contract import (
    AccessBudgetPeriod,
    AutoRefresh,
    AutoRefreshMode,
    Flag,
    OnBudgetReset,
    OnExisting,
    PrivacyBudgetType,
    Property,
    Range,
)
from .errors import InvalidPropertyError
from .model import AccessBudget, AccessLimit, Budget, DesiredTemplate, DifferentialPrivacy, Identity

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


def parse(properties: Mapping[str, object]) -> DesiredTemplate:
    """The template that an event's ``ResourceProperties`` declare. Raises InvalidPropertyError."""
    top = _Fields(properties, "").without(contract.ADDED_BY_CLOUDFORMATION)
    desired = DesiredTemplate(
        membership_id=_membership_id(top),
        budget=_budget(top),
        tags=_tags(top),
        on_existing=top.choice(Property.ON_EXISTING, OnExisting, OnExisting.FAIL),
        on_budget_reset=top.choice(Property.ON_BUDGET_RESET, OnBudgetReset, OnBudgetReset.REFUSE),
        preview_impact=top.choice(Property.PREVIEW_IMPACT, Flag, Flag.FALSE) is Flag.TRUE,
    )
    top.refuse_the_rest()
    if desired.preview_impact and not isinstance(desired.budget, DifferentialPrivacy):
        raise InvalidPropertyError(f"{Property.PREVIEW_IMPACT} goes with {PrivacyBudgetType.DIFFERENTIAL_PRIVACY} only: leave it out")
    return desired


class PreviousTemplate(NamedTuple):
    """What an update's old properties declared, as far as they are valid: the rollback of a wrong update has wrong ones."""

    identity: Identity | None
    tags: Mapping[str, str]
    on_budget_reset: OnBudgetReset


def parse_previous(properties: Mapping[str, object]) -> PreviousTemplate:
    """What an event's ``OldResourceProperties`` declared; never raises."""
    top = _or(lambda: _Fields(properties, ""), _Fields({}, ""))
    return PreviousTemplate(
        identity=parse_identity(properties),
        tags=_or(lambda: _tags(top), {}),
        on_budget_reset=_or(lambda: top.choice(Property.ON_BUDGET_RESET, OnBudgetReset, OnBudgetReset.REFUSE), OnBudgetReset.REFUSE),
    )


def parse_identity(properties: Mapping[str, object]) -> Identity | None:
    """The identity that the properties declare, whether or not the others are valid; None where no template can have had it."""

    def identity() -> Identity:
        top = _Fields(properties, "")
        membership_id = _membership_id(top)
        budget_type = top.choice(Property.PRIVACY_BUDGET_TYPE, PrivacyBudgetType)
        if budget_type is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
            return Identity(membership_id, budget_type)
        return Identity(membership_id, budget_type, _resource_arn(top.fields(Property.PARAMETERS)))

    return _or(identity, None)


def _or(read: Callable[[], T], default: T) -> T:
    try:
        return read()
    except InvalidPropertyError:
        return default


def _membership_id(top: "_Fields") -> str:
    return top.text(Property.MEMBERSHIP_IDENTIFIER, contract.is_membership_id, contract.MEMBERSHIP_ID_RULE)


def _budget(top: "_Fields") -> Budget:
    budget_type = top.choice(Property.PRIVACY_BUDGET_TYPE, PrivacyBudgetType)
    parameters = top.fields(Property.PARAMETERS)
    budget: Budget
    if budget_type is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
        budget = DifferentialPrivacy(
            epsilon=parameters.number("Epsilon", contract.EPSILON),
            users_noise_per_query=parameters.number("UsersNoisePerQuery", contract.USERS_NOISE_PER_QUERY),
            auto_refresh=top.choice(Property.AUTO_REFRESH, AutoRefresh, AutoRefresh.NONE),
        )
    else:
        if top.choice(Property.AUTO_REFRESH, AutoRefresh, AutoRefresh.NONE) is not AutoRefresh.NONE:
            raise InvalidPropertyError(
                f"{Property.AUTO_REFRESH} must be {AutoRefresh.NONE} or left out for {budget_type},"
                f" got {AutoRefresh.CALENDAR_MONTH.value!r}:"
                " an access budget refreshes by the AutoRefresh of each of Parameters.BudgetParameters"
            )
        budget = AccessBudget(resource_arn=_resource_arn(parameters), limits=_limits(parameters))
    parameters.refuse_the_rest()
    return budget


def _resource_arn(parameters: "_Fields") -> str:
    return parameters.text("ResourceArn", contract.is_resource_arn, contract.RESOURCE_ARN_RULE)


def _limits(parameters: "_Fields") -> tuple[AccessLimit, ...]:
    limits = []
    for entry in parameters.list_of_fields("BudgetParameters"):
        period = entry.choice("Type", AccessBudgetPeriod)
        budget = entry.number("Budget", contract.ACCESS_LIMIT_BUDGET)
        refresh = entry.choice("AutoRefresh", AutoRefreshMode) if "AutoRefresh" in entry else None
        entry.refuse_the_rest()
        if period is AccessBudgetPeriod.LIFETIME:
            if refresh is AutoRefreshMode.ENABLED:
                raise InvalidPropertyError(f"{entry.path}AutoRefresh must be left out for {period}, got {refresh.value!r}")
            refresh = None
        limits.append(AccessLimit(period, budget, refresh))
    if rule := contract.wrong_limits([limit.period for limit in limits]):
        raise InvalidPropertyError(f"Parameters.BudgetParameters {rule}, got {[str(limit.period) for limit in limits]}")
    return tuple(limits)


def _tags(top: "_Fields") -> dict[str, str]:
    if Property.TAGS not in top:
        return {}
    tags: dict[str, str] = {}
    for entry in top.list_of_fields(Property.TAGS):
        key = entry.text("Key", _of_length(contract.TAG_KEY_LENGTH), _length_rule(contract.TAG_KEY_LENGTH))
        value = entry.text("Value", _of_length(contract.TAG_VALUE_LENGTH), _length_rule(contract.TAG_VALUE_LENGTH))
        entry.refuse_the_rest()
        if key.startswith(contract.RESERVED_TAG_PREFIXES):
            raise InvalidPropertyError(
                f"{entry.path}Key must not start with a reserved prefix ({', '.join(contract.RESERVED_TAG_PREFIXES)}), got {key!r}"
            )
        if key in tags:
            raise InvalidPropertyError(f"{Property.TAGS} must name each key once, got {key!r} twice")
        tags[key] = value
    if len(tags) not in contract.TAGS:
        raise InvalidPropertyError(f"{Property.TAGS} must be at most {contract.TAGS.maximum} tags, got {len(tags)}")
    return tags


def _of_length(length: Range) -> Callable[[str], bool]:
    return lambda value: len(value) in length


def _length_rule(length: Range) -> str:
    return f"a text of {length.minimum} to {length.maximum} characters"


def _shown(path: str, value: object) -> str:
    """A wrong value as a message shows it. A tag value may be a secret, so only its length is shown."""
    if not path.startswith(Property.TAGS) or path.endswith("Key"):
        return repr(value)
    return f"a text of {len(value)} characters" if isinstance(value, str) else f"a value of type {type(value).__name__}"


class _Fields:
    """The members of one object in the properties. Each is read once by its name; ``refuse_the_rest`` rejects the others."""

    def __init__(self, members: object, path: str) -> None:
        if not isinstance(members, Mapping):
            raise InvalidPropertyError(f"{path.rstrip('.')} must be an object, got {_shown(path, members)}")
        self.path = path
        self._members = dict(members)
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        self._known.add(name)
        return name in self._members

    def without(self, names: frozenset[str]) -> "_Fields":
        """The same object less some members."""
        return _Fields({name: value for name, value in self._members.items() if name not in names}, self.path)

    def text(self, name: str, valid: Callable[[str], bool], rule: str) -> str:
        value = self._take(name, rule)
        if not isinstance(value, str) or not valid(value):
            raise InvalidPropertyError(f"{self.path}{name} must be {rule}, got {_shown(self.path + name, value)}")
        return value

    def number(self, name: str, allowed: Range) -> int:
        """A whole number, which CloudFormation hands over as a string of digits."""
        value = self._take(name, str(allowed))
        digits = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(digits, str) or not (digits.isascii() and digits.isdecimal()) or int(digits[:20]) not in allowed:
            raise InvalidPropertyError(f"{self.path}{name} must be {allowed}, got {value!r}")
        return int(digits)

    def choice(self, name: str, values: type[E], default: E | None = None) -> E:
        rule = " or ".join(values)
        value = self._take(name, rule) if default is None or name in self else default
        try:
            return values(str(value))
        except ValueError:
            raise InvalidPropertyError(f"{self.path}{name} must be {rule}, got {value!r}") from None

    def fields(self, name: str) -> "_Fields":
        return _Fields(self._take(name, "an object"), f"{self.path}{name}.")

    def list_of_fields(self, name: str) -> list["_Fields"]:
        value = self._take(name, "a list")
        if not isinstance(value, list):
            raise InvalidPropertyError(f"{self.path}{name} must be a list, got {_shown(self.path + name, value)}")
        return [_Fields(entry, f"{self.path}{name}[{index}].") for index, entry in enumerate(value)]

    def refuse_the_rest(self) -> None:
        if self._members:
            names = ", ".join(sorted(f"{self.path}{name}" for name in self._members))
            raise InvalidPropertyError(
                f"{names}: no such property; this provider, version {__version__}, knows {', '.join(sorted(self._known))}."
                " Check the spelling, or update the provider if it is older than the construct"
            )

    def _take(self, name: str, rule: str) -> object:
        self._known.add(name)
        try:
            return self._members.pop(name)
        except KeyError:
            raise InvalidPropertyError(f"{self.path}{name} is required and must be {rule}") from None
