"""Nested stacks are deployed, rolled back and cleaned up with their root, and leave behind what CloudFormation's would."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

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
            url = self.publish(self._nested(fails=fails_inside))
            resources["Nested"] = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"Token": token}}}
        if fails_outside:
            resources["Broken"] = {**custom(self._record, FAIL, token), "DependsOn": "Nested"}
        return self._stack.deploy({"Resources": resources})

    def publish(self, body: Any) -> str:
        """Give a nested stack's template to S3, and its URL."""
        text = json.dumps(body)
        key = f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        self._s3.put_object(Bucket=self._templates, Key=key, Body=text)
        return f"https://s3.us-east-1.amazonaws.com/{self._templates}/{key}"

    def _nested(self, *, fails: bool) -> dict[str, Any]:
        token = {"Ref": "Token"}
        resources = {policy: {**custom(self._record, MAKE, token), "DeletionPolicy": policy} for policy in POLICIES}
        if fails:
            resources["Broken"] = {**custom(self._record, FAIL, token), "DependsOn": list(POLICIES)}
        return {"Parameters": {"Token": {"Type": "String"}}, "Resources": resources}

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


def test_deleting_the_parent_honours_deletion_policies(parent: Parent, stack: Stack) -> None:
    assert parent.deploy() == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"
    assert parent.deleted() == {"Delete"}


def test_removing_nested_stack_honours_deletion_policies(parent: Parent) -> None:
    assert parent.deploy() == "CREATE_COMPLETE"
    assert parent.deploy(nested=False) == "UPDATE_COMPLETE"
    assert parent.deleted() == {"Delete"}


def test_failed_nested_creation_deletes_its_resources(parent: Parent) -> None:
    assert parent.deploy(fails_inside=True) == "ROLLBACK_COMPLETE"
    assert parent.deleted() == {"half-made", "Delete", "RetainExceptOnCreate"}


@pytest.mark.parametrize("update", [False, True], ids=["create", "update"])
def test_failed_deployment_deletes_its_nested_stack(parent: Parent, update: bool) -> None:
    if update:
        assert parent.deploy(nested=False) == "CREATE_COMPLETE"
    assert parent.deploy(fails_outside=True) == ("UPDATE_ROLLBACK_COMPLETE" if update else "ROLLBACK_COMPLETE")
    assert parent.deleted() == {"half-made", "Delete", "RetainExceptOnCreate"}


class Updated:
    """A parent whose nested stack has a custom resource, a parameter, and whatever else a test adds; something may fail beside it."""

    def __init__(self, stack: Stack, record: Path, parent: Parent) -> None:
        self.stack = stack
        self._record = record
        self._parent = parent
        self.inner = {"Thing": custom(record, MAKE, {"Ref": "Token"}), "Other": custom(record, MAKE, {"Ref": "Token"})}
        self.extras: dict[str, Any] = {}

    def deploy(self, *, fails_outside: bool = False) -> str:
        body = {"Parameters": {"Token": {"Type": "String"}}, "Resources": self.inner, **self.extras}
        resources = template(self._record, MAKE)["Resources"]
        del resources["Thing"]
        token = {"Fn::GetAtt": ["Function", "Arn"]}
        properties = {"TemplateURL": self._parent.publish(body), "Parameters": {"Token": token}}
        resources["Nested"] = {"Type": "AWS::CloudFormation::Stack", "Properties": properties}
        if fails_outside:
            resources["Broken"] = {**custom(self._record, FAIL, token), "DependsOn": "Nested"}
        return self.stack.deploy({"Resources": resources})

    def events(self) -> list[tuple[str, str | None]]:
        """The requests since this was last asked for."""
        found = requests(self._record)
        self._record.write_text("")
        return found

    def nested(self) -> dict[str, Any]:
        """What CloudFormation says of the nested stack."""
        detail = self.stack.client.describe_stack_resource(StackName=self.stack.name, LogicalResourceId="Nested")["StackResourceDetail"]
        (found,) = self.stack.client.describe_stacks(StackName=detail["PhysicalResourceId"])["Stacks"]
        return dict(found)


SECOND = 'put(event, answer(event, PhysicalResourceId="second"))'


@pytest.fixture
def updated(stack: Stack, record: Path, parent: Parent) -> Updated:
    made = Updated(stack, record, parent)
    assert made.deploy() == "CREATE_COMPLETE"
    assert made.events() == [("Create", None), ("Create", None)]
    return made


def test_replaced_and_removed_are_deleted_at_the_end(updated: Updated) -> None:
    updated.inner["Thing"]["Properties"]["Do"] = SECOND
    del updated.inner["Other"]
    assert updated.deploy() == "UPDATE_COMPLETE"
    events = updated.events()
    assert events[0] == ("Update", "Thing")
    assert sorted(events[1:]) == [("Delete", "Other"), ("Delete", "Thing")]
    assert updated.nested()["StackStatus"] == "UPDATE_COMPLETE"


def test_rollback_of_the_root_undoes_the_nested_update(updated: Updated) -> None:
    """What the nested stack would have deleted in the end is still there, and is neither deleted nor made anew."""
    updated.inner["Thing"]["Properties"]["Do"] += " # changed"
    updated.inner["New"] = custom(updated._record, MAKE, {"Ref": "Token"})
    del updated.inner["Other"]
    assert updated.deploy(fails_outside=True) == "UPDATE_ROLLBACK_COMPLETE"
    events = updated.events()
    assert ("Delete", "Other") not in events
    assert sorted(events, key=str) == sorted(
        [("Create", None), ("Create", None), ("Update", "Thing"), ("Update", "Thing"), ("Delete", "New"), ("Delete", "half-made")], key=str
    )
    assert updated.nested()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert updated.deploy() == "UPDATE_COMPLETE"
    assert ("Delete", "Other") in updated.events()


def test_failed_update_inside_is_rolled_back(updated: Updated) -> None:
    updated.inner["Other"]["Properties"]["Do"] += " # changed"
    updated.inner["Thing"]["Properties"]["Do"] = FAIL
    assert updated.deploy() == "UPDATE_ROLLBACK_COMPLETE"
    assert sorted(updated.events(), key=str) == sorted([("Update", "Other")] * 2 + [("Update", "Thing")] * 2, key=str)
    events = updated.stack.client.describe_stack_events(StackName=updated.stack.id)["StackEvents"]
    reasons = [e["ResourceStatusReason"] for e in events if e["LogicalResourceId"] == "Nested" and e["ResourceStatus"] == "UPDATE_FAILED"]
    assert reasons == [
        f"Embedded stack {updated.nested()['StackId']} was not successfully updated: The following resource(s) failed to update: [Thing]."
    ]


def test_nested_template_has_all_that_others_have(updated: Updated, local_aws: LocalAws) -> None:
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name="/dynamic", Value="from the store", Type="String")
    name = {"Fn::Select": [0, {"Fn::Split": ["-Nested-", {"Ref": "AWS::StackName"}]}]}
    properties = {"Type": "String", "Name": {"Fn::Sub": "/nested/${Each}"}, "Value": "{{resolve:ssm:/dynamic}}"}
    value = {"Type": "AWS::SSM::Parameter", "Properties": properties, "Condition": "Here"}
    updated.inner["Fn::ForEach::Loop"] = ["Each", ["a"], {"Value${Each}": value}]  # type: ignore[assignment]
    updated.extras = {"Transform": "AWS::LanguageExtensions", "Conditions": {"Here": {"Fn::Equals": [name, updated.stack.name]}}}
    assert updated.deploy() == "UPDATE_COMPLETE"
    assert ssm.get_parameter(Name="/nested/a")["Parameter"]["Value"] == "from the store"
    nested = updated.nested()
    assert nested["ParentId"] == nested["RootId"] == updated.stack.id
