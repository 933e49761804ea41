"""A budget of this construct's type on a collaboration and a membership of CloudFormation's own, in one template."""

import json
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from deployed_rooms import held
from plain_template import write_plain_template

COLLABORATION: dict[str, Any] = {
    "Parameters": {"Provider": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cleanrooms-privacy-budget/provider"}},
    "Resources": {
        "B": {
            "Type": "Custom::CleanRoomsPrivacyBudgetTemplate",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "ServiceToken": {"Ref": "Provider"},
                "ServiceTimeout": 960,
                "MembershipIdentifier": {"Fn::GetAtt": ["Membership", "MembershipIdentifier"]},
                "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
                "AutoRefresh": "NONE",
                "Parameters": {"Epsilon": 10, "UsersNoisePerQuery": 30},
            },
        },
        "Other": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Collaboration": {
            "Type": "AWS::CleanRooms::Collaboration",
            "Properties": {
                "Name": "n",
                "Description": "d",
                "CreatorDisplayName": "me",
                "CreatorMemberAbilities": ["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
                "Members": [],
                "QueryLogStatus": "DISABLED",
            },
        },
        "Membership": {
            "Type": "AWS::CleanRooms::Membership",
            "Properties": {
                "CollaborationIdentifier": {"Fn::GetAtt": ["Collaboration", "CollaborationIdentifier"]},
                "QueryLogStatus": "DISABLED",
            },
        },
    },
}


@pytest.fixture
def provider(local_aws: LocalAws, tmp_path: Path) -> None:
    """The provider of the plain template, published under its parameter."""
    template = write_plain_template(tmp_path / "template")
    (code,) = template.parent.glob("*.zip")
    s3, cloudformation = local_aws.client("s3"), local_aws.client("cloudformation")
    s3.create_bucket(Bucket="provider-code")
    s3.upload_file(str(code), "provider-code", code.name)
    cloudformation.create_stack(
        StackName="provider",
        TemplateBody=template.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "CodeBucket", "ParameterValue": "provider-code"}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="provider", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_local_collaboration(local_aws: LocalAws, provider: None) -> None:
    """Its types were unknown to the local AWS; the stack is complete, and with it everything goes."""
    rooms, cloudformation = local_aws.client("cleanrooms"), local_aws.client("cloudformation")

    def standing() -> tuple[set[str], set[str]]:
        collaborations = {entry["id"] for entry in rooms.list_collaborations()["collaborationList"]}
        return collaborations, {entry["id"] for entry in rooms.list_memberships()["membershipSummaries"]}

    before = standing()
    cloudformation.create_stack(StackName="collaboration", TemplateBody=json.dumps(COLLABORATION))
    wait = {"Delay": 1, "MaxAttempts": 60}
    cloudformation.get_waiter("stack_create_complete").wait(StackName="collaboration", WaiterConfig=wait)
    resources = cloudformation.describe_stack_resources(StackName="collaboration")["StackResources"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    assert standing() == (before[0] | {ids["Collaboration"]}, before[1] | {ids["Membership"]})
    (template,) = held(rooms, ids["Membership"])
    assert template["arn"] == ids["B"]
    assert template["parameters"]["differentialPrivacy"]["epsilon"] == 10

    cloudformation.delete_stack(StackName="collaboration")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="collaboration", WaiterConfig=wait)
    assert standing() == before
