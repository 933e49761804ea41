"""What a plan says of each change, before the deployment does it."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cleanrooms_privacy_budget import AccessLimit, AutoRefresh, PrivacyBudget, PrivacyBudgetTemplate
from privacy_budget_cli.assembly import NotAnAssembly, stacks, templates_in
from privacy_budget_cli.deployed import Deployed
from privacy_budget_cli.plan import Effect, Step, steps
from synth import ACCESS_BUDGET, MEMBERSHIP, TABLE

OTHER = MEMBERSHIP.replace("1", "2")
DP = {"epsilon": 3, "users_noise_per_query": 30}


def dp(**changes: Any) -> PrivacyBudget:
    return PrivacyBudget.differential_privacy(**{**DP, **changes})


def access(*limits: AccessLimit, table: str = TABLE) -> PrivacyBudget:
    return PrivacyBudget.access_budget(resource_arn=table, limits=limits)


def app(folder: Path, **templates: dict[str, Any]) -> Path:
    """The cloud assembly of a stack with these templates."""
    built = cdk.App(outdir=str(folder))
    stack = cdk.Stack(built, "Shop")
    for id_, options in templates.items():
        PrivacyBudgetTemplate(stack, id_, **{"membership_id": MEMBERSHIP, "budget": dp(), **options})
    built.synth()
    return folder


def planned(tmp_path: Path, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Effect:
    """What becomes of a template that is declared so and then so."""
    folders = [
        app(tmp_path / name, **({} if options is None else {"Budget": options})) for name, options in (("old", before), ("new", after))
    ]
    (old,), (new,) = map(list, map(stacks, folders))
    found = list(steps(new, Deployed(old.template, {})))
    assert [step.logical_id for step in found] == ["Budget"]
    return found[0].effect


TOKEN = {"membership_id": cdk.Fn.import_value("Membership")}
CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None, Effect]] = {
    "new": (None, {}, Effect.CREATED),
    "the same": ({}, {}, Effect.NONE),
    "epsilon": ({}, {"budget": dp(epsilon=5)}, Effect.EDITED),
    "noise": ({}, {"budget": dp(users_noise_per_query=40)}, Effect.EDITED),
    "epsilon of a membership that is a token": (TOKEN, {**TOKEN, "budget": dp(epsilon=5)}, Effect.EDITED),
    "refresh": ({}, {"budget": dp(auto_refresh=AutoRefresh.CALENDAR_MONTH)}, Effect.SWAPPED),
    "limits": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7))}, Effect.REFILLED),
    "order of limits": (
        {"budget": access(AccessLimit.per_day(1), AccessLimit.lifetime(2))},
        {"budget": access(AccessLimit.lifetime(2), AccessLimit.per_day(1))},
        Effect.TAGGED,
    ),
    "table": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7), table=f"{TABLE}0")}, Effect.REPLACED),
    "membership": ({}, {"membership_id": OTHER}, Effect.REPLACED),
    "kind": ({}, {"budget": ACCESS_BUDGET}, Effect.REPLACED),
    "membership that becomes a token": ({}, TOKEN, Effect.UNKNOWN),
    "options": ({}, {"on_existing": "ADOPT"}, Effect.TAGGED),
    "gone and kept": ({}, None, Effect.KEPT),
    "gone and deleted": ({"removal_policy": cdk.RemovalPolicy.DESTROY}, None, Effect.DELETED),
}


@pytest.mark.parametrize(("before", "after", "effect"), CASES.values(), ids=CASES.keys())
def test_what_a_change_does(before: dict[str, Any] | None, after: dict[str, Any] | None, effect: Effect, tmp_path: Path) -> None:
    assert planned(tmp_path, before, after) is effect


def test_a_person_looks_where_a_budget_may_be_lost_or_replaced() -> None:
    alone = {Effect.NONE, Effect.CREATED, Effect.EDITED, Effect.TAGGED, Effect.KEPT}
    assert {effect for effect in Effect if not effect.needs_a_person} == alone


def test_a_step_tells_both_budgets(tmp_path: Path) -> None:
    old, new = app(tmp_path / "old", Budget={}), app(tmp_path / "new", Budget={"budget": dp(epsilon=5)})
    (before,), (after,) = stacks(old), stacks(new)
    (step,) = steps(after, Deployed(before.template, {}))
    assert str(step) == ("Shop/Budget: edited in place (epsilon 3, noise 30, auto refresh NONE to epsilon 5, noise 30, auto refresh NONE)")


def test_stages_and_nested_stacks_are_planned_too(tmp_path: Path) -> None:
    built = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(cdk.Stage(built, "prod"), "Shop", env=cdk.Environment(account="111122223333", region="us-east-1"))
    PrivacyBudgetTemplate(cdk.NestedStack(stack, "Inner"), "Budget", membership_id=MEMBERSHIP, budget=dp())
    built.synth()
    (declared,) = stacks(tmp_path)
    assert (declared.name, declared.account, declared.region) == ("prod-Shop", "111122223333", "us-east-1")
    assert declared.lookup_role is not None
    ((logical_id, nested),) = declared.nested.items()
    assert list(templates_in(nested.template)) == ["Budget"]
    assert list(steps(declared, Deployed.nothing())) == [Step(f"prod-Shop/{logical_id}", "Budget", Effect.CREATED)]
    deployed = Deployed(declared.template, {logical_id: Deployed(nested.template, {})})
    assert [step.effect for step in steps(declared, deployed)] == [Effect.NONE]
    bare = cdk.App(outdir=str(tmp_path / "bare"))
    cdk.Stack(cdk.Stage(bare, "prod"), "Shop")
    bare.synth()
    (left,) = stacks(tmp_path / "bare")
    assert list(steps(left, deployed)) == [Step(f"prod-Shop/{logical_id}", "Budget", Effect.KEPT)]


def test_a_stack_of_no_account_takes_that_of_the_credentials(tmp_path: Path) -> None:
    (declared,) = stacks(app(tmp_path))
    assert (declared.account, declared.region) == (None, None)


def test_another_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAnAssembly, match=r"must be the output of cdk synth .* got no manifest\.json"):
        list(stacks(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "1"}))
    assert list(stacks(tmp_path)) == []
