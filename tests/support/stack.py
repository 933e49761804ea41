"""CloudFormation's side of the handler's events, and a Clean Rooms that answers the handler's own client in this process."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from cleanrooms_local_aws.clean_rooms import dispatch
from privacy_budget_core.guardrails import Guardrails
from privacy_budget_handler import events
from privacy_budget_handler.events import PrivacyBudgetEvent
from tests.support.deployed_clean_rooms import new_membership

ACCOUNT = "111122223333"
REGION = "us-east-1"


@dataclass
class Response:
    """A file-like answer, as botocore reads it."""

    body: bytes

    def stream(self, *_: object, **__: object) -> Any:
        yield self.body


def serve(client: Any) -> None:
    """Have the local Clean Rooms answer a boto3 client, request by request, without a network."""

    def send(request: Any, **_: object) -> AWSResponse:
        body = request.body or b""
        status, headers, answered = dispatch.answer(
            request.method,
            request.url,
            dict(request.headers.items()),
            body.encode() if isinstance(body, str) else body,
            account_id=ACCOUNT,
            region=REGION,
        )
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Response(answered))

    # Last, as every handler is called: what the client's own ones refuse to send must not get here.
    client.meta.events.register_last("before-send.cleanrooms", send)


class Backend:
    """Clean Rooms as an operator sees it: memberships made for the test, and the templates under them."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("cleanrooms", region_name=REGION)
        serve(self.client)

    def membership(self) -> str:
        return new_membership(self.client)

    def templates(self, membership: str) -> list[dict[str, Any]]:
        """Each template with its parameters and tags."""
        summaries = self.client.list_privacy_budget_templates(membershipIdentifier=membership)["privacyBudgetTemplateSummaries"]
        found = []
        for summary in summaries:
            template = self.client.get_privacy_budget_template(
                membershipIdentifier=membership, privacyBudgetTemplateIdentifier=summary["id"]
            )["privacyBudgetTemplate"]
            template["tags"] = self.client.list_tags_for_resource(resourceArn=template["arn"])["tags"]
            found.append(template)
        return found

    def only(self, membership: str) -> dict[str, Any]:
        """The one template of a membership."""
        (template,) = self.templates(membership)
        return template

    def spend(self, template: Mapping[str, Any], **amount: Any) -> None:
        """Use up a part of a template's budget."""
        path = f"/local/memberships/{template['membershipId']}/privacybudgettemplates/{template['id']}/spend"
        status, _, body = dispatch.answer(
            "POST", f"http://local{path}", {}, json.dumps({"amount": amount}).encode(), account_id=ACCOUNT, region=REGION
        )
        assert status == 200, body

    def table(self, membership: str, name: str = "sales") -> str:
        """The ARN of a configured table association."""
        return f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{membership}/configuredtableassociation/{name}"


class Context:
    """The invocation's context: how many milliseconds are left."""

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = "provider"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class Clock(Context):
    """A context whose time runs."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self.end - time.monotonic()) * 1000)


class HandledEvent(PrivacyBudgetEvent):
    """An event in this process. Its responses are kept, and DescribeStacks returns a given entry."""

    latest: ClassVar["HandledEvent"]

    def __init__(self, event: Mapping[str, Any], context: Context, stack: Mapping[str, Any], client: Any = events.client) -> None:
        super().__init__(event, context, client)
        self.bodies: list[bytes] = []
        self._stack = stack
        HandledEvent.latest = self

    def describe_stack(self) -> Mapping[str, Any]:
        return self._stack

    def deliver(self, body: bytes) -> None:
        self.bodies.append(body)


@dataclass
class Stack:
    """A stack that sends the events of its resources to the handler and keeps the answers."""

    name: str = "shop"
    id: str = ""
    status: str = "UPDATE_IN_PROGRESS"
    guardrails: Guardrails = field(default_factory=Guardrails)

    def __post_init__(self) -> None:
        self.id = self.id or f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self.name}/{uuid.uuid4()}"

    def event(self, request_type: str, properties: Mapping[str, Any], logical_id: str = "Budget", **more: Any) -> dict[str, Any]:
        """An event as CloudFormation sends it: every scalar a string."""
        return {
            "RequestType": request_type,
            "RequestId": str(uuid.uuid4()),
            "StackId": self.id,
            "LogicalResourceId": logical_id,
            "ResourceType": "Custom::CleanRoomsPrivacyBudgetTemplate",
            "ResponseURL": "https://bucket.invalid/answer?X-Amz-Signature=secret",
            "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provider",
            "ResourceProperties": as_strings({"ServiceToken": "arn:…", "ServiceTimeout": "960", **properties}),
            **more,
        }

    def create(self, properties: Mapping[str, Any], logical_id: str = "Budget") -> dict[str, Any]:
        return self.deliver(self.event("Create", properties, logical_id))

    def update(self, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], logical_id: str = "Budget") -> dict[str, Any]:
        return self.deliver(self.event("Update", new, logical_id, PhysicalResourceId=physical_id, OldResourceProperties=as_strings(old)))

    def delete(self, physical_id: str, properties: Mapping[str, Any], logical_id: str = "Budget") -> dict[str, Any]:
        return self.deliver(self.event("Delete", properties, logical_id, PhysicalResourceId=physical_id))

    def deliver(self, event: Mapping[str, Any], context: Context | None = None) -> dict[str, Any]:
        """Send one event and give its one answer, which keeps the protocol's rules."""
        handled = HandledEvent(event, context or Context(), {"StackStatus": self.status})
        handled.guardrails = self.guardrails
        handled.respond()
        (body,) = handled.bodies
        answered: dict[str, Any] = json.loads(body)
        assert len(body) <= 4096
        assert answered["Status"] in ("SUCCESS", "FAILED")
        assert answered["PhysicalResourceId"]
        for name in ("StackId", "RequestId", "LogicalResourceId"):
            assert answered[name] == event[name]
        return answered


def as_strings(value: Any) -> Any:
    """Properties as CloudFormation hands them over."""
    if isinstance(value, dict):
        return {key: as_strings(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_strings(entry) for entry in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differential_privacy(membership: str, epsilon: object = 3, noise: object = 30, **more: Any) -> dict[str, Any]:
    """Properties of a differential-privacy template."""
    return {
        "MembershipIdentifier": membership,
        "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
        "AutoRefresh": "NONE",
        "Parameters": {"Epsilon": epsilon, "UsersNoisePerQuery": noise},
        **more,
    }


def access_budget(membership: str, table: str, limits: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Properties of an access budget."""
    return {
        "MembershipIdentifier": membership,
        "PrivacyBudgetType": "ACCESS_BUDGET",
        "Parameters": {"ResourceArn": table, "BudgetParameters": limits},
        **more,
    }


def tags(**named: str) -> list[dict[str, str]]:
    """Tags as CloudFormation writes them."""
    return [{"Key": key, "Value": value} for key, value in named.items()]
