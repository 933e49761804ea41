"""A stack that failed with rollback disabled goes on, or back, as CloudFormation documents under "stack failure options"."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.support.stacks import ANSWER, Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

FAIL = 'put(event, answer(event, Status="FAILED", Reason="no", PhysicalResourceId="half-made"))'
FAIL_UPDATE = 'put(event, answer(event, Status="FAILED", Reason="no"))'
NEW_ID = 'put(event, answer(event, PhysicalResourceId="second", Data={"Result": ""}))'

Deploy = Callable[[Stack, dict[str, Any]], str]


def by_update_stack(stack: Stack, body: dict[str, Any]) -> str:
    return stack.deploy(body, DisableRollback=True)


def by_change_set(stack: Stack, body: dict[str, Any]) -> str:
    stack.prepare(body)
    return stack.execute(DisableRollback=True)


both_ways = pytest.mark.parametrize("deploy", [by_update_stack, by_change_set])


def with_neighbour(body: dict[str, Any], value: str) -> dict[str, Any]:
    """The template with a parameter that the custom resource waits for."""
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/neighbour", "Value": value}}
    body["Resources"] |= {"Neighbour": parameter, "Thing": {**body["Resources"]["Thing"], "DependsOn": "Neighbour"}}
    return body


def without_thing(body: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {name: resource for name, resource in body["Resources"].items() if name != "Thing"}}


@both_ways
def test_failed_create_is_sent_again(stack: Stack, record: Path, deploy: Deploy) -> None:
    """What has no stable state is deleted by the next operation, which then creates it."""
    assert deploy(stack, template(record, FAIL)) == "CREATE_FAILED"
    assert requests(record) == [("Create", None)]
    assert deploy(stack, template(record, ANSWER)) == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made"), ("Create", None)]
    statuses = {
        r["LogicalResourceId"]: r["ResourceStatus"] for r in stack.client.describe_stack_resources(StackName=stack.id)["StackResources"]
    }
    assert statuses["Thing"] == "UPDATE_COMPLETE"


def test_failed_operation_is_tried_again_with_nothing_changed(stack: Stack, record: Path) -> None:
    once = f'{FAIL} if len(open(event["ResourceProperties"]["Record"]).readlines()) == 1 else {ANSWER}'
    assert by_update_stack(stack, template(record, once)) == "CREATE_FAILED"
    stack.client.update_stack(StackName=stack.name, UsePreviousTemplate=True, DisableRollback=True, Capabilities=["CAPABILITY_IAM"])
    assert stack.wait() == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made"), ("Create", None)]


@both_ways
def test_create_that_fails_again_stays_failed(stack: Stack, record: Path, deploy: Deploy) -> None:
    assert deploy(stack, template(record, FAIL)) == "CREATE_FAILED"
    assert deploy(stack, template(record, FAIL, timeout=11)) == "UPDATE_FAILED"
    assert deploy(stack, template(record, ANSWER)) == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made")] * 2 + [("Create", None)]


@both_ways
def test_failed_resource_may_leave_the_template(stack: Stack, record: Path, deploy: Deploy) -> None:
    assert deploy(stack, template(record, FAIL)) == "CREATE_FAILED"
    assert deploy(stack, without_thing(template(record, FAIL, timeout=11))) == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made")]


def test_change_set_of_a_failed_create_adds(stack: Stack, record: Path) -> None:
    by_update_stack(stack, template(record, FAIL))
    assert {name: change["Action"] for name, change in stack.prepare(template(record, ANSWER)).items()} == {"Thing": "Add"}
    gone = stack.prepare(without_thing(template(record, FAIL)))
    assert (gone["Thing"]["Action"], gone["Thing"]["PolicyAction"]) == ("Remove", "Delete")


def test_failed_create_is_rolled_back(stack: Stack, record: Path) -> None:
    assert by_update_stack(stack, template(record, FAIL)) == "CREATE_FAILED"
    assert stack.roll_back() == "ROLLBACK_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made")]
    assert stack.client.describe_stack_resources(StackName=stack.id)["StackResources"] == []


@both_ways
def test_failed_update_is_reverted_and_retried(stack: Stack, record: Path, deploy: Deploy) -> None:
    """The failed resource returns to its last stable state; the others keep what they have reached."""
    assert stack.deploy(with_neighbour(template(record, ANSWER), "1")) == "CREATE_COMPLETE"
    assert deploy(stack, with_neighbour(template(record, FAIL_UPDATE), "2")) == "UPDATE_FAILED"
    assert requests(record) == [("Create", None), ("Update", "thing"), ("Update", "thing")]
    resources = {r["LogicalResourceId"]: r for r in stack.client.describe_stack_resources(StackName=stack.id)["StackResources"]}
    assert resources["Thing"]["ResourceStatus"] == "UPDATE_FAILED"
    assert resources["Neighbour"]["ResourceStatus"] == "UPDATE_COMPLETE"
    assert deploy(stack, with_neighbour(template(record, ANSWER, timeout=11), "2")) == "UPDATE_COMPLETE"
    assert requests(record)[3:] == [("Update", "thing")]


def test_failed_update_rolls_back_to_stable_state(stack: Stack, record: Path, local_aws: Any) -> None:
    assert stack.deploy(with_neighbour(template(record, ANSWER), "1")) == "CREATE_COMPLETE"
    for value in ("2", "3"):
        assert by_update_stack(stack, with_neighbour(template(record, FAIL_UPDATE), value)) == "UPDATE_FAILED"
    assert stack.roll_back() == "UPDATE_ROLLBACK_COMPLETE"
    assert local_aws.client("ssm").get_parameter(Name="/neighbour")["Parameter"]["Value"] == "1"
    assert requests(record) == [("Create", None)] + [("Update", "thing")] * 4
    assert stack.deploy(with_neighbour(template(record, ANSWER, timeout=11), "4")) == "UPDATE_COMPLETE"


@both_ways
def test_failed_create_in_update_is_retried(stack: Stack, record: Path, deploy: Deploy) -> None:
    assert stack.deploy(without_thing(template(record, FAIL))) == "CREATE_COMPLETE"
    assert deploy(stack, template(record, FAIL)) == "UPDATE_FAILED"
    assert deploy(stack, template(record, ANSWER)) == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made"), ("Create", None)]


def test_failed_create_in_update_is_rolled_back(stack: Stack, record: Path) -> None:
    assert stack.deploy(without_thing(template(record, FAIL))) == "CREATE_COMPLETE"
    assert by_update_stack(stack, template(record, FAIL)) == "UPDATE_FAILED"
    assert stack.roll_back() == "UPDATE_ROLLBACK_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made")]


def test_next_success_deletes_replaced_resources(stack: Stack, record: Path) -> None:
    """A resource that a failed update replaced is deleted once an update succeeds."""

    def body(do: str, *, fails: bool) -> dict[str, Any]:
        made = template(record, do)
        thing = made["Resources"]["Thing"]
        after = {**thing["Properties"], "Do": FAIL if fails else ANSWER}
        made["Resources"]["ZLast"] = {**thing, "Properties": after, "DependsOn": "Thing"}
        return made

    first = body(ANSWER, fails=False)
    del first["Resources"]["ZLast"]
    assert stack.deploy(first) == "CREATE_COMPLETE"
    assert by_update_stack(stack, body(NEW_ID, fails=True)) == "UPDATE_FAILED"
    assert ("Delete", "thing") not in requests(record)
    assert by_update_stack(stack, body(NEW_ID, fails=False)) == "UPDATE_COMPLETE"
    assert requests(record)[-1] == ("Delete", "thing")


def test_replacement_is_refused_while_rollback_is_disabled(stack: Stack, record: Path) -> None:
    body = with_neighbour(template(record, ANSWER), "1")
    assert stack.deploy(body) == "CREATE_COMPLETE"
    body["Resources"]["Neighbour"]["Properties"]["Name"] = "/other"
    assert by_update_stack(stack, body) == "UPDATE_FAILED"
    events = stack.client.describe_stack_events(StackName=stack.id)["StackEvents"]
    reasons = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "UPDATE_FAILED"]
    assert "Replacement type updates not supported on stack with disable-rollback." in reasons


@pytest.mark.parametrize("operation", ["update-stack", "execute-change-set"])
def test_rollback_has_to_stay_disabled(stack: Stack, record: Path, operation: str) -> None:
    by_update_stack(stack, template(record, FAIL))
    with pytest.raises(stack.client.exceptions.ClientError) as refused:
        if operation == "update-stack":
            stack.deploy(template(record, ANSWER))
        else:
            stack.prepare(template(record, ANSWER))
            stack.execute()
    assert refused.value.response["Error"]["Message"] == (
        "This stack is currently in a non-terminal [CREATE_FAILED] state. To update the stack from this state, please use the"
        f" disable-rollback parameter with {operation} API. To rollback to the last known good state, use the rollback-stack API"
    )
    assert requests(record) == [("Create", None)]


@pytest.mark.parametrize("way", ["update", "change set"])
def test_rolled_back_creation_cannot_be_updated(stack: Stack, record: Path, way: str) -> None:
    assert stack.deploy(template(record, FAIL)) == "ROLLBACK_COMPLETE"
    with pytest.raises(stack.client.exceptions.ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        (stack.deploy if way == "update" else stack.prepare)(template(record, ANSWER))
