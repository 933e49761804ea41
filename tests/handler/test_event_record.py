"""What the record of an event tells of it, and how many calls it takes."""

import pytest

from cleanrooms_local_aws.clean_rooms import exceptions
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_core.reconciler import EventRecord
from tests.support.stack import Backend, HandledEvent, Stack, access_budget, differential_privacy, tags

ROLLBACK = "UPDATE_ROLLBACK_IN_PROGRESS"
EPSILON_3 = "epsilon 3, noise 30, auto refresh NONE"
EPSILON_5 = "epsilon 5, noise 30, auto refresh NONE"
MONTHLY = "epsilon 3, noise 30, auto refresh CALENDAR_MONTH"


def record() -> EventRecord:
    return HandledEvent.latest.record


def told(found: str, before: str | None, after: str | None) -> bool:
    return (record().found, record().before, record().after) == (found, before, after)


def refuse_creates(times: int) -> None:
    """Have the service refuse so many creates."""
    left = [exceptions.ValidationException("not today")] * times

    def fault(operation: str, moment: Moment) -> None:
        if (operation, moment) == ("CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT) and left:
            raise left.pop()

    PrivacyBudgetBackend.settings = Settings(faults=fault)


def test_create(membership: str, stack: Stack) -> None:
    arn = stack.create(differential_privacy(membership))["PhysicalResourceId"]
    assert told("nothing", None, EPSILON_3)
    assert record().done == [f"created {arn}"]
    assert record().warnings == []


def test_create_beside_anothers(backend: Backend, membership: str, stack: Stack) -> None:
    arn = Stack("other").create(differential_privacy(membership))["PhysicalResourceId"]
    stack.create(differential_privacy(membership, epsilon=5))
    assert told(arn, EPSILON_3, EPSILON_3)
    assert record().done == []


def test_adoption(membership: str, stack: Stack) -> None:
    other = Stack("other")
    arn = other.create(differential_privacy(membership))["PhysicalResourceId"]
    adopted = differential_privacy(membership, epsilon=5, OnExisting="ADOPT")
    stack.create(adopted)
    assert told(arn, EPSILON_3, EPSILON_5)
    assert record().warnings == [f"took over {arn}: another owner's, to be adopted"]
    stack.status = ROLLBACK
    stack.delete(arn, adopted)
    assert record().found == arn
    assert record().warnings == [f"handed {arn} back to {other.id}/Budget: this stack did not create it"]
    assert record().done == []


def test_hand_back_within_a_chain(membership: str, stack: Stack) -> None:
    """It names the latest of the previous owners."""
    adopted = differential_privacy(membership, OnExisting="ADOPT")
    arn = stack.create(adopted, "First")["PhysicalResourceId"]
    stack.create(adopted, "Second")
    stack.create(adopted, "Third")
    stack.delete(arn, adopted, "Third")
    assert record().warnings == [f"handed {arn} back to {stack.id}/Second: this stack did not create it"]


def test_adoption_from_nobody(backend: Backend, membership: str, stack: Stack) -> None:
    adopted = differential_privacy(membership, OnExisting="ADOPT")
    arn = stack.create(adopted)["PhysicalResourceId"]
    backend.client.untag_resource(resourceArn=arn, tagKeys=list(backend.only(membership)["tags"]))
    stack.create(adopted, "Another")
    stack.delete(arn, adopted, "Another")
    assert record().warnings == [f"handed {arn} back to nobody: this stack did not create it"]


def test_update_of_nothing(membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, before)
    assert told(arn, EPSILON_3, EPSILON_3)
    assert record().done == []


def test_edit(membership: str, stack: Stack) -> None:
    before = differential_privacy(membership, Tags=tags(team="a"))
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, differential_privacy(membership, epsilon=5, Tags=tags(cost="7")))
    assert told(arn, EPSILON_3, EPSILON_5)
    assert record().done == ["edit in place", "tags set: ['cost'], removed: ['team']"]


@pytest.mark.parametrize(
    ("before", "after", "done"),
    [({}, {"a": "1"}, "tags set: ['a'], removed: []"), ({"a": "1"}, {}, "tags set: [], removed: ['a']")],
    ids=["set", "removed"],
)
def test_tags(membership: str, stack: Stack, before: dict[str, str], after: dict[str, str], done: str) -> None:
    old = differential_privacy(membership, Tags=tags(**before))
    arn = stack.create(old)["PhysicalResourceId"]
    stack.update(arn, old, differential_privacy(membership, Tags=tags(**after)))
    assert record().done == [done]


def test_recreation(backend: Backend, membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert told(arn, EPSILON_3, MONTHLY)
    successor = backend.only(membership)["arn"]
    assert record().done == [f"deleted {arn} to make room for its successor", f"created {successor} in its place"]


def test_recreation_that_is_put_back(backend: Backend, membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    refuse_creates(1)
    stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert told(arn, EPSILON_3, EPSILON_3)
    assert record().warnings == [f"put {EPSILON_3} back as {backend.only(membership)['arn']}, with a fresh budget"]


def test_recreation_that_cannot_be_put_back(membership: str, stack: Stack) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    refuse_creates(2)
    stack.update(arn, before, {**before, "AutoRefresh": "CALENDAR_MONTH"})
    assert told(arn, EPSILON_3, None)
    (warning,) = record().warnings
    assert warning.startswith(f"{EPSILON_3} could not be put back (ValidationException")


def test_delete(membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    assert told(arn, None, None)
    assert record().done == [f"deleted {arn}"]
    assert record().warnings == []


def test_delete_of_what_was_never_created(stack: Stack, membership: str) -> None:
    bad = differential_privacy(membership, epsilon=99)
    stack.delete(stack.create(bad)["PhysicalResourceId"], bad)
    assert told("nothing, as nothing was created", None, None)


def test_delete_whose_properties_name_no_template(stack: Stack) -> None:
    """No create can have made one; the id is CloudFormation's where the answer to it was lost."""
    assert stack.delete("shop-Budget-1X2Y3Z", {"MembershipIdentifier": "m"})["Status"] == "SUCCESS"
    assert HandledEvent.latest.requests.count == 0


def test_delete_of_anothers(backend: Backend, membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    arn = Stack("other").create(properties)["PhysicalResourceId"]
    stack.delete(arn, properties)
    assert record().warnings == [f"left {arn}, whose owner tag is {backend.only(membership)['tags']['cleanrooms-privacy-budget:owner']}"]
    assert HandledEvent.latest.requests.count == 3


def test_delete_of_one_that_is_gone(backend: Backend, membership: str, stack: Stack) -> None:
    properties = differential_privacy(membership)
    gone = stack.create(properties)["PhysicalResourceId"]
    stack.delete(gone, properties)
    arn = stack.create(properties)["PhysicalResourceId"]
    stack.delete(gone, properties)
    assert record().warnings == [f"left {arn}, as {gone} does not stand for it"]
    assert backend.only(membership)["arn"] == arn


def test_a_kept_template_is_kept_again(backend: Backend, membership: str, stack: Stack) -> None:
    """A second delivery of the Delete keeps it too, though the stack is no longer rolling back."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    assert stack.create(properties)["PhysicalResourceId"] == arn
    assert record().warnings == [f"took over {arn}: created by this resource before, and kept"]
    delete = stack.event("Delete", properties, PhysicalResourceId=arn)
    stack.status = ROLLBACK
    stack.deliver(delete)
    assert record().warnings == [f"kept {arn}, which this resource had created before the deployment that is rolled back"]
    before = backend.only(membership)
    for stack.status in (ROLLBACK, "UPDATE_IN_PROGRESS"):
        assert stack.deliver(delete)["Status"] == "SUCCESS"
        assert backend.only(membership) == before


def test_update_for_an_id_that_is_no_arn(backend: Backend, membership: str, stack: Stack) -> None:
    """It finds the template by its owner, and gives way to the template's own id, which a Delete stands for."""
    properties = differential_privacy(membership)
    arn = stack.create(properties)["PhysicalResourceId"]
    answered = stack.update("shop-Budget-1X2Y3Z", properties, properties)
    assert (answered["Status"], answered["PhysicalResourceId"]) == ("SUCCESS", arn)


def test_rollback_in_a_membership_that_is_gone(stack: Stack) -> None:
    """It answers what the physical id and the properties tell."""
    stack.status = ROLLBACK
    properties = differential_privacy("5b0e1f1c-0b5c-4c1d-9d0e-000000000000")
    account = "arn:aws:cleanrooms:us-east-1:111122223333"
    arn = f"{account}:privacybudgettemplate/t-1"
    unknown = {"CollaborationArn": "unknown", "CollaborationIdentifier": "unknown"}
    known = {"PrivacyBudgetTemplateIdentifier": "t-1", "MembershipArn": f"{account}:membership/5b0e1f1c-0b5c-4c1d-9d0e-000000000000"}
    assert stack.update(arn, properties, properties)["Data"] == {"Arn": arn, **known, **unknown}
    answered = stack.update("shop-Budget-1X2Y3Z", properties, properties)["Data"]
    assert answered["PrivacyBudgetTemplateIdentifier"] == "unknown"


# The calls of an event


def test_the_calls_of_a_move(backend: Backend, membership: str, stack: Stack) -> None:
    """The new template is created; the old one is for CloudFormation to delete."""
    before, after = differential_privacy(membership), differential_privacy(backend.membership())
    arn = stack.create(before)["PhysicalResourceId"]
    stack.update(arn, before, after)
    assert HandledEvent.latest.requests.count == 1


def test_calls_of_a_delete_with_invented_id(membership: str, stack: Stack) -> None:
    """List, Get, tags, balances and delete: no request names what is no ARN."""
    properties = differential_privacy(membership)
    stack.create(properties)
    assert stack.delete("shop-Budget-1X2Y3Z", properties)["Status"] == "SUCCESS"
    assert HandledEvent.latest.requests.count == 5


def test_the_calls_of_a_hand_back(membership: str, stack: Stack) -> None:
    """Tags, tag, untag: a tag that is not there is not removed."""
    other = Stack("other")
    properties = differential_privacy(membership, OnExisting="ADOPT")
    arn = other.create(properties)["PhysicalResourceId"]
    stack.create(properties)
    stack.delete(arn, properties)
    assert HandledEvent.latest.requests.count == 3
    stack.delete(arn, properties)
    assert record().warnings == [f"left {arn}, whose owner tag is {other.id}/Budget"]
    assert HandledEvent.latest.requests.count == 3


def test_the_calls_of_a_refused_reset(backend: Backend, membership: str, stack: Stack) -> None:
    """Get, tags and balances: the guard comes before the first write."""
    before = access_budget(membership, backend.table(membership), [{"Type": "CALENDAR_DAY", "Budget": 10}])
    limits = [{"Type": "CALENDAR_DAY", "Budget": 10}, {"Type": "LIFETIME", "Budget": 10}]
    arn = stack.create(before)["PhysicalResourceId"]
    backend.spend(backend.only(membership), uses=4)
    answered = stack.update(arn, before, access_budget(membership, backend.table(membership), limits))
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith("Changing the ACCESS_BUDGET template")
    assert f"from {record().before} to 10 per CALENDAR_DAY, 10 per LIFETIME needs a reset" in answered["Reason"]
    assert HandledEvent.latest.requests.count == 3
