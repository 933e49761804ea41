"""The settings in cdk.json's context: the environments that have a privacy budget, and the pipelines that deploy to them."""

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import aws_cdk as cdk

from cleanrooms_privacy_budget import AccessLimit, AutoRefresh, OnBudgetReset, OnExisting, PrivacyBudget

from .overrides import OVERRIDES, SettingError

SAMPLE_MEMBERSHIP: Final = "00000000-0000-0000-0000-000000000000"
LOCAL: Final = "local"
"""The environment of the embedded local AWS. No pipeline deploys to it."""

E = TypeVar("E", bound=StrEnum)

_ACCOUNT_AND_REGION: Final = ("account", "region")
_LIMITS: Final = {
    "perDay": AccessLimit.per_day,
    "perWeek": AccessLimit.per_week,
    "perMonth": AccessLimit.per_month,
    "lifetime": AccessLimit.lifetime,
}


@dataclass(frozen=True)
class Environment:
    """An account and region, and the budget of one membership there."""

    name: str
    membership: str
    budget: PrivacyBudget
    on_existing: OnExisting
    on_budget_reset: OnBudgetReset
    destroy_with_stack: bool
    production: bool
    """Whether a pipeline asks a person before it deploys there."""
    tags: Mapping[str, str]
    env: cdk.Environment


@dataclass(frozen=True)
class Pipeline:
    """Where a pipeline runs, and the repository that it deploys from."""

    name: str
    repository: str
    """Owner and name."""
    branch: str
    connection: str
    """ARN of the CodeConnections connection to the repository."""
    env: cdk.Environment


def environments(app: cdk.App) -> list[Environment]:
    """Every environment of the context, in its order. Raises SettingError."""
    return [_environment(name, settings) for name, settings in _section(app, "environments").items()]


def chosen_environment(app: cdk.App) -> Environment:
    """The environment that the context chooses, with the overrides of the command line (-c epsilon=5). Raises SettingError."""
    name, settings = _chosen(app, "environment")
    budget = {**settings.get("budget", {}), **_given(app, "epsilon", "usersNoisePerQuery", "autoRefresh")}
    return _environment(name, {**settings, **_given(app, "membership", "onExisting", "onBudgetReset"), "budget": budget})


def chosen_pipeline(app: cdk.App) -> Pipeline | None:
    """The pipeline that the context chooses (-c pipeline=main); None if it chooses none. Raises SettingError."""
    if not app.node.try_get_context("pipeline"):
        return None
    name, settings = _chosen(app, "pipeline")
    _check_names(f"pipelines.{name}", settings, required={"repository", "connection"}, optional={"branch", *_ACCOUNT_AND_REGION})
    return Pipeline(
        name=name,
        repository=settings["repository"],
        branch=settings.get("branch", "main"),
        connection=settings["connection"],
        env=_env(settings),
    )


def _chosen(app: cdk.App, kind: str) -> tuple[str, Mapping[str, Any]]:
    """Name and settings of the environment or pipeline that the context chooses."""
    name = app.node.try_get_context(kind)
    section = _section(app, f"{kind}s")
    if name not in section:
        raise SettingError(f"{kind} must be one of {', '.join(sorted(section))} (context of cdk.json), got {name!r}")
    return name, section[name]


def _section(app: cdk.App, name: str) -> Mapping[str, Mapping[str, Any]]:
    return app.node.try_get_context(name) or {}


def _given(app: cdk.App, *names: str) -> dict[str, Any]:
    """What the command line gives of these settings, as ``-c name=value``. Numbers arrive as strings. Raises SettingError."""
    given: dict[str, Any] = {}
    for override in OVERRIDES:
        value = app.node.try_get_context(override.setting) if override.setting in names else None
        if value:
            override.check(str(value), f"-c {override.setting}")
            given[override.setting] = int(value) if str(value).isdecimal() else value
    return given


def _environment(name: str, settings: Mapping[str, Any]) -> Environment:
    path = f"environments.{name}"
    options = {"onExisting", "onBudgetReset", "destroyWithStack", "production", "tags"}
    _check_names(path, settings, required={"membership", "budget"}, optional={*options, *_ACCOUNT_AND_REGION})
    return Environment(
        name=name,
        membership=settings["membership"],
        budget=_budget(f"{path}.budget", settings["budget"]),
        on_existing=_one_of(OnExisting, path, "onExisting", settings.get("onExisting", OnExisting.FAIL)),
        on_budget_reset=_one_of(OnBudgetReset, path, "onBudgetReset", settings.get("onBudgetReset", OnBudgetReset.REFUSE)),
        destroy_with_stack=settings.get("destroyWithStack", False),
        production=settings.get("production", False),
        tags=settings.get("tags", {}),
        env=_env(settings),
    )


def _budget(path: str, settings: Mapping[str, Any]) -> PrivacyBudget:
    """Differential privacy by ``epsilon`` and ``usersNoisePerQuery``, or an access budget by ``resourceArn`` and ``limits``."""
    if "resourceArn" in settings:
        _check_names(path, settings, required={"resourceArn", "limits"})
        _check_names(f"{path}.limits", settings["limits"], optional=set(_LIMITS))
        limits = [_LIMITS[name](budget) for name, budget in settings["limits"].items()]
        return PrivacyBudget.access_budget(resource_arn=settings["resourceArn"], limits=limits)
    _check_names(path, settings, required={"epsilon", "usersNoisePerQuery"}, optional={"autoRefresh"})
    return PrivacyBudget.differential_privacy(
        epsilon=settings["epsilon"],
        users_noise_per_query=settings["usersNoisePerQuery"],
        auto_refresh=_one_of(AutoRefresh, path, "autoRefresh", settings.get("autoRefresh", AutoRefresh.NONE)),
    )


def _env(settings: Mapping[str, Any]) -> cdk.Environment:
    """The account and region; by default those of the credentials."""
    return cdk.Environment(
        account=settings.get("account", os.environ.get("CDK_DEFAULT_ACCOUNT")),
        region=settings.get("region", os.environ.get("CDK_DEFAULT_REGION")),
    )


def _check_names(path: str, settings: Mapping[str, Any], required: Set[str] = frozenset(), optional: Set[str] = frozenset()) -> None:
    missing, unknown = sorted(required - settings.keys()), sorted(settings.keys() - required - optional)
    if missing:
        raise SettingError(f"{path} must have {', '.join(missing)} (context of cdk.json), got {', '.join(settings) or 'nothing'}")
    if unknown:
        known = ", ".join(sorted(required | optional))
        raise SettingError(f"{path} may have {known} (context of cdk.json), got {', '.join(unknown)}")


def _one_of(values: type[E], path: str, name: str, value: str) -> E:
    try:
        return values(value)
    except ValueError:
        raise SettingError(f"{path}.{name} must be {' or '.join(values)} (context of cdk.json), got {value!r}") from None
