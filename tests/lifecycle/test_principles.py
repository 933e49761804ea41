"""The principles of docs/lifecycle.md, each by the smallest histories that once broke it."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from cleanrooms_local_aws.clean_rooms.exceptions import ConflictException, ValidationException
from cleanrooms_local_aws.clean_rooms.settings import Moment
from cleanrooms_local_aws.clean_rooms.templates import Template
from privacy_budget_core import clean_rooms as clean_rooms_client
from privacy_budget_core import ownership
from tests.fakes.fake_clean_rooms import Failure, FakeClient, Fault
from tests.lifecycle.model.cloudformation import Answer, Back, Course, Declared, Policy, Stack
from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.oracle import Identity, identity_of, spent
from tests.lifecycle.model.planted_bugs import (
    Plant,
    deletes_by_identity,
    deletes_for_any_request,
    forgets_all_but_the_latest_owner,
    says_that_nothing_was_created,
)
from tests.lifecycle.model.state_machine import DAY, LIFETIME, MEMBERSHIPS, table
from tests.support.stack import access_budget, differential_privacy, tags

ONE, TWO = MEMBERSHIPS
ADOPT = {"OnExisting": "ADOPT"}
ALLOW = {"OnBudgetReset": "ALLOW"}
HERE = differential_privacy(ONE)
THERE = differential_privacy(TWO)
MONTHLY = {**HERE, "AutoRefresh": "CALENDAR_MONTH"}
DAILY = access_budget(ONE, table(ONE, "sales"), [DAY])
OTHER = access_budget(ONE, table(ONE, "costs"), [LIFETIME])
OF: Identity = identity_of(HERE)
CREATE, TAG = "CreatePrivacyBudgetTemplate", "TagResource"
THERE_OF: Identity = identity_of(THERE)
KEPT = {"deletion_policy": Policy.RETAIN_EXCEPT_ON_CREATE, "update_replace_policy": Policy.RETAIN}


def deploy(stack: Stack, course: Course = Course(), events: int | None = None, **resources: Declared | dict[str, Any]) -> str:  # noqa: B008
    """Deploy resources, to the end or so many events far, and give the stack's status."""
    stack.deploy({name: one if isinstance(one, Declared) else Declared(one) for name, one in resources.items()}, course)
    stack.go_on(events)
    return stack.status


def existing(harness: Harness, of: Identity = OF) -> Template:
    template = harness.ledger.find(of)
    assert template is not None
    return template


def consumed(harness: Harness, of: Identity = OF) -> Template:
    harness.spend(existing(harness, of))
    return existing(harness, of)


def send(harness: Harness, stack: Stack, type_: str, properties: dict[str, Any], physical_id: str = "") -> Answer:
    """One event of the resource A, outside any operation that the stack knows."""
    more = {"PhysicalResourceId": physical_id} if physical_id else {}
    answer = harness.deliver(stack._delivery("A", type_, Declared(properties).sent, more))
    assert answer is not None
    return answer


def requests(harness: Harness) -> int:
    return len(harness.client.requests)


def last_data(harness: Harness) -> dict[str, str]:
    return dict(json.loads(harness._bodies[-1])["Data"])


def tagged(**named: str) -> dict[str, Any]:
    return {**HERE, "Tags": tags(**named)}


def owner(harness: Harness) -> str | None:
    return existing(harness).tags.get(ownership.OWNER)


def last_reason(harness: Harness) -> str:
    return str(json.loads(harness._bodies[-1]).get("Reason", ""))


# 1. A consumed budget is lost only where somebody said so. 2. A Delete removes what its physical id stands for, and nothing else.


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_late_delete_keeps_the_successor(harness: Harness, dark: int) -> None:
    """The template of the id is gone; another one of the identity is this resource's."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, B=OTHER)
    deploy(stack, A=HERE, B=OTHER)
    successor = consumed(harness)
    harness.dark = dark
    assert stack.past["A"][1].type == "Delete"
    stack.again("A", 1)
    assert existing(harness) is successor


@pytest.mark.parametrize("properties", [HERE, DAILY], ids=["differential privacy", "access budget"])
@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.CUT])
def test_delete_of_another_requests_create(harness: Harness, properties: dict[str, Any], failure: Failure) -> None:
    """Of one that was refused, and of one whose outcome is unknown: the id tells which request it was."""
    stack = harness.stack("shop")
    stack.status = "CREATE_IN_PROGRESS"
    harness.fault_plan.faults = [Fault(failure, times=1000, operation="CreatePrivacyBudgetTemplate")]
    failed = send(harness, stack, "Create", properties)
    assert failed["Status"] == "FAILED"
    harness.fault_plan.faults.clear()
    made = send(harness, stack, "Create", properties)
    assert send(harness, stack, "Delete", properties, failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert made["PhysicalResourceId"] == existing(harness, identity_of(properties)).arn


def test_delete_of_unknown_outcome_removes_its_template(harness: Harness) -> None:
    """It removes what its own request created."""
    stack = harness.stack("shop")
    harness.fault_plan.faults = [Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []


@pytest.mark.parametrize("operation", ["ListPrivacyBudgetTemplates", "GetPrivacyBudgetTemplate", "ListTagsForResource"])
def test_rollback_keeps_template_unread_by_create(harness: Harness, operation: str) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT), B=HERE)
    kept = existing(harness, identity_of(DAILY))
    deploy(stack, B=HERE)
    harness.fault_plan.faults = [Fault(Failure.DENIED, operation=operation)]
    assert deploy(stack, A=DAILY, B=HERE) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness, identity_of(DAILY)) is kept


@pytest.mark.parametrize("operation", ["ListPrivacyBudgetTemplates", "GetPrivacyBudgetTemplate", "ListTagsForResource", "TagResource"])
def test_rollback_keeps_template_untaken_by_move(harness: Harness, operation: str) -> None:
    """The replacement's answer tells nothing: the template is older than the operation."""
    stack = harness.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT))
    kept = existing(harness, identity_of(DAILY))
    deploy(stack, A=Declared(HERE, **KEPT))
    harness.fault_plan.faults = [Fault(Failure.DENIED, operation=operation)]
    assert deploy(stack, A=Declared(DAILY, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness, identity_of(DAILY)) is kept


def test_invented_id_excludes_kept_template(harness: Harness) -> None:
    """The create was cancelled and never delivered."""
    stack = harness.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT), B=HERE)
    kept = existing(harness, identity_of(DAILY))
    deploy(stack, B=HERE)
    deploy(stack, Course(fails_before=0, cancelled=1, cancelled_arrive=False), A=DAILY, B=HERE)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness, identity_of(DAILY)) is kept


@pytest.mark.parametrize("back", Back)
def test_both_forms_of_an_arn_are_one_template(harness: Harness, back: Back) -> None:
    """Create answers one form, and every read the other."""
    stack = harness.stack("shop")
    deploy(stack, A=DAILY)
    template = consumed(harness, identity_of(DAILY))
    template.arn = template.arn.replace(":privacybudgettemplate/", f":membership/{ONE}/privacybudgettemplate/")
    assert deploy(stack, Course(fails_before=1, back=back), A=OTHER) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness, identity_of(DAILY)) is template


@pytest.mark.parametrize("failure", [Failure.INVALID, Failure.BUSY])
def test_an_edit_that_is_refused_recreates_nothing(harness: Harness, failure: Failure) -> None:
    """Though a reset is allowed: only a lowered epsilon needs one."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    kept = consumed(harness)
    harness.fault_plan.faults = [Fault(failure, operation="UpdatePrivacyBudgetTemplate")]
    deploy(stack, A={**HERE, **ALLOW, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness) is kept


def test_delete_of_unacknowledged_create_keeps_ledger(harness: Harness) -> None:
    stack = harness.stack("shop")
    harness.fault_plan.faults = [Fault(Failure.DEATH, Moment.AFTER_EFFECT, times=3, operation=CREATE)]
    deploy(stack, events=1, A=HERE)
    before = dict(consumed(harness).tags)
    send(harness, stack, "Delete", HERE, "shop-A-1X2Y3Z")
    assert existing(harness).tags == before


# A template that is recreated.


def test_a_successor_has_the_new_tags(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=tagged(team="a", cost="7"))
    deploy(stack, A={**MONTHLY, "Tags": tags(team="b", place="x")})
    assert {key: value for key, value in existing(harness).tags.items() if key not in ownership.KEYS} == {"team": "b", "place": "x"}


@pytest.mark.parametrize("lag", [0.0, 5.0])
def test_a_successor_whose_answer_was_lost_is_found(harness: Harness, lag: float) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    harness.lag = lag
    harness.fault_plan.faults = [Fault(Failure.INTERNAL, Moment.AFTER_EFFECT, operation=CREATE)]
    assert deploy(stack, A=MONTHLY) == "UPDATE_COMPLETE"
    assert existing(harness).auto_refresh == "CALENDAR_MONTH"


def test_a_conflict_of_a_successor_with_nothing_found(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    harness.fault_plan.faults = [Fault(Failure.BUSY, operation=CREATE)]
    deploy(stack, events=1, A=MONTHLY)
    assert last_reason(harness).startswith(f"ConflictException from {CREATE}")
    assert existing(harness).auto_refresh == "NONE"
    stack.go_on()


@pytest.mark.parametrize("recreated", [(), (MONTHLY,)], ids=["under its ARN", "behind another's"])
@pytest.mark.parametrize("adopts", [False, True], ids=["its own", "another's"])
def test_restored_template_keeps_its_physical_id(harness: Harness, recreated: tuple[dict[str, Any], ...], adopts: bool) -> None:
    """So that the Delete of its owner still finds it, who gets no event where it was another's adoption that failed."""
    stack = harness.stack("shop")
    for properties in (HERE, *recreated):
        deploy(stack, A=properties)
    harness.fault_plan.faults = [Fault(Failure.INVALID, operation=CREATE, skip=int(adopts))]
    deploy(harness.stack("lab") if adopts else stack, A={**(HERE if recreated else MONTHLY), **ADOPT})
    assert existing(harness).auto_refresh == ("CALENDAR_MONTH" if recreated else "NONE")
    stack.destroy()
    stack.go_on()
    assert harness.ledger.standing == []


def test_what_is_put_back_is_still_nobodys(harness: Harness) -> None:
    """The adoption is refused with its recreation."""
    harness.by_hand(HERE)
    harness.fault_plan.faults = [Fault(Failure.INVALID, operation=CREATE, skip=1)]
    assert deploy(harness.stack("shop"), A={**MONTHLY, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(harness).tags == {"by": "hand"}


# 3. The answer to a failed create says what became of it.


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.INVALID, Failure.QUOTA, Failure.MISSING])
def test_a_refused_create_is_deleted_without_a_call(harness: Harness, failure: Failure) -> None:
    stack = harness.stack("shop")
    harness.fault_plan.faults = [Fault(failure, times=1000)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert requests(harness) == 1


def test_every_attempt_of_a_create_counts(harness: Harness) -> None:
    """The first attempt took effect, the second one was denied: the outcome is unknown."""
    stack = harness.stack("shop")
    create = "CreatePrivacyBudgetTemplate"
    harness.fault_plan.faults = [
        Fault(Failure.CUT, Moment.AFTER_EFFECT, operation=create),
        Fault(Failure.DENIED, operation=create),
    ]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []


def test_an_earlier_delivery_of_a_refused_create_counts(harness: Harness) -> None:
    """The first delivery created the template and died, the second one was denied."""
    stack = harness.stack("shop")
    create = "CreatePrivacyBudgetTemplate"
    harness.fault_plan.faults = [Fault(Failure.DEATH, Moment.AFTER_EFFECT, operation=create), Fault(Failure.DENIED, operation=create)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []


def test_a_create_in_a_region_without_clean_rooms(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_rooms_client, "_has_address", lambda _: False)
    harness.client.meta.region_name = "eu-south-1"
    stack, began = harness.stack("shop"), harness.now
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert requests(harness) == 0
    assert harness.now - began < 70
    assert "eu-south-1" in next(line for line in harness.journal if "FAILED" in line)


def test_a_region_that_got_clean_rooms_later(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_rooms_client, "_has_address", lambda _: True)
    harness.client.meta.region_name = "eu-south-1"
    assert deploy(harness.stack("shop"), A=HERE) == "CREATE_COMPLETE"


def test_a_create_beside_anothers_template_made_nothing(harness: Harness) -> None:
    """The conflict tells of another's template, so that the Delete of the failed create sends nothing."""
    deploy(harness.stack("shop"), A=HERE)
    lab = harness.stack("lab")
    deploy(lab, events=1, A=HERE)
    before = requests(harness)
    lab.go_on()
    assert lab.status == "ROLLBACK_COMPLETE"
    assert requests(harness) == before


def test_a_second_delivery_that_fails_leaves_nothing_behind(harness: Harness) -> None:
    """The first one created the template, whatever is refused to the second one."""
    stack = harness.stack("shop")
    harness.ledger.on_create = lambda template: template.tags.__delitem__("team")
    harness.fault_plan.faults = [Fault(Failure.DEATH, Moment.AFTER_EFFECT, operation=CREATE), Fault(Failure.DENIED, operation=TAG)]
    assert deploy(stack, A=tagged(team="a")) == "ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []


def test_unexplained_conflict_has_the_services_words(harness: Harness) -> None:
    """A conflict for which no template is found fails with the service's words."""
    harness.fault_plan.faults = [Fault(Failure.BUSY, operation=CREATE)]
    deploy(harness.stack("shop"), events=1, A=HERE)
    assert last_reason(harness).startswith(f"ConflictException from {CREATE}")


def test_delete_of_unknown_outcome_awaits_list(harness: Harness) -> None:
    stack = harness.stack("shop")
    harness.lag = 5
    harness.fault_plan.faults = [Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_a_replacement_of_unknown_outcome_is_removed(harness: Harness, dark: int) -> None:
    """The rollback goes back to the same physical id, so that no Delete names the replacement."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    kept = existing(harness)
    harness.fault_plan.faults = [Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE)]
    deploy(stack, events=1, A=THERE)
    harness.dark = dark
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == [kept]


def test_unknown_replacement_is_removed(harness: Harness) -> None:
    """Although the old template is gone."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    harness.remove_by_hand(OF)
    harness.fault_plan.faults = [Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(stack, A=THERE) == "UPDATE_ROLLBACK_COMPLETE"
    assert [template.membership.id for template in harness.ledger.standing] == [ONE]


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.INVALID])
@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_cancelled_create_of_unknown_state(harness: Harness, failure: Failure, skip: int) -> None:
    """The account is denied everything: the Deletes of the other templates' creates succeed as well."""
    stack = harness.stack("shop")
    if skip:
        harness.by_hand(HERE)
    harness.fault_plan.faults = [Fault(failure, skip=skip, times=1000)]
    deploy(stack, Course(cancelled=1, cancelled_arrive=False), A=HERE, B=DAILY)
    assert stack.status == "ROLLBACK_COMPLETE"


def test_arn_replaces_another_physical_id(harness: Harness) -> None:
    stack = harness.stack("shop")
    stack.status = "UPDATE_IN_PROGRESS"
    more = {"PhysicalResourceId": "A-not-created-0123456789ab", "OldResourceProperties": Declared(HERE).sent}
    answer = harness.deliver(stack._delivery("A", "Update", Declared(HERE).sent, more))
    assert answer is not None
    assert answer["PhysicalResourceId"] == existing(harness).arn


# 4. Look before touching: a refused event leaves no trace.


@pytest.mark.parametrize("refused", [MONTHLY, {**MONTHLY, "Tags": tags(team="c")}], ids=["refresh", "refresh and tags"])
def test_a_refused_adoption_leaves_no_trace(harness: Harness, refused: dict[str, Any]) -> None:
    """Neither of the owner nor of the owner before it, whose adoption is not final."""
    shop, lab, den = (harness.stack(name) for name in ("shop", "lab", "den"))
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    before = dict(consumed(harness).tags)
    assert deploy(den, A={**refused, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(harness).tags == before
    lab.destroy()
    lab.go_on()
    assert existing(harness).tags[ownership.OWNER] == f"{shop.id}/A"


def test_rename_rolled_back_after_adoption(harness: Harness) -> None:
    """A rename is not final until the next update, so that this is common."""
    stack = harness.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT))
    deploy(stack, B=Declared({**HERE, **ADOPT}, **KEPT))
    assert deploy(stack, Course(fails_before=1), C=Declared({**HERE, **ADOPT}, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    held = ownership.OwnershipTags.of(existing(harness).tags)
    assert ownership.is_same(held.owner, f"{stack.id}/B")
    assert [ownership.is_same(name, f"{stack.id}/A") for name in held.previous_owners] == [True]
    deploy(stack, B={**HERE, **ADOPT, "Tags": tags(team="b")})
    stack.destroy()
    stack.go_on()
    assert harness.ledger.standing == []


def test_a_refused_move_does_not_stop_the_owner(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(lab, A=HERE)
    deploy(shop, A=THERE)
    consumed(harness)
    before = dict(existing(harness).tags)
    deploy(shop, events=1, A={**MONTHLY, **ADOPT})
    assert existing(harness).tags == before
    assert deploy(lab, A={**MONTHLY, **ALLOW}) == "UPDATE_COMPLETE"
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"


def test_adoption_with_refused_edit_changes_nothing(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A={**HERE, "Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}})
    before = dict(consumed(harness).tags)
    assert deploy(lab, A={**HERE, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(harness).tags == before


@pytest.mark.parametrize("change", [{}, {"AutoRefresh": "CALENDAR_MONTH"}, {"Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}}])
def test_more_tags_than_the_service_takes(harness: Harness, change: dict[str, Any]) -> None:
    """They are counted before the first write: the foreign ones, the declared ones and ours."""
    made = harness.by_hand(HERE)
    assert made is not None
    made.tags |= {f"foreign-{number}": "x" for number in range(100)}
    before = dict(made.tags)
    declared = {**HERE, **ADOPT, **change, "Tags": tags(**{f"declared{number}": "x" for number in range(100)})}
    stack = harness.stack("shop")
    deploy(stack, events=1, A=declared)
    assert "must have at most 200 tags" in last_reason(harness)
    stack.go_on()
    assert stack.status == "ROLLBACK_COMPLETE"
    assert existing(harness) is made
    assert made.tags == before


# 5. A rollback never sticks.


@pytest.mark.parametrize("change", [{"Tags": tags(team="a")}, {"Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}}])
def test_rollback_after_adoption_and_recreation_elsewhere(harness: Harness, change: dict[str, Any]) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    deploy(lab, A={**MONTHLY, **ADOPT})
    kept = existing(harness)
    deploy(shop, events=1, A={**HERE, **change})
    assert f"{lab.id}/A" in last_reason(harness)
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness) is kept


def test_rollback_where_the_membership_is_gone(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    harness.leave(ONE)
    deploy(stack, events=1, A={**HERE, "Tags": tags(team="a")})
    assert last_reason(harness).startswith("ResourceNotFoundException")
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize("back", Back)
def test_rollback_of_move_onto_foreign_template(harness: Harness, back: Back) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=Declared(HERE, **KEPT))
    deploy(shop, Course(fails_before=1, back=back), events=1, A=Declared(THERE, **KEPT))
    deploy(lab, A={**HERE, **ADOPT})
    deploy(lab, A={**MONTHLY, **ADOPT})
    kept = existing(harness)
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness) is kept


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.QUOTA, Failure.INVALID, Failure.BUSY])
def test_rollback_that_the_service_refuses(harness: Harness, failure: Failure) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, Course(fails_before=1), events=1, A={**HERE, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    harness.fault_plan.faults = [Fault(failure, times=1000)]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_adopts_nothing(harness: Harness) -> None:
    """Although ADOPT is still declared: another owner adopted the template meanwhile."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(shop, Course(fails_before=1), events=1, A={**tagged(team="a"), **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert owner(harness) == f"{lab.id}/A"
    assert f"belongs to {lab.id}/A by now" in harness.latest.record.warnings[-1]


def test_a_rollback_adopts_nothing_of_nobodys(harness: Harness) -> None:
    """Its own template is gone, and somebody made another one by hand."""
    stack = harness.stack("shop")
    deploy(stack, A={**HERE, **ADOPT})
    deploy(stack, Course(fails_before=1), events=1, A={**tagged(team="a"), **ADOPT})
    harness.remove_by_hand(OF)
    made = harness.by_hand(HERE)
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == [made]
    assert owner(harness) is None
    assert "belongs to nobody by now" in harness.latest.record.warnings[-1]


def test_rollback_answers_kept_templates_attributes(harness: Harness) -> None:
    """The service's where the template was seen; else what the physical id and the properties tell."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    arn = existing(harness).arn
    data = last_data(harness)
    assert all(value != "unknown" for value in data.values())
    deploy(stack, Course(fails_before=1), events=1, A={**HERE, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    harness.fault_plan.faults = [Fault(Failure.DENIED, operation="UpdatePrivacyBudgetTemplate")]
    stack.go_on()
    assert last_data(harness) == data
    harness.leave(ONE)
    deploy(stack, A=tagged(team="a"))
    unknown = {"CollaborationArn": "unknown", "CollaborationIdentifier": "unknown"}
    assert last_data(harness) == {**data, **unknown}
    assert data["Arn"] == arn


def test_rollback_without_template_answers_no_attributes(harness: Harness) -> None:
    """Neither its successor nor the old one could be created again."""
    stack = harness.stack("shop")
    deploy(stack, A=MONTHLY)
    physical_id = existing(harness).arn
    deploy(stack, Course(fails_before=1), events=1, A=HERE)
    harness.fault_plan.faults = [Fault(Failure.INVALID, times=2, operation=CREATE)]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == []
    data = last_data(harness)
    assert (data["Arn"], data["CollaborationArn"]) == (physical_id, "unknown")


@pytest.mark.parametrize("operation", [CREATE, None], ids=["denied once", "denied in the rollback too"])
def test_rollback_of_a_move_that_was_refused(harness: Harness, operation: str | None) -> None:
    """It deletes what the move may have created, and fails for nothing that it cannot tell."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    kept = existing(harness)
    harness.fault_plan.faults = [Fault(Failure.DENIED, operation=CREATE)]
    deploy(stack, events=1, A=THERE)
    if operation is None:
        harness.fault_plan.faults = [Fault(Failure.DENIED, skip=1, operation="ListPrivacyBudgetTemplates")]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == [kept]
    assert any("could not tell whether the replacement" in one for one in harness.latest.record.warnings) is (operation is None)


def test_refused_move_back_keeps_the_new_template(harness: Harness) -> None:
    """CloudFormation may send the rollback's Update with the id of the move; going back is refused, so this template remains."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=Declared(HERE, **KEPT))
    deploy(shop, Course(fails_before=1, back=Back.TO_THE_NEW_ID), events=1, A=Declared(THERE, **KEPT))
    deploy(lab, A={**HERE, **ADOPT})
    moved = existing(harness, THERE_OF)
    shop.go_on(1)
    assert json.loads(harness._bodies[-1])["PhysicalResourceId"] == moved.arn
    assert existing(harness, THERE_OF) is moved


# 6. Ownership is checked on every write, and tags are compared with what is there.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HERE, {**HERE, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}}),
        (HERE, {**HERE, "Tags": tags(team="a")}),
        (HERE, MONTHLY),
        (DAILY, {**DAILY, "Parameters": {**DAILY["Parameters"], "BudgetParameters": [LIFETIME]}}),
    ],
    ids=["epsilon", "tags", "refresh", "limits"],
)
def test_a_previous_owner_edits_nothing(harness: Harness, before: dict[str, Any], after: dict[str, Any]) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=before)
    deploy(lab, A={**before, **ADOPT})
    template = existing(harness, identity_of(before))
    untouched = (dict(template.tags), template.parameters, template.auto_refresh)
    assert deploy(shop, A=after) == "UPDATE_ROLLBACK_COMPLETE"
    assert (template.tags, template.parameters, template.auto_refresh) == untouched


def test_previous_owner_adopts_back(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    assert deploy(shop, A={**HERE, **ADOPT}) == "UPDATE_COMPLETE"
    assert existing(harness).tags[ownership.OWNER] == f"{shop.id}/A"


def test_next_update_corrects_rolled_back_rename(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A={**HERE, "Tags": tags(team="a")})
    assert deploy(stack, Course(fails_before=1), B={**HERE, **ADOPT, "Tags": tags(team="b")}) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness).tags["team"] == "b"
    assert deploy(stack, A={**HERE, "Tags": tags(team="a", cost="7")}) == "UPDATE_COMPLETE"
    assert existing(harness).tags.items() >= {"team": "a", "cost": "7"}.items()


def test_next_update_restores_owner_tag(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    harness.ledger.untag(existing(harness).arn, ownership.KEYS)
    deploy(stack, A={**HERE, "Tags": tags(team="a")})
    stack.destroy()
    stack.go_on()
    assert harness.ledger.standing == []


def test_a_previous_owner_reads_whose_it_is(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=HERE)
    deploy(shop, A=MONTHLY)
    deploy(lab, A={**MONTHLY, **ADOPT})
    deploy(shop, events=1, A={**MONTHLY, "Tags": tags(team="a")})
    assert last_reason(harness).startswith(f"{existing(harness).arn} belongs to {lab.id}/A by now")
    shop.go_on()


def test_next_update_restores_physical_id_tag(harness: Harness) -> None:
    """It finds the template by its owner, and marks it again so that its Delete removes it."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, A=MONTHLY)
    harness.ledger.untag(existing(harness).arn, {ownership.PHYSICAL_ID})
    before = requests(harness)
    deploy(stack, A={**MONTHLY, "Tags": tags(team="a")})
    assert CREATE not in [operation for operation, _ in harness.client.requests[before:]]
    stack.destroy()
    stack.go_on()
    assert harness.ledger.standing == []


@pytest.mark.parametrize("declared", [tagged(team="a"), THERE, DAILY], ids=["same template", "another membership", "another type"])
def test_an_update_whose_old_properties_name_no_template(harness: Harness, declared: dict[str, Any]) -> None:
    """The template of the id is updated where it is the declared one; another one is left as it is."""
    stack = harness.stack("shop")
    stack.status = "UPDATE_IN_PROGRESS"
    made = send(harness, stack, "Create", HERE)["PhysicalResourceId"]
    before = (dict(existing(harness).tags), existing(harness).parameters)
    answered = send(harness, stack, "Update", declared, made)
    assert (answered["Status"], answered["PhysicalResourceId"]) == ("SUCCESS", made)
    assert answered["Data"]["Arn"] == existing(harness, identity_of(declared)).arn
    assert ownership.ADOPTED_FROM not in existing(harness, identity_of(declared)).tags
    if identity_of(declared) != OF:
        assert (existing(harness).tags, existing(harness).parameters) == before


def test_delete_by_id_of_foreign_template(harness: Harness) -> None:
    """The old properties of its move named no template, so the new one has the old one's ARN as its physical id."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    shop.status = "UPDATE_IN_PROGRESS"
    made = send(harness, shop, "Create", HERE)["PhysicalResourceId"]
    send(harness, shop, "Update", DAILY, made)
    deploy(lab, A={**HERE, **ADOPT})
    assert send(harness, shop, "Delete", DAILY, made)["Status"] == "SUCCESS"
    assert harness.ledger.standing == [existing(harness)]
    assert owner(harness) == f"{lab.id}/A"


# 7. An adoption can always be undone by whoever made it, and by nobody else.


def test_adoption_chain_hands_back_in_order(harness: Harness) -> None:
    made = harness.by_hand(HERE)
    names = ("shop", "lab", "den", "hut")
    stacks = [harness.stack(name) for name in names]
    for stack in stacks:
        deploy(stack, A={**HERE, **ADOPT})
    for stack, previous in zip(reversed(stacks), [*reversed(stacks[:-1]), None], strict=True):
        assert ownership.is_same(existing(harness).tags.get(ownership.OWNER), f"{stack.id}/A")
        stack.destroy()
        stack.go_on()
        owner = existing(harness).tags.get(ownership.OWNER)
        assert owner is None if previous is None else ownership.is_same(owner, f"{previous.id}/A")
    assert existing(harness) is made
    assert existing(harness).tags == {"by": "hand"}


def test_middle_owner_leaves_the_chain(harness: Harness) -> None:
    harness.by_hand(HERE)
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    shop.destroy()
    shop.go_on()
    lab.destroy()
    lab.go_on()
    assert existing(harness).tags == {"by": "hand"}


def test_rolled_back_take_back_keeps_previous_owner(harness: Harness) -> None:
    """It made the template: the adopter in between hands it back, and does not delete it."""
    stack = harness.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT))
    deploy(stack, A=Declared(THERE, **KEPT))
    lab = harness.stack("lab")
    deploy(lab, Course(fails_before=1), events=1, A={**HERE, **ADOPT})
    assert deploy(stack, Course(fails_before=1), A=Declared({**HERE, **ADOPT}, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    made = existing(harness)
    lab.go_on()
    assert lab.status == "ROLLBACK_COMPLETE"
    assert existing(harness) is made
    assert ownership.is_same(made.tags[ownership.OWNER], f"{stack.id}/A")


def test_too_many_previous_owners_end_with_nobody() -> None:
    names = [f"arn:aws:cloudformation:us-east-1:111122223333:stack/{number}/{'x' * 100}/A" for number in range(30)]
    (value,) = ownership.adopted_from(names).values()
    read = ownership.OwnershipTags.of({ownership.ADOPTED_FROM: value}).previous_owners
    assert len(value) <= 256
    assert all(map(ownership.is_same, read[:-1], names))
    assert read[-1] == ownership.NOBODY


def test_an_adoption_of_unknown_outcome_is_undone(harness: Harness) -> None:
    """The Delete of the failed create hands back what that very request adopted."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=HERE)
    harness.fault_plan.faults = [Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=TAG)]
    assert deploy(lab, A={**HERE, **ADOPT, "Tags": tags(team="a")}) == "ROLLBACK_COMPLETE"
    assert owner(harness) == f"{shop.id}/A"


def test_a_template_is_found_again_once(harness: Harness) -> None:
    """However often its creates roll back: else the chain of previous owners would end with nobody."""
    stack = harness.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT), B=OTHER)
    deploy(stack, B=OTHER)
    for _ in range(2):
        deploy(stack, Course(fails_before=1), A=HERE, B=OTHER)
        assert existing(harness).tags[ownership.ADOPTED_FROM] == f"{stack.id}/A"


def test_update_recognizes_its_late_listed_template(harness: Harness) -> None:
    """The list lags behind, so that the update tries to create it; the physical id stays, also where its tag was taken off."""
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, A=MONTHLY)
    physical_id = stack.resources["A"].physical_id
    harness.ledger.untag(existing(harness).arn, {ownership.PHYSICAL_ID})
    harness.client.hidden_until[existing(harness).id] = harness.now + 64
    before = requests(harness)
    assert deploy(stack, A={**MONTHLY, "Tags": tags(team="a")}) == "UPDATE_COMPLETE"
    assert CREATE in [operation for operation, _ in harness.client.requests[before:]]
    assert stack.resources["A"].physical_id == physical_id == existing(harness).tags[ownership.PHYSICAL_ID]
    assert ownership.ADOPTED_FROM not in existing(harness).tags


def test_rolled_back_take_back_is_not_final(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    deploy(shop, Course(fails_before=1), A={**HERE, **ADOPT, "Tags": tags(team="a")})
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    shop.destroy()
    shop.go_on()
    assert owner(harness) == f"{lab.id}/A"


def test_adopting_update_keeps_previous_owners_id(harness: Harness) -> None:
    """Handed back, its Delete still finds the template that was recreated behind its id."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=MONTHLY)
    harness.remove_by_hand(OF)
    deploy(lab, A=HERE)
    deploy(lab, A=MONTHLY)
    deploy(shop, Course(fails_before=1), A={**MONTHLY, **ADOPT, "Tags": tags(team="a")})
    lab.destroy()
    lab.go_on()
    assert harness.ledger.find(OF) is None


def test_adopting_recreation_keeps_previous_owners_id(harness: Harness) -> None:
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(lab, A=HERE)
    deploy(lab, A=MONTHLY)
    deploy(shop, Course(fails_before=1), A={**HERE, **ADOPT})
    assert owner(harness) == f"{lab.id}/A"
    lab.destroy()
    lab.go_on()
    assert harness.ledger.standing == []


def test_a_recreation_that_meets_anothers_create_leaves_it(harness: Harness) -> None:
    """The other stack creates its template in the moment in which there is none."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, events=0, A=HERE)
    harness.meanwhile = (1, lab)
    assert deploy(shop, A=MONTHLY) == "UPDATE_ROLLBACK_COMPLETE"
    assert owner(harness) == f"{lab.id}/A"
    assert existing(harness).auto_refresh == "NONE"


# 8. A late event makes nothing.


@pytest.mark.parametrize("options", [{}, ADOPT], ids=["FAIL", "ADOPT"])
def test_late_create_of_a_stack_that_is_gone(harness: Harness, options: dict[str, Any]) -> None:
    stack = harness.stack("shop")
    deploy(stack, A={**HERE, **options})
    create = stack.past["A"][0]
    stack.destroy()
    stack.go_on()
    if options:
        harness.by_hand(HERE)
    before = list(harness.ledger.standing)
    harness.deliver(create)
    assert harness.ledger.standing == before
    assert all(ownership.OWNER not in template.tags for template in before)


def test_late_create_of_a_stack_that_rolled_back(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, B=OTHER)
    deploy(stack, Course(fails_before=1), A=HERE, B=OTHER)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    harness.now += 60
    stack.again("A", 1)
    assert harness.ledger.find(OF) is None


def test_late_create_does_not_undo_a_rename(harness: Harness) -> None:
    """A late create does not give a template back to its former logical id."""
    stack = harness.stack("shop")
    harness.by_hand(HERE)
    deploy(stack, A=Declared({**HERE, **ADOPT}, **KEPT))
    create = stack.past["A"][0]
    deploy(stack, B=Declared({**HERE, **ADOPT}, **KEPT))
    before = dict(existing(harness).tags)
    harness.deliver(create)
    assert existing(harness).tags == before


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_late_delete_keeps_template_found_again(harness: Harness, dark: int) -> None:
    stack = harness.stack("shop")
    deploy(stack, B=OTHER)
    harness.fault_plan.faults = [
        Fault(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE),
        Fault(Failure.DENIED, times=3, operation="DeletePrivacyBudgetTemplate"),
    ]
    assert deploy(stack, A=HERE, B=OTHER) == "UPDATE_ROLLBACK_COMPLETE"
    delete = stack.past["A"][0]
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, A=tagged(team="a"), B=OTHER)
    kept = consumed(harness)
    harness.dark = dark
    harness.deliver(delete)
    assert existing(harness) is kept


def test_late_update_that_finds_nothing(harness: Harness) -> None:
    stack = harness.stack("shop")
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, A={**HERE, "Tags": tags(team="a")}, B=OTHER)
    deploy(stack, B=OTHER)
    assert stack.past["A"][1].type == "Update"
    stack.again("A", 1)
    assert harness.ledger.find(OF) is None


# 9. A passing fault is waited for, a lasting one is reported at once.


@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_permission_that_takes_effect_soon(harness: Harness, times: int) -> None:
    """Every call is denied for some seconds: in the create, the update, and the rollback's Delete."""
    stack = harness.stack("shop")
    for course, status in ((Course(), "CREATE_COMPLETE"), (Course(fails_before=1), "UPDATE_ROLLBACK_COMPLETE")):
        harness.fault_plan.faults = [Fault(Failure.NOT_YET, times=times)]
        assert deploy(stack, course, A={**HERE, "Parameters": {"Epsilon": 3 + len(status), "UsersNoisePerQuery": 30}}) == status
    harness.fault_plan.faults = [Fault(Failure.NOT_YET, times=times)]
    stack.destroy()
    stack.go_on()
    assert stack.status == "DELETE_COMPLETE"


def test_a_permission_that_never_takes_effect(harness: Harness) -> None:
    stack, began = harness.stack("shop"), harness.now
    harness.fault_plan.faults = [Fault(Failure.NOT_YET, times=1000)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert harness.now - began < 120


def test_throttling_of_earlier_events_counts_for_none(harness: Harness) -> None:
    """botocore's retry tokens were shared by all events of a client: the 50th event failed after three requests."""
    stack = harness.stack("shop")
    for number in range(60):
        harness.fault_plan.faults = [Fault(Failure.THROTTLED, times=10)]
        assert deploy(stack, A={**HERE, "Tags": tags(number=str(number))}) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def test_stack_is_asked_only_if_it_matters(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(harness, "describe_stack", asked.append)
    stack = harness.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, A={**tagged(team="a"), "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    stack.destroy()
    stack.go_on()
    assert asked == []


# 11. What this version does not know does no harm.


@pytest.mark.parametrize(
    "unknown",
    [{"type": "CALENDAR_YEAR"}, {"privacyBudgetType": "QUERY_BUDGET"}, {"parameters": {"SDK_UNKNOWN_MEMBER": {"name": "queryBudget"}}}],
    ids=["period", "budget type", "parameters"],
)
def test_another_template_that_this_version_does_not_know(
    harness: Harness, unknown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = harness.by_hand(OTHER)
    assert other is not None
    harness.by_hand(DAILY)
    effect = FakeClient._effect

    def newer(self: FakeClient, operation: str, request: Any) -> Any:
        answer, error = effect(self, operation, request)
        for one in answer.get("privacyBudgetTemplateSummaries", []) if answer else []:
            one.update(unknown if one["id"] == other.id and "privacyBudgetType" in unknown else {})
        template = (answer or {}).get("privacyBudgetTemplate", {})
        if template.get("id") == other.id:
            limits = [{**limit, **unknown} for limit in template["parameters"]["accessBudget"]["budgetParameters"]]
            parameters = {"accessBudget": {**template["parameters"]["accessBudget"], "budgetParameters": limits}}
            answer = {"privacyBudgetTemplate": {**template, "parameters": parameters, **unknown}}
        return answer, error

    monkeypatch.setattr(FakeClient, "_effect", newer)
    assert deploy(harness.stack("shop"), A={**DAILY, **ADOPT}) == "CREATE_COMPLETE"
    assert spent(other) is False


# What ALLOW reaches: a lowered epsilon.

HIGHER = {**HERE, "Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}}


LOWERED: list[type[ValidationException] | type[ConflictException]] = [ValidationException, ConflictException]


@pytest.fixture(params=LOWERED)
def lowered(harness: Harness, request: pytest.FixtureRequest) -> Stack:
    """A stack whose epsilon can no longer be lowered."""
    harness.ledger.LOWERED_EPSILON = request.param  # type: ignore[misc]
    stack = harness.stack("shop")
    deploy(stack, A=HIGHER)
    consumed(harness)
    return stack


def test_a_lowered_epsilon_names_its_remedy(harness: Harness, lowered: Stack) -> None:
    deploy(lowered, events=1, A=HERE)
    assert "on_budget_reset=OnBudgetReset.ALLOW" in last_reason(harness)
    assert "Exception from UpdatePrivacyBudgetTemplate" in last_reason(harness)
    lowered.go_on()
    assert existing(harness).parameters["differentialPrivacy"]["epsilon"] == 9


def test_lowered_epsilon_recreates_if_allowed(harness: Harness, lowered: Stack) -> None:
    arn = lowered.resources["A"].physical_id
    assert deploy(lowered, A={**HERE, **ALLOW}) == "UPDATE_COMPLETE"
    assert existing(harness).parameters["differentialPrivacy"]["epsilon"] == 3
    assert not spent(existing(harness))
    assert lowered.resources["A"].physical_id == arn


def test_failed_recreation_restores_higher_epsilon(harness: Harness, lowered: Stack) -> None:
    harness.fault_plan.faults = [Fault(Failure.INVALID, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(lowered, A={**HERE, **ALLOW}) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness).parameters["differentialPrivacy"]["epsilon"] == 9


def test_a_rollback_lowers_no_epsilon(harness: Harness, lowered: Stack) -> None:
    """Nobody asked for a smaller budget, although ALLOW is still declared."""
    before = existing(harness)
    deploy(lowered, Course(fails_before=1), A={**HERE, **ALLOW, "Parameters": {"Epsilon": 12, "UsersNoisePerQuery": 30}})
    assert lowered.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(harness) is before


# The rules can fail.


RARE: Final[dict[Plant, Callable[[Harness], None]]] = {
    deletes_by_identity: lambda harness: test_late_delete_keeps_the_successor(harness, 1),
    deletes_for_any_request: lambda harness: test_delete_of_another_requests_create(harness, HERE, Failure.CUT),
    says_that_nothing_was_created: test_delete_of_unknown_outcome_removes_its_template,
    forgets_all_but_the_latest_owner: test_adoption_chain_hands_back_in_order,
}
"""What histories hardly ever come by, and the test of a principle that catches it."""


@pytest.mark.parametrize(("plant", "principle"), RARE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_rare_planted_bug_is_caught(
    plant: Plant, principle: Callable[[Harness], None], harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        principle(harness)
        harness.check()
    harness.oracle.broken.clear()
