"""Nested stacks leave behind what CloudFormation's would: what their template keeps, and nothing of a failed creation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from local_aws_support import Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "local_aws_stacks"]

POLICIES = ("Delete", "Retain", "RetainExceptOnCreate")
MAKE = 'put(event, answer(event, PhysicalResourceId=event["LogicalResourceId"], Data={"Result": ""}))'
FAIL = 'put(event, answer(event, Status="FAILED", Reason="no", PhysicalResourceId="half-made"))'


def custom(record: Path, do: str, token: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Custom::Thing", "Properties": {"ServiceToken": token, "Record": str(record), "Do": do}}


class Parent:
    """A stack with a function and, once it is told to, a nested stack of three resources, one of each deletion policy."""

    def __init__(self, stack: Stack, record: Path, templates: str, local_aws: LocalAws) -> None:
        self._stack = stack
        self._record = record
        self._templates = templates
        self._s3 = local_aws.client("s3")

    def deploy(self, *, nested: bool = True, fails_inside: bool = False, fails_outside: bool = False) -> str:
        resources = template(self._record, MAKE)["Resources"]
        del resources["Thing"]
        token = {"Fn::GetAtt": ["Function", "Arn"]}
        if nested:
            url = f"https://s3.us-east-1.amazonaws.com/{self._templates}/{self._nested(fails=fails_inside)}"
            resources["Nested"] = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"Token": token}}}
        if fails_outside:
            resources["Broken"] = {**custom(self._record, FAIL, token), "DependsOn": "Nested"}
        return self._stack.deploy({"Resources": resources})

    def _nested(self, *, fails: bool) -> str:
        token = {"Ref": "Token"}
        resources = {policy: {**custom(self._record, MAKE, token), "DeletionPolicy": policy} for policy in POLICIES}
        if fails:
            resources["Broken"] = {**custom(self._record, FAIL, token), "DependsOn": list(POLICIES)}
        key = f"fails-{fails}.json"
        body = {"Parameters": {"Token": {"Type": "String"}}, "Resources": resources}
        self._s3.put_object(Bucket=self._templates, Key=key, Body=json.dumps(body))
        return key

    def deleted(self) -> set[str | None]:
        """What was deleted, by physical ids."""
        return {id_ for request, id_ in requests(self._record) if request == "Delete"}


@pytest.fixture
def parent(stack: Stack, record: Path, local_aws: LocalAws) -> Iterator[Parent]:
    s3, name = local_aws.client("s3"), "templates"
    s3.create_bucket(Bucket=name)
    yield Parent(stack, record, name, local_aws)
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


def test_deleting_the_parent_keeps_what_is_to_be_kept(parent: Parent, stack: Stack) -> None:
    assert parent.deploy() == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert parent.deleted() == {"Delete"}


def test_removing_a_nested_stack_keeps_what_is_to_be_kept(parent: Parent) -> None:
    assert parent.deploy() == "CREATE_COMPLETE"
    assert parent.deploy(nested=False) == "UPDATE_COMPLETE"
    assert parent.deleted() == {"Delete"}


def test_failed_creation_inside_deletes_what_the_nested_stack_made(parent: Parent) -> None:
    assert parent.deploy(fails_inside=True) == "ROLLBACK_COMPLETE"
    assert parent.deleted() == {"half-made", "Delete", "RetainExceptOnCreate"}


@pytest.mark.parametrize("update", [False, True], ids=["create", "update"])
def test_failed_deployment_deletes_the_nested_stack_that_it_made(parent: Parent, update: bool) -> None:
    if update:
        assert parent.deploy(nested=False) == "CREATE_COMPLETE"
    assert parent.deploy(fails_outside=True) == ("UPDATE_ROLLBACK_COMPLETE" if update else "ROLLBACK_COMPLETE")
    assert parent.deleted() == {"half-made", "Delete", "RetainExceptOnCreate"}
