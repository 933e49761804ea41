"""Templates of users' own on the local AWS, with the plain template's provider: each was deployed otherwise than documented."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.deployed_clean_rooms import held, new_membership
from tests.support.plain_template import write_plain_template

BUCKET = "code-of-templates"
PROVIDER = "/cleanrooms-privacy-budget/provider"
STORED = "/example/membership"


class Templates:
    """Stacks of one custom resource ``B``, whose provider is deployed."""

    def __init__(self, local_aws: LocalAws) -> None:
        self.client = local_aws.client("cloudformation")
        self.ssm = local_aws.client("ssm")
        self.clean_rooms = local_aws.client("cleanrooms")

    def budget(self, membership: Any, **attributes: Any) -> dict[str, Any]:
        return {
            "Type": "Custom::CleanRoomsPrivacyBudgetTemplate",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "ServiceToken": {"Ref": "Provider"},
                "ServiceTimeout": 960,
                "MembershipIdentifier": membership,
                "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
                "AutoRefresh": "NONE",
                "Parameters": {"Epsilon": 10, "UsersNoisePerQuery": 30},
            },
            **attributes,
        }

    def template(self, resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
        provider = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": PROVIDER}
        return {
            "Parameters": {"Provider": provider, **sections.pop("Parameters", {})},
            "Resources": {**resources, "Other": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
            **sections,
        }

    def deploy(self, template: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Deploy by a change set, as the CDK CLI does, and give its changes; none where it has none."""
        there = [each["StackName"] for each in self.client.describe_stacks()["Stacks"]]
        made = self.client.create_change_set(
            StackName="case",
            ChangeSetName="case",
            ChangeSetType="UPDATE" if "case" in there else "CREATE",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_AUTO_EXPAND"],
        )
        described = self.client.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)
        if described["Status"] == "CREATE_COMPLETE":
            self.client.execute_change_set(ChangeSetName=made["Id"])
            assert self.settled("case") in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        self.client.delete_change_set(StackName="case", ChangeSetName="case")
        return {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in described["Changes"]}

    def settled(self, name: str) -> str:
        while (status := str(self.client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])).endswith("_IN_PROGRESS"):
            time.sleep(0.1)
        return status


@pytest.fixture(scope="module")
def provided(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Templates]:
    """The plain template's provider, deployed."""
    folder = write_plain_template(tmp_path_factory.mktemp("template")).parent
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    (code,) = folder.glob("*.zip")
    s3.put_object(Bucket=BUCKET, Key=code.name, Body=code.read_bytes())
    templates = Templates(local_aws)
    templates.client.create_stack(
        StackName="provider",
        TemplateBody=(folder / "provider.yaml").read_text(),
        Parameters=[{"ParameterKey": "CodeBucket", "ParameterValue": BUCKET}],
        Capabilities=["CAPABILITY_IAM"],
    )
    assert templates.settled("provider") == "CREATE_COMPLETE"
    yield templates
    (stack,) = templates.client.describe_stacks(StackName="provider")["Stacks"]
    templates.client.delete_stack(StackName="provider")  # its parameter's name is that of other tests' providers
    assert templates.settled(stack["StackId"]) == "DELETE_COMPLETE"


@pytest.fixture
def templates(provided: Templates) -> Iterator[Templates]:
    yield provided
    (stack,) = provided.client.describe_stacks(StackName="case")["Stacks"]
    provided.client.delete_stack(StackName="case")
    assert provided.settled(stack["StackId"]) == "DELETE_COMPLETE"


@pytest.fixture
def membership(templates: Templates) -> str:
    return new_membership(templates.clean_rooms)


def test_local_condition_region(templates: Templates, membership: str) -> None:
    """The region is us-east-1, so the template is made."""
    on = {"On": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
    changes = templates.deploy(templates.template({"B": templates.budget(membership, Condition="On")}, Conditions=on))
    assert {name: change["Action"] for name, change in changes.items()} == {"B": "Add", "Other": "Add"}
    assert len(held(templates.clean_rooms, membership)) == 1


def test_stored_membership_that_changes(templates: Templates, membership: str) -> None:
    """The template stays as it is. The change set tells that another membership is meant, and the deployment goes there."""
    other = new_membership(templates.clean_rooms)
    templates.ssm.put_parameter(Name=STORED, Value=membership, Type="String", Overwrite=True)
    stored = {"Membership": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": STORED}}
    template = templates.template({"B": templates.budget({"Ref": "Membership"})}, Parameters=stored)
    templates.deploy(template)
    templates.ssm.put_parameter(Name=STORED, Value=other, Type="String", Overwrite=True)
    change = templates.deploy(template)["B"]
    sides = [json.loads(change[side])["Properties"]["MembershipIdentifier"] for side in ("BeforeContext", "AfterContext")]
    assert sides == [membership, other]
    assert [len(held(templates.clean_rooms, each)) for each in (membership, other)] == [0, 1]


def test_dynamic_reference_that_stays(templates: Templates, membership: str) -> None:
    templates.ssm.put_parameter(Name=STORED, Value=membership, Type="String", Overwrite=True)
    template = templates.template({"B": templates.budget(f"{{{{resolve:ssm:{STORED}}}}}")})
    told = json.loads(templates.deploy(template)["B"]["AfterContext"])
    assert told["Properties"]["MembershipIdentifier"] == membership
    assert templates.deploy(template) == {}
    assert len(held(templates.clean_rooms, membership)) == 1


def test_loop(templates: Templates, membership: str) -> None:
    loop = {"Fn::ForEach::Budgets": ["Each", ["a"], {"B${Each}": templates.budget(membership)}]}
    changes = templates.deploy(templates.template(loop, Transform="AWS::LanguageExtensions"))
    assert changes.keys() == {"Ba", "Other"}
    assert len(held(templates.clean_rooms, membership)) == 1


def test_local_collaboration(templates: Templates) -> None:
    """A budget of this construct's type on a collaboration and a membership of CloudFormation's own; all goes with the stack."""

    def standing() -> tuple[set[str], set[str]]:
        collaborations = {entry["id"] for entry in templates.clean_rooms.list_collaborations()["collaborationList"]}
        return collaborations, {entry["id"] for entry in templates.clean_rooms.list_memberships()["membershipSummaries"]}

    before = standing()
    collaboration = {
        "Name": "n",
        "Description": "d",
        "CreatorDisplayName": "me",
        "CreatorMemberAbilities": ["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
        "Members": [],
        "QueryLogStatus": "DISABLED",
    }
    membership = {"CollaborationIdentifier": {"Fn::GetAtt": ["Collaboration", "CollaborationIdentifier"]}, "QueryLogStatus": "DISABLED"}
    resources = {
        "B": templates.budget({"Fn::GetAtt": ["Membership", "MembershipIdentifier"]}),
        "Collaboration": {"Type": "AWS::CleanRooms::Collaboration", "Properties": collaboration},
        "Membership": {"Type": "AWS::CleanRooms::Membership", "Properties": membership},
    }
    templates.deploy(templates.template(resources))
    described = templates.client.describe_stack_resources(StackName="case")["StackResources"]
    ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in described}
    assert standing() == (before[0] | {ids["Collaboration"]}, before[1] | {ids["Membership"]})
    (template,) = held(templates.clean_rooms, ids["Membership"])
    assert (template["arn"], template["parameters"]["differentialPrivacy"]["epsilon"]) == (ids["B"], 10)

    templates.deploy(templates.template({}))
    assert standing() == before
