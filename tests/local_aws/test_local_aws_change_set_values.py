"""A change set tells each value that the deployment then gives, or says that only the deployment can tell."""

from collections.abc import Iterator
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import Stack

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"

PARAMETERS = {
    "Stage": {"Type": "String", "Default": "dev"},
    "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/told/stored"},
}
MAPPINGS = {"Regions": {"us-east-1": {"Limit": "3"}}}
CONDITIONS = {"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}}


def parameter(value: Any, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **properties}}


def attribute(resource: str, name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [resource, name]}


def output(stack: str) -> dict[str, Any]:
    return {"Fn::GetStackOutput": {"StackName": stack, "OutputName": "Value"}}


CASES: dict[str, tuple[Any, str]] = {
    "Literal": ("new", "new"),
    "Parameter": ({"Ref": "Stage"}, "prod"),
    "StoredParameter": ({"Ref": "Stored"}, "stored anew"),
    "Region": ({"Ref": "AWS::Region"}, "us-east-1"),
    "AccountId": ({"Ref": "AWS::AccountId"}, "111122223333"),
    "StackName": ({"Ref": "AWS::StackName"}, "told"),
    "Sub": ({"Fn::Sub": "${Stage}-${AWS::Partition}"}, "prod-aws"),
    "SubWithVariables": ({"Fn::Sub": ["${A}${B}", {"A": "1", "B": {"Ref": "Stage"}}]}, "1prod"),
    "Join": ({"Fn::Join": ["/", [{"Ref": "Stage"}, "x"]]}, "prod/x"),
    "Select": ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
    "Split": ({"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "AWS::Region"}]}]}, "us"),
    "FindInMap": ({"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "Limit"]}, "3"),
    "FindInMapDefault": ({"Fn::FindInMap": ["Regions", "none", "Limit", {"DefaultValue": {"Ref": "Stage"}}]}, "prod"),
    "If": ({"Fn::If": ["IsProd", "yes", attribute("New", "Value")]}, "yes"),
    "Base64": ({"Fn::Base64": {"Ref": "Stage"}}, "cHJvZA=="),
    "ToJsonString": ({"Fn::ToJsonString": {"a": {"Ref": "Stage"}}}, '{"a":"prod"}'),
    "Length": ({"Fn::Sub": ["${N}", {"N": {"Fn::Length": {"Ref": "Zones"}}}]}, "2"),
    "Import": ({"Fn::ImportValue": "told-export"}, "exported anew"),
    "ImportByName": ({"Fn::ImportValue": {"Fn::Sub": "told-${Kind}"}}, "exported anew"),
    "StackOutput": (output("told-producer"), "exported anew"),
    "DynamicReference": ("{{resolve:ssm:/told/stored}}", "stored anew"),
    "DynamicReferenceOfParameter": ({"Fn::Sub": "{{resolve:ssm:/told/${Key}}}"}, "stored anew"),
    "RefUnchanged": ({"Ref": "Unchanged"}, "/told/Unchanged"),
    "AttributeUnchanged": (attribute("Unchanged", "Value"), "as it was"),
    "RefInPlace": ({"Ref": "InPlace"}, "/told/InPlace"),
    "AttributeInPlace": (attribute("InPlace", "Value"), UNKNOWN),
    "RefReplaced": ({"Ref": "Replaced"}, UNKNOWN),
    "RefNew": ({"Ref": "New"}, UNKNOWN),
    "AttributeNew": (attribute("New", "Value"), UNKNOWN),
    "SubOfNew": ({"Fn::Sub": "x-${New}"}, UNKNOWN),
    "JoinOfNew": ({"Fn::Join": ["-", ["x", {"Ref": "New"}]]}, UNKNOWN),
    "SplitOfNew": ({"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "New"}]}]}, UNKNOWN),
    "Base64OfNew": ({"Fn::Base64": {"Ref": "New"}}, UNKNOWN),
    "JsonOfNew": ({"Fn::ToJsonString": {"a": {"Ref": "New"}}}, UNKNOWN),
}
"""What a property becomes, and what a change set tells of it. (``${Kind}`` and ``${Key}`` are parameters.)"""

MISSING: dict[str, Any] = {"Import": {"Fn::ImportValue": "not-yet"}, "StackOutput": output("not-yet")}


def template(values: dict[str, Any], *, after: bool) -> dict[str, Any]:
    resources = {
        "Unchanged": parameter("as it was", Name="/told/Unchanged"),
        "InPlace": parameter("after" if after else "before", Name="/told/InPlace"),
        "Replaced": parameter("x", Name="/told/after" if after else "/told/before"),
        **({"New": parameter("new", Name="/told/New")} if after else {}),
        **{name: parameter(value, Name=f"/told/cases/{name}") for name, value in values.items()},
    }
    texts = {name: {"Type": "String", "Default": default} for name, default in {"Kind": "export", "Key": "stored"}.items()}
    return {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {**PARAMETERS, **texts},
        "Mappings": MAPPINGS,
        "Conditions": CONDITIONS,
        "Resources": resources,
    }


def producer(value: str) -> dict[str, Any]:
    outputs = {"Value": {"Value": value, "Export": {"Name": "told-export"}}}
    return {"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}, "Outputs": outputs}


@pytest.fixture(scope="module")
def told(local_aws: LocalAws) -> Iterator[tuple[dict[str, dict[str, Any]], dict[str, str]]]:
    """The changes that a change set tells, and the values once it has been executed."""
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name="/told/stored", Value="stored", Type="String")
    exporting, stack = Stack(local_aws, "told-producer"), Stack(local_aws, "told")
    assert exporting.deploy(producer("exported")) == "CREATE_COMPLETE"
    assert stack.deploy(template(dict.fromkeys(CASES, "old"), after=False)) == "CREATE_COMPLETE"
    ssm.put_parameter(Name="/told/stored", Value="stored anew", Type="String", Overwrite=True)
    assert exporting.deploy(producer("exported anew")) == "UPDATE_COMPLETE"
    after = template({name: value for name, (value, _) in CASES.items()}, after=True)
    given = [{"ParameterKey": "Stage", "ParameterValue": "prod"}]
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in after["Parameters"] if name != "Stage"]
    changes = stack.prepare(after, Parameters=given + kept)
    assert stack.execute() == "UPDATE_COMPLETE"
    deployed = {name: ssm.get_parameter(Name=f"/told/cases/{name}")["Parameter"]["Value"] for name in CASES}
    yield changes, deployed
    stack.delete()
    exporting.delete()


@pytest.mark.parametrize("name", CASES)
def test_value_is_told(told: tuple[dict[str, dict[str, Any]], dict[str, str]], name: str) -> None:
    changes, deployed = told
    change, expected = changes[name], CASES[name][1]
    assert change["BeforeContext"]["Properties"]["Value"] == "old"
    assert change["AfterContext"]["Properties"]["Value"] == expected
    assert deployed[name] == expected or expected == UNKNOWN
    assert UNKNOWN not in deployed[name]


@pytest.mark.parametrize("name", MISSING)
def test_what_does_not_exist_yet_is_unknown(stack: Stack, name: str) -> None:
    changes = stack.prepare({"Resources": {"Value": parameter(MISSING[name])}})
    assert changes["Value"]["AfterContext"]["Properties"]["Value"] == UNKNOWN


def test_detail_tells_path_and_values(stack: Stack) -> None:
    assert stack.deploy({"Resources": {"Value": parameter("1", Description="x")}}) == "CREATE_COMPLETE"
    changes = stack.prepare({"Resources": {"Value": parameter("2", AllowedPattern=".*")}})
    targets = {detail["Target"]["Path"]: detail["Target"] for detail in changes["Value"]["Details"]}
    told = {path: (target.get("BeforeValue"), target.get("AfterValue"), target["AttributeChangeType"]) for path, target in targets.items()}
    assert told == {
        "/Properties/Value": ("1", "2", "Modify"),
        "/Properties/Description": ("x", None, "Remove"),
        "/Properties/AllowedPattern": (None, ".*", "Add"),
    }


def test_values_are_told_only_on_request(stack: Stack) -> None:
    stack.prepare({"Resources": {"Value": parameter("1")}})
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert "AfterContext" not in described["Changes"][0]["ResourceChange"]


def test_secrets_are_not_told(stack: Stack, local_aws: LocalAws) -> None:
    secrets = local_aws.client("secretsmanager")
    secrets.create_secret(Name="told", SecretString="hidden")
    body = {
        "Parameters": {"Password": {"Type": "String", "NoEcho": True, "Default": "swordfish"}, "Shown": {"Type": "String", "Default": "1"}},
        "Resources": {
            "Value": parameter({"Fn::Sub": "${Shown}:${Password}"}, Description="{{resolve:secretsmanager:told}}"),
        },
    }
    stack.prepare(body)
    assert stack.execute() == "CREATE_COMPLETE"
    changes = stack.prepare(body, Parameters=[{"ParameterKey": "Shown", "ParameterValue": "2"}])
    contexts = [changes["Value"][side]["Properties"] for side in ("BeforeContext", "AfterContext")]
    assert [context["Value"] for context in contexts] == ["1:****", "2:****"]
    assert {context["Description"] for context in contexts} == {"{{resolve:secretsmanager:told}}"}
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n2")
    assert {"ParameterKey": "Password", "ParameterValue": "****"} in described["Parameters"]
    secrets.delete_secret(SecretId="told", ForceDeleteWithoutRecovery=True)


def test_stored_parameter_is_told_by_name_and_value(stack: Stack, local_aws: LocalAws) -> None:
    """An unchanged template changes what comes of a parameter in the store."""
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name="/changing", Value="1", Type="String")
    body = {
        "Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/changing"}},
        "Resources": {"Value": parameter({"Ref": "P"})},
    }
    assert stack.deploy(body) == "CREATE_COMPLETE"
    ssm.put_parameter(Name="/changing", Value="2", Type="String", Overwrite=True)
    changes = stack.prepare(body, Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}])
    assert changes["Value"]["AfterContext"]["Properties"]["Value"] == "2"
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert described["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "/changing", "ResolvedValue": "2"}]


def test_dynamic_reference_changes_only_with_its_template(stack: Stack, local_aws: LocalAws) -> None:
    """CloudFormation resolves it again when it updates the stack, for which the template or a parameter must have changed."""
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name="/referenced", Value="1", Type="String")
    body = {"Resources": {"Value": parameter("{{resolve:ssm:/referenced}}"), "Other": parameter("a")}}
    assert stack.deploy(body) == "CREATE_COMPLETE"
    ssm.put_parameter(Name="/referenced", Value="2", Type="String", Overwrite=True)
    assert stack.prepare(body) == {}
    body["Resources"]["Other"] = parameter("b")
    assert stack.prepare(body)["Value"]["AfterContext"]["Properties"]["Value"] == "2"
    assert stack.execute() == "UPDATE_COMPLETE"
    name = stack.client.describe_stack_resource(StackName=stack.name, LogicalResourceId="Value")["StackResourceDetail"][
        "PhysicalResourceId"
    ]
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "2"


def test_loop_is_told_resource_by_resource(stack: Stack) -> None:
    body = {
        "Transform": "AWS::LanguageExtensions",
        "Resources": {"Fn::ForEach::Loop": ["Each", ["a", "b"], {"Value${Each}": parameter({"Fn::Sub": "of ${Each}"})}]},
    }
    changes = stack.prepare(body)
    assert {name: change["AfterContext"]["Properties"]["Value"] for name, change in changes.items()} == {"Valuea": "of a", "Valueb": "of b"}


def test_yaml_is_told_as_json_is(stack: Stack) -> None:
    changes = stack.prepare("""
Transform: AWS::LanguageExtensions
Parameters: {Zones: {Type: CommaDelimitedList, Default: 'a,b'}}
Resources:
  Value:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub ['${N} in ${AWS::Region}', {N: !Length [1, 2]}]}
  Json:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !ToJsonString {zones: !Ref Zones}}
""")
    assert changes["Value"]["AfterContext"]["Properties"]["Value"] == "2 in us-east-1"
    assert changes["Json"]["AfterContext"]["Properties"]["Value"] == '{"zones":["a","b"]}'
