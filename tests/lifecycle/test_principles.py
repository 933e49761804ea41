"""The principles of docs/lifecycle.md, each by the smallest histories that once broke it."""

import json
from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.exceptions import ConflictException, ValidationException
from cleanrooms_local_aws.clean_rooms.settings import Moment
from cleanrooms_local_aws.clean_rooms.templates import Template
from cloudformation import Answer, Back, Course, Declared, Policy, Stack
from histories import DAY, LIFETIME, MEMBERSHIPS, table
from privacy_budget_core import clean_rooms as clean_rooms_client
from privacy_budget_core import ownership
from quick_rooms import Failure, QuickClient, Trouble
from stack import access_budget, differential_privacy, tags
from witness import Identity, identity_of, spent
from world import World

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


def existing(world: World, of: Identity = OF) -> Template:
    template = world.ledger.find(of)
    assert template is not None
    return template


def consumed(world: World, of: Identity = OF) -> Template:
    world.spend(existing(world, of))
    return existing(world, of)


def send(world: World, stack: Stack, type_: str, properties: dict[str, Any], physical_id: str = "") -> Answer:
    """One event of the resource A, outside any operation that the stack knows."""
    more = {"PhysicalResourceId": physical_id} if physical_id else {}
    answer = world.deliver(stack._delivery("A", type_, Declared(properties).sent, more))
    assert answer is not None
    return answer


def requests(world: World) -> int:
    return len(world.client.requests)


def last_data(world: World) -> dict[str, str]:
    return dict(json.loads(world._bodies[-1])["Data"])


def tagged(**named: str) -> dict[str, Any]:
    return {**HERE, "Tags": tags(**named)}


def owner(world: World) -> str | None:
    return existing(world).tags.get(ownership.OWNER)


def last_reason(world: World) -> str:
    return str(json.loads(world._bodies[-1]).get("Reason", ""))


# 1. A consumed budget is lost only where somebody said so. 2. A Delete removes what its physical id stands for, and nothing else.


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_late_delete_keeps_the_successor(world: World, dark: int) -> None:
    """The template of the id is gone; another one of the identity is this resource's."""
    stack = world.stack("shop")
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, B=OTHER)
    deploy(stack, A=HERE, B=OTHER)
    successor = consumed(world)
    world.dark = dark
    assert stack.past["A"][1].type == "Delete"
    stack.again("A", 1)
    assert existing(world) is successor


@pytest.mark.parametrize("properties", [HERE, DAILY], ids=["differential privacy", "access budget"])
@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.CUT])
def test_delete_of_another_requests_create(world: World, properties: dict[str, Any], failure: Failure) -> None:
    """Of one that was refused, and of one whose outcome is unknown: the id tells which request it was."""
    stack = world.stack("shop")
    stack.status = "CREATE_IN_PROGRESS"
    world.weather.troubles = [Trouble(failure, times=1000, operation="CreatePrivacyBudgetTemplate")]
    failed = send(world, stack, "Create", properties)
    assert failed["Status"] == "FAILED"
    world.weather.troubles.clear()
    made = send(world, stack, "Create", properties)
    assert send(world, stack, "Delete", properties, failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert made["PhysicalResourceId"] == existing(world, identity_of(properties)).arn


def test_delete_of_an_unknown_outcome_removes_what_the_request_created(world: World) -> None:
    stack = world.stack("shop")
    world.weather.troubles = [Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert world.ledger.standing == []


@pytest.mark.parametrize("operation", ["ListPrivacyBudgetTemplates", "GetPrivacyBudgetTemplate", "ListTagsForResource"])
def test_rollback_keeps_a_template_that_its_create_could_not_read(world: World, operation: str) -> None:
    stack = world.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT), B=HERE)
    kept = existing(world, identity_of(DAILY))
    deploy(stack, B=HERE)
    world.weather.troubles = [Trouble(Failure.DENIED, operation=operation)]
    assert deploy(stack, A=DAILY, B=HERE) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world, identity_of(DAILY)) is kept


@pytest.mark.parametrize("operation", ["ListPrivacyBudgetTemplates", "GetPrivacyBudgetTemplate", "ListTagsForResource", "TagResource"])
def test_rollback_keeps_a_template_that_its_move_could_not_take(world: World, operation: str) -> None:
    """The replacement's answer tells nothing: the template is older than the operation."""
    stack = world.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT))
    kept = existing(world, identity_of(DAILY))
    deploy(stack, A=Declared(HERE, **KEPT))
    world.weather.troubles = [Trouble(Failure.DENIED, operation=operation)]
    assert deploy(stack, A=Declared(DAILY, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world, identity_of(DAILY)) is kept


def test_an_invented_id_does_not_stand_for_what_was_kept_before(world: World) -> None:
    """The create was cancelled and never delivered."""
    stack = world.stack("shop")
    deploy(stack, A=Declared(DAILY, **KEPT), B=HERE)
    kept = existing(world, identity_of(DAILY))
    deploy(stack, B=HERE)
    deploy(stack, Course(fails_before=0, cancelled=1, cancelled_arrive=False), A=DAILY, B=HERE)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world, identity_of(DAILY)) is kept


@pytest.mark.parametrize("back", Back)
def test_both_forms_of_an_arn_are_one_template(world: World, back: Back) -> None:
    """Create answers one form, and every read the other."""
    stack = world.stack("shop")
    deploy(stack, A=DAILY)
    template = consumed(world, identity_of(DAILY))
    template.arn = template.arn.replace(":privacybudgettemplate/", f":membership/{ONE}/privacybudgettemplate/")
    assert deploy(stack, Course(fails_before=1, back=back), A=OTHER) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world, identity_of(DAILY)) is template


@pytest.mark.parametrize("failure", [Failure.INVALID, Failure.BUSY])
def test_an_edit_that_is_refused_recreates_nothing(world: World, failure: Failure) -> None:
    """Though a reset is allowed: only a lowered epsilon needs one."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    kept = consumed(world)
    world.weather.troubles = [Trouble(failure, operation="UpdatePrivacyBudgetTemplate")]
    deploy(stack, A={**HERE, **ALLOW, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world) is kept


def test_delete_of_an_unacknowledged_create_leaves_a_consumed_budget_as_it_is(world: World) -> None:
    stack = world.stack("shop")
    world.weather.troubles = [Trouble(Failure.DEATH, Moment.AFTER_EFFECT, times=3, operation=CREATE)]
    deploy(stack, events=1, A=HERE)
    before = dict(consumed(world).tags)
    send(world, stack, "Delete", HERE, "shop-A-1X2Y3Z")
    assert existing(world).tags == before


# A template that is recreated.


def test_a_successor_has_the_new_tags(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=tagged(team="a", cost="7"))
    deploy(stack, A={**MONTHLY, "Tags": tags(team="b", place="x")})
    assert {key: value for key, value in existing(world).tags.items() if key not in ownership.KEYS} == {"team": "b", "place": "x"}


@pytest.mark.parametrize("lag", [0.0, 5.0])
def test_a_successor_whose_answer_was_lost_is_found(world: World, lag: float) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    world.lag = lag
    world.weather.troubles = [Trouble(Failure.INTERNAL, Moment.AFTER_EFFECT, operation=CREATE)]
    assert deploy(stack, A=MONTHLY) == "UPDATE_COMPLETE"
    assert existing(world).auto_refresh == "CALENDAR_MONTH"


def test_a_conflict_of_a_successor_with_nothing_found(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    world.weather.troubles = [Trouble(Failure.BUSY, operation=CREATE)]
    deploy(stack, events=1, A=MONTHLY)
    assert last_reason(world).startswith(f"ConflictException from {CREATE}")
    assert existing(world).auto_refresh == "NONE"
    stack.go_on()


@pytest.mark.parametrize("recreated", [(), (MONTHLY,)], ids=["under its ARN", "behind another's"])
@pytest.mark.parametrize("adopts", [False, True], ids=["its own", "another's"])
def test_what_is_put_back_stands_behind_the_same_id(world: World, recreated: tuple[dict[str, Any], ...], adopts: bool) -> None:
    """So that the Delete of its owner still finds it, who gets no event where it was another's adoption that failed."""
    stack = world.stack("shop")
    for properties in (HERE, *recreated):
        deploy(stack, A=properties)
    world.weather.troubles = [Trouble(Failure.INVALID, operation=CREATE, skip=int(adopts))]
    deploy(world.stack("lab") if adopts else stack, A={**(HERE if recreated else MONTHLY), **ADOPT})
    assert existing(world).auto_refresh == ("CALENDAR_MONTH" if recreated else "NONE")
    stack.destroy()
    stack.go_on()
    assert world.ledger.standing == []


def test_what_is_put_back_is_still_nobodys(world: World) -> None:
    """The adoption is refused with its recreation."""
    world.by_hand(HERE)
    world.weather.troubles = [Trouble(Failure.INVALID, operation=CREATE, skip=1)]
    assert deploy(world.stack("shop"), A={**MONTHLY, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(world).tags == {"by": "hand"}


# 3. The answer to a failed create says what became of it.


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.INVALID, Failure.QUOTA, Failure.MISSING])
def test_a_refused_create_is_deleted_without_a_call(world: World, failure: Failure) -> None:
    stack = world.stack("shop")
    world.weather.troubles = [Trouble(failure, times=1000)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert requests(world) == 1


def test_every_attempt_of_a_create_counts(world: World) -> None:
    """The first attempt took effect, the second one was denied: the outcome is unknown."""
    stack = world.stack("shop")
    create = "CreatePrivacyBudgetTemplate"
    world.weather.troubles = [
        Trouble(Failure.CUT, Moment.AFTER_EFFECT, operation=create),
        Trouble(Failure.DENIED, operation=create),
    ]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert world.ledger.standing == []


def test_an_earlier_delivery_of_a_refused_create_counts(world: World) -> None:
    """The first delivery created the template and died, the second one was denied."""
    stack = world.stack("shop")
    create = "CreatePrivacyBudgetTemplate"
    world.weather.troubles = [Trouble(Failure.DEATH, Moment.AFTER_EFFECT, operation=create), Trouble(Failure.DENIED, operation=create)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert world.ledger.standing == []


def test_a_create_in_a_region_without_clean_rooms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_rooms_client, "_has_address", lambda _: False)
    world.client.meta.region_name = "eu-south-1"
    stack, began = world.stack("shop"), world.now
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert requests(world) == 0
    assert world.now - began < 70
    assert "eu-south-1" in next(line for line in world.journal if "FAILED" in line)


def test_a_region_that_got_clean_rooms_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_rooms_client, "_has_address", lambda _: True)
    world.client.meta.region_name = "eu-south-1"
    assert deploy(world.stack("shop"), A=HERE) == "CREATE_COMPLETE"


def test_a_create_beside_anothers_template_made_nothing(world: World) -> None:
    """The conflict tells of another's template, so that the Delete of the failed create sends nothing."""
    deploy(world.stack("shop"), A=HERE)
    lab = world.stack("lab")
    deploy(lab, events=1, A=HERE)
    before = requests(world)
    lab.go_on()
    assert lab.status == "ROLLBACK_COMPLETE"
    assert requests(world) == before


def test_a_second_delivery_that_fails_leaves_nothing_behind(world: World) -> None:
    """The first one created the template, whatever is refused to the second one."""
    stack = world.stack("shop")
    world.ledger.on_create = lambda template: template.tags.__delitem__("team")
    world.weather.troubles = [Trouble(Failure.DEATH, Moment.AFTER_EFFECT, operation=CREATE), Trouble(Failure.DENIED, operation=TAG)]
    assert deploy(stack, A=tagged(team="a")) == "ROLLBACK_COMPLETE"
    assert world.ledger.standing == []


def test_a_conflict_with_nothing_found_is_told_in_the_services_words(world: World) -> None:
    world.weather.troubles = [Trouble(Failure.BUSY, operation=CREATE)]
    deploy(world.stack("shop"), events=1, A=HERE)
    assert last_reason(world).startswith(f"ConflictException from {CREATE}")


def test_delete_of_an_unknown_outcome_waits_for_the_list(world: World) -> None:
    stack = world.stack("shop")
    world.lag = 5
    world.weather.troubles = [Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert world.ledger.standing == []


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_a_replacement_of_unknown_outcome_is_removed(world: World, dark: int) -> None:
    """The rollback goes back to the same physical id, so that no Delete names the replacement."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    kept = existing(world)
    world.weather.troubles = [Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE)]
    deploy(stack, events=1, A=THERE)
    world.dark = dark
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.ledger.standing == [kept]


def test_a_replacement_of_unknown_outcome_is_removed_though_the_old_template_is_gone(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    world.remove_by_hand(OF)
    world.weather.troubles = [Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(stack, A=THERE) == "UPDATE_ROLLBACK_COMPLETE"
    assert [template.membership.id for template in world.ledger.standing] == [ONE]


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.INVALID])
@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_a_cancelled_create_that_nothing_can_be_told_of(world: World, failure: Failure, skip: int) -> None:
    """The account is denied everything: the Deletes of the other templates' creates succeed as well."""
    stack = world.stack("shop")
    if skip:
        world.by_hand(HERE)
    world.weather.troubles = [Trouble(failure, skip=skip, times=1000)]
    deploy(stack, Course(cancelled=1, cancelled_arrive=False), A=HERE, B=DAILY)
    assert stack.status == "ROLLBACK_COMPLETE"


def test_a_physical_id_that_is_no_arn_gives_way_to_one(world: World) -> None:
    stack = world.stack("shop")
    stack.status = "UPDATE_IN_PROGRESS"
    more = {"PhysicalResourceId": "A-not-created-0123456789ab", "OldResourceProperties": Declared(HERE).sent}
    answer = world.deliver(stack._delivery("A", "Update", Declared(HERE).sent, more))
    assert answer is not None
    assert answer["PhysicalResourceId"] == existing(world).arn


# 4. Look before touching: a refused event leaves no trace.


@pytest.mark.parametrize("refused", [MONTHLY, {**MONTHLY, "Tags": tags(team="c")}], ids=["refresh", "refresh and tags"])
def test_a_refused_adoption_leaves_no_trace(world: World, refused: dict[str, Any]) -> None:
    """Neither of the owner nor of the owner before it, whose adoption is not final."""
    shop, lab, den = (world.stack(name) for name in ("shop", "lab", "den"))
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    before = dict(consumed(world).tags)
    assert deploy(den, A={**refused, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(world).tags == before
    lab.destroy()
    lab.go_on()
    assert existing(world).tags[ownership.OWNER] == f"{shop.id}/A"


def test_a_rename_that_is_rolled_back_soon_after_an_adoption(world: World) -> None:
    """A rename is not final until the next update, so that this is common."""
    stack = world.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT))
    deploy(stack, B=Declared({**HERE, **ADOPT}, **KEPT))
    assert deploy(stack, Course(fails_before=1), C=Declared({**HERE, **ADOPT}, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    held = ownership.OwnershipTags.of(existing(world).tags)
    assert ownership.is_same(held.owner, f"{stack.id}/B")
    assert [ownership.is_same(name, f"{stack.id}/A") for name in held.previous_owners] == [True]
    deploy(stack, B={**HERE, **ADOPT, "Tags": tags(team="b")})
    stack.destroy()
    stack.go_on()
    assert world.ledger.standing == []


def test_a_refused_move_does_not_stop_the_owner(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(lab, A=HERE)
    deploy(shop, A=THERE)
    consumed(world)
    before = dict(existing(world).tags)
    deploy(shop, events=1, A={**MONTHLY, **ADOPT})
    assert existing(world).tags == before
    assert deploy(lab, A={**MONTHLY, **ALLOW}) == "UPDATE_COMPLETE"
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"


def test_an_adoption_whose_edit_is_refused_leaves_no_trace(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A={**HERE, "Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}})
    before = dict(consumed(world).tags)
    assert deploy(lab, A={**HERE, **ADOPT}) == "ROLLBACK_COMPLETE"
    assert existing(world).tags == before


@pytest.mark.parametrize("change", [{}, {"AutoRefresh": "CALENDAR_MONTH"}, {"Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}}])
def test_more_tags_than_the_service_takes(world: World, change: dict[str, Any]) -> None:
    """They are counted before the first write: the foreign ones, the declared ones and ours."""
    made = world.by_hand(HERE)
    assert made is not None
    made.tags |= {f"foreign-{number}": "x" for number in range(100)}
    before = dict(made.tags)
    declared = {**HERE, **ADOPT, **change, "Tags": tags(**{f"declared{number}": "x" for number in range(100)})}
    stack = world.stack("shop")
    deploy(stack, events=1, A=declared)
    assert "must have at most 200 tags" in last_reason(world)
    stack.go_on()
    assert stack.status == "ROLLBACK_COMPLETE"
    assert existing(world) is made
    assert made.tags == before


# 5. A rollback never sticks.


@pytest.mark.parametrize("change", [{"Tags": tags(team="a")}, {"Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}}])
def test_rollback_of_a_template_that_another_adopted_and_recreated(world: World, change: dict[str, Any]) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    deploy(lab, A={**MONTHLY, **ADOPT})
    kept = existing(world)
    deploy(shop, events=1, A={**HERE, **change})
    assert f"{lab.id}/A" in last_reason(world)
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world) is kept


def test_rollback_where_the_membership_is_gone(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    world.leave(ONE)
    deploy(stack, events=1, A={**HERE, "Tags": tags(team="a")})
    assert last_reason(world).startswith("ResourceNotFoundException")
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize("back", Back)
def test_rollback_of_a_move_onto_what_is_anothers_by_now(world: World, back: Back) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=Declared(HERE, **KEPT))
    deploy(shop, Course(fails_before=1, back=back), events=1, A=Declared(THERE, **KEPT))
    deploy(lab, A={**HERE, **ADOPT})
    deploy(lab, A={**MONTHLY, **ADOPT})
    kept = existing(world)
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world) is kept


@pytest.mark.parametrize("failure", [Failure.DENIED, Failure.QUOTA, Failure.INVALID, Failure.BUSY])
def test_rollback_that_the_service_refuses(world: World, failure: Failure) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, Course(fails_before=1), events=1, A={**HERE, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    world.weather.troubles = [Trouble(failure, times=1000)]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"


def test_a_rollback_adopts_nothing(world: World) -> None:
    """Though ADOPT was left standing: another owner adopted the template meanwhile."""
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(shop, Course(fails_before=1), events=1, A={**tagged(team="a"), **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    assert owner(world) == f"{lab.id}/A"
    assert f"belongs to {lab.id}/A by now" in world.latest.record.warnings[-1]


def test_a_rollback_adopts_nothing_of_nobodys(world: World) -> None:
    """Its own template is gone, and somebody made another one by hand."""
    stack = world.stack("shop")
    deploy(stack, A={**HERE, **ADOPT})
    deploy(stack, Course(fails_before=1), events=1, A={**tagged(team="a"), **ADOPT})
    world.remove_by_hand(OF)
    made = world.by_hand(HERE)
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.ledger.standing == [made]
    assert owner(world) is None
    assert "belongs to nobody by now" in world.latest.record.warnings[-1]


def test_a_rollback_that_keeps_a_template_answers_its_attributes(world: World) -> None:
    """The service's where the template was seen; else what the physical id and the properties tell."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    arn = existing(world).arn
    data = last_data(world)
    assert all(value != "unknown" for value in data.values())
    deploy(stack, Course(fails_before=1), events=1, A={**HERE, "Parameters": {"Epsilon": 5, "UsersNoisePerQuery": 30}})
    world.weather.troubles = [Trouble(Failure.DENIED, operation="UpdatePrivacyBudgetTemplate")]
    stack.go_on()
    assert last_data(world) == data
    world.leave(ONE)
    deploy(stack, A=tagged(team="a"))
    unknown = {"CollaborationArn": "unknown", "CollaborationIdentifier": "unknown"}
    assert last_data(world) == {**data, **unknown}
    assert data["Arn"] == arn


def test_a_rollback_whose_template_is_gone_answers_no_attributes_of_it(world: World) -> None:
    """Neither its successor nor the old one could be created again."""
    stack = world.stack("shop")
    deploy(stack, A=MONTHLY)
    physical_id = existing(world).arn
    deploy(stack, Course(fails_before=1), events=1, A=HERE)
    world.weather.troubles = [Trouble(Failure.INVALID, times=2, operation=CREATE)]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.ledger.standing == []
    data = last_data(world)
    assert (data["Arn"], data["CollaborationArn"]) == (physical_id, "unknown")


@pytest.mark.parametrize("operation", [CREATE, None], ids=["denied once", "denied in the rollback too"])
def test_rollback_of_a_move_that_was_refused(world: World, operation: str | None) -> None:
    """It deletes what the move may have created, and fails for nothing that it cannot tell."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    kept = existing(world)
    world.weather.troubles = [Trouble(Failure.DENIED, operation=CREATE)]
    deploy(stack, events=1, A=THERE)
    if operation is None:
        world.weather.troubles = [Trouble(Failure.DENIED, skip=1, operation="ListPrivacyBudgetTemplates")]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.ledger.standing == [kept]
    assert any("could not tell whether the replacement" in one for one in world.latest.record.warnings) is (operation is None)


def test_a_rollback_that_stays_where_it_moved_to_keeps_that_template(world: World) -> None:
    """CloudFormation may send the rollback's Update with the id of the move; going back is refused, so that this is what stands."""
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=Declared(HERE, **KEPT))
    deploy(shop, Course(fails_before=1, back=Back.TO_THE_NEW_ID), events=1, A=Declared(THERE, **KEPT))
    deploy(lab, A={**HERE, **ADOPT})
    moved = existing(world, THERE_OF)
    shop.go_on(1)
    assert json.loads(world._bodies[-1])["PhysicalResourceId"] == moved.arn
    assert existing(world, THERE_OF) is moved


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
def test_a_previous_owner_edits_nothing(world: World, before: dict[str, Any], after: dict[str, Any]) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=before)
    deploy(lab, A={**before, **ADOPT})
    template = existing(world, identity_of(before))
    untouched = (dict(template.tags), template.parameters, template.auto_refresh)
    assert deploy(shop, A=after) == "UPDATE_ROLLBACK_COMPLETE"
    assert (template.tags, template.parameters, template.auto_refresh) == untouched


def test_a_previous_owner_takes_back_what_it_says_to_adopt(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, A={**HERE, **ADOPT})
    assert deploy(shop, A={**HERE, **ADOPT}) == "UPDATE_COMPLETE"
    assert existing(world).tags[ownership.OWNER] == f"{shop.id}/A"


def test_the_next_update_puts_right_what_a_rolled_back_rename_tagged(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A={**HERE, "Tags": tags(team="a")})
    assert deploy(stack, Course(fails_before=1), B={**HERE, **ADOPT, "Tags": tags(team="b")}) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world).tags["team"] == "b"
    assert deploy(stack, A={**HERE, "Tags": tags(team="a", cost="7")}) == "UPDATE_COMPLETE"
    assert existing(world).tags.items() >= {"team": "a", "cost": "7"}.items()


def test_the_next_update_sets_an_owner_tag_that_was_taken_off(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    world.ledger.untag(existing(world).arn, ownership.KEYS)
    deploy(stack, A={**HERE, "Tags": tags(team="a")})
    stack.destroy()
    stack.go_on()
    assert world.ledger.standing == []


def test_a_previous_owner_reads_whose_it_is(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=HERE)
    deploy(shop, A=MONTHLY)
    deploy(lab, A={**MONTHLY, **ADOPT})
    deploy(shop, events=1, A={**MONTHLY, "Tags": tags(team="a")})
    assert last_reason(world).startswith(f"{existing(world).arn} belongs to {lab.id}/A by now")
    shop.go_on()


def test_the_next_update_sets_a_physical_id_tag_that_was_taken_off(world: World) -> None:
    """It finds the template by its owner, and marks it again so that its Delete removes it."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, A=MONTHLY)
    world.ledger.untag(existing(world).arn, {ownership.PHYSICAL_ID})
    before = requests(world)
    deploy(stack, A={**MONTHLY, "Tags": tags(team="a")})
    assert CREATE not in [operation for operation, _ in world.client.requests[before:]]
    stack.destroy()
    stack.go_on()
    assert world.ledger.standing == []


@pytest.mark.parametrize("declared", [tagged(team="a"), THERE, DAILY], ids=["same template", "another membership", "another type"])
def test_an_update_whose_old_properties_name_no_template(world: World, declared: dict[str, Any]) -> None:
    """The template of the id is updated where it is the declared one; another one is left as it is."""
    stack = world.stack("shop")
    stack.status = "UPDATE_IN_PROGRESS"
    made = send(world, stack, "Create", HERE)["PhysicalResourceId"]
    before = (dict(existing(world).tags), existing(world).parameters)
    answered = send(world, stack, "Update", declared, made)
    assert (answered["Status"], answered["PhysicalResourceId"]) == ("SUCCESS", made)
    assert answered["Data"]["Arn"] == existing(world, identity_of(declared)).arn
    assert ownership.ADOPTED_FROM not in existing(world, identity_of(declared)).tags
    if identity_of(declared) != OF:
        assert (existing(world).tags, existing(world).parameters) == before


def test_delete_of_what_stands_behind_an_id_whose_template_is_anothers(world: World) -> None:
    """The old properties of its move named no template, so that the new one stands behind the old one's ARN."""
    shop, lab = world.stack("shop"), world.stack("lab")
    shop.status = "UPDATE_IN_PROGRESS"
    made = send(world, shop, "Create", HERE)["PhysicalResourceId"]
    send(world, shop, "Update", DAILY, made)
    deploy(lab, A={**HERE, **ADOPT})
    assert send(world, shop, "Delete", DAILY, made)["Status"] == "SUCCESS"
    assert world.ledger.standing == [existing(world)]
    assert owner(world) == f"{lab.id}/A"


# 7. An adoption can always be undone by whoever made it, and by nobody else.


def test_a_chain_of_adoptions_hands_back_link_by_link(world: World) -> None:
    made = world.by_hand(HERE)
    names = ("shop", "lab", "den", "hut")
    stacks = [world.stack(name) for name in names]
    for stack in stacks:
        deploy(stack, A={**HERE, **ADOPT})
    for stack, previous in zip(reversed(stacks), [*reversed(stacks[:-1]), None], strict=True):
        assert ownership.is_same(existing(world).tags.get(ownership.OWNER), f"{stack.id}/A")
        stack.destroy()
        stack.go_on()
        owner = existing(world).tags.get(ownership.OWNER)
        assert owner is None if previous is None else ownership.is_same(owner, f"{previous.id}/A")
    assert existing(world) is made
    assert existing(world).tags == {"by": "hand"}


def test_an_owner_in_the_middle_of_a_chain_leaves_it(world: World) -> None:
    world.by_hand(HERE)
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    shop.destroy()
    shop.go_on()
    lab.destroy()
    lab.go_on()
    assert existing(world).tags == {"by": "hand"}


def test_an_owner_that_takes_back_and_rolls_back_is_a_previous_owner_still(world: World) -> None:
    """It made the template: the adopter in between hands it back, and does not delete it."""
    stack = world.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT))
    deploy(stack, A=Declared(THERE, **KEPT))
    lab = world.stack("lab")
    deploy(lab, Course(fails_before=1), events=1, A={**HERE, **ADOPT})
    assert deploy(stack, Course(fails_before=1), A=Declared({**HERE, **ADOPT}, **KEPT)) == "UPDATE_ROLLBACK_COMPLETE"
    made = existing(world)
    lab.go_on()
    assert lab.status == "ROLLBACK_COMPLETE"
    assert existing(world) is made
    assert ownership.is_same(made.tags[ownership.OWNER], f"{stack.id}/A")


def test_more_previous_owners_than_fit_into_a_tag_end_with_nobody() -> None:
    names = [f"arn:aws:cloudformation:us-east-1:111122223333:stack/{number}/{'x' * 100}/A" for number in range(30)]
    (value,) = ownership.adopted_from(names).values()
    read = ownership.OwnershipTags.of({ownership.ADOPTED_FROM: value}).previous_owners
    assert len(value) <= 256
    assert all(map(ownership.is_same, read[:-1], names))
    assert read[-1] == ownership.NOBODY


def test_an_adoption_of_unknown_outcome_is_undone(world: World) -> None:
    """The Delete of the failed create hands back what that very request adopted."""
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=HERE)
    world.weather.troubles = [Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=TAG)]
    assert deploy(lab, A={**HERE, **ADOPT, "Tags": tags(team="a")}) == "ROLLBACK_COMPLETE"
    assert owner(world) == f"{shop.id}/A"


def test_a_template_is_found_again_once(world: World) -> None:
    """However often its creates roll back: else the chain of previous owners would end with nobody."""
    stack = world.stack("shop")
    deploy(stack, A=Declared(HERE, **KEPT), B=OTHER)
    deploy(stack, B=OTHER)
    for _ in range(2):
        deploy(stack, Course(fails_before=1), A=HERE, B=OTHER)
        assert existing(world).tags[ownership.ADOPTED_FROM] == f"{stack.id}/A"


def test_an_update_that_meets_its_own_template_late_does_not_find_it_again(world: World) -> None:
    """The list lags behind, so that the update tries to create it; the physical id stays, also where its tag was taken off."""
    stack = world.stack("shop")
    deploy(stack, A=HERE)
    deploy(stack, A=MONTHLY)
    physical_id = stack.resources["A"].physical_id
    world.ledger.untag(existing(world).arn, {ownership.PHYSICAL_ID})
    world.client.hidden_until[existing(world).id] = world.now + 64
    before = requests(world)
    assert deploy(stack, A={**MONTHLY, "Tags": tags(team="a")}) == "UPDATE_COMPLETE"
    assert CREATE in [operation for operation, _ in world.client.requests[before:]]
    assert stack.resources["A"].physical_id == physical_id == existing(world).tags[ownership.PHYSICAL_ID]
    assert ownership.ADOPTED_FROM not in existing(world).tags


def test_a_take_back_that_is_rolled_back_is_not_final(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A={**HERE, **ADOPT})
    deploy(lab, A={**HERE, **ADOPT})
    deploy(shop, Course(fails_before=1), A={**HERE, **ADOPT, "Tags": tags(team="a")})
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    shop.destroy()
    shop.go_on()
    assert owner(world) == f"{lab.id}/A"


def test_an_update_that_adopts_leaves_the_physical_id_of_the_previous_owner(world: World) -> None:
    """Handed back, its Delete still finds the template that was recreated behind its id."""
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=MONTHLY)
    world.remove_by_hand(OF)
    deploy(lab, A=HERE)
    deploy(lab, A=MONTHLY)
    deploy(shop, Course(fails_before=1), A={**MONTHLY, **ADOPT, "Tags": tags(team="a")})
    lab.destroy()
    lab.go_on()
    assert world.ledger.find(OF) is None


def test_a_create_that_adopts_and_recreates_leaves_the_physical_id_of_the_previous_owner(world: World) -> None:
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(lab, A=HERE)
    deploy(lab, A=MONTHLY)
    deploy(shop, Course(fails_before=1), A={**HERE, **ADOPT})
    assert owner(world) == f"{lab.id}/A"
    lab.destroy()
    lab.go_on()
    assert world.ledger.standing == []


def test_a_recreation_that_meets_anothers_create_leaves_it(world: World) -> None:
    """The other stack creates its template in the moment in which there is none."""
    shop, lab = world.stack("shop"), world.stack("lab")
    deploy(shop, A=HERE)
    deploy(lab, events=0, A=HERE)
    world.meanwhile = (1, lab)
    assert deploy(shop, A=MONTHLY) == "UPDATE_ROLLBACK_COMPLETE"
    assert owner(world) == f"{lab.id}/A"
    assert existing(world).auto_refresh == "NONE"


# 8. A late event makes nothing.


@pytest.mark.parametrize("options", [{}, ADOPT], ids=["FAIL", "ADOPT"])
def test_late_create_of_a_stack_that_is_gone(world: World, options: dict[str, Any]) -> None:
    stack = world.stack("shop")
    deploy(stack, A={**HERE, **options})
    create = stack.past["A"][0]
    stack.destroy()
    stack.go_on()
    if options:
        world.by_hand(HERE)
    before = list(world.ledger.standing)
    world.deliver(create)
    assert world.ledger.standing == before
    assert all(ownership.OWNER not in template.tags for template in before)


def test_late_create_of_a_stack_that_rolled_back(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, B=OTHER)
    deploy(stack, Course(fails_before=1), A=HERE, B=OTHER)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    world.now += 60
    stack.again("A", 1)
    assert world.ledger.find(OF) is None


def test_late_create_does_not_pull_a_template_back_to_a_former_logical_id(world: World) -> None:
    stack = world.stack("shop")
    world.by_hand(HERE)
    deploy(stack, A=Declared({**HERE, **ADOPT}, **KEPT))
    create = stack.past["A"][0]
    deploy(stack, B=Declared({**HERE, **ADOPT}, **KEPT))
    before = dict(existing(world).tags)
    world.deliver(create)
    assert existing(world).tags == before


@pytest.mark.parametrize("dark", [0, 1], ids=["CloudFormation tells", "it cannot be told"])
def test_a_late_delete_of_an_unknown_outcome_keeps_what_was_found_again(world: World, dark: int) -> None:
    stack = world.stack("shop")
    deploy(stack, B=OTHER)
    world.weather.troubles = [
        Trouble(Failure.TIME_OUT, Moment.AFTER_EFFECT, operation=CREATE),
        Trouble(Failure.DENIED, times=3, operation="DeletePrivacyBudgetTemplate"),
    ]
    assert deploy(stack, A=HERE, B=OTHER) == "UPDATE_ROLLBACK_COMPLETE"
    delete = stack.past["A"][0]
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, A=tagged(team="a"), B=OTHER)
    kept = consumed(world)
    world.dark = dark
    world.deliver(delete)
    assert existing(world) is kept


def test_late_update_that_finds_nothing(world: World) -> None:
    stack = world.stack("shop")
    deploy(stack, A=HERE, B=OTHER)
    deploy(stack, A={**HERE, "Tags": tags(team="a")}, B=OTHER)
    deploy(stack, B=OTHER)
    assert stack.past["A"][1].type == "Update"
    stack.again("A", 1)
    assert world.ledger.find(OF) is None


# 9. Passing trouble is waited for, lasting trouble is reported at once.


@pytest.mark.parametrize("times", [1, 3, 8])
def test_a_permission_that_takes_effect_soon(world: World, times: int) -> None:
    """Every call is denied for some seconds: in the create, the update, and the rollback's Delete."""
    stack = world.stack("shop")
    for course, status in ((Course(), "CREATE_COMPLETE"), (Course(fails_before=1), "UPDATE_ROLLBACK_COMPLETE")):
        world.weather.troubles = [Trouble(Failure.NOT_YET, times=times)]
        assert deploy(stack, course, A={**HERE, "Parameters": {"Epsilon": 3 + len(status), "UsersNoisePerQuery": 30}}) == status
    world.weather.troubles = [Trouble(Failure.NOT_YET, times=times)]
    stack.destroy()
    stack.go_on()
    assert stack.status == "DELETE_COMPLETE"


def test_a_permission_that_never_takes_effect(world: World) -> None:
    stack, began = world.stack("shop"), world.now
    world.weather.troubles = [Trouble(Failure.NOT_YET, times=1000)]
    assert deploy(stack, A=HERE) == "ROLLBACK_COMPLETE"
    assert world.now - began < 120


def test_throttling_of_earlier_events_counts_for_none(world: World) -> None:
    """botocore's retry tokens were shared by all events of a client: the 50th event failed after three requests."""
    stack = world.stack("shop")
    for number in range(60):
        world.weather.troubles = [Trouble(Failure.THROTTLED, times=10)]
        assert deploy(stack, A={**HERE, "Tags": tags(number=str(number))}) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def test_the_stack_is_not_asked_where_it_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(world, "describe_stack", asked.append)
    stack = world.stack("shop")
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
def test_another_template_that_this_version_does_not_know(world: World, unknown: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.by_hand(OTHER)
    assert other is not None
    world.by_hand(DAILY)
    effect = QuickClient._effect

    def newer(self: QuickClient, operation: str, request: Any) -> Any:
        answer, error = effect(self, operation, request)
        for one in answer.get("privacyBudgetTemplateSummaries", []) if answer else []:
            one.update(unknown if one["id"] == other.id and "privacyBudgetType" in unknown else {})
        template = (answer or {}).get("privacyBudgetTemplate", {})
        if template.get("id") == other.id:
            limits = [{**limit, **unknown} for limit in template["parameters"]["accessBudget"]["budgetParameters"]]
            parameters = {"accessBudget": {**template["parameters"]["accessBudget"], "budgetParameters": limits}}
            answer = {"privacyBudgetTemplate": {**template, "parameters": parameters, **unknown}}
        return answer, error

    monkeypatch.setattr(QuickClient, "_effect", newer)
    assert deploy(world.stack("shop"), A={**DAILY, **ADOPT}) == "CREATE_COMPLETE"
    assert spent(other) is False


# What ALLOW reaches: a lowered epsilon.

HIGHER = {**HERE, "Parameters": {"Epsilon": 9, "UsersNoisePerQuery": 30}}


LOWERED: list[type[ValidationException] | type[ConflictException]] = [ValidationException, ConflictException]


@pytest.fixture(params=LOWERED)
def lowered(world: World, request: pytest.FixtureRequest) -> Stack:
    """A stack whose epsilon can no longer be lowered."""
    world.ledger.LOWERED_EPSILON = request.param  # type: ignore[misc]
    stack = world.stack("shop")
    deploy(stack, A=HIGHER)
    consumed(world)
    return stack


def test_a_lowered_epsilon_names_its_remedy(world: World, lowered: Stack) -> None:
    deploy(lowered, events=1, A=HERE)
    assert "on_budget_reset=OnBudgetReset.ALLOW" in last_reason(world)
    assert "Exception from UpdatePrivacyBudgetTemplate" in last_reason(world)
    lowered.go_on()
    assert existing(world).parameters["differentialPrivacy"]["epsilon"] == 9


def test_a_lowered_epsilon_recreates_where_a_reset_is_allowed(world: World, lowered: Stack) -> None:
    arn = lowered.resources["A"].physical_id
    assert deploy(lowered, A={**HERE, **ALLOW}) == "UPDATE_COMPLETE"
    assert existing(world).parameters["differentialPrivacy"]["epsilon"] == 3
    assert not spent(existing(world))
    assert lowered.resources["A"].physical_id == arn


def test_a_lowered_epsilon_whose_create_fails_is_put_back(world: World, lowered: Stack) -> None:
    world.weather.troubles = [Trouble(Failure.INVALID, operation="CreatePrivacyBudgetTemplate")]
    assert deploy(lowered, A={**HERE, **ALLOW}) == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world).parameters["differentialPrivacy"]["epsilon"] == 9


def test_a_rollback_lowers_no_epsilon(world: World, lowered: Stack) -> None:
    """Nobody asked for a smaller budget, though ALLOW was left standing."""
    before = existing(world)
    deploy(lowered, Course(fails_before=1), A={**HERE, **ALLOW, "Parameters": {"Epsilon": 12, "UsersNoisePerQuery": 30}})
    assert lowered.status == "UPDATE_ROLLBACK_COMPLETE"
    assert existing(world) is before
