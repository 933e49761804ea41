"""Each row of the lifecycle table (docs/lifecycle.md), by its name; every event is also planned, and the plan must agree."""

from typing import Any

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws.clean_rooms import exceptions, ledger
from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from tests.support.planned_stack import PlannedStack
from tests.support.stack import Backend, Context, HandledEvent, access_budget, differential_privacy, tags

OWNER = "cleanrooms-privacy-budget:owner"
ADOPTED_FROM = "cleanrooms-privacy-budget:adopted-from"
ROLLBACK = "UPDATE_ROLLBACK_IN_PROGRESS"
DAY = {"Type": "CALENDAR_DAY", "Budget": 100, "AutoRefresh": "ENABLED"}
LIFETIME = {"Type": "LIFETIME", "Budget": 1000}


@pytest.fixture
def stack() -> PlannedStack:
    return PlannedStack()


def calls() -> int:
    return HandledEvent.latest.requests.count


def epsilon(template: dict[str, Any]) -> int:
    return int(template["parameters"]["differentialPrivacy"]["epsilon"])


def left(backend: Backend, membership: str, budget_type: str = "DIFFERENTIAL_PRIVACY") -> dict[str, int]:
    """What remains of the membership's one budget of a type."""
    (summary,) = backend.client.list_privacy_budgets(membershipIdentifier=membership, privacyBudgetType=budget_type)[
        "privacyBudgetSummaries"
    ]
    if budget_type == "DIFFERENTIAL_PRIVACY":
        return {entry["type"]: entry["remainingCount"] for entry in summary["budget"]["differentialPrivacy"]["aggregations"]}
    return {entry["budgetType"]: entry["remainingBudget"] for entry in summary["budget"]["accessBudget"]["details"]}


def by_hand(backend: Backend, membership: str, epsilon: int = 9, **own_tags: str) -> dict[str, Any]:
    """A template that somebody made without any stack."""
    made = backend.client.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh="NONE",
        parameters={"differentialPrivacy": {"epsilon": epsilon, "usersNoisePerQuery": 30}},
        tags=own_tags,
    )
    return dict(made["privacyBudgetTemplate"])


class Faults:
    """Raises an error at chosen calls: ``{("CreatePrivacyBudgetTemplate", Moment.AFTER_EFFECT): [error, …]}``."""

    def __init__(self) -> None:
        self.planned: dict[tuple[str, Moment], list[BaseException]] = {}

    def __call__(self, operation: str, moment: Moment) -> None:
        if errors := self.planned.get((operation, moment)):
            raise errors.pop(0)


@pytest.fixture
def faults(settings: Settings) -> Faults:
    planned = Faults()
    PrivacyBudgetBackend.settings = Settings(faults=planned)
    cleanrooms_backends.clear()
    return planned


@pytest.fixture(params=list(ArnForm))
def both_arn_forms(request: pytest.FixtureRequest, settings: Settings) -> None:
    PrivacyBudgetBackend.settings = Settings(arn_form=request.param)
    cleanrooms_backends.clear()


# Create


def test_create_makes_the_template_in_one_call(backend: Backend, membership: str, stack: PlannedStack) -> None:
    answered = stack.create(differential_privacy(membership, Tags=tags(team="privacy")))
    assert calls() == 1
    template = backend.only(membership)
    assert answered["Status"] == "SUCCESS"
    assert answered["PhysicalResourceId"] == template["arn"]
    assert answered["Data"] == {
        "Arn": template["arn"],
        "PrivacyBudgetTemplateIdentifier": template["id"],
        "MembershipArn": template["membershipArn"],
        "CollaborationArn": template["collaborationArn"],
        "CollaborationIdentifier": template["collaborationId"],
    }
    assert template["parameters"] == {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}}
    assert template["autoRefresh"] == "NONE"
    assert template["tags"].items() >= {"team": "privacy", "cleanrooms-privacy-budget:owner": f"{stack.id}/Budget"}.items()


def test_create_makes_an_access_budget_in_one_call(backend: Backend, membership: str, stack: PlannedStack) -> None:
    answered = stack.create(access_budget(membership, backend.table(membership), [DAY, LIFETIME]))
    assert calls() == 1
    template = backend.only(membership)
    assert answered["PhysicalResourceId"] == template["arn"]
    budget = template["parameters"]["accessBudget"]
    assert budget["resourceArn"] == backend.table(membership)
    assert sorted(limit["type"] for limit in budget["budgetParameters"]) == ["CALENDAR_DAY", "LIFETIME"]


def test_create_without_auto_refresh_sends_none(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    del properties["AutoRefresh"]
    assert stack.create(properties)["Status"] == "SUCCESS"
    assert backend.only(membership)["autoRefresh"] == "NONE"


def test_create_in_unknown_membership_fails(stack: PlannedStack) -> None:
    """The reason has the service's words."""
    answered = stack.create(differential_privacy("99999999-1111-4222-8333-444444444444"))
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith("ResourceNotFoundException from CreatePrivacyBudgetTemplate: ")
    assert "99999999-1111-4222-8333-444444444444" in answered["Reason"]
    assert not answered["PhysicalResourceId"].startswith("arn:")


@pytest.mark.parametrize("change", [{"epsilon": 5}, {"noise": 60}, {"epsilon": 5, "noise": 10}])
def test_epsilon_and_noise_are_edited_in_place(backend: Backend, membership: str, stack: PlannedStack, change: dict[str, int]) -> None:
    """It takes three calls."""
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=1)
    answered = stack.update(arn, before, differential_privacy(membership, **change))
    assert calls() == 3
    assert answered["PhysicalResourceId"] == arn == backend.only(membership)["arn"]
    assert answered["Data"]["Arn"] == arn
    wanted = {"epsilon": change.get("epsilon", 3), "usersNoisePerQuery": change.get("noise", 30)}
    assert backend.only(membership)["parameters"]["differentialPrivacy"] == wanted


def test_update_of_access_limits_edits_in_place(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = access_budget(membership, backend.table(membership), [DAY])
    arn = stack.create(before)["PhysicalResourceId"]
    answered = stack.update(arn, before, access_budget(membership, backend.table(membership), [{**DAY, "Budget": 7}]))
    assert answered["PhysicalResourceId"] == arn
    (limit,) = backend.only(membership)["parameters"]["accessBudget"]["budgetParameters"]
    assert limit["budget"] == 7


def test_update_that_reorders_limits_sends_no_edit(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = access_budget(membership, backend.table(membership), [DAY, LIFETIME])
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=3)
    answered = stack.update(arn, before, access_budget(membership, backend.table(membership), [LIFETIME, DAY]))
    assert answered["Status"] == "SUCCESS"
    assert calls() == 2


def test_update_of_tags_keeps_foreign_tags(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The budget stays as it is."""
    before = differential_privacy(membership, Tags=tags(team="privacy", stage="dev"))
    arn = stack.create(before)["PhysicalResourceId"]
    backend.client.tag_resource(resourceArn=arn, tags={"by-hand": "yes"})
    updated_at = backend.only(membership)["updateTime"]
    stack.update(arn, before, differential_privacy(membership, Tags=tags(team="data", cost="7")))
    template = backend.only(membership)
    foreign = {key: value for key, value in template["tags"].items() if not key.startswith("cleanrooms-privacy-budget:")}
    assert foreign == {"by-hand": "yes", "team": "data", "cost": "7"}
    assert template["updateTime"] == updated_at


def test_calls_of_tag_and_empty_updates(membership: str, stack: PlannedStack) -> None:
    """An update that adds tags takes three calls, one that changes nothing takes two."""
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, differential_privacy(membership, Tags=tags(team="data")))
    assert calls() == 3
    answered = stack.update(arn, before, before)
    assert calls() == 2
    assert answered["Data"]["Arn"] == arn


def test_another_membership_is_a_replacement(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The update creates another template; the old one is left for CloudFormation to delete."""
    before, other = differential_privacy(membership), backend.membership()
    after = differential_privacy(other)
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, after)["PhysicalResourceId"]
    assert new == backend.only(other)["arn"] != old == backend.only(membership)["arn"]
    assert stack.delete(old, before)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []
    assert backend.only(other)["arn"] == new


def test_another_kind_is_another_template(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership)
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, access_budget(membership, backend.table(membership), [DAY]))["PhysicalResourceId"]
    assert {old, new} == {template["arn"] for template in backend.templates(membership)}


def test_another_table_is_another_template(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = access_budget(membership, backend.table(membership, "a"), [DAY])
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, access_budget(membership, backend.table(membership, "b"), [DAY]))["PhysicalResourceId"]
    assert {old, new} == {template["arn"] for template in backend.templates(membership)}


def test_delete_after_invalid_create_calls_nothing(stack: PlannedStack) -> None:
    wrong = differential_privacy("no-membership")
    failed = stack.create(wrong)
    assert failed["Status"] == "FAILED"
    assert stack.delete(failed["PhysicalResourceId"], wrong)["Status"] == "SUCCESS"
    assert calls() == 0


def test_delete_after_conflict_leaves_the_foreign_template(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    other = PlannedStack("other").create(properties)["PhysicalResourceId"]
    failed = stack.create(properties)
    assert stack.delete(failed["PhysicalResourceId"], properties)["Status"] == "SUCCESS"
    assert backend.only(membership)["arn"] == other


def test_a_failed_update_keeps_the_physical_id(membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    answered = stack.update(arn, before, differential_privacy(membership, epsilon=99))
    assert answered["Status"] == "FAILED"
    assert answered["PhysicalResourceId"] == arn
    assert answered["Data"] == {}


def test_rollback_of_invalid_update_succeeds(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before, wrong = differential_privacy(membership), differential_privacy(membership, epsilon=99)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, wrong)
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert stack.update(arn, wrong, before)["Status"] == "SUCCESS"
    assert epsilon(backend.only(membership)) == 3


def test_create_sets_all_tags_in_one_call(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """Tags and ownership tags are part of the create."""
    stack.create(differential_privacy(membership, Tags=tags(team="privacy")))
    assert calls() == 1
    held = backend.only(membership)["tags"]
    assert held["team"] == "privacy"
    assert held[OWNER] == f"{stack.id}/Budget"


def test_too_long_owner_tag_is_a_digest(backend: Backend, membership: str) -> None:
    stack = PlannedStack("s" * 128)
    properties = differential_privacy(membership)
    arn = stack.create(properties, "L" * 255)["PhysicalResourceId"]
    assert backend.only(membership)["tags"][OWNER].startswith("sha256:")
    assert stack.delete(arn, properties, "L" * 255)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []


def test_create_delivered_twice_is_one_template(backend: Backend, membership: str, stack: PlannedStack) -> None:
    event = stack.event("Create", differential_privacy(membership))
    first, second = stack.deliver(event), stack.deliver(event)
    assert first == second
    assert backend.only(membership)["arn"] == first["PhysicalResourceId"]
    assert ADOPTED_FROM not in backend.only(membership)["tags"]


@pytest.mark.parametrize("error", [exceptions.InternalServerException("down"), exceptions.ThrottlingException("slow")])
def test_create_whose_answer_was_lost_is_found_again(
    faults: Faults, backend: Backend, membership: str, stack: PlannedStack, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    faults.planned["CreatePrivacyBudgetTemplate", Moment.AFTER_EFFECT] = [error]
    answered = stack.create(differential_privacy(membership))
    assert answered["Status"] == "SUCCESS"
    assert backend.only(membership)["arn"] == answered["PhysicalResourceId"]


def test_create_beside_foreign_template_fails(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The reason names the ARN and the option that adopts it."""
    theirs = by_hand(backend, membership)
    answered = stack.create(differential_privacy(membership))
    assert answered["Status"] == "FAILED"
    for told in (theirs["arn"], "on_existing=OnExisting.ADOPT", "OnExisting: ADOPT"):
        assert told in answered["Reason"]


def test_adoption_keeps_foreign_tags_and_ledger(backend: Backend, membership: str, stack: PlannedStack) -> None:
    theirs = by_hand(backend, membership, by="hand")
    backend.spend(theirs, type="COUNT", count=7)
    before = left(backend, membership)
    answered = stack.create(differential_privacy(membership, epsilon=9, OnExisting="ADOPT", Tags=tags(team="privacy")))
    assert answered["PhysicalResourceId"] == theirs["arn"]
    held = backend.only(membership)
    assert held["tags"].items() >= {"by": "hand", "team": "privacy", OWNER: f"{stack.id}/Budget", ADOPTED_FROM: ""}.items()
    assert left(backend, membership) == before


def test_adoption_applies_the_declared_state(backend: Backend, membership: str, stack: PlannedStack) -> None:
    by_hand(backend, membership, epsilon=9)
    assert stack.create(differential_privacy(membership, epsilon=12, OnExisting="ADOPT"))["Status"] == "SUCCESS"
    assert epsilon(backend.only(membership)) == 12


def test_create_that_adopts_an_access_budget(backend: Backend, membership: str, stack: PlannedStack) -> None:
    table = backend.table(membership)
    limit = {"Type": "CALENDAR_DAY", "Budget": 10}
    theirs = PlannedStack("other").create(access_budget(membership, table, [limit]))["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=4)
    answered = stack.create(access_budget(membership, table, [limit], OnExisting="ADOPT"))
    assert answered["PhysicalResourceId"] == theirs
    assert left(backend, membership, "ACCESS_BUDGET") == {"CALENDAR_DAY": 6}


# Update


def test_update_of_epsilon_keeps_what_was_spent(backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=7)
    stack.update(arn, before, differential_privacy(membership, epsilon=6))
    assert calls() == 3
    (summary,) = backend.client.list_privacy_budgets(membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY")[
        "privacyBudgetSummaries"
    ]
    counts = next(entry for entry in summary["budget"]["differentialPrivacy"]["aggregations"] if entry["type"] == "COUNT")
    assert counts["maxCount"] - counts["remainingCount"] == 7


def test_consumed_access_limits_update_is_refused(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The reason says what would be lost."""
    table = backend.table(membership)
    before = access_budget(membership, table, [{"Type": "CALENDAR_DAY", "Budget": 10}])
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=4)
    answered = stack.update(arn, before, access_budget(membership, table, [{"Type": "CALENDAR_DAY", "Budget": 20}]))
    assert answered["Status"] == "FAILED"
    for told in ("4 of 10 CALENDAR_DAY", "on_budget_reset=OnBudgetReset.ALLOW"):
        assert told in answered["Reason"]
    assert left(backend, membership, "ACCESS_BUDGET") == {"CALENDAR_DAY": 6}


@pytest.mark.parametrize("allowed_by", ["new", "old"])
def test_consumed_access_limits_update_if_allowed(backend: Backend, membership: str, stack: PlannedStack, allowed_by: str) -> None:
    table = backend.table(membership)
    before = access_budget(membership, table, [{"Type": "CALENDAR_DAY", "Budget": 10}])
    after = access_budget(membership, table, [{"Type": "CALENDAR_DAY", "Budget": 20}])
    (after if allowed_by == "new" else before)["OnBudgetReset"] = "ALLOW"
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=4)
    assert stack.update(arn, before, after)["PhysicalResourceId"] == arn
    assert left(backend, membership, "ACCESS_BUDGET") == {"CALENDAR_DAY": 20}


def test_refresh_update_recreates_behind_same_id(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The template is recreated, and the physical id stays."""
    before = differential_privacy(membership, Tags=tags(team="privacy"))
    arn = stack.create(before)["PhysicalResourceId"]
    backend.client.tag_resource(resourceArn=arn, tags={"by": "hand"})
    answered = stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    present = backend.only(membership)
    assert answered["PhysicalResourceId"] == arn != present["arn"]
    assert answered["Data"]["Arn"] == present["arn"]
    assert present["autoRefresh"] == "CALENDAR_MONTH"
    assert present["tags"].items() >= {"team": "privacy", "by": "hand", OWNER: f"{stack.id}/Budget"}.items()


def test_recreated_template_is_found_by_its_tag(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """It is updated and deleted although its physical id is the old ARN."""
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    swapped = {**before, "AutoRefresh": "CALENDAR_MONTH"}
    stack.update(arn, before, swapped)
    edited = {**swapped, "Parameters": {"Epsilon": 8, "UsersNoisePerQuery": 30}}
    assert stack.update(arn, swapped, edited)["PhysicalResourceId"] == arn
    assert epsilon(backend.only(membership)) == 8
    assert stack.delete(arn, edited)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []


def test_consumed_refresh_update_is_refused(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The reason says what would be lost."""
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=7)
    answered = stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert answered["Status"] == "FAILED"
    assert answered["PhysicalResourceId"] == arn == backend.only(membership)["arn"]
    for told in ("7 of 99 COUNT", "on_budget_reset=OnBudgetReset.ALLOW", "auto refresh NONE", "auto refresh CALENDAR_MONTH"):
        assert told in answered["Reason"]


def test_unreadable_budget_counts_as_consumed(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    faults.planned["ListPrivacyBudgets", Moment.BEFORE_EFFECT] = [exceptions.AccessDeniedException("no")]
    answered = stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert answered["Status"] == "FAILED"
    assert "could not be read: AccessDeniedException" in answered["Reason"]
    assert backend.only(membership)["arn"] == arn


def test_failed_recreation_restores_the_old_template(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership, Tags=tags(team="privacy"))
    arn = stack.create(before)["PhysicalResourceId"]
    faults.planned["CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT] = [exceptions.ValidationException("not today")]
    answered = stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert answered["Status"] == "FAILED"
    assert "not today" in answered["Reason"]
    assert "was put back" in answered["Reason"]
    held = backend.only(membership)
    assert held["autoRefresh"] == "NONE"
    assert held["tags"]["team"] == "privacy"
    assert stack.update(arn, before, before)["Data"]["Arn"] == held["arn"]


def test_next_event_repairs_failed_restore(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The next event creates what a failed recreation could not restore."""
    before = differential_privacy(membership)
    after = {**before, "AutoRefresh": "CALENDAR_MONTH"}
    arn = stack.create(before)["PhysicalResourceId"]
    refusal = exceptions.ValidationException("not today")
    faults.planned["CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT] = [refusal, refusal]
    answered = stack.update(arn, before, after)
    assert "could not be put back" in answered["Reason"]
    assert backend.templates(membership) == []
    stack.status = ROLLBACK
    assert stack.update(arn, after, before)["PhysicalResourceId"] == arn
    assert backend.only(membership)["autoRefresh"] == "NONE"


def test_redelivery_finishes_interrupted_recreation(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    event = stack.event("Update", {**before, "AutoRefresh": "CALENDAR_MONTH"}, PhysicalResourceId=arn, OldResourceProperties=before)
    faults.planned["DeletePrivacyBudgetTemplate", Moment.AFTER_EFFECT] = [SystemExit("the environment died")]
    with pytest.raises(SystemExit):
        stack.deliver(event)
    assert backend.templates(membership) == []
    answered = stack.deliver(event)
    assert answered["PhysicalResourceId"] == arn
    assert answered["Data"]["Arn"] == backend.only(membership)["arn"]
    assert backend.only(membership)["autoRefresh"] == "CALENDAR_MONTH"


def test_redelivery_finishes_interrupted_create(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    event = stack.event("Create", differential_privacy(membership))
    faults.planned["CreatePrivacyBudgetTemplate", Moment.AFTER_EFFECT] = [SystemExit("the environment died")]
    with pytest.raises(SystemExit):
        stack.deliver(event)
    assert stack.deliver(event)["PhysicalResourceId"] == backend.only(membership)["arn"]


def test_update_of_missing_template_creates_it(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The physical id stays."""
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    gone = backend.only(membership)
    backend.client.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=gone["id"])
    after = differential_privacy(membership, epsilon=5)
    answered = stack.update(arn, before, after)
    assert answered["PhysicalResourceId"] == arn
    assert answered["Data"]["Arn"] == backend.only(membership)["arn"] != arn
    assert stack.delete(arn, after)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []


def test_replacement_and_rollback_keep_the_old_template(backend: Backend, membership: str, stack: PlannedStack) -> None:
    other = backend.membership()
    before, after = differential_privacy(membership), differential_privacy(other)
    old = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=7)
    spent = left(backend, membership)
    new = stack.update(old, before, after)["PhysicalResourceId"]
    stack.status = ROLLBACK
    assert stack.update(new, after, before)["PhysicalResourceId"] == old
    stack.status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    stack.delete(new, after)
    assert backend.templates(other) == []
    assert left(backend, membership) == spent
    assert ADOPTED_FROM not in backend.only(membership)["tags"]


def test_rollback_of_unanswered_replacement_leaves_no_orphan(
    faults: Faults, backend: Backend, membership: str, stack: PlannedStack
) -> None:
    other = backend.membership()
    before, after = differential_privacy(membership), differential_privacy(other)
    old = stack.create(before)["PhysicalResourceId"]
    faults.planned["CreatePrivacyBudgetTemplate", Moment.AFTER_EFFECT] = [exceptions.AccessDeniedException("cut")]
    assert stack.update(old, before, after)["PhysicalResourceId"] == old
    assert len(backend.templates(other)) == 1
    stack.status = ROLLBACK
    assert stack.update(old, after, before)["PhysicalResourceId"] == old
    assert backend.templates(other) == []
    assert backend.only(membership)["arn"] == old


def test_rollback_keeps_a_template_found_again(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """A template kept from before is found again, and a rollback keeps it."""
    other = backend.membership()
    here, there = differential_privacy(membership), differential_privacy(other)
    kept = stack.create(here)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=7)
    spent = left(backend, membership)
    moved = stack.update(kept, here, there)["PhysicalResourceId"]
    assert stack.update(moved, there, here)["PhysicalResourceId"] == kept
    stack.status = ROLLBACK
    stack.update(kept, here, there)
    stack.delete(kept, here)
    assert left(backend, membership) == spent


# Rollbacks


@pytest.mark.parametrize("error", [exceptions.ValidationException, exceptions.ConflictException])
def test_refused_rollback_keeps_current_template(
    backend: Backend, membership: str, stack: PlannedStack, error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(Ledger, "LOWERED_EPSILON", error)
    before, after = differential_privacy(membership, epsilon=3), differential_privacy(membership, epsilon=9)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, after)
    backend.spend(backend.only(membership), type="COUNT", count=1)
    stack.status = ROLLBACK
    answered = stack.update(arn, after, before)
    assert answered["Status"] == "SUCCESS"
    assert epsilon(backend.only(membership)) == 9
    (warning,) = HandledEvent.latest.record.warnings
    assert "epsilon 9" in warning
    assert "epsilon 3" in warning


def test_refused_update_has_the_services_words(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """Outside a rollback, a refusal of the service fails the update."""
    before = differential_privacy(membership, epsilon=9)
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=1)
    answered = stack.update(arn, before, differential_privacy(membership, epsilon=3))
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith("ValidationException from UpdatePrivacyBudgetTemplate: ")


def test_rollback_succeeds_and_keeps_the_ledger(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """A rollback that would reset a consumed budget keeps it and succeeds."""
    before = differential_privacy(membership)
    after = {**before, "AutoRefresh": "CALENDAR_MONTH"}
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, after)
    backend.spend(backend.only(membership), type="COUNT", count=1)
    stack.status = ROLLBACK
    assert stack.update(arn, after, before)["Status"] == "SUCCESS"
    assert backend.only(membership)["autoRefresh"] == "CALENDAR_MONTH"


def test_rollback_of_refused_recreation_succeeds(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The deleted template is restored, and the rollback succeeds."""
    before = differential_privacy(membership, Tags=tags(team="privacy"))
    after = {**before, "AutoRefresh": "CALENDAR_MONTH", "Tags": tags(team="data")}
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, after)
    stack.status = ROLLBACK
    faults.planned["CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT] = [exceptions.ValidationException("not today")]
    answered = stack.update(arn, after, before)
    assert answered["Status"] == "SUCCESS"
    held = backend.only(membership)
    assert answered["Data"]["Arn"] == held["arn"]
    assert held["autoRefresh"] == "CALENDAR_MONTH"


# Delete


def test_delete_of_ours_deletes_in_two_calls(backend: Backend, membership: str, stack: PlannedStack, both_arn_forms: None) -> None:
    membership = Backend().membership()
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    assert calls() == 2
    assert backend.templates(membership) == []


@pytest.mark.usefixtures("both_arn_forms")
def test_update_works_with_both_forms_of_the_arn(stack: PlannedStack) -> None:
    backend = Backend()
    membership = backend.membership()
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    assert stack.update(arn, before, differential_privacy(membership, epsilon=5))["PhysicalResourceId"] == arn
    assert calls() == 3


def test_delete_of_a_template_that_is_gone_succeeds(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    assert stack.delete(arn, properties)["Status"] == "SUCCESS"


def test_delete_in_a_membership_that_is_gone_succeeds(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    backend.client.delete_membership(membershipIdentifier=membership)
    assert stack.delete(arn, properties)["Status"] == "SUCCESS"


def test_delete_leaves_another_identitys_template_with_our_mark(backend: Backend, membership: str, stack: PlannedStack) -> None:
    table, other = backend.table(membership, "a"), backend.table(membership, "b")
    limit = {"Type": "LIFETIME", "Budget": 1}
    first = access_budget(membership, table, [limit])
    old = stack.create(first)["PhysicalResourceId"]
    new = stack.update(old, first, access_budget(membership, other, [limit]))["PhysicalResourceId"]
    stack.delete(old, first)
    stack.delete(old, first)
    assert backend.only(membership)["arn"] == new


def test_delete_of_cancelled_create(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """It deletes what the create made."""
    properties = differential_privacy(membership)
    stack.create(properties)
    assert stack.delete(f"{stack.name}-Budget-1A2B3C4D", properties)["Status"] == "SUCCESS"
    assert backend.templates(membership) == []


def test_delete_of_cancelled_create_keeps_ledger(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    stack.create(properties)
    backend.spend(backend.only(membership), type="COUNT", count=1)
    assert stack.delete(f"{stack.name}-Budget-1A2B3C4D", properties)["Status"] == "SUCCESS"
    assert len(backend.templates(membership)) == 1


def test_delete_finalizes_adoption_by_another_stack(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """It leaves the template to the stack that has adopted it."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    other = PlannedStack("other")
    other.create({**properties, "OnExisting": "ADOPT"})
    assert stack.delete(arn, properties)["Status"] == "SUCCESS"
    held = backend.only(membership)
    assert held["tags"][OWNER] == f"{other.id}/Budget"
    assert ADOPTED_FROM not in held["tags"]
    other.delete(arn, properties)
    assert backend.templates(membership) == []


def test_update_finalizes_its_adoption(backend: Backend, membership: str, stack: PlannedStack) -> None:
    by_hand(backend, membership)
    adopting = differential_privacy(membership, epsilon=9, OnExisting="ADOPT")
    arn = stack.create(adopting)["PhysicalResourceId"]
    stack.update(arn, adopting, {**adopting, "Tags": tags(team="privacy")})
    assert ADOPTED_FROM not in backend.only(membership)["tags"]
    stack.delete(arn, adopting)
    assert backend.templates(membership) == []


def test_delete_of_unfinished_adoption_hands_back(backend: Backend, membership: str, stack: PlannedStack) -> None:
    first = PlannedStack("first")
    properties = differential_privacy(membership)
    arn = first.create(properties)["PhysicalResourceId"]
    stack.create({**properties, "OnExisting": "ADOPT"})
    stack.status = "ROLLBACK_IN_PROGRESS"
    stack.delete(arn, properties)
    held = backend.only(membership)
    assert held["tags"][OWNER] == f"{first.id}/Budget"
    assert ADOPTED_FROM not in held["tags"]


def test_delete_of_adopted_unowned_template_restores_it(backend: Backend, membership: str, stack: PlannedStack) -> None:
    """The template has its tags from before; a second delivery changes nothing."""
    theirs = by_hand(backend, membership, by="hand")
    properties = differential_privacy(membership, epsilon=9, OnExisting="ADOPT")
    stack.create(properties)
    for _ in range(2):
        assert stack.delete(theirs["arn"], properties)["Status"] == "SUCCESS"
        assert backend.only(membership)["tags"] == {"by": "hand"}


def test_middle_of_two_adoptions_never_deletes(backend: Backend, membership: str) -> None:
    """Of three owners in turn, the second one never deletes the template."""
    theirs = by_hand(backend, membership)
    properties = differential_privacy(membership, epsilon=9, OnExisting="ADOPT")
    middle, last = PlannedStack("middle"), PlannedStack("last")
    middle.create(properties)
    last.create(properties)
    last.delete(theirs["arn"], properties)
    middle.delete(theirs["arn"], properties)
    assert backend.only(membership)["arn"] == theirs["arn"]


def test_a_renamed_resource_takes_its_template_along(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties, "Old")["PhysicalResourceId"]
    backend.spend(backend.only(membership), type="COUNT", count=7)
    spent = left(backend, membership)
    stack.create({**properties, "OnExisting": "ADOPT"}, "New")
    stack.delete(arn, properties, "Old")
    assert left(backend, membership) == spent
    stack.delete(arn, properties, "New")
    assert backend.templates(membership) == []


def test_rollback_of_rename_gives_template_back(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties, "Old")["PhysicalResourceId"]
    stack.create({**properties, "OnExisting": "ADOPT"}, "New")
    stack.status = ROLLBACK
    stack.delete(arn, properties, "New")
    assert backend.only(membership)["tags"][OWNER] == f"{stack.id}/Old"


def test_delete_leaves_template_without_owner_tag(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    backend.client.untag_resource(resourceArn=arn, tagKeys=[OWNER])
    assert stack.delete(arn, properties)["Status"] == "SUCCESS"
    assert backend.only(membership)["arn"] == arn


def test_a_swap_never_deletes_what_somebody_else_adopted(backend: Backend, membership: str, stack: PlannedStack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    other = PlannedStack("other")
    other.create({**properties, "OnExisting": "ADOPT"})
    answered = stack.update(arn, properties, {**properties, "AutoRefresh": "CALENDAR_MONTH"})
    assert answered["Status"] == "FAILED"
    assert other.id in answered["Reason"]
    assert backend.only(membership)["arn"] == arn


def test_timed_out_event_names_current_request(faults: Faults, membership: str, stack: PlannedStack) -> None:
    """The reason says what the handler was doing."""
    event = stack.event("Create", differential_privacy(membership))
    throttled: list[BaseException] = [exceptions.ThrottlingException("slow down")] * 100
    faults.planned["CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT] = throttled
    context = Context(3)
    answered = stack.deliver(event, context)
    assert answered["Status"] == "FAILED"
    assert "CreatePrivacyBudgetTemplate → ThrottlingException" in answered["Reason"]


# What the service may answer otherwise (docs/assumptions.md)


@pytest.mark.parametrize("error", [exceptions.AccessDeniedException, exceptions.ValidationException])
def test_delete_of_missing_template_succeeds(
    faults: Faults, backend: Backend, membership: str, stack: PlannedStack, error: type[exceptions.CleanRoomsError]
) -> None:
    """For each error that the service may give for it."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    faults.planned["ListTagsForResource", Moment.BEFORE_EFFECT] = [error("you may not, or it is not there")]
    assert stack.delete(arn, properties)["Status"] == "SUCCESS"


def test_update_creates_missing_template_on_any_error(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    """For each error that the service may give for a missing template."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    faults.planned["GetPrivacyBudgetTemplate", Moment.BEFORE_EFFECT] = [exceptions.AccessDeniedException("not there")]
    assert stack.update(arn, properties, properties)["PhysicalResourceId"] == arn
    assert len(backend.templates(membership)) == 1


def test_delete_without_read_permission_fails(faults: Faults, backend: Backend, membership: str, stack: PlannedStack) -> None:
    """A success would leave an orphan."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    denied = [exceptions.AccessDeniedException("no"), exceptions.AccessDeniedException("no")]
    faults.planned["ListTagsForResource", Moment.BEFORE_EFFECT] = [*denied]
    answered = stack.delete(arn, properties)
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith("AccessDeniedException from ListTagsForResource")
    assert len(backend.templates(membership)) == 1


@pytest.mark.parametrize("answered", [None, "NULL", "DISABLED"])
def test_lifetime_refresh_is_no_difference(
    backend: Backend, membership: str, stack: PlannedStack, monkeypatch: pytest.MonkeyPatch, answered: str | None
) -> None:
    """For each value that the service may answer for a lifetime limit."""
    written = ledger._filled_in

    def filled_in(*given: Any) -> dict[str, Any]:
        parameters = written(*given)
        for limit in parameters["accessBudget"]["budgetParameters"]:
            limit.update({"autoRefresh": answered} if answered else {})
        return parameters

    monkeypatch.setattr(ledger, "_filled_in", filled_in)
    limit = {"Type": "LIFETIME", "Budget": 10, "AutoRefresh": "DISABLED"}
    before = access_budget(membership, backend.table(membership), [limit])
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=1)
    assert stack.update(arn, before, {**before, "Tags": tags(team="data")})["Status"] == "SUCCESS"
    assert left(backend, membership, "ACCESS_BUDGET") == {"LIFETIME": 9}
