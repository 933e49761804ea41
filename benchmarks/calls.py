"""Calls of Clean Rooms for each event, counted at the local Clean Rooms; no clock is in this.

AwsCustomResource makes the one call that was declared for an event, so what takes two calls takes it two resources, and what has to be
looked up first it cannot do.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.account import ACCOUNT_ID, REGION
from cleanrooms_local_aws.clean_rooms import dispatch

from . import peers
from .execution import Execution
from .measure import Result, Table
from .peers import DECLARED, REQUEST, sdk_call
from .service import Answer, Service, serving

EVENTS: Final = (
    "create",
    "edit epsilon",
    "change a tag",
    "change an option alone",
    "delete",
    "change the refresh, nothing consumed",
    "delete after the refresh had changed",
    "create an access budget",
    "edit its limits, nothing consumed",
    "delete it",
)


def run(quick: bool = False) -> Result:  # noqa: ARG001 - there is nothing to be quicker with
    """Send both peers the events that they can handle, and count."""
    clean_rooms.install()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), _answer) as service:
        ours, theirs = dict(_ours(service)), dict(_aws_custom_resource(service))
    rows = [(event, str(ours[event]), str(theirs.get(event, "-"))) for event in EVENTS]
    samples = {
        name: {event: [float(count)] for event, count in counts.items()}
        for name, counts in (("this construct", ours), ("AwsCustomResource", theirs))
    }
    return Result(Table("Calls of Clean Rooms for each event", ("event", "this construct", "AwsCustomResource"), rows), samples)


def _ours(service: Service) -> Iterator[tuple[str, int]]:
    membership = _membership()
    declared: dict[str, Any] = {**DECLARED, "MembershipIdentifier": membership}
    edited = {**declared, "Parameters": {"Epsilon": "5", "UsersNoisePerQuery": "30"}}
    tagged = {**edited, "Tags": [{"Key": "team", "Value": "research"}]}
    allowed = {**tagged, "OnBudgetReset": "ALLOW"}
    yield from _history(service, dict(zip(EVENTS[:4], (declared, edited, tagged, allowed), strict=True)), EVENTS[4])
    swapped = {**declared, "AutoRefresh": "CALENDAR_MONTH"}
    yield from _history(service, {EVENTS[0]: declared, EVENTS[5]: swapped}, EVENTS[6])

    def limited(budget: str) -> dict[str, Any]:
        table = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT_ID}:membership/{membership}/configuredtableassociation/sales"
        limits = [{"Type": "CALENDAR_DAY", "Budget": budget, "AutoRefresh": "ENABLED"}]
        parameters = {"ResourceArn": table, "BudgetParameters": limits}
        return {"MembershipIdentifier": membership, "PrivacyBudgetType": "ACCESS_BUDGET", "Parameters": parameters}

    yield from _history(service, dict(zip(EVENTS[7:9], (limited("100"), limited("200")), strict=True)), EVENTS[9])


def _history(service: Service, states: Mapping[str, Mapping[str, Any]], end: str) -> Iterator[tuple[str, int]]:
    """Bring one resource from state to state, and delete it."""
    more: dict[str, Any] = {}
    with Execution(peers.ours_compiled(), service) as execution:
        for event, properties in states.items():
            handled = execution.handle("Update" if more else "Create", properties, **more)
            yield event, _succeeded(handled.answer, handled.requests)
            more = {"PhysicalResourceId": handled.answer["PhysicalResourceId"], "OldResourceProperties": properties}
        handled = execution.handle("Delete", more["OldResourceProperties"], PhysicalResourceId=more["PhysicalResourceId"])
        yield end, _succeeded(handled.answer, handled.requests)


def _aws_custom_resource(service: Service) -> Iterator[tuple[str, int]]:
    membership = _membership()
    with Execution(peers.aws_custom_resource(), service) as execution:

        def send(event: str, request_type: str, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
            call = sdk_call(action, request)
            handled = execution.handle(
                request_type, {request_type: call, "InstallLatestAwsSdk": "false"}, PhysicalResourceId="template", OldResourceProperties={}
            )
            counts[event] = _succeeded(handled.answer, handled.requests)
            return handled.answer

        counts: dict[str, int] = {}
        made = send("create", "Create", "createPrivacyBudgetTemplate", {**REQUEST, "membershipIdentifier": membership})["Data"]
        template = {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": made["privacyBudgetTemplate.id"]}
        edit = {
            "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
            "parameters": {"differentialPrivacy": {"epsilon": 5, "usersNoisePerQuery": 30}},
        }
        send("edit epsilon", "Update", "updatePrivacyBudgetTemplate", {**template, **edit})
        tags = {"resourceArn": made["privacyBudgetTemplate.arn"], "tags": {"team": "research"}}
        send("change a tag", "Update", "tagResource", tags)
        send("delete", "Delete", "deletePrivacyBudgetTemplate", template)
        yield from counts.items()


def _succeeded(answer: Mapping[str, Any], requests: int) -> int:
    if answer["Status"] != "SUCCESS":
        raise RuntimeError(f"an event failed that must not: {answer['Reason']}")
    return requests


def _answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    return dispatch.answer(method, f"https://cleanrooms.invalid{path}", headers, body, account_id=ACCOUNT_ID, region=REGION)


def _membership() -> str:
    """A membership of its own, in a collaboration of its own."""
    made = {
        "name": "Benchmark",
        "description": "Calls are counted here",
        "members": [],
        "creatorMemberAbilities": ["CAN_QUERY"],
        "creatorDisplayName": "Benchmark",
        "queryLogStatus": "DISABLED",
    }
    collaboration = _post("/collaborations", made)["collaboration"]["id"]
    return str(_post("/memberships", {"collaborationIdentifier": collaboration, "queryLogStatus": "DISABLED"})["membership"]["id"])


def _post(path: str, request: Mapping[str, Any]) -> Any:
    _, _, body = _answer("POST", path, {}, json.dumps(request).encode())
    return json.loads(body)
