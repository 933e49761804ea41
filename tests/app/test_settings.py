"""The settings in cdk.json: what is wrong with them is said before anything is synthesized."""

from typing import Any

import aws_cdk as cdk
import pytest

from stacks.overrides import SettingError
from stacks.settings import chosen_environment, chosen_pipeline, environments

MEMBERSHIP = "12345678-1111-4222-8333-444455556666"
TABLE = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}/configuredtableassociation/{MEMBERSHIP}"
BUDGET = {"epsilon": 3, "usersNoisePerQuery": 30}
PROD = {"membership": MEMBERSHIP, "budget": BUDGET}
PIPELINE = {"repository": "example/privacy", "connection": "arn:aws:codeconnections:us-east-1:111122223333:connection/x"}


def app(**context: Any) -> cdk.App:
    return cdk.App(context={"environment": "prod", "environments": {"prod": PROD}, "pipelines": {"main": PIPELINE}, **context})


def test_an_environment_has_safe_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "111122223333")
    monkeypatch.setenv("CDK_DEFAULT_REGION", "us-east-1")
    (environment,) = environments(app())
    assert (environment.name, environment.membership) == ("prod", MEMBERSHIP)
    assert (environment.on_existing, environment.on_budget_reset, environment.destroy_with_stack) == ("FAIL", "REFUSE", False)
    assert (environment.env.account, environment.env.region) == ("111122223333", "us-east-1")


def test_the_command_line_overrides_the_chosen_environment() -> None:
    given = {"epsilon": "5", "autoRefresh": "CALENDAR_MONTH", "onBudgetReset": "ALLOW", "membership": MEMBERSHIP.replace("1", "2")}
    environment = chosen_environment(app(**given))
    assert environment.budget.properties["Parameters"] == {"Epsilon": 5, "UsersNoisePerQuery": 30}
    assert environment.budget.properties["AutoRefresh"] == "CALENDAR_MONTH"
    assert (environment.on_budget_reset, environment.membership) == ("ALLOW", given["membership"])
    assert environments(app(**given))[0].membership == MEMBERSHIP


def test_an_access_budget_by_its_limits() -> None:
    settings = {"membership": MEMBERSHIP, "budget": {"resourceArn": TABLE, "limits": {"perDay": 100, "lifetime": 1000}}}
    environment = chosen_environment(app(environments={"prod": settings}))
    assert [(limit.period, limit.budget) for limit in environment.budget.limits] == [("CALENDAR_DAY", 100), ("LIFETIME", 1000)]


def test_no_pipeline_unless_it_is_chosen() -> None:
    assert chosen_pipeline(app()) is None
    pipeline = chosen_pipeline(app(pipeline="main"))
    assert pipeline is not None
    assert (pipeline.name, pipeline.repository, pipeline.branch) == ("main", "example/privacy", "main")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown environment": ({"environment": "proud"}, "environment must be one of prod (context of cdk.json), got 'proud'"),
    "unknown pipeline": ({"pipeline": "mian"}, "pipeline must be one of main (context of cdk.json), got 'mian'"),
    "misspelt": ({"environments": {"prod": {**PROD, "acount": "1"}}}, "environments.prod may have account, budget, destroyWithStack"),
    "misspelt name": ({"environments": {"prod": {**PROD, "acount": "1"}}}, "got acount"),
    "no membership": ({"environments": {"prod": {"budget": BUDGET}}}, "environments.prod must have membership (context of cdk.json)"),
    "no noise": (
        {"environments": {"prod": {**PROD, "budget": {"epsilon": 3}}}},
        "environments.prod.budget must have usersNoisePerQuery (context of cdk.json), got epsilon",
    ),
    "unknown limit": (
        {"environments": {"prod": {**PROD, "budget": {"resourceArn": TABLE, "limits": {"perYear": 1}}}}},
        "environments.prod.budget.limits may have lifetime, perDay, perMonth, perWeek (context of cdk.json), got perYear",
    ),
    "unknown refresh": (
        {"environments": {"prod": {**PROD, "budget": {**BUDGET, "autoRefresh": "WEEKLY"}}}},
        "environments.prod.budget.autoRefresh must be CALENDAR_MONTH or NONE (context of cdk.json), got 'WEEKLY'",
    ),
    "unknown option": (
        {"environments": {"prod": {**PROD, "onExisting": "TAKE"}}},
        "environments.prod.onExisting must be FAIL or ADOPT (context of cdk.json), got 'TAKE'",
    ),
    "not a number": ({"epsilon": "abc"}, "-c epsilon must be a whole number from 1 to 20, got 'abc'"),
    "too small": ({"usersNoisePerQuery": "5"}, "-c usersNoisePerQuery must be a whole number from 10 to 100, got '5'"),
    "unknown refresh given": ({"autoRefresh": "WEEKLY"}, "-c autoRefresh must be CALENDAR_MONTH or NONE, got 'WEEKLY'"),
    "no membership's id": ({"membership": "foo"}, "-c membership must be "),
    "no connection": (
        {"pipeline": "main", "pipelines": {"main": {"repository": "example/privacy"}}},
        "pipelines.main must have connection (context of cdk.json), got repository",
    ),
}


@pytest.mark.parametrize(("context", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_setting_names_rule_and_value(context: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as raised:
        given = app(**context)
        chosen_pipeline(given)
        chosen_environment(given)
    assert message in str(raised.value)
