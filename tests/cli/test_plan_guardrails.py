"""The plan judges a template by the guardrails that its provider will have, and says so where it cannot read them."""

import dataclasses
import json
from typing import Any

import pytest

from privacy_budget_cli.plan.change_set import Change, ChangeSet
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.plan.steps import Step
from tests.fakes.planned_account import TOKEN, Declared, PlannedAccount
from tests.support.stack import differential_privacy

MEMBERSHIP = "11111111-1111-4222-8333-444444444444"
TIGHT = {"PRIVACY_BUDGET_GUARDRAILS": '{"MaxEpsilon": 5}'}
SENTENCE = (
    "epsilon must be at most 5, got 6: the provider's guardrail MaxEpsilon. Comply with it, or ask the owner of the privacy budget provider"
    " to change it."
)
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"


def declared(epsilon: int, **more: Any) -> Declared:
    return Declared(differential_privacy(MEMBERSHIP, epsilon, **more))


def function(
    action: str, variables: dict[str, str], physical_id: str = "", handler: str = "privacy_budget_handler.function.handler"
) -> Change:
    context = {"Properties": {"Handler": handler, "Environment": {"Variables": variables}}}
    replacement = "False" if action == "Modify" else ""
    return Change(f"Function{len(variables)}", "AWS::Lambda::Function", action, physical_id, replacement, after=context)


def new_stack(*functions: Change, epsilon: int = 6) -> ChangeSet:
    """A stack that creates its template, and whose function's ARN is not known yet."""
    account = PlannedAccount((MEMBERSHIP,))
    created = account.change_set(A=declared(epsilon))
    (change,) = created.changes
    assert change.after is not None
    after = {**change.after, "Properties": {**change.after["Properties"], "ServiceToken": UNKNOWN}}
    return dataclasses.replace(created, changes=(*functions, dataclasses.replace(change, after=after)))


def only(steps: list[Step]) -> Step:
    (step,) = steps
    return step


def test_beyond_the_deployed_guardrails() -> None:
    """The sentence is the function's own."""
    step = only(PlannedAccount((MEMBERSHIP,), TIGHT).plan(A=declared(6)))
    assert (step.effect, step.detail) == (Effect.REFUSED, SENTENCE)
    assert step.needs_review


def test_within_the_deployed_guardrails() -> None:
    assert only(PlannedAccount((MEMBERSHIP,), TIGHT).plan(A=declared(5))).effect is Effect.CREATED


def test_an_update_must_comply() -> None:
    account = PlannedAccount((MEMBERSHIP,), TIGHT)
    account.deploy(A=declared(10))
    assert only(account.plan(A=declared(10, Tags=[{"Key": "team", "Value": "a"}]))).effect is Effect.REFUSED
    assert only(account.plan(A=declared(5))).effect is Effect.EDITED
    assert only(account.plan(A=declared(10))).effect is Effect.UNCHANGED


@pytest.mark.parametrize("variables", [None, {"PRIVACY_BUDGET_GUARDRAILS": "{"}], ids=["not allowed", "not valid"])
def test_guardrails_that_cannot_be_read(variables: dict[str, str] | None) -> None:
    step = only(PlannedAccount((MEMBERSHIP,), variables).plan(A=declared(6)))
    assert step.effect is Effect.UNKNOWN
    assert step.detail == (
        f"the guardrails of its provider cannot be read: allow lambda:GetFunctionConfiguration on {TOKEN}"
        " and, where a key encrypts its environment, kms:Decrypt on that key"
    )


def test_a_delete_needs_no_guardrails() -> None:
    account = PlannedAccount((MEMBERSHIP,), None)
    account.deploy(A=declared(10))
    assert only(account.plan()).effect is Effect.DELETED


@pytest.mark.parametrize(("functions", "effect"), [
    ([function("Add", TIGHT)], Effect.REFUSED),
    ([function("Add", {})], Effect.CREATED),
    ([function("Add", TIGHT), function("Add", {}, handler="another.handler")], Effect.REFUSED),
    ([function("Add", TIGHT), function("Add", {})], Effect.UNKNOWN),
    ([function("Add", {"PRIVACY_BUDGET_GUARDRAILS": UNKNOWN})], Effect.UNKNOWN),
    ([], Effect.UNKNOWN),
], ids=["tight", "none", "another function beside it", "two providers", "a token", "no function"])  # fmt: skip
def test_a_provider_that_the_deployment_creates(functions: list[Change], effect: Effect) -> None:
    assert only(PlannedAccount((MEMBERSHIP,)).plan_of(new_stack(*functions))).effect is effect


@pytest.mark.parametrize(
    ("before", "after", "effect"), [({}, TIGHT, Effect.REFUSED), (TIGHT, {}, Effect.CREATED)], ids=["tighter", "looser"]
)
def test_a_provider_that_the_deployment_changes(before: dict[str, str], after: dict[str, str], effect: Effect) -> None:
    """CloudFormation updates the function before the templates that depend on it."""
    account = PlannedAccount((MEMBERSHIP,), before)
    change_set = account.change_set(A=declared(6))
    edited = dataclasses.replace(change_set, changes=(function("Modify", after, "provider"), *change_set.changes))
    assert only(account.plan_of(edited)).effect is effect


def test_the_sentence_in_json() -> None:
    account = PlannedAccount((MEMBERSHIP,), {"PRIVACY_BUDGET_GUARDRAILS": json.dumps({"AllowBudgetReset": False})})
    step = only(account.plan(A=declared(3, OnBudgetReset="ALLOW")))
    assert step.detail.startswith("OnBudgetReset must be REFUSE, got ALLOW: the provider's guardrail AllowBudgetReset.")
