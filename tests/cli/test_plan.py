"""What a plan says of each change, before the deployment does it."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cleanrooms as cleanrooms
from aws_cdk import aws_sns as sns

from cleanrooms_privacy_budget import AccessLimit, AutoRefresh, PrivacyBudget, PrivacyBudgetTemplate
from planned_account import PlannedAccount
from privacy_budget_cli.assembly import NotAnAssembly, stack, stacks, templates_in
from privacy_budget_cli.deployed import Deployed
from privacy_budget_cli.dry_run import Unreadable
from privacy_budget_cli.plan_effect import Effect, Step
from privacy_budget_handler import ownership
from privacy_budget_handler.budget import Balance, DifferentialPrivacy
from quick_rooms import Failure, Trouble
from stack import differential_privacy
from synth import ACCESS_BUDGET, MEMBERSHIP, TABLE

OTHER = MEMBERSHIP.replace("1", "2")
DP = {"epsilon": 3, "users_noise_per_query": 30}


def dp(**changes: Any) -> PrivacyBudget:
    return PrivacyBudget.differential_privacy(**{**DP, **changes})


def access(*limits: AccessLimit, table: str = TABLE) -> PrivacyBudget:
    return PrivacyBudget.access_budget(resource_arn=table, limits=limits)


MONTHLY = {"budget": dp(auto_refresh=AutoRefresh.CALENDAR_MONTH)}
ALLOW = {"on_budget_reset": "ALLOW"}
ADOPT = {"on_existing": "ADOPT"}
DESTROY = {"removal_policy": cdk.RemovalPolicy.DESTROY}


def app(folder: Path, **templates: dict[str, Any]) -> Path:
    """The cloud assembly of a stack with these templates."""
    built = cdk.App(outdir=str(folder))
    shop = cdk.Stack(built, "Shop")
    for id_, options in templates.items():
        PrivacyBudgetTemplate(shop, id_, **{"membership_id": MEMBERSHIP, "budget": dp(), **options})
    built.synth()
    return folder


@pytest.fixture
def account() -> PlannedAccount:
    return PlannedAccount((MEMBERSHIP, OTHER), exports={"Here": MEMBERSHIP, "There": OTHER})


def planned(account: PlannedAccount, tmp_path: Path, before: dict[str, Any] | None, after: dict[str, Any] | None, spent: int = 0) -> Step:
    """What becomes of a template that is declared so and then so."""
    old, new = (
        app(tmp_path / name, **({} if options is None else {"Budget": options})) for name, options in (("old", before), ("new", after))
    )
    account.deploy(old)
    if spent:
        account.spend(account.only(), spent)
    (step,) = account.plan(new)
    assert (step.stack, step.logical_id) == ("Shop", "Budget")
    return step


def imported(name: str) -> dict[str, Any]:
    return {"membership_id": cdk.Fn.import_value(name)}


CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None, Effect]] = {
    "new": (None, {}, Effect.CREATED),
    "the same": ({}, {}, Effect.UNCHANGED),
    "epsilon": ({}, {"budget": dp(epsilon=5)}, Effect.EDITED),
    "noise": ({}, {"budget": dp(users_noise_per_query=40)}, Effect.EDITED),
    "refresh": ({}, MONTHLY, Effect.SWAPPED),
    "limits": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7))}, Effect.REFILLED),
    "order of limits": (
        {"budget": access(AccessLimit.per_day(1), AccessLimit.lifetime(2))},
        {"budget": access(AccessLimit.lifetime(2), AccessLimit.per_day(1))},
        Effect.TAGGED,
    ),
    "table": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7), table=f"{TABLE}0")}, Effect.REPLACED),
    "membership": ({}, {"membership_id": OTHER}, Effect.REPLACED),
    "unknown membership": ({}, {"membership_id": MEMBERSHIP.replace("1", "3")}, Effect.REFUSED),
    "kind": ({}, {"budget": ACCESS_BUDGET}, Effect.REPLACED),
    "options": ({}, ADOPT, Effect.TAGGED),
    "gone and kept": ({}, None, Effect.KEPT),
    "gone and deleted": (DESTROY, None, Effect.DELETED),
    "a membership that becomes a token of the same": ({}, imported("Here"), Effect.UNCHANGED),
    "a membership that becomes a token of another": ({}, imported("There"), Effect.REPLACED),
    "a membership that becomes a token of nobody knows what": ({}, imported("Nowhere"), Effect.UNKNOWN),
    "a new template of a membership that nobody knows": (None, imported("Nowhere"), Effect.UNKNOWN),
    "epsilon of a membership that nobody knows": (imported("Nowhere"), {**imported("Nowhere"), "budget": dp(epsilon=5)}, Effect.EDITED),
    "gone from a membership that nobody knows": ({**imported("Nowhere"), **DESTROY}, None, Effect.DELETED),
}


@pytest.mark.parametrize(("before", "after", "effect"), CASES.values(), ids=CASES.keys())
def test_what_a_change_does(
    account: PlannedAccount, before: dict[str, Any] | None, after: dict[str, Any] | None, effect: Effect, tmp_path: Path
) -> None:
    assert planned(account, tmp_path, before, after).effect is effect


SPENT: dict[str, tuple[dict[str, Any], dict[str, Any] | None, Effect, bool]] = {
    "epsilon raised": ({}, {"budget": dp(epsilon=5)}, Effect.EDITED, False),
    "epsilon lowered": ({}, {"budget": dp(epsilon=2)}, Effect.REFUSED, False),
    "refresh": ({}, MONTHLY, Effect.REFUSED, False),
    "refresh that is allowed": ({}, {**MONTHLY, **ALLOW}, Effect.SWAPPED, True),
    "refresh that was allowed": (ALLOW, MONTHLY, Effect.SWAPPED, True),
    "limits": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7))}, Effect.REFUSED, False),
    "limits that are allowed": ({"budget": ACCESS_BUDGET}, {"budget": access(AccessLimit.per_day(7)), **ALLOW}, Effect.REFILLED, True),
    "membership, the old one kept": ({}, {"membership_id": OTHER}, Effect.REPLACED, False),
    "membership, the old one deleted": (DESTROY, {"membership_id": OTHER, **DESTROY}, Effect.REPLACED, True),
    "gone and deleted": (DESTROY, None, Effect.DELETED, True),
    "gone and kept": ({}, None, Effect.KEPT, False),
}


@pytest.mark.parametrize(("before", "after", "effect", "loses"), SPENT.values(), ids=SPENT.keys())
def test_what_a_change_costs_where_something_is_spent(
    account: PlannedAccount, before: dict[str, Any], after: dict[str, Any] | None, effect: Effect, loses: bool, tmp_path: Path
) -> None:
    step = planned(account, tmp_path, before, after, spent=7)
    assert (step.effect, step.loses) == (effect, loses)
    counted = "7 of 100 CALENDAR_DAY" if "budget" in before else "7 of 99 COUNT"
    assert step.ledger.startswith(counted)
    assert step.ledger.endswith("which is lost" if loses else "which stays spent")


def test_a_refusal_is_in_the_handlers_own_words(account: PlannedAccount, tmp_path: Path) -> None:
    step = planned(account, tmp_path, {}, MONTHLY, spent=7)
    assert "what was spent of it (7 of 99 COUNT) would be forgotten. To accept that, set on_budget_reset=" in step.detail


def test_a_replacement_names_both_and_what_becomes_of_the_old_one(account: PlannedAccount, tmp_path: Path) -> None:
    step = planned(account, tmp_path, {}, {"membership_id": OTHER}, spent=7)
    assert step.action == f"{Effect.REPLACED.value}; the old one: {Effect.KEPT.value}"
    there = f"the DIFFERENTIAL_PRIVACY template in membership {OTHER}"
    assert step.detail == f"the DIFFERENTIAL_PRIVACY template in membership {MEMBERSHIP} by {there}, which is created"


def test_a_step_tells_both_budgets(account: PlannedAccount, tmp_path: Path) -> None:
    step = planned(account, tmp_path, {}, {"budget": dp(epsilon=5)}, spent=7)
    both = "epsilon 3, noise 30, auto refresh NONE to epsilon 5, noise 30, auto refresh NONE"
    assert str(step) == f"Shop/Budget: edited in place ({both}; 7 of 99 COUNT spent, which stays spent)"


class TestWhoseItIs:
    """What stands there already, and what has come to be somebody else's."""

    @pytest.mark.parametrize(("options", "effect"), [({}, Effect.OCCUPIED), (ADOPT, Effect.ADOPTED)], ids=["FAIL", "ADOPT"])
    def test_a_template_made_by_hand(self, account: PlannedAccount, tmp_path: Path, options: dict[str, Any], effect: Effect) -> None:
        theirs = account.stands(differential_privacy(MEMBERSHIP))
        account.spend(theirs, 7)
        (step,) = account.plan(app(tmp_path, Budget=options))
        assert (step.effect, step.spent) == (effect, [Balance("COUNT", 92, 99)])
        assert (theirs.arn in step.detail) is (effect is Effect.OCCUPIED)

    def test_an_adoption_that_would_reset_the_budget_says_so(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.spend(account.stands(differential_privacy(MEMBERSHIP)), 7)
        (step,) = account.plan(app(tmp_path, Budget={**MONTHLY, **ADOPT, **ALLOW}))
        assert (step.effect, step.loses) == (Effect.SWAPPED, True)

    def test_one_that_was_kept_from_before_is_gone_on_with(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path, Budget={}))
        account.stacks["Shop"] = Deployed(stack_id=account.stacks["Shop"].stack_id)
        (step,) = account.plan(tmp_path)
        assert step.effect is Effect.RESUMED

    def test_a_renamed_resource_takes_its_template_along(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path / "old", Old=DESTROY))
        new, old = account.plan(app(tmp_path / "new", New={**DESTROY, **ADOPT}))
        assert [(new.logical_id, new.effect), (old.logical_id, old.effect)] == [("New", Effect.ADOPTED), ("Old", Effect.LEFT)]

    def test_one_that_another_stack_has_adopted_is_left_alone(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path / "old", Budget=DESTROY))
        account.held.tag(account.only().arn, {ownership.OWNER: "another stack's"})
        (step,) = account.plan(app(tmp_path / "new"))
        assert step.effect is Effect.LEFT

    def test_an_adoption_that_is_not_final_is_handed_back(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path / "old", Budget=DESTROY))
        account.held.tag(account.only().arn, {ownership.ADOPTED_FROM: ""})
        (step,) = account.plan(app(tmp_path / "new"))
        assert step.effect is Effect.HANDED_BACK

    def test_two_resources_that_want_one_template(self, account: PlannedAccount, tmp_path: Path) -> None:
        first, second = account.plan(app(tmp_path, First={}, Second={}))
        assert [first.effect, second.effect] == [Effect.CREATED, Effect.OCCUPIED]


class TestDrift:
    """Clean Rooms holds something else than the stack last declared."""

    EDITED = DifferentialPrivacy(9, 30, AutoRefresh.NONE)

    def test_an_edit_by_hand_is_not_mended_where_nothing_declared_changes(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path, Budget={}))
        account.held.update(account.only(), self.EDITED)
        (step,) = account.plan(tmp_path)
        assert step.effect is Effect.DRIFTED
        assert step.drift.startswith("Clean Rooms holds epsilon 9, noise 30, auto refresh NONE, the stack last declared epsilon 3")

    def test_an_edit_by_hand_is_told_beside_the_change_that_overwrites_it(self, account: PlannedAccount, tmp_path: Path) -> None:
        account.deploy(app(tmp_path / "old", Budget={}))
        account.held.update(account.only(), self.EDITED)
        (step,) = account.plan(app(tmp_path / "new", Budget={"budget": dp(epsilon=5)}))
        assert step.effect is Effect.EDITED
        assert step.drift.startswith("Clean Rooms holds epsilon 9")
        assert step.detail.startswith("epsilon 9")

    @pytest.mark.parametrize(
        ("after", "effect"),
        [({}, Effect.DRIFTED), ({"budget": dp(epsilon=5)}, Effect.CREATED), (None, Effect.GONE)],
        ids=["nothing changes", "an edit", "leaves the stack"],
    )
    def test_a_template_that_was_deleted_by_hand(
        self, account: PlannedAccount, tmp_path: Path, after: dict[str, Any] | None, effect: Effect
    ) -> None:
        account.deploy(app(tmp_path / "old", Budget=DESTROY))
        account.held.delete(MEMBERSHIP, account.only().id)
        (step,) = account.plan(app(tmp_path / "new", **({} if after is None else {"Budget": {**DESTROY, **after}})))
        assert step.effect is effect
        assert "does not hold the DIFFERENTIAL_PRIVACY template" in step.drift


class TestMembershipOfTheSameStack:
    """The membership's id is an attribute of a resource beside the template."""

    def assembly(self, folder: Path, budget: PrivacyBudget, collaboration: str = "one", **tags: str) -> Path:
        built = cdk.App(outdir=str(folder))
        shop = cdk.Stack(built, "Shop")
        membership = cleanrooms.CfnMembership(shop, "Membership", collaboration_identifier=collaboration, query_log_status="DISABLED")
        for key, value in tags.items():
            cdk.Tags.of(membership).add(key, value)
        PrivacyBudgetTemplate(shop, "Budget", membership_id=membership.attr_membership_identifier, budget=budget)
        built.synth()
        return folder

    @pytest.fixture
    def deployed(self, account: PlannedAccount, tmp_path: Path) -> PlannedAccount:
        account.deploy(self.assembly(tmp_path / "old", dp()))
        return account

    def test_nothing_can_stand_in_one_that_is_not_made_yet(self, account: PlannedAccount, tmp_path: Path) -> None:
        (step,) = account.plan(self.assembly(tmp_path, dp()))
        assert (step.effect, step.detail) == (Effect.CREATED, "in a membership that the deployment creates as well")

    def test_one_that_stands_is_known_by_its_physical_id(self, deployed: PlannedAccount, tmp_path: Path) -> None:
        (step,) = deployed.plan(self.assembly(tmp_path / "new", dp(epsilon=5)))
        assert step.effect is Effect.EDITED

    def test_one_that_only_gets_a_tag_stays(self, deployed: PlannedAccount, tmp_path: Path) -> None:
        (step,) = deployed.plan(self.assembly(tmp_path / "new", dp(), team="data"))
        assert step.effect is Effect.UNCHANGED

    def test_one_that_changes_may_be_replaced(self, deployed: PlannedAccount, tmp_path: Path) -> None:
        (step,) = deployed.plan(self.assembly(tmp_path / "new", dp(), collaboration="another"))
        assert step.effect is Effect.UNKNOWN
        assert step.detail == 'only CloudFormation can resolve {"Fn::GetAtt": ["Membership", "MembershipIdentifier"]}'


def test_another_provider_cannot_be_told(account: PlannedAccount, tmp_path: Path) -> None:
    account.deploy(app(tmp_path / "old", Budget={}))
    (template,) = app(tmp_path / "new", Budget={}).glob("*.template.json")
    written = json.loads(template.read_text())
    written["Resources"]["Budget"]["Properties"]["ServiceToken"] = "arn:aws:lambda:us-east-1:111122223333:function:shared"
    template.write_text(json.dumps(written))
    (step,) = account.plan(tmp_path / "new")
    assert step.effect is Effect.UNKNOWN
    assert step.detail.startswith("CloudFormation does not give a resource another ServiceToken")


@pytest.mark.parametrize(("value", "effect"), [("yes", Effect.UNCHANGED), ("no", Effect.UNKNOWN)], ids=["the same", "changed"])
def test_a_condition_is_cloudformations_to_evaluate(account: PlannedAccount, tmp_path: Path, value: str, effect: Effect) -> None:
    def conditional(folder: Path, value: str) -> Path:
        built = cdk.App(outdir=str(folder))
        shop = cdk.Stack(built, "Shop")
        condition = cdk.CfnCondition(shop, "Wanted", expression=cdk.Fn.condition_equals(value, "yes"))
        budget = PrivacyBudgetTemplate(shop, "Budget", membership_id=MEMBERSHIP, budget=dp()).node.default_child
        assert isinstance(budget, cdk.CfnResource)
        budget.cfn_options.condition = condition
        built.synth()
        return folder

    account.deploy(conditional(tmp_path / "old", "yes"))
    (step,) = account.plan(conditional(tmp_path / "new", value))
    assert step.effect is effect


@pytest.mark.parametrize("operation", ["ListPrivacyBudgets", "ListPrivacyBudgetTemplates"])
def test_what_may_not_be_read_is_never_guessed(account: PlannedAccount, tmp_path: Path, operation: str) -> None:
    account.deploy(app(tmp_path / "old", Budget={}))
    if operation == "ListPrivacyBudgetTemplates":
        account.held.delete(MEMBERSHIP, account.only().id)
    account.weather.troubles.append(Trouble(Failure.DENIED, operation=operation))
    with pytest.raises(Unreadable, match=f"AccessDeniedException from {operation}"):
        account.plan(app(tmp_path / "new", Budget=MONTHLY))


def test_stages_and_nested_stacks_are_planned_too(account: PlannedAccount, tmp_path: Path) -> None:
    built = cdk.App(outdir=str(tmp_path / "app"))
    shop = cdk.Stack(cdk.Stage(built, "prod"), "Shop", env=cdk.Environment(account="111122223333", region="us-east-1"))
    PrivacyBudgetTemplate(cdk.NestedStack(shop, "Inner"), "Budget", membership_id=MEMBERSHIP, budget=dp())
    built.synth()
    (declared,) = stacks(tmp_path / "app")
    assert (declared.name, declared.account, declared.region) == ("prod-Shop", "111122223333", "us-east-1")
    assert declared.lookup_role is not None
    ((logical_id, nested),) = declared.nested.items()
    assert list(templates_in(nested.template)) == ["Budget"]
    (step,) = account.plan(tmp_path / "app")
    assert (step.stack, step.logical_id, step.effect) == (f"prod-Shop/{logical_id}", "Budget", Effect.CREATED)
    account.deploy(tmp_path / "app")
    assert [step.effect for step in account.plan(tmp_path / "app")] == [Effect.UNCHANGED]
    bare = cdk.App(outdir=str(tmp_path / "bare"))
    cdk.Stack(cdk.Stage(bare, "prod"), "Shop")
    bare.synth()
    (left,) = account.plan(tmp_path / "bare")
    assert (left.stack, left.effect) == (f"prod-Shop/{logical_id}", Effect.KEPT)


def test_a_nested_stack_is_given_its_parents_values(account: PlannedAccount, tmp_path: Path) -> None:
    def nested(folder: Path, membership: str, epsilon: int) -> Path:
        built = cdk.App(outdir=str(folder))
        inner = cdk.NestedStack(cdk.Stack(built, "Shop"), "Inner", parameters={"Membership": membership})
        given = cdk.CfnParameter(inner, "Membership").value_as_string
        PrivacyBudgetTemplate(inner, "Budget", membership_id=given, budget=dp(epsilon=epsilon))
        built.synth()
        return folder

    account.deploy(nested(tmp_path / "old", MEMBERSHIP, 3), Membership=MEMBERSHIP)
    assert [step.effect for step in account.plan(nested(tmp_path / "edit", MEMBERSHIP, 5))] == [Effect.EDITED]
    assert [step.effect for step in account.plan(nested(tmp_path / "move", OTHER, 3))] == [Effect.REPLACED]


def test_stacks_come_after_those_that_they_depend_on(tmp_path: Path) -> None:
    built = cdk.App(outdir=str(tmp_path))
    first, second = (cdk.Stack(built, name) for name in ("First", "Second"))
    cdk.CfnOutput(first, "Used", value=sns.CfnTopic(second, "Topic").ref)
    built.synth()
    assert [declared.name for declared in stacks(tmp_path)] == ["Second", "First"]


def test_a_stack_of_no_account_takes_that_of_the_credentials(tmp_path: Path) -> None:
    (declared,) = stacks(app(tmp_path))
    assert (declared.account, declared.region) == (None, None)


def test_one_template_is_a_stack(tmp_path: Path) -> None:
    (template,) = app(tmp_path, Budget={}).glob("*.template.json")
    declared = stack(template, "Any")
    assert (declared.name, len(templates_in(declared.template))) == ("Any", 1)


def test_another_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAnAssembly, match=r"must be the output of cdk synth .* got no manifest\.json"):
        list(stacks(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "1"}))
    assert list(stacks(tmp_path)) == []


@pytest.mark.parametrize(("text", "rule"), [("Resources:", "must be JSON"), ("[]", "must hold a JSON object")], ids=["YAML", "a list"])
def test_a_template_that_is_no_json_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    (tmp_path / "template.json").write_text(text)
    with pytest.raises(NotAnAssembly, match=rule):
        stack(tmp_path / "template.json", "Shop")


def test_a_person_looks_where_a_budget_may_be_lost_or_replaced_or_the_deployment_fails() -> None:
    looks = {effect for effect in Effect if effect.needs_a_person}
    lost = {Effect.REFILLED, Effect.SWAPPED, Effect.DELETED}
    assert looks == {*lost, Effect.REPLACED, Effect.OCCUPIED, Effect.REFUSED, Effect.UNKNOWN}
