"""Conditions mean what CloudFormation documents, in every function and in every place where a template may use them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import ANSWER, Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

NAME = "conditions-table"
ACCOUNT = "111122223333"

PARAMETERS = {
    "Stage": {"Type": "String", "Default": "prod"},
    "Empty": {"Type": "String", "Default": ""},
    "Flag": {"Type": "String", "Default": "true"},
    "Count": {"Type": "Number", "Default": 3},
    "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Name": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/conditions/name"},
}
MAPPINGS = {
    "Regions": {"us-east-1": {"Budget": "yes", "Limit": 3, "On": True}},
    "Accounts": {ACCOUNT: {"Stage": "prod"}},
}


def equals(left: Any, right: Any) -> dict[str, Any]:
    return {"Fn::Equals": [left, right]}


def sub(text: str, **variables: Any) -> dict[str, Any]:
    return {"Fn::Sub": [text, variables] if variables else text}


def find(*keys: Any) -> dict[str, Any]:
    return {"Fn::FindInMap": list(keys)}


STAGE, REGION = {"Ref": "Stage"}, {"Ref": "AWS::Region"}
TRUE, FALSE = equals("a", "a"), equals("a", "b")

CASES: dict[str, tuple[Any, bool]] = {
    "Region": (equals(REGION, "us-east-1"), True),
    "OtherRegion": (equals(REGION, "eu-west-1"), False),
    "AccountId": (equals({"Ref": "AWS::AccountId"}, ACCOUNT), True),
    "Partition": (equals({"Ref": "AWS::Partition"}, "aws"), True),
    "UrlSuffix": (equals({"Ref": "AWS::URLSuffix"}, "amazonaws.com"), True),
    "StackName": (equals({"Ref": "AWS::StackName"}, NAME), True),
    "StackId": (equals({"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}, NAME), True),
    "Parameter": (equals(STAGE, "prod"), True),
    "EmptyParameter": (equals({"Ref": "Empty"}, ""), True),
    "NumberParameter": (equals({"Ref": "Count"}, 3), True),
    "SsmParameter": (equals({"Ref": "Name"}, "from the store"), True),
    "BooleanLiteral": (equals({"Ref": "Flag"}, True), True),
    "ListParameter": (equals({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"), True),
    "Sub": (equals(sub("${Stage}-${AWS::Region}"), "prod-us-east-1"), True),
    "SubWithVariables": (equals(sub("${S}!", S={"Fn::Join": ["", [STAGE, "2"]]}), "prod2!"), True),
    "SubLiteral": (equals(sub("${!Stage}"), "${Stage}"), True),
    "Join": (equals({"Fn::Join": ["-", [STAGE, REGION]]}, "prod-us-east-1"), True),
    "JoinOfList": (equals({"Fn::Join": ["+", {"Ref": "Zones"}]}, "a+b"), True),
    "Select": (equals({"Fn::Select": [0, ["x", STAGE]]}, "x"), True),
    "Split": (equals({"Fn::Select": [2, {"Fn::Split": ["-", REGION]}]}, "1"), True),
    "FindInMap": (equals(find("Regions", REGION, "Budget"), "yes"), True),
    "FindInMapByAccount": (equals(find("Accounts", {"Ref": "AWS::AccountId"}, "Stage"), STAGE), True),
    "FindNumberInMap": (equals(find("Regions", REGION, "Limit"), "3"), True),
    "FindBooleanInMap": (equals(find("Regions", REGION, "On"), "true"), True),
    "Base64": (equals({"Fn::Base64": STAGE}, "cHJvZA=="), True),
    "If": (equals({"Fn::If": ["Region", "x", "y"]}, "x"), True),
    "And": ({"Fn::And": [TRUE, equals(REGION, "us-east-1")]}, True),
    "AndFalse": ({"Fn::And": [TRUE, FALSE]}, False),
    "Or": ({"Fn::Or": [FALSE, equals(sub("${AWS::Partition}"), "aws")]}, True),
    "OrFalse": ({"Fn::Or": [FALSE, FALSE]}, False),
    "Not": ({"Fn::Not": [equals(REGION, "us-east-1")]}, False),
    "Reference": ({"Condition": "Region"}, True),
    "Nested": ({"Fn::And": [{"Condition": "Or"}, {"Fn::Not": [{"Fn::Or": [{"Condition": "Not"}, FALSE]}]}]}, True),
    "BeforeItsDefinition": ({"Fn::Not": [{"Condition": "ZLast"}]}, True),
    "ZLast": (equals(REGION, "nowhere"), False),
}
"""What a condition is, and what CloudFormation documents of it."""


@pytest.fixture(scope="module")
def places(local_aws: LocalAws) -> Iterator[dict[str, dict[str, bool]]]:
    """Where each case's condition counts: in a resource, in an output, in a property, and in a value."""
    local_aws.client("ssm").put_parameter(Name="/conditions/name", Value="from the store", Type="String")
    stack = Stack(local_aws, NAME)
    resources: dict[str, Any] = {"Always": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    outputs: dict[str, Any] = {}
    for name in CASES:
        chosen = {"Fn::If": [name, "yes", "no"]}
        resources[f"Resource{name}"] = {"Type": "AWS::CloudFormation::WaitConditionHandle", "Condition": name}
        resources[f"Property{name}"] = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": f"/c/{name}", "Value": chosen},
        }
        outputs[f"Output{name}"] = {"Value": "x", "Condition": name}
        outputs[f"Value{name}"] = {"Value": chosen}
    conditions = {name: expression for name, (expression, _) in CASES.items()}
    body = {"Parameters": PARAMETERS, "Mappings": MAPPINGS, "Conditions": conditions, "Resources": resources, "Outputs": outputs}
    assert stack.deploy(body) == "CREATE_COMPLETE"
    made = {each["LogicalResourceId"] for each in stack.client.describe_stack_resources(StackName=stack.id)["StackResources"]}
    told = {o["OutputKey"]: o["OutputValue"] for o in stack.client.describe_stacks(StackName=stack.id)["Stacks"][0]["Outputs"]}
    ssm = local_aws.client("ssm")
    yield {
        name: {
            "resource": f"Resource{name}" in made,
            "property": ssm.get_parameter(Name=f"/c/{name}")["Parameter"]["Value"] == "yes",
            "output": f"Output{name}" in told,
            "value": told[f"Value{name}"] == "yes",
        }
        for name in CASES
    }
    stack.delete()


@pytest.mark.parametrize("name", CASES)
def test_condition_counts_everywhere(places: dict[str, dict[str, bool]], name: str) -> None:
    assert places[name] == dict.fromkeys(("resource", "property", "output", "value"), CASES[name][1])


@pytest.mark.parametrize(
    ("conditions", "refusal"),
    [
        pytest.param(
            {"C": equals({"Ref": "Thing"}, "x")},
            "Template format error: Unresolved dependencies [Thing]. Cannot reference resources in the Conditions block of the template",
            id="resource",
        ),
        pytest.param({"C": equals({"Fn::ImportValue": "x"}, "x")}, "Template error: Cannot use Fn::ImportValue in Conditions", id="import"),
        pytest.param(
            {"C": {"Condition": "Missing"}},
            "Template format error: Unresolved condition dependency Missing in the Conditions block of the template",
            id="missing",
        ),
        pytest.param(
            {"C": {"Condition": "D"}, "D": {"Condition": "C"}},
            "Template error: Found circular condition dependency between C and D",
            id="circle",
        ),
        pytest.param(
            {"C": {"Ref": "AWS::Region"}},
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
            id="no-boolean",
        ),
        pytest.param(
            {"C": {"Fn::Not": [TRUE, TRUE]}},
            "Template error: every Fn::Not object requires a list with exactly 1 boolean parameter.",
            id="operands",
        ),
        pytest.param({"C": equals(find("M", "a", "b"), "x")}, "Template error: Unable to get mapping for M::a::b", id="mapping"),
    ],
)
def test_condition_that_cannot_be_evaluated_is_refused(local_aws: LocalAws, conditions: dict[str, Any], refusal: str) -> None:
    cloudformation = local_aws.client("cloudformation")
    body = {"Conditions": conditions, "Resources": {"Thing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}
    with pytest.raises(cloudformation.exceptions.ClientError) as refused:
        cloudformation.create_stack(StackName="refused", TemplateBody=json.dumps(body))
    assert refused.value.response["Error"] == {"Type": "Sender", "Code": "ValidationError", "Message": refusal}


@pytest.mark.parametrize(
    ("section", "member", "refusal"),
    [
        (
            "Resources",
            {"Type": "AWS::CloudFormation::WaitConditionHandle", "Condition": "Missing"},
            "Template format error: Unresolved condition dependency Missing in the Resources block of the template",
        ),
        (
            "Outputs",
            {"Value": {"Fn::If": ["Missing", "x", "y"]}},
            "Template error: unresolved condition dependency Missing in Fn::If",
        ),
    ],
)
def test_unknown_condition_is_refused(local_aws: LocalAws, section: str, member: dict[str, Any], refusal: str) -> None:
    cloudformation = local_aws.client("cloudformation")
    body = {"Resources": {"Thing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}
    body[section] = {**body.get(section, {}), "Member": member}
    with pytest.raises(cloudformation.exceptions.ClientError) as refused:
        cloudformation.create_stack(StackName="refused", TemplateBody=json.dumps(body))
    assert refused.value.response["Error"]["Message"] == refusal


THING = {"Type": "AWS::CloudFormation::WaitConditionHandle"}


@pytest.mark.parametrize(
    ("value", "unresolved"),
    [
        pytest.param({"Ref": "Nothing"}, "Nothing", id="unknown"),
        pytest.param({"Fn::GetAtt": ["Nothing", "Arn"]}, "Nothing", id="attribute"),
        pytest.param({"Fn::Sub": "${AWS::Region}-${Nothing.Arn}"}, "Nothing", id="sub"),
        pytest.param({"Ref": "Absent"}, "Absent", id="taken-out"),
        pytest.param({"Fn::If": ["Off", "x", {"Ref": "Absent"}]}, "Absent", id="chosen-branch"),
        pytest.param({"Fn::If": ["Off", {"Ref": "Absent"}, "x"]}, None, id="other-branch"),
        pytest.param({"Fn::Sub": "${!Nothing}"}, None, id="literal"),
    ],
)
@pytest.mark.parametrize("section", ["Resources", "Outputs"])
def test_reference_to_nothing_is_refused(stack: Stack, section: str, value: Any, unresolved: str | None) -> None:
    body: dict[str, Any] = {"Conditions": {"Off": FALSE}, "Resources": {"Thing": THING, "Absent": {**THING, "Condition": "Off"}}}
    if section == "Resources":
        body["Resources"]["Value"] = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    else:
        body["Outputs"] = {"Value": {"Value": value}}
    if unresolved is None:
        assert stack.deploy(body) == "CREATE_COMPLETE"
        return
    with pytest.raises(stack.client.exceptions.ClientError) as refused:
        stack.deploy(body)
    assert refused.value.response["Error"]["Message"] == (
        f"Template format error: Unresolved resource dependencies [{unresolved}] in the {section} block of the template"
    )


def test_local_condition_region(stack: Stack, record: Path) -> None:
    """A custom resource on the condition that the region is us-east-1 is created there; it was left out, and the stack complete."""
    body = template(record, ANSWER)
    body["Conditions"] = {"On": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
    body["Resources"]["Thing"]["Condition"] = "On"
    body["Outputs"]["Result"]["Condition"] = "On"
    assert stack.deploy(body) == "CREATE_COMPLETE"
    assert requests(record) == [("Create", None)]


def test_condition_that_changes_adds_and_removes(stack: Stack, record: Path) -> None:
    body = template(record, ANSWER)
    body["Parameters"] = {"On": {"Type": "String", "Default": "no"}}
    body["Conditions"] = {"On": equals(sub("${On}-${AWS::Region}"), "yes-us-east-1")}
    body["Resources"]["Thing"]["Condition"] = "On"
    del body["Outputs"]
    statuses = []
    for value in ("no", "yes", "no"):
        body["Parameters"]["On"]["Default"] = value
        statuses.append(stack.deploy(body))
    assert statuses == ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert requests(record) == [("Create", None), ("Delete", "thing")]


def test_yaml_names_are_text(stack: Stack) -> None:
    """An account's id, a short form, and a boolean are read as CloudFormation reads them."""
    body = f"""
Parameters: {{On: {{Type: String, Default: 'true'}}}}
Mappings:
  Accounts:
    {ACCOUNT}: {{Stage: prod}}
Conditions:
  IsOn: !And [!Equals [!Ref On, true], !Equals [!FindInMap [Accounts, !Ref AWS::AccountId, Stage], prod]]
Resources:
  Handle: {{Type: AWS::CloudFormation::WaitConditionHandle, Condition: IsOn}}
Outputs:
  Result: {{Value: !If [IsOn, !Sub '${{AWS::Region}}', none]}}
"""
    stack.id = stack.client.create_stack(StackName=stack.name, TemplateBody=body)["StackId"]
    assert stack.wait() == "CREATE_COMPLETE"
    assert stack.result() == "us-east-1"
