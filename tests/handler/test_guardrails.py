"""Guardrails: what they refuse, that they refuse it before anything is touched, and that no rollback sticks because of one."""

import json
import subprocess
import sys
from typing import Any

import pytest

from privacy_budget_core.contract import AccessBudgetPeriod
from privacy_budget_core.errors import InvalidGuardrailError
from privacy_budget_core.guardrails import Guardrails
from privacy_budget_core.model import AccessLimit
from tests.support.stack import Backend, HandledEvent, Stack, access_budget, differential_privacy

DAY, WEEK, MONTH, LIFETIME = AccessBudgetPeriod
REMEDY = "Comply with it, or ask the owner of the privacy budget provider to change it."
ALL = Guardrails(5, 20, False, {DAY: 100, LIFETIME: 1000}, False, False)


def test_json_and_back() -> None:
    assert Guardrails.from_json(ALL.to_json()) == ALL
    assert json.loads(ALL.to_json()) == {
        "AllowAdoption": False,
        "AllowBudgetReset": False,
        "AllowMonthlyRefresh": False,
        "MaxEpsilon": 5,
        "MaxUses": {"CALENDAR_DAY": 100, "LIFETIME": 1000},
        "MinUsersNoisePerQuery": 20,
    }


@pytest.mark.parametrize("text", [None, "", "{}", '{"MaxEpsilon": null, "MaxUses": {"LIFETIME": null}}'])
def test_no_guardrails(text: str | None) -> None:
    assert Guardrails.from_json(text) == Guardrails()
    assert Guardrails().to_json() == "{}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[]", "the guardrails must be a JSON object"),
        ("{", "the guardrails must be a JSON object"),
        ('{"MaxUses": 3}', "MaxUses must be a number for each period, got 3"),
        ('{"MaxEpsilon": 0}', "MaxEpsilon must be a whole number from 1 to 20, got 0"),
        ('{"MaxEpsilon": 21}', "MaxEpsilon must be a whole number from 1 to 20, got 21"),
        ('{"MaxEpsilon": true}', "MaxEpsilon must be a whole number from 1 to 20, got True"),
        ('{"MaxEpsilon": "5"}', "MaxEpsilon must be a whole number from 1 to 20, got '5'"),
        ('{"MinUsersNoisePerQuery": 9}', "MinUsersNoisePerQuery must be a whole number from 10 to 100, got 9"),
        ('{"MaxUses": {"CALENDAR_YEAR": 1}}', "MaxUses must name periods out of CALENDAR_DAY, .*, got 'CALENDAR_YEAR'"),
        ('{"MaxUses": {"LIFETIME": -1}}', r"MaxUses\.LIFETIME must be a whole number from 0 to 1000000, got -1"),
        ('{"AllowAdoption": "false"}', "AllowAdoption must be true or false, got 'false'"),
        ('{"MaxEpsilons": 3}', "MaxEpsilons: no such guardrail; there are MaxEpsilon, "),
    ],
)
def test_invalid_guardrails(text: str, error: str) -> None:
    with pytest.raises(InvalidGuardrailError, match=error):
        Guardrails.from_json(text)


@pytest.mark.parametrize(
    ("guardrail", "limits", "complies"),
    [
        ({DAY: 100}, [AccessLimit(DAY, 100)], True),
        ({DAY: 100}, [AccessLimit(DAY, 101)], False),
        ({DAY: 100}, [AccessLimit(WEEK, 100)], True),
        ({DAY: 100}, [AccessLimit(MONTH, 1000)], False),
        ({DAY: 100}, [AccessLimit(MONTH, 1000), AccessLimit(LIFETIME, 100)], True),
        ({WEEK: 100}, [AccessLimit(DAY, 14)], True),
        ({WEEK: 100}, [AccessLimit(DAY, 15)], False),
        ({WEEK: 100}, [AccessLimit(MONTH, 50)], True),
        ({WEEK: 100}, [AccessLimit(MONTH, 51)], False),  # a week may lie in two months
        ({MONTH: 100}, [AccessLimit(DAY, 3)], True),
        ({MONTH: 100}, [AccessLimit(DAY, 4)], False),
        ({MONTH: 100}, [AccessLimit(WEEK, 16)], True),
        ({MONTH: 100}, [AccessLimit(WEEK, 17)], False),  # a month may touch six weeks
        ({LIFETIME: 100}, [AccessLimit(DAY, 0)], False),
        ({LIFETIME: 100}, [AccessLimit(DAY, 500), AccessLimit(LIFETIME, 100)], True),
        ({DAY: 0}, [AccessLimit(DAY, 0)], True),
        ({DAY: 100, LIFETIME: 100}, [AccessLimit(LIFETIME, 100)], True),
    ],
)
def test_uses(guardrail: dict[AccessBudgetPeriod, int], limits: list[AccessLimit], complies: bool) -> None:
    """A limit bounds the uses in any period that it covers, not only in its own."""
    assert (Guardrails(max_uses=guardrail).access_limit_violations(limits) == []) is complies


def test_values_that_are_not_known_yet() -> None:
    assert ALL.differential_privacy_violations(None, None, None) == []
    assert ALL.option_violations(None, None) == []


def with_limits(membership: str, backend: Backend, **limit: Any) -> dict[str, Any]:
    return access_budget(membership, backend.table(membership), [{"Type": "CALENDAR_DAY", "Budget": "10", **limit}])


@pytest.mark.parametrize(
    ("guardrails", "more", "sentence"),
    [
        (Guardrails(max_epsilon=5), {"epsilon": 6}, "epsilon must be at most 5, got 6: the provider's guardrail MaxEpsilon."),
        (
            Guardrails(min_users_noise_per_query=31),
            {},
            "users noise per query must be at least 31, got 30: the provider's guardrail MinUsersNoisePerQuery.",
        ),
        (
            Guardrails(allow_monthly_refresh=False),
            {"AutoRefresh": "CALENDAR_MONTH"},
            "auto refresh must be NONE, got CALENDAR_MONTH: the provider's guardrail AllowMonthlyRefresh.",
        ),
        (
            Guardrails(allow_budget_reset=False),
            {"OnBudgetReset": "ALLOW"},
            "OnBudgetReset must be REFUSE, got ALLOW: the provider's guardrail AllowBudgetReset.",
        ),
        (
            Guardrails(allow_adoption=False),
            {"OnExisting": "ADOPT"},
            "OnExisting must be FAIL, got ADOPT: the provider's guardrail AllowAdoption.",
        ),
    ],
    ids=lambda value: value.split()[-1] if isinstance(value, str) else "",
)
def test_refused_before_anything_is_requested(
    backend: Backend, membership: str, stack: Stack, guardrails: Guardrails, more: dict[str, Any], sentence: str
) -> None:
    stack.guardrails = guardrails
    answered = stack.create(differential_privacy(membership, **more))
    assert answered["Status"] == "FAILED"
    assert answered["Reason"] == f"{sentence} {REMEDY}"
    assert "-not-created-" in answered["PhysicalResourceId"]
    assert HandledEvent.latest.requests.count == 0
    assert backend.templates(membership) == []


def test_access_budget_beyond_a_guardrail(backend: Backend, membership: str, stack: Stack) -> None:
    stack.guardrails = Guardrails(max_uses={DAY: 9})
    answered = stack.create(with_limits(membership, backend))
    assert answered["Reason"].startswith("a table must have a limit of at most 9 uses per CALENDAR_DAY, got 10 per CALENDAR_DAY: ")
    assert stack.create(with_limits(membership, backend, Budget="9"))["Status"] == "SUCCESS"


def test_every_broken_guardrail_is_named(membership: str, stack: Stack) -> None:
    stack.guardrails = ALL
    reason = stack.create(differential_privacy(membership, 20, 10, OnExisting="ADOPT"))["Reason"]
    assert [name for name in ("MaxEpsilon", "MinUsersNoisePerQuery", "AllowAdoption", "AllowMonthlyRefresh") if name in reason] == [
        "MaxEpsilon",
        "MinUsersNoisePerQuery",
        "AllowAdoption",
    ]


def test_within_the_guardrails(membership: str, stack: Stack) -> None:
    stack.guardrails = ALL
    assert stack.create(differential_privacy(membership, 5, 20))["Status"] == "SUCCESS"


def test_next_update_must_comply(backend: Backend, membership: str, stack: Stack) -> None:
    """A template that exists beyond a new guardrail is kept until its next update, even one that changes a tag alone."""
    before = differential_privacy(membership, 10)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.guardrails = Guardrails(max_epsilon=5)
    answered = stack.update(arn, before, {**before, "Tags": [{"Key": "team", "Value": "a"}]})
    assert (answered["Status"], answered["PhysicalResourceId"]) == ("FAILED", arn)
    assert "MaxEpsilon" in answered["Reason"]
    assert backend.only(membership)["parameters"]["differentialPrivacy"]["epsilon"] == 10
    assert stack.update(arn, before, differential_privacy(membership, 5))["Status"] == "SUCCESS"


def test_rollback_beyond_a_guardrail(backend: Backend, membership: str, stack: Stack) -> None:
    """It keeps what exists, and names it: a guardrail never makes a rollback stick."""
    before, after = differential_privacy(membership, 10), differential_privacy(membership, 4)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.guardrails = Guardrails(max_epsilon=5)
    stack.update(arn, before, after)
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    answered = stack.update(arn, after, before)
    assert (answered["Status"], answered["PhysicalResourceId"]) == ("SUCCESS", arn)
    (warning,) = HandledEvent.latest.record.warnings
    assert "instead of going back to epsilon 10" in warning
    assert "MaxEpsilon" in warning
    assert backend.only(membership)["parameters"]["differentialPrivacy"]["epsilon"] == 4


def test_a_delete_is_not_judged(backend: Backend, membership: str, stack: Stack) -> None:
    declared = differential_privacy(membership, 10)
    arn = stack.create(declared)["PhysicalResourceId"]
    stack.guardrails = Guardrails(max_epsilon=5)
    assert stack.delete(arn, declared)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []


def test_a_reset_that_old_properties_allowed(backend: Backend, membership: str, stack: Stack) -> None:
    """A guardrail that forbids resets also holds where the template before it allowed them."""
    before = differential_privacy(membership, OnBudgetReset="ALLOW")
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=1)
    stack.guardrails = Guardrails(allow_budget_reset=False)
    answered = stack.update(arn, before, differential_privacy(membership, AutoRefresh="CALENDAR_MONTH"))
    assert answered["Status"] == "FAILED"
    assert "needs a reset" in answered["Reason"]


def test_invalid_guardrails_stop_the_function() -> None:
    """It answers every event with the reason, instead of going on without guardrails."""
    script = "import privacy_budget_handler.function as function; print(function._reason)"
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={"PRIVACY_BUDGET_GUARDRAILS": '{"MaxEpsilon": 0}', "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.startswith("The provider's function could not start: InvalidGuardrailError: MaxEpsilon must be")
