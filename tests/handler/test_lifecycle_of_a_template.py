"""Create, edit, tag, replace and delete, against the stateful service."""

from typing import Any

import pytest

from stack import HandledEvent, Rooms, Stack, access_budget, differential_privacy, tags

DAY = {"Type": "CALENDAR_DAY", "Budget": 100, "AutoRefresh": "ENABLED"}
LIFETIME = {"Type": "LIFETIME", "Budget": 1000}


def calls() -> int:
    return HandledEvent.latest.requests.count


def epsilon(template: dict[str, Any]) -> int:
    return int(template["parameters"]["differentialPrivacy"]["epsilon"])


def test_create_makes_the_template_in_one_call(rooms: Rooms, membership: str, stack: Stack) -> None:
    answered = stack.create(differential_privacy(membership, Tags=tags(team="privacy")))
    assert calls() == 1
    template = rooms.only(membership)
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


def test_create_makes_an_access_budget_in_one_call(rooms: Rooms, membership: str, stack: Stack) -> None:
    answered = stack.create(access_budget(membership, rooms.table(membership), [DAY, LIFETIME]))
    assert calls() == 1
    template = rooms.only(membership)
    assert answered["PhysicalResourceId"] == template["arn"]
    budget = template["parameters"]["accessBudget"]
    assert budget["resourceArn"] == rooms.table(membership)
    assert sorted(limit["type"] for limit in budget["budgetParameters"]) == ["CALENDAR_DAY", "LIFETIME"]


def test_create_without_auto_refresh_sends_none(rooms: Rooms, membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    del properties["AutoRefresh"]
    assert stack.create(properties)["Status"] == "SUCCESS"
    assert rooms.only(membership)["autoRefresh"] == "NONE"


def test_create_in_an_unknown_membership_fails_with_the_services_words(stack: Stack) -> None:
    answered = stack.create(differential_privacy("99999999-1111-4222-8333-444444444444"))
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith("ResourceNotFoundException from CreatePrivacyBudgetTemplate: ")
    assert "99999999-1111-4222-8333-444444444444" in answered["Reason"]
    assert not answered["PhysicalResourceId"].startswith("arn:")


def test_create_beside_someone_elses_template_fails_and_names_it(rooms: Rooms, membership: str, stack: Stack) -> None:
    other = Stack("other").create(differential_privacy(membership, epsilon=9))["PhysicalResourceId"]
    answered = stack.create(differential_privacy(membership))
    assert answered["Status"] == "FAILED"
    assert other in answered["Reason"]
    assert "on_existing" in answered["Reason"]
    assert epsilon(rooms.only(membership)) == 9


@pytest.mark.parametrize("change", [{"epsilon": 5}, {"noise": 60}, {"epsilon": 5, "noise": 10}])
def test_update_of_epsilon_or_noise_edits_in_place_in_three_calls(
    rooms: Rooms, membership: str, stack: Stack, change: dict[str, int]
) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    rooms.spend(rooms.only(membership), type="COUNT", count=1)
    answered = stack.update(arn, before, differential_privacy(membership, **change))
    assert calls() == 3
    assert answered["PhysicalResourceId"] == arn == rooms.only(membership)["arn"]
    assert answered["Data"]["Arn"] == arn
    wanted = {"epsilon": change.get("epsilon", 3), "usersNoisePerQuery": change.get("noise", 30)}
    assert rooms.only(membership)["parameters"]["differentialPrivacy"] == wanted


def test_update_of_access_limits_edits_in_place(rooms: Rooms, membership: str, stack: Stack) -> None:
    before = access_budget(membership, rooms.table(membership), [DAY])
    arn = stack.create(before)["PhysicalResourceId"]
    answered = stack.update(arn, before, access_budget(membership, rooms.table(membership), [{**DAY, "Budget": 7}]))
    assert answered["PhysicalResourceId"] == arn
    (limit,) = rooms.only(membership)["parameters"]["accessBudget"]["budgetParameters"]
    assert limit["budget"] == 7


def test_update_that_reorders_limits_sends_no_edit(rooms: Rooms, membership: str, stack: Stack) -> None:
    before = access_budget(membership, rooms.table(membership), [DAY, LIFETIME])
    arn = stack.create(before)["PhysicalResourceId"]
    rooms.spend(rooms.only(membership), uses=3)
    answered = stack.update(arn, before, access_budget(membership, rooms.table(membership), [LIFETIME, DAY]))
    assert answered["Status"] == "SUCCESS"
    assert calls() == 2


def test_update_of_tags_leaves_foreign_tags_and_the_budget(rooms: Rooms, membership: str, stack: Stack) -> None:
    before = differential_privacy(membership, Tags=tags(team="privacy", stage="dev"))
    arn = stack.create(before)["PhysicalResourceId"]
    rooms.client.tag_resource(resourceArn=arn, tags={"by-hand": "yes"})
    updated_at = rooms.only(membership)["updateTime"]
    stack.update(arn, before, differential_privacy(membership, Tags=tags(team="data", cost="7")))
    template = rooms.only(membership)
    foreign = {key: value for key, value in template["tags"].items() if not key.startswith("cleanrooms-privacy-budget:")}
    assert foreign == {"by-hand": "yes", "team": "data", "cost": "7"}
    assert template["updateTime"] == updated_at


def test_update_that_adds_tags_takes_three_calls_and_one_that_changes_nothing_takes_two(membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, differential_privacy(membership, Tags=tags(team="data")))
    assert calls() == 3
    answered = stack.update(arn, before, before)
    assert calls() == 2
    assert answered["Data"]["Arn"] == arn


def test_another_membership_is_another_template_and_the_old_one_is_cloudformations_to_delete(
    rooms: Rooms, membership: str, stack: Stack
) -> None:
    before, other = differential_privacy(membership), rooms.membership()
    after = differential_privacy(other)
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, after)["PhysicalResourceId"]
    assert new == rooms.only(other)["arn"] != old == rooms.only(membership)["arn"]
    assert stack.delete(old, before)["Status"] == "SUCCESS"
    assert rooms.templates(membership) == []
    assert rooms.only(other)["arn"] == new


def test_another_kind_is_another_template(rooms: Rooms, membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, access_budget(membership, rooms.table(membership), [DAY]))["PhysicalResourceId"]
    assert {old, new} == {template["arn"] for template in rooms.templates(membership)}


def test_another_table_is_another_template(rooms: Rooms, membership: str, stack: Stack) -> None:
    before = access_budget(membership, rooms.table(membership, "a"), [DAY])
    old = stack.create(before)["PhysicalResourceId"]
    new = stack.update(old, before, access_budget(membership, rooms.table(membership, "b"), [DAY]))["PhysicalResourceId"]
    assert {old, new} == {template["arn"] for template in rooms.templates(membership)}


def test_delete_deletes_in_two_calls(rooms: Rooms, membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    answered = stack.delete(arn, properties)
    assert calls() == 2
    assert answered["Status"] == "SUCCESS"
    assert answered["PhysicalResourceId"] == arn
    assert rooms.templates(membership) == []


def test_delete_after_a_create_that_failed_for_its_properties_calls_nothing(stack: Stack) -> None:
    wrong = differential_privacy("no-membership")
    failed = stack.create(wrong)
    assert failed["Status"] == "FAILED"
    assert stack.delete(failed["PhysicalResourceId"], wrong)["Status"] == "SUCCESS"
    assert calls() == 0


def test_delete_after_a_create_that_met_someone_elses_template_leaves_that(rooms: Rooms, membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    other = Stack("other").create(properties)["PhysicalResourceId"]
    failed = stack.create(properties)
    assert stack.delete(failed["PhysicalResourceId"], properties)["Status"] == "SUCCESS"
    assert rooms.only(membership)["arn"] == other


def test_a_failed_update_keeps_the_physical_id(membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    answered = stack.update(arn, before, differential_privacy(membership, epsilon=99))
    assert answered["Status"] == "FAILED"
    assert answered["PhysicalResourceId"] == arn
    assert answered["Data"] == {}


def test_the_rollback_of_an_update_with_bad_properties_succeeds(rooms: Rooms, membership: str, stack: Stack) -> None:
    before, wrong = differential_privacy(membership), differential_privacy(membership, epsilon=99)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, wrong)
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert stack.update(arn, wrong, before)["Status"] == "SUCCESS"
    assert epsilon(rooms.only(membership)) == 3
