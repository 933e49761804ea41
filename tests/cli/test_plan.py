"""What a plan says of each change of a change set."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from privacy_budget_cli.plan.change_set import Change, ChangeSet
from privacy_budget_cli.plan.dry_run import ACCESS_BUDGETS_PER_COLLABORATION, UnreadableError
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.plan.resources import NATIVE_TYPE
from privacy_budget_cli.plan.steps import Step
from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import AutoRefresh
from privacy_budget_core.model import Balance, DifferentialPrivacy
from tests.fakes.fake_clean_rooms import Failure, Fault
from tests.fakes.planned_account import KEEP, STACK_ID, TOKEN, Declared, PlannedAccount
from tests.support.stack import access_budget, differential_privacy
from tests.support.synth import MEMBERSHIP, TABLE

OTHER = MEMBERSHIP.replace("1", "2")
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
ALLOW: dict[str, Any] = {"OnBudgetReset": "ALLOW"}
ADOPT: dict[str, Any] = {"OnExisting": "ADOPT"}
MONTHLY: dict[str, Any] = {"AutoRefresh": "CALENDAR_MONTH"}


def dp(membership: str = MEMBERSHIP, epsilon: object = 3, noise: object = 30, keep: bool = True, **more: Any) -> Declared:
    return Declared(differential_privacy(membership, epsilon, noise, **more), KEEP if keep else {})


def access(*limits: tuple[str, int], table: str = TABLE, **more: Any) -> Declared:
    declared = [{"Type": period, "Budget": budget} for period, budget in limits or (("CALENDAR_DAY", 100),)]
    return Declared(access_budget(MEMBERSHIP, table, declared, **more), KEEP)


def native(declared: Declared) -> Declared:
    return replace(declared, type=NATIVE_TYPE)


@pytest.fixture
def account() -> PlannedAccount:
    return PlannedAccount((MEMBERSHIP, OTHER))


def planned(account: PlannedAccount, before: Declared | None, after: Declared | None, consumed: int = 0) -> Step:
    """What becomes of a template that is declared so and then so."""
    account.deploy(**({"Budget": before} if before else {}))
    if consumed:
        account.consume(account.only(), consumed)
    (step,) = account.plan(**({"Budget": after} if after else {}))
    assert (step.stack, step.logical_id) == ("Shop", "Budget")
    return step


CASES: dict[str, tuple[Declared | None, Declared | None, Effect]] = {
    "new": (None, dp(), Effect.CREATED),
    "the same": (dp(), dp(), Effect.UNCHANGED),
    "epsilon": (dp(), dp(epsilon=5), Effect.EDITED),
    "noise": (dp(), dp(noise=40), Effect.EDITED),
    "refresh": (dp(), dp(**MONTHLY), Effect.RECREATED),
    "limits": (access(), access(("CALENDAR_DAY", 7)), Effect.EDITED_WITH_RESET),
    "order of limits": (
        access(("CALENDAR_DAY", 1), ("LIFETIME", 2)),
        access(("LIFETIME", 2), ("CALENDAR_DAY", 1)),
        Effect.TAGGED,
    ),
    "table": (access(), access(table=f"{TABLE}0"), Effect.REPLACED),
    "membership": (dp(), dp(OTHER), Effect.REPLACED),
    "unknown membership": (dp(), dp(MEMBERSHIP.replace("1", "3")), Effect.REFUSED),
    "type": (dp(), access(), Effect.REPLACED),
    "options": (dp(), dp(**ADOPT), Effect.TAGGED),
    "policies": (dp(), dp(keep=False), Effect.UNCHANGED),
    "gone and kept": (dp(), None, Effect.KEPT),
    "gone and deleted": (dp(keep=False), None, Effect.DELETED),
    "a wrong value": (dp(), dp(epsilon=21), Effect.REFUSED),
    "a value that is not known": (dp(), dp(epsilon=UNKNOWN), Effect.UNKNOWN),
    "a part that is not known": (dp(), dp(f"{UNKNOWN}-x"), Effect.UNKNOWN),
    "a value that is not shown": (dp(), dp("****"), Effect.UNKNOWN),
    "a new one of a membership that is not known": (None, dp(UNKNOWN), Effect.UNKNOWN),
    "a tag that is not known": (dp(), dp(Tags=[{"Key": "arn", "Value": UNKNOWN}]), Effect.TAGGED),
    "tags that are not known": (dp(), dp(Tags=UNKNOWN), Effect.TAGGED),
    "native, new": (None, native(dp()), Effect.CREATED),
    "native, epsilon": (native(dp()), native(dp(epsilon=5)), Effect.EDITED),
    "native, refresh": (native(dp(keep=False)), native(dp(keep=False, **MONTHLY)), Effect.RECREATED),
    "native, refresh, retained": (native(dp()), native(dp(**MONTHLY)), Effect.OCCUPIED),
    "native, membership": (native(dp()), native(dp(OTHER)), Effect.REPLACED),
    "native, limits": (native(access()), native(access(("CALENDAR_DAY", 7))), Effect.EDITED_WITH_RESET),
    "native, tags": (native(access()), native(access(Tags=[{"Key": "a", "Value": "b"}])), Effect.TAGGED),
    "native, gone and kept": (native(dp()), None, Effect.KEPT),
    "native, gone and deleted": (native(dp(keep=False)), None, Effect.DELETED),
}


@pytest.mark.parametrize(("before", "after", "effect"), CASES.values(), ids=CASES.keys())
def test_what_a_change_does(account: PlannedAccount, before: Declared | None, after: Declared | None, effect: Effect) -> None:
    assert planned(account, before, after).effect is effect


CONSUMED: dict[str, tuple[Declared, Declared | None, Effect, bool]] = {
    "epsilon raised": (dp(), dp(epsilon=5), Effect.EDITED, False),
    "epsilon lowered": (dp(), dp(epsilon=2), Effect.REFUSED, False),
    "epsilon lowered on purpose": (dp(), dp(epsilon=2, **ALLOW), Effect.RECREATED, True),
    "refresh": (dp(), dp(**MONTHLY), Effect.REFUSED, False),
    "refresh that is allowed": (dp(), dp(**MONTHLY, **ALLOW), Effect.RECREATED, True),
    "refresh that was allowed": (dp(**ALLOW), dp(**MONTHLY), Effect.RECREATED, True),
    "limits": (access(), access(("CALENDAR_DAY", 7)), Effect.REFUSED, False),
    "limits that are allowed": (access(), access(("CALENDAR_DAY", 7), **ALLOW), Effect.EDITED_WITH_RESET, True),
    "membership, the old one kept": (dp(), dp(OTHER), Effect.REPLACED, False),
    "membership, the old one deleted": (dp(keep=False), dp(OTHER, keep=False), Effect.REPLACED, True),
    "gone and deleted": (dp(keep=False), None, Effect.DELETED, True),
    "gone and kept": (dp(), None, Effect.KEPT, False),
    "native, refresh": (native(dp(keep=False)), native(dp(keep=False, **MONTHLY)), Effect.RECREATED, True),
    "native, epsilon lowered": (native(dp()), native(dp(epsilon=2)), Effect.REFUSED, False),
    "native, membership": (native(dp(keep=False)), native(dp(OTHER, keep=False)), Effect.REPLACED, True),
}


@pytest.mark.parametrize(("before", "after", "effect", "loses"), CONSUMED.values(), ids=CONSUMED.keys())
def test_what_a_change_costs(account: PlannedAccount, before: Declared, after: Declared | None, effect: Effect, loses: bool) -> None:
    step = planned(account, before, after, consumed=7)
    assert (step.effect, step.loses) == (effect, loses)
    counted = "7 of 100 CALENDAR_DAY" if "ACCESS" in str(before.properties) else "7 of 99 COUNT"
    assert step.ledger.startswith(counted)
    assert step.ledger.endswith("which is lost" if loses else "which stays consumed")


def test_a_refusal_is_in_the_handlers_own_words(account: PlannedAccount) -> None:
    step = planned(account, dp(), dp(**MONTHLY), consumed=7)
    assert step.detail.startswith("Changing the DIFFERENTIAL_PRIVACY template")
    assert "would be forgotten. To accept that, set on_budget_reset=" in step.detail


def test_refusals_of_clean_rooms_are_forecasts(account: PlannedAccount) -> None:
    """What only Clean Rooms can refuse is reported as a forecast."""
    step = planned(account, dp(), dp(epsilon=2), consumed=7)
    assert step.detail.startswith("a forecast, as only Clean Rooms can tell: ")
    assert "epsilon cannot be lowered once querying began" in step.detail
    assert "To start a smaller budget on purpose, set on_budget_reset=" in step.detail


def test_replacement_names_both_templates(account: PlannedAccount) -> None:
    """The plan also says what becomes of the old template."""
    step = planned(account, dp(), dp(OTHER), consumed=7)
    assert step.action == f"{Effect.REPLACED.value}; the old one: {Effect.KEPT.value}"
    there = f"the DIFFERENTIAL_PRIVACY template in membership {OTHER}"
    assert step.detail == f"the DIFFERENTIAL_PRIVACY template in membership {MEMBERSHIP} by {there}, which is created"


def test_a_step_tells_both_budgets(account: PlannedAccount) -> None:
    step = planned(account, dp(), dp(epsilon=5), consumed=7)
    both = "epsilon 3, noise 30, auto refresh NONE to epsilon 5, noise 30, auto refresh NONE"
    assert str(step) == f"Shop/Budget: edited in place ({both}; 7 of 99 COUNT consumed, which stays consumed)"


class TestWhatAResetAdds:
    """To the epsilon that the existing template has granted since its create."""

    @pytest.fixture(autouse=True)
    def created(self, account: PlannedAccount, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every template was created on 15 September, and it is 26 November."""
        get = CleanRooms.get
        there = datetime(2026, 9, 15, 12, tzinfo=UTC).timestamp()
        monkeypatch.setattr(CleanRooms, "get", lambda *arguments: get(*arguments)._replace(created_at=there))
        monkeypatch.setattr("time.time", datetime(2026, 11, 26, tzinfo=UTC).timestamp)

    @pytest.mark.parametrize(
        ("before", "after", "told"),
        [
            pytest.param(dp(), dp(epsilon=4, **MONTHLY, **ALLOW), "brings|3|7|, and 4 more with each further month", id="recreated"),
            pytest.param(dp(), dp(epsilon=4, **MONTHLY), "a reset would bring|3|7|, and 4 more with each further month", id="refused"),
            pytest.param(dp(**MONTHLY), dp(epsilon=4, **ALLOW), "brings|9|13|", id="three months of a refreshing one"),
            pytest.param(dp(epsilon=5), dp(epsilon=2, **ALLOW), "brings|5|7|", id="a smaller budget on purpose"),
            pytest.param(dp(), dp(epsilon=5), None, id="edited"),
            pytest.param(dp(), dp(epsilon=21), None, id="a wrong value"),
            pytest.param(dp(), dp(OTHER, **MONTHLY), None, id="another membership"),
            pytest.param(access(), access(("CALENDAR_DAY", 7), **ALLOW), None, id="access budget"),
        ],
    )
    def test_it(self, account: PlannedAccount, before: Declared, after: Declared, told: str | None) -> None:
        step = planned(account, before, after, consumed=7 if "epsilon" in str(before) else 1)
        if told is None:
            assert step.exposure == ""
        else:
            verb, first, then, more = told.split("|")
            of = "the epsilon granted since the template's create (2026-09-15 12:00 UTC)"
            assert step.exposure == f"{verb} {of} from {first} to {then}, by sequential composition{more}"
            assert step.exposure in str(step)


class TestWhoseItIs:
    """What exists already, and what has come to be another owner's."""

    @pytest.mark.parametrize(("options", "effect"), [({}, Effect.OCCUPIED), (ADOPT, Effect.ADOPTED)], ids=["FAIL", "ADOPT"])
    def test_a_template_made_by_hand(self, account: PlannedAccount, options: dict[str, Any], effect: Effect) -> None:
        theirs = account.exists(differential_privacy(MEMBERSHIP))
        account.consume(theirs, 7)
        (step,) = account.plan(Budget=dp(**options))
        assert (step.effect, step.consumed) == (effect, [Balance("COUNT", 92, 99)])
        assert (theirs.arn in step.detail) is (effect is Effect.OCCUPIED)

    def test_adoption_that_resets_says_so(self, account: PlannedAccount) -> None:
        account.consume(account.exists(differential_privacy(MEMBERSHIP)), 7)
        (step,) = account.plan(Budget=dp(**MONTHLY, **ADOPT, **ALLOW))
        assert (step.effect, step.loses) == (Effect.RECREATED, True)

    def test_kept_template_is_used_again(self, account: PlannedAccount) -> None:
        account.exists(differential_privacy(MEMBERSHIP), ownership.owner(STACK_ID, "Budget"))
        (step,) = account.plan(Budget=dp())
        assert step.effect is Effect.RESUMED

    def test_a_renamed_resource_takes_its_template_along(self, account: PlannedAccount) -> None:
        account.deploy(Old=dp(keep=False))
        new, old = account.plan(New=dp(keep=False, **ADOPT))
        assert [(new.logical_id, new.effect), (old.logical_id, old.effect)] == [("New", Effect.ADOPTED), ("Old", Effect.LEFT)]
        assert not new.needs_review

    def test_template_adopted_elsewhere_is_left_alone(self, account: PlannedAccount) -> None:
        account.deploy(Budget=dp(keep=False))
        account.held.tag(account.only().arn, {ownership.OWNER: "another stack's"})
        (step,) = account.plan()
        assert step.effect is Effect.LEFT

    def test_unfinished_adoption_is_handed_back(self, account: PlannedAccount) -> None:
        account.deploy(Budget=dp(keep=False))
        account.held.tag(account.only().arn, {ownership.ADOPTED_FROM: ""})
        (step,) = account.plan()
        assert step.effect is Effect.HANDED_BACK

    def test_removed_native_template_deletes_the_adopted_one(self, account: PlannedAccount) -> None:
        """CloudFormation deletes a native template by its id, even where a custom resource of the same deployment adopts it."""
        account.deploy(Native=native(dp(keep=False)))
        account.consume(account.only(), 7)
        mine, theirs = account.plan(Mine=dp(**ADOPT))
        assert [mine.effect, theirs.effect, theirs.loses] == [Effect.ADOPTED, Effect.DELETED, True]


class TestTwoOfOneIdentity:
    """Two resources of one deployment want one template."""

    @pytest.mark.parametrize("options", [{}, ADOPT], ids=["FAIL", "ADOPT"])
    def test_both_new(self, account: PlannedAccount, options: dict[str, Any]) -> None:
        steps = account.plan(First=dp(**options), Second=dp(**options))
        assert [step.effect for step in steps] == [Effect.CREATED, Effect.ADOPTED if options else Effect.OCCUPIED]
        assert all(step.needs_review for step in steps)
        assert steps[0].conflict.startswith("Shop/Second of this deployment declares the DIFFERENTIAL_PRIVACY template in membership")

    def test_a_new_one_beside_one_that_stays(self, account: PlannedAccount) -> None:
        account.deploy(First=dp())
        steps = account.plan(First=dp(), Second=dp(**ADOPT))
        assert {step.logical_id: step.needs_review for step in steps} == {"First": True, "Second": True}

    def test_the_second_comes_after_what_it_depends_on(self, account: PlannedAccount) -> None:
        first = dp()
        steps = account.plan(First=replace(first, policies={**KEEP, "DependsOn": ["Second"]}), Second=dp())
        assert [(step.logical_id, step.effect) for step in steps] == [("Second", Effect.CREATED), ("First", Effect.OCCUPIED)]


@pytest.mark.parametrize(("others", "effect"), [(24, Effect.CREATED), (25, Effect.REFUSED)])
def test_the_quota_of_access_budgets(account: PlannedAccount, others: int, effect: Effect) -> None:
    """Those of other members count; templates of differential privacy do not."""
    assert ACCESS_BUDGETS_PER_COLLABORATION == 25
    account.in_collaboration(*["ACCESS_BUDGET"] * others, *["DIFFERENTIAL_PRIVACY"] * 3)
    (step,) = account.plan(Budget=access())
    assert step.effect is effect
    if effect is Effect.REFUSED:
        assert step.detail.startswith("a forecast, as only Clean Rooms can tell: ServiceQuotaExceededException")


def test_the_quota_counts_what_the_deployment_creates(account: PlannedAccount) -> None:
    account.in_collaboration(*["ACCESS_BUDGET"] * 24)
    steps = account.plan(First=access(), Second=access(table=f"{TABLE}0"))
    assert [step.effect for step in steps] == [Effect.CREATED, Effect.REFUSED]


class TestDrift:
    """Clean Rooms holds something else than the stack last declared."""

    EDITED = DifferentialPrivacy(9, 30, AutoRefresh.NONE)

    def test_edit_by_hand_stays_without_declared_change(self, account: PlannedAccount) -> None:
        """A deployment that changes no property corrects no edit by hand."""
        account.deploy(Budget=dp())
        account.held.update(account.only(), self.EDITED)
        (step,) = account.plan(Budget=dp())
        assert step.effect is Effect.DRIFTED
        assert step.drift.startswith("Clean Rooms holds epsilon 9, noise 30, auto refresh NONE, the stack last declared epsilon 3")

    def test_a_function_in_the_template_is_no_drift(self, account: PlannedAccount) -> None:
        """What CloudFormation alone can resolve is not compared."""
        account.deploy(Budget=dp())
        account.stack["Budget"].properties["Parameters"]["Epsilon"] = {"Ref": "Epsilon"}
        (step,) = account.plan_of(ChangeSet("Shop", STACK_ID))
        assert (step.effect, step.drift) == (Effect.UNCHANGED, "")

    def test_overwritten_edit_by_hand_is_reported(self, account: PlannedAccount) -> None:
        account.deploy(Budget=dp())
        account.held.update(account.only(), self.EDITED)
        (step,) = account.plan(Budget=dp(epsilon=10))
        assert step.effect is Effect.EDITED
        assert step.drift.startswith("Clean Rooms holds epsilon 9")
        assert step.detail.startswith("epsilon 9")

    @pytest.mark.parametrize(
        ("after", "effect"),
        [(dp(keep=False), Effect.DRIFTED), (dp(epsilon=5, keep=False), Effect.CREATED), (None, Effect.GONE)],
        ids=["nothing changes", "an edit", "leaves the stack"],
    )
    def test_a_template_that_was_deleted_by_hand(self, account: PlannedAccount, after: Declared | None, effect: Effect) -> None:
        account.deploy(Budget=dp(keep=False))
        account.held.delete(MEMBERSHIP, account.only().id)
        (step,) = account.plan(**({"Budget": after} if after else {}))
        assert step.effect is effect
        assert "does not hold the template" in step.drift


class TestWhatCloudFormationTells:
    """Everything that is in a change set but the values of properties."""

    @pytest.fixture
    def change(self, account: PlannedAccount) -> Change:
        account.deploy(Budget=dp(keep=False))
        account.consume(account.only(), 7)
        (change,) = account.change_set(Budget=dp(epsilon=5)).changes
        return change

    def step(self, account: PlannedAccount, *changes: Change) -> Step:
        return account.plan_of(ChangeSet("Shop", STACK_ID, changes))[0]

    @pytest.mark.parametrize("action", ["Dynamic", "Import", "SyncWithActual"])
    def test_an_action_that_tells_nothing(self, account: PlannedAccount, change: Change, action: str) -> None:
        step = self.step(account, replace(change, action=action))
        assert step.effect is Effect.UNKNOWN
        assert step.ledger == "7 of 99 COUNT consumed, which may be lost"

    def test_a_context_that_is_absent(self, account: PlannedAccount, change: Change) -> None:
        for absent in (replace(change, before=None), replace(change, after=None)):
            assert self.step(account, absent).effect is Effect.UNKNOWN

    @pytest.mark.parametrize(("policy", "effect"), [("Retain", Effect.KEPT), ("Delete", Effect.DELETED), ("", Effect.DELETED)])
    def test_a_removal_without_contexts(self, account: PlannedAccount, change: Change, policy: str, effect: Effect) -> None:
        removal = replace(change, action="Remove", before=None, after=None, policy_action=policy)
        assert self.step(account, removal).effect is effect

    def test_number_turned_text_sends_an_update(self, account: PlannedAccount, change: Change) -> None:
        same = replace(change, after=change.before)
        assert self.step(account, same).effect is Effect.UNCHANGED
        assert self.step(account, replace(same, edits_properties=True)).effect is Effect.TAGGED

    def test_another_service_token_is_refused(self, account: PlannedAccount, change: Change) -> None:
        properties = {**(change.after or {})["Properties"], "ServiceToken": f"{TOKEN}2"}
        step = self.step(account, replace(change, after={"Properties": properties}))
        assert step.effect is Effect.REFUSED
        assert step.detail.startswith("by CloudFormation: Modifying service token is not allowed.")

    @pytest.mark.parametrize(("replacement", "effect"), [("False", Effect.UNCHANGED), ("True", Effect.UNKNOWN)], ids=["edited", "replaced"])
    def test_a_function_that_is_edited_keeps_its_arn(
        self, account: PlannedAccount, change: Change, replacement: str, effect: Effect
    ) -> None:
        before = (change.before or {})["Properties"]
        change = replace(change, before={"Properties": before}, after={"Properties": {**before, "ServiceToken": UNKNOWN}})
        function = Change("Function", "AWS::Lambda::Function", "Modify", "provider", replacement)
        assert self.step(account, change, function).effect is effect

    def test_a_nested_stack_without_a_change_set(self, account: PlannedAccount) -> None:
        nested = Change("Inner", "AWS::CloudFormation::Stack", "Modify", STACK_ID)
        (step,) = account.plan_of(ChangeSet("Shop", STACK_ID, (nested,)))
        assert (step.logical_id, step.effect) == ("Inner", Effect.UNKNOWN)

    def test_a_nested_stack_that_leaves(self, account: PlannedAccount, change: Change) -> None:
        """It has no change set: the policies of its resources decide."""
        removal = Change("Inner", "AWS::CloudFormation::Stack", "Remove", STACK_ID, policy_action="Delete")
        assert self.step(account, removal).effect is Effect.DELETED
        assert self.step(account, replace(removal, policy_action="Retain")).effect is Effect.KEPT


def test_delete_of_invalid_template_is_gone(account: PlannedAccount) -> None:
    """No template can ever have been created for it."""
    account.stack["Budget"] = Declared({"PrivacyBudgetType": "NO_SUCH"})
    account.physical_ids["Budget"] = "Budget-not-created-0123456789ab"
    (step,) = account.plan()
    assert step.effect is Effect.GONE


@pytest.mark.parametrize("operation", ["ListPrivacyBudgets", "ListPrivacyBudgetTemplates"])
def test_what_may_not_be_read_is_never_guessed(account: PlannedAccount, operation: str) -> None:
    account.deploy(Budget=dp())
    if operation == "ListPrivacyBudgetTemplates":
        account.held.delete(MEMBERSHIP, account.only().id)
    account.fault_plan.faults.append(Fault(Failure.DENIED, operation=operation))
    with pytest.raises(UnreadableError, match=f"AccessDeniedException from {operation}"):
        account.plan(Budget=dp(**MONTHLY))


def test_which_effects_need_review() -> None:
    """A person looks where a budget may be lost or replaced, or where the deployment would fail."""
    looks = {effect for effect in Effect if effect.needs_review}
    lost = {Effect.EDITED_WITH_RESET, Effect.RECREATED, Effect.DELETED}
    assert looks == {*lost, Effect.REPLACED, Effect.OCCUPIED, Effect.REFUSED, Effect.UNKNOWN}
