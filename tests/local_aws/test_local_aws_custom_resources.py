"""CloudFormation's side of the custom-resource protocol, with functions that keep to it and functions that do not."""

import json
import re
from pathlib import Path

import pytest

from tests.local_aws.support.stacks import ANSWER, Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]


def test_event_and_answer_go_round(stack: Stack, record: Path) -> None:
    do = 'put(event, answer(event, Data={"Result": json.dumps([sorted(event), event["ResourceProperties"]["ServiceTimeout"]])}))'
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"
    members, timeout = json.loads(stack.result())
    assert members == [
        "LogicalResourceId",
        "RequestId",
        "RequestType",
        "ResourceProperties",
        "ResourceType",
        "ResponseURL",
        "ServiceToken",
        "StackId",
    ]
    assert timeout == "120"


def test_first_answer_counts(stack: Stack, record: Path) -> None:
    do = ANSWER + '; put(event, answer(event, Status="FAILED", Reason="too late"))'
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"


def test_failed_create_is_deleted_by_answered_id(stack: Stack, record: Path) -> None:
    do = 'put(event, answer(event, Status="FAILED", Reason="it rains", PhysicalResourceId="half-made"))'
    assert stack.deploy(template(record, do)) == "ROLLBACK_COMPLETE"
    assert stack.reason().startswith("Received response status [FAILED] from custom resource. Message returned: it rains (RequestId: ")
    assert requests(record) == [("Create", None), ("Delete", "half-made")]


def test_failed_create_in_an_update_is_deleted(stack: Stack, record: Path) -> None:
    failing = template(record, 'put(event, answer(event, Status="FAILED", Reason="no", PhysicalResourceId="half-made"))')
    without = {"Resources": {name: failing["Resources"][name] for name in ("Role", "Function")}}
    assert stack.deploy(without) == "CREATE_COMPLETE"
    assert stack.deploy(failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert requests(record) == [("Create", None), ("Delete", "half-made")]


def test_failed_update_is_sent_back(stack: Stack, record: Path) -> None:
    assert stack.deploy(template(record, ANSWER)) == "CREATE_COMPLETE"
    assert stack.deploy(template(record, 'put(event, answer(event, Status="FAILED"))')) == "UPDATE_ROLLBACK_COMPLETE"
    assert requests(record) == [("Create", None), ("Update", "thing"), ("Update", "thing")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(
            'answer(event, Data={"Result": "x" * 4096})',
            r"Response object is too long: it must have at most 4096 bytes, got \d+\.",
            id="too-long",
        ),
        pytest.param('answer(event, StackId="other")', "Invalid StackId in the response object: .*, got 'other'.", id="stack"),
        pytest.param('answer(event, RequestId="other")', "Invalid RequestId .*, got 'other'.", id="request"),
        pytest.param('answer(event, LogicalResourceId="other")', "Invalid LogicalResourceId .*, got 'other'.", id="logical"),
        pytest.param('answer(event, PhysicalResourceId="")', "Invalid PhysicalResourceId: .*, got ''.", id="no-id"),
        pytest.param('answer(event, Status="DONE")', "Invalid Status .* must be SUCCESS or FAILED, got 'DONE'.", id="status"),
        pytest.param('b"done"', "Invalid response object: it must be a JSON object.", id="no-json"),
    ],
)
def test_invalid_answer_fails_and_is_cleaned_up(stack: Stack, record: Path, answer: str, reason: str) -> None:
    assert stack.deploy(template(record, f"put(event, {answer})")) == "ROLLBACK_COMPLETE"
    assert re.fullmatch(reason, stack.reason())
    create, (request, physical_id) = requests(record)
    assert create == ("Create", None)
    assert request == "Delete"
    assert physical_id is not None
    assert physical_id.startswith(f"{stack.name}-Thing-")


def test_url_takes_nothing_but_what_was_signed(stack: Stack, record: Path) -> None:
    do = """
import urllib.parse
url = event["ResponseURL"]
refused = [
    attempt(lambda: put(event, answer(event), "application/json")),
    attempt(lambda: put(event, answer(event), url=urllib.parse.unquote(url))),
    attempt(lambda: put(event, answer(event), url=url[:-1])),
]
put(event, answer(event, Data={"Result": json.dumps(refused)}))
"""
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"
    assert json.loads(stack.result()) == ["HTTPError: HTTP Error 403: Forbidden"] * 3


def test_crashed_invocation_is_repeated_twice(stack: Stack, record: Path) -> None:
    do = f"""
if len(open(event["ResourceProperties"]["Record"]).readlines()) < 3:
    os._exit(1)
{ANSWER}
"""
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"
    assert requests(record) == [("Create", None)] * 3


def test_no_answer_fails_after_the_service_timeout(stack: Stack, record: Path) -> None:
    """Its Delete is not sent, as it would have to be answered in the same second."""
    silent = template(record, "pass", timeout=1)
    silent["Resources"]["Thing"]["DeletionPolicy"] = "Retain"
    assert stack.deploy(silent) == "ROLLBACK_COMPLETE"
    assert stack.reason().startswith("CloudFormation did not receive a response from your custom resource.")


def test_stack_events_have_an_order(stack: Stack, record: Path) -> None:
    stack.deploy(template(record, ANSWER))
    times = [event["Timestamp"] for event in stack.client.describe_stack_events(StackName=stack.id)["StackEvents"]]
    assert len(set(times)) == len(times)
    assert times == sorted(times, reverse=True)
