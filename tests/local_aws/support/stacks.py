"""Stacks with a custom resource whose function does what the test tells it to."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cleanrooms_local_aws import LocalAws

FUNCTION = r"""
import json, os, sys, time, importlib.util, urllib.request, boto3

def answer(event, **members):
    body = {"Status": "SUCCESS", "PhysicalResourceId": "thing", "StackId": event["StackId"], "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"], **members}
    return json.dumps(body).encode()

def put(event, body, content_type="", url=None):
    headers = {"content-type": content_type}
    urllib.request.urlopen(urllib.request.Request(url or event["ResponseURL"], body, headers, method="PUT"))

def attempt(call):
    try:
        return "done: %s" % call()
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)

def handler(event, context):
    with open(event["ResourceProperties"]["Record"], "a") as record:
        record.write(json.dumps([event["RequestType"], event.get("PhysicalResourceId")]) + "\n")
    if event["RequestType"] == "Delete":
        return put(event, answer(event, PhysicalResourceId=event["PhysicalResourceId"]))
    exec(event["ResourceProperties"]["Do"], globals() | locals())
"""

ANSWER = 'put(event, answer(event, Data={"Result": ""}))'


TAKEN = "/taken"
"""The name of a parameter that a stack cannot create, as the fixture ``taken`` has."""


def template(
    record: Path, do: str, statements: Sequence[Mapping[str, Any]] = (), timeout: int = 120, **role_properties: object
) -> dict[str, Any]:
    """A custom resource, its function, which notes its requests in a file, and its function's role."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role: dict[str, Any] = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}, **role_properties}
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        role["Policies"] = [{"PolicyName": "Policy", "PolicyDocument": document}]
    function = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Timeout": 120,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": FUNCTION},
        "Environment": {"Variables": {"LOG_LEVEL": "of the function"}},
    }
    thing = {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "ServiceTimeout": timeout, "Record": str(record), "Do": do}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Thing": {"Type": "Custom::Thing", "Properties": thing},
        },
        "Outputs": {"Result": {"Value": {"Fn::GetAtt": ["Thing", "Result"]}}},
    }


def requests(record: Path) -> list[tuple[str, str | None]]:
    """The requests that were noted, each with the physical id that came with it."""
    return [(request, id_) for request, id_ in map(json.loads, record.read_text().splitlines())]


def _template_body(body: Mapping[str, Any] | str) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"TemplateBody": text, "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]}


class Stack:
    """A stack that is deployed as often as the test likes and deleted at its end."""

    def __init__(self, local_aws: LocalAws, name: str) -> None:
        self.name = name
        self.id = ""
        self.prepared = 0
        self.client = local_aws.client("cloudformation")

    def deploy(self, body: Mapping[str, Any] | str, **options: Any) -> str:
        """Create or update it, and give the status in which it ends."""
        request = {**_template_body(body), **options}
        if self.id:
            self.client.update_stack(StackName=self.name, **request)
        else:
            self.id = self.client.create_stack(StackName=self.name, **request)["StackId"]
        return self.wait()

    def prepare(self, body: Mapping[str, Any] | str, **options: Any) -> dict[str, dict[str, Any]]:
        """Make a change set, and give its changes, by logical ids, with property values."""
        self.prepared += 1
        type_ = "UPDATE" if self.id and self.status() != "REVIEW_IN_PROGRESS" else "CREATE"
        request = {**_template_body(body), **options}
        made = self.client.create_change_set(StackName=self.name, ChangeSetName=f"n{self.prepared}", ChangeSetType=type_, **request)
        self.id = made["StackId"]
        return self.changes(made["Id"])

    def changes(self, change_set: str) -> dict[str, dict[str, Any]]:
        """What a change set says of each resource, its contexts read."""
        described = self.client.describe_change_set(ChangeSetName=change_set, IncludePropertyValues=True)
        changes = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in described["Changes"]}
        for change in changes.values():
            change |= {name: json.loads(change[name]) for name in ("BeforeContext", "AfterContext") if name in change}
        return changes

    def execute(self, **options: Any) -> str:
        """Execute the last change set, and give the status in which the stack ends."""
        self.client.execute_change_set(StackName=self.name, ChangeSetName=f"n{self.prepared}", **options)
        return self.wait()

    def roll_back(self) -> str:
        """Roll it back to its last stable state, and give the status in which it ends."""
        self.client.rollback_stack(StackName=self.name)
        return self.wait()

    def delete(self) -> str:
        self.client.delete_stack(StackName=self.id)
        return self.wait()

    def wait(self) -> str:
        deadline = time.monotonic() + 30
        while (status := self.status()).endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            assert time.monotonic() < deadline, f"stack {self.name} is still {status}"
            time.sleep(0.05)
        return status

    def status(self) -> str:
        return str(self.client.describe_stacks(StackName=self.id)["Stacks"][0]["StackStatus"])

    def reason(self, logical_id: str = "Thing") -> str:
        """Why the custom resource, or another one, failed last."""
        events = self.client.describe_stack_events(StackName=self.id)["StackEvents"]
        failed = (e for e in events if e["LogicalResourceId"] == logical_id and e["ResourceStatus"].endswith("_FAILED"))
        return str(next(failed)["ResourceStatusReason"])

    def result(self) -> str:
        """What the function answered as its attribute ``Result``."""
        return self.outputs()["Result"]

    def outputs(self) -> dict[str, str]:
        outputs = self.client.describe_stacks(StackName=self.id)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def physical_id(self, logical_id: str) -> str:
        return self._resource(logical_id)["PhysicalResourceId"]

    def resource_status(self, logical_id: str) -> str:
        return self._resource(logical_id)["ResourceStatus"]

    def _resource(self, logical_id: str) -> dict[str, str]:
        (found,) = self.client.describe_stack_resources(StackName=self.id, LogicalResourceId=logical_id)["StackResources"]
        return dict(found)
