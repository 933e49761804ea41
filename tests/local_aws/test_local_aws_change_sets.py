"""Change sets as the API reference describes them: what happens to each resource, in nested stacks as well, and their own life."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import ANSWER, Stack, requests, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
NEW_ID = 'put(event, answer(event, PhysicalResourceId="second", Data={"Result": ""}))'

Template = dict[str, Any]


def parameter(value: Any, name: str = "/changed", **attributes: Any) -> Template:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": name, "Value": value}, **attributes}


def of(**resources: Template) -> Template:
    return {"Resources": {"Handle": HANDLE, **resources}}


def conditional(value: str) -> Template:
    made = of(Value=parameter("1", Condition="On"))
    return {**made, "Conditions": {"On": {"Fn::Equals": [{"Fn::Sub": f"{value}-${{AWS::Region}}"}, "on-us-east-1"]}}}


def by_condition(policy: str) -> Template:
    """A resource whose policy depends on a condition."""
    chosen = {"Fn::If": ["Keeps", "Retain", "Delete"]}
    made = of(Value=parameter("1", DeletionPolicy=chosen))
    conditions = {"Keeps": {"Fn::Equals": [policy, {"Fn::Select": [0, ["Retain"]]}]}}
    return {**made, "Transform": "AWS::LanguageExtensions", "Conditions": conditions}


ACTIONS: dict[str, tuple[Template, Template, dict[str, str]]] = {
    "added": (of(), of(Value=parameter("1")), {"Action": "Add"}),
    "edited": (of(Value=parameter("1")), of(Value=parameter("2")), {"Action": "Modify", "Replacement": "False"}),
    "replaced": (
        of(Value=parameter("1")),
        of(Value=parameter("1", "/other")),
        {"Action": "Modify", "Replacement": "True", "PolicyAction": "ReplaceAndDelete"},
    ),
    "replaced and kept": (
        of(Value=parameter("1")),
        of(Value=parameter("1", "/other", UpdateReplacePolicy="Retain")),
        {"Action": "Modify", "Replacement": "True", "PolicyAction": "ReplaceAndRetain"},
    ),
    "removed": (of(Value=parameter("1")), of(), {"Action": "Remove", "PolicyAction": "Delete"}),
    "removed and kept": (of(Value=parameter("1", DeletionPolicy="Retain")), of(), {"Action": "Remove", "PolicyAction": "Retain"}),
    "removed and kept except on create": (
        of(Value=parameter("1", DeletionPolicy="RetainExceptOnCreate")),
        of(),
        {"Action": "Remove", "PolicyAction": "Retain"},
    ),
    "removed with a policy by condition": (by_condition("Retain"), of(), {"Action": "Remove", "PolicyAction": "Retain"}),
    "removed with the other policy": (by_condition("Delete"), of(), {"Action": "Remove", "PolicyAction": "Delete"}),
    "taken out by a condition": (conditional("on"), conditional("off"), {"Action": "Remove", "PolicyAction": "Delete"}),
    "brought in by a condition": (conditional("off"), conditional("on"), {"Action": "Add"}),
    "policy only": (
        of(Value=parameter("1")),
        of(Value=parameter("1", DeletionPolicy="Retain")),
        {"Action": "Modify", "Replacement": "False"},
    ),
}
"""From which template to which, and what CloudFormation documents of the resource ``Value``."""


@pytest.mark.parametrize("case", ACTIONS)
def test_action_is_told_and_done(stack: Stack, local_aws: LocalAws, case: str) -> None:
    before, after, expected = ACTIONS[case]
    ssm = local_aws.client("ssm")

    def held() -> set[str]:
        return {name for name in ("/changed", "/other") if ssm.get_parameters(Names=[name])["Parameters"]}

    assert stack.deploy(before) == "CREATE_COMPLETE"
    old = held()
    change = stack.prepare(after)["Value"]
    assert {name: change[name] for name in ("Action", "Replacement", "PolicyAction") if name in change} == expected
    assert ("BeforeContext" in change, "AfterContext" in change) == (expected["Action"] != "Add", expected["Action"] != "Remove")
    assert ("PhysicalResourceId" in change) == (expected["Action"] != "Add")
    assert stack.execute() == "UPDATE_COMPLETE"
    policy = expected.get("PolicyAction", "Retain")
    assert (old - held() == set()) == policy.endswith("Retain")
    ssm.delete_parameters(Names=["/changed", "/other"])


def test_renamed_resource_is_removed_and_added(stack: Stack) -> None:
    assert stack.deploy(of(Old=parameter("1"))) == "CREATE_COMPLETE"
    changes = stack.prepare(of(New=parameter("1", "/other")))
    assert {name: change["Action"] for name, change in changes.items()} == {"New": "Add", "Old": "Remove"}


def test_custom_resource_tells_what_its_events_will(stack: Stack, record: Path) -> None:
    """What comes of a custom resource that changes is unknown, as is whether it is replaced."""
    assert stack.deploy(template(record, ANSWER)) == "CREATE_COMPLETE"
    body = template(record, NEW_ID)
    body["Resources"]["Dependent"] = parameter({"Fn::Sub": "${Thing}:${Thing.Result}"})
    changes = stack.prepare(body)
    assert changes.keys() == {"Thing", "Dependent"}
    assert (changes["Thing"]["Action"], changes["Thing"]["Replacement"]) == ("Modify", "Conditional")
    assert changes["Thing"]["AfterContext"]["Properties"]["Do"] == NEW_ID
    assert changes["Thing"]["AfterContext"]["Properties"]["ServiceTimeout"] == "120"
    assert changes["Dependent"]["AfterContext"]["Properties"]["Value"] == UNKNOWN
    assert stack.execute() == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None), ("Update", "thing"), ("Delete", "thing")]


def test_custom_resource_that_stays_is_known(stack: Stack, record: Path) -> None:
    """Its function may change; the function's ARN stays."""
    assert stack.deploy(template(record, ANSWER)) == "CREATE_COMPLETE"
    body = template(record, ANSWER)
    body["Resources"]["Function"]["Properties"]["Timeout"] = 11
    body["Resources"]["Dependent"] = parameter({"Fn::Sub": "${Thing}"})
    changes = stack.prepare(body)
    assert changes["Thing"]["BeforeContext"] == changes["Thing"]["AfterContext"]
    assert [detail["CausingEntity"] for detail in changes["Thing"]["Details"]] == ["Function.Arn"]
    assert changes["Dependent"]["AfterContext"]["Properties"]["Value"] == "thing"
    assert stack.execute() == "UPDATE_COMPLETE"
    assert requests(record) == [("Create", None)]


def test_changed_service_token_is_refused(stack: Stack, record: Path) -> None:
    assert stack.deploy(template(record, ANSWER)) == "CREATE_COMPLETE"
    body = template(record, ANSWER)
    body["Resources"]["Second"] = body["Resources"]["Function"]
    body["Resources"]["Thing"]["Properties"]["ServiceToken"] = {"Fn::GetAtt": ["Second", "Arn"]}
    assert stack.prepare(body)["Thing"]["AfterContext"]["Properties"]["ServiceToken"] == UNKNOWN
    assert stack.execute() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.reason() == "Modifying service token is not allowed."
    assert requests(record) == [("Create", None)]


@pytest.mark.parametrize("way", ["update", "change set"])
def test_changed_type_is_refused(stack: Stack, way: str) -> None:
    assert stack.deploy(of(Value=parameter("1"))) == "CREATE_COMPLETE"
    with pytest.raises(stack.client.exceptions.ClientError) as refused:
        (stack.deploy if way == "update" else stack.prepare)(of(Value={"Type": "AWS::SNS::Topic"}))
    assert refused.value.response["Error"]["Message"] == (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [Value]"
    )
    assert stack.status() == "CREATE_COMPLETE"


def test_nothing_to_change_fails(stack: Stack) -> None:
    assert stack.deploy(of(Value=parameter("1"))) == "CREATE_COMPLETE"
    assert stack.prepare(of(Value=parameter("1"))) == {}
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert (described["Status"], described["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert described["StatusReason"].startswith("The submitted information didn't contain changes.")


def test_new_stack_is_in_review_until_execution(stack: Stack) -> None:
    stack.prepare(of(Value=parameter("1")))
    first = stack.id
    assert stack.status() == "REVIEW_IN_PROGRESS"
    stack.prepare(of(Value=parameter("2")))
    assert stack.id == first
    listed = stack.client.list_change_sets(StackName=stack.id)["Summaries"]
    assert {summary["ChangeSetName"] for summary in listed} == {"n1", "n2"}
    assert stack.execute() == "CREATE_COMPLETE"


def test_stack_in_review_is_deleted(stack: Stack) -> None:
    stack.prepare(of(Value=parameter("1")))
    stack.client.delete_change_set(StackName=stack.id, ChangeSetName="n1")
    with pytest.raises(stack.client.exceptions.ChangeSetNotFoundException):
        stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert stack.status() == "REVIEW_IN_PROGRESS"
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(stack.client.exceptions.ClientError, match="does not exist"):
        stack.client.describe_stacks(StackName=stack.name)


def test_refused_change_set_leaves_no_stack(stack: Stack) -> None:
    with pytest.raises(stack.client.exceptions.ClientError, match="Fn::Select cannot select nonexistent value at index 5"):
        stack.prepare(of(Value=parameter({"Fn::Select": [5, ["a"]]})))
    with pytest.raises(stack.client.exceptions.ClientError, match="does not exist"):
        stack.client.describe_stacks(StackName=stack.name)


def test_unresolvable_reference_fails_the_change_set(stack: Stack) -> None:
    assert stack.prepare(of(Value=parameter("{{resolve:ssm:/none}}"))) == {}
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert (described["Status"], described["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert described["StatusReason"] == "Dynamic reference {{resolve:ssm:/none}} could not be resolved: parameter /none not found"
    assert stack.status() == "REVIEW_IN_PROGRESS"


def test_export_in_use_stays(stack: Stack, local_aws: LocalAws) -> None:
    def exporting(value: str) -> Template:
        return {**of(), "Outputs": {"Value": {"Value": value, "Export": {"Name": "in-use"}}}}

    producer = Stack(local_aws, "export-in-use")
    assert producer.deploy(exporting("1")) == "CREATE_COMPLETE"
    assert stack.deploy(of(Value=parameter({"Fn::ImportValue": "in-use"}))) == "CREATE_COMPLETE"
    assert producer.deploy(exporting("2")) == "UPDATE_ROLLBACK_COMPLETE"
    assert producer.deploy(of()) == "UPDATE_ROLLBACK_COMPLETE"
    reasons = {event.get("ResourceStatusReason") for event in producer.client.describe_stack_events(StackName=producer.id)["StackEvents"]}
    assert {f"Export in-use cannot be {what} as it is in use by {stack.name}" for what in ("updated", "deleted")} <= reasons
    assert stack.deploy(of(Value=parameter("1"))) == "UPDATE_COMPLETE"
    assert producer.deploy(of()) == "UPDATE_COMPLETE"
    assert "in-use" not in {export["Name"] for export in producer.client.list_exports()["Exports"]}
    producer.delete()


@pytest.mark.parametrize("way", ["update", "change set"])
def test_weak_reference_follows_its_producer(stack: Stack, local_aws: LocalAws, way: str) -> None:
    """The template stays as it is; what it refers to does not, which both ways of updating a stack find."""
    producer = Stack(local_aws, "weakly-referenced")
    assert producer.deploy({**of(), "Outputs": {"Out": {"Value": "1"}}}) == "CREATE_COMPLETE"
    body = of(Value=parameter({"Fn::GetStackOutput": {"StackName": "weakly-referenced", "OutputName": "Out"}}))
    assert stack.deploy(body) == "CREATE_COMPLETE"
    with pytest.raises(stack.client.exceptions.ClientError, match="No updates are to be performed"):
        stack.deploy(body)
    assert producer.deploy({**of(), "Outputs": {"Out": {"Value": "2"}}}) == "UPDATE_COMPLETE"
    if way == "update":
        assert stack.deploy(body) == "UPDATE_COMPLETE"
    else:
        assert stack.prepare(body)["Value"]["AfterContext"]["Properties"]["Value"] == "2"
        assert stack.execute() == "UPDATE_COMPLETE"
    assert local_aws.client("ssm").get_parameter(Name="/changed")["Parameter"]["Value"] == "2"
    producer.delete()
    assert stack.prepare(body)["Value"]["AfterContext"]["Properties"]["Value"] == UNKNOWN


Publish = Callable[[str, Template], Template]


@pytest.fixture
def nested(local_aws: LocalAws, stack: Stack) -> Iterator[Publish]:
    """Publishes a template, and gives the resource that nests it."""
    s3, bucket = local_aws.client("s3"), "nested-change-sets"
    s3.create_bucket(Bucket=bucket)

    def publish(key: str, body: Template, **parameters: Any) -> Template:
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(body))
        url = f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"
        return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": parameters}}

    yield publish
    for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    s3.delete_bucket(Bucket=bucket)


def inner(value: Any, **attributes: Any) -> Template:
    outputs = {"Value": {"Value": {"Fn::GetAtt": ["Value", "Value"]}}}
    return {**of(Value=parameter(value, **attributes)), "Outputs": outputs}


def test_nested_change_set_of_a_new_stack(stack: Stack, nested: Any) -> None:
    child = inner({"Ref": "AWS::Region"})
    body = of(Nested=nested("a.json", child))
    changes = stack.prepare(body, IncludeNestedStacks=True)
    described = stack.client.describe_change_set(ChangeSetName=changes["Nested"]["ChangeSetId"], IncludePropertyValues=True)
    assert (described["ExecutionStatus"], described["StatusReason"]) == ("UNAVAILABLE", "Executable from root change set")
    root = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert root["IncludeNestedStacks"]
    assert described["ParentChangeSetId"] == described["RootChangeSetId"] == root["ChangeSetId"]
    told = stack.changes(changes["Nested"]["ChangeSetId"])
    assert told["Value"]["AfterContext"]["Properties"]["Value"] == "us-east-1"
    assert stack.client.get_template(ChangeSetName=changes["Nested"]["ChangeSetId"])["TemplateBody"] == child
    (review,) = stack.client.describe_stacks(StackName=described["StackId"])["Stacks"]
    assert (review["StackStatus"], review["ParentId"]) == ("REVIEW_IN_PROGRESS", stack.id)
    assert stack.execute() == "CREATE_COMPLETE"
    (made,) = stack.client.describe_stacks(StackName=described["StackId"])["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"


def test_deleting_a_change_set_deletes_its_nested_ones(stack: Stack, nested: Any) -> None:
    changes = stack.prepare(of(Nested=nested("a.json", inner("1"))), IncludeNestedStacks=True)
    child = stack.client.describe_change_set(ChangeSetName=changes["Nested"]["ChangeSetId"])
    with pytest.raises(stack.client.exceptions.InvalidChangeSetStatusException):
        stack.client.delete_change_set(ChangeSetName=child["ChangeSetId"])
    stack.client.delete_change_set(StackName=stack.name, ChangeSetName="n1")
    with pytest.raises(stack.client.exceptions.ChangeSetNotFoundException):
        stack.client.describe_change_set(ChangeSetName=child["ChangeSetId"])
    (gone,) = stack.client.describe_stacks(StackName=child["StackId"])["Stacks"]
    assert gone["StackStatus"] == "DELETE_COMPLETE"


def test_nested_change_set_of_an_update(stack: Stack, nested: Any, local_aws: LocalAws) -> None:
    """The nested stack's outputs are unknown, as something in it changes; what stays in the parent is not listed."""

    def body(key: str, value: str) -> Template:
        child = nested(key, {**inner({"Ref": "Given"}), "Parameters": {"Given": {"Type": "String"}}}, Given=value)
        return of(Nested=child, Dependent=parameter({"Fn::GetAtt": ["Nested", "Outputs.Value"]}, "/other"))

    assert stack.deploy(body("a.json", "1")) == "CREATE_COMPLETE"
    assert stack.prepare(body("a.json", "1"), IncludeNestedStacks=True) == {}
    changes = stack.prepare(body("a.json", "2"), IncludeNestedStacks=True)
    assert (changes["Nested"]["Action"], changes["Nested"]["Replacement"]) == ("Modify", "False")
    assert changes["Dependent"]["AfterContext"]["Properties"]["Value"] == UNKNOWN
    told = stack.changes(changes["Nested"]["ChangeSetId"])["Value"]
    assert [told[side]["Properties"]["Value"] for side in ("BeforeContext", "AfterContext")] == ["1", "2"]
    assert stack.execute() == "UPDATE_COMPLETE"
    assert local_aws.client("ssm").get_parameter(Name="/other")["Parameter"]["Value"] == "2"


def test_unknown_nested_parameter_leaves_conditions_open(stack: Stack, nested: Any) -> None:
    child = {
        "Parameters": {"Given": {"Type": "String", "AllowedPattern": "/[a-z]+"}},
        "Conditions": {"On": {"Fn::Equals": [{"Ref": "Given"}, "/other"]}},
        **of(Value=parameter("1", Condition="On")),
    }
    body = of(New=parameter("1", "/other"), Nested=nested("a.json", child, Given={"Ref": "New"}))
    changes = stack.prepare(body, IncludeNestedStacks=True)
    assert stack.changes(changes["Nested"]["ChangeSetId"])["Value"]["Action"] == "Dynamic"
    assert stack.execute() == "CREATE_COMPLETE"


def test_nested_stack_follows_external_values(stack: Stack, nested: Any, local_aws: LocalAws) -> None:
    """Nothing in the parent changes but the value of a parameter in the store, of which only the nested template knows."""
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name="/of-nested", Value="1", Type="String")
    child = {
        "Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/of-nested"}},
        **of(Value=parameter({"Ref": "P"})),
    }
    body = of(Nested=nested("a.json", child))
    assert stack.deploy(body) == "CREATE_COMPLETE"
    ssm.put_parameter(Name="/of-nested", Value="2", Type="String", Overwrite=True)
    changes = stack.prepare(body, IncludeNestedStacks=True)
    assert [detail["ChangeSource"] for detail in changes["Nested"]["Details"]] == ["Automatic"]
    assert stack.changes(changes["Nested"]["ChangeSetId"])["Value"]["AfterContext"]["Properties"]["Value"] == "2"
    assert stack.execute() == "UPDATE_COMPLETE"
    assert ssm.get_parameter(Name="/changed")["Parameter"]["Value"] == "2"


def test_refused_nested_template_fails_the_change_set(stack: Stack, nested: Any) -> None:
    child = {**of(), "Parameters": {"Needed": {"Type": "String"}}}
    assert stack.prepare(of(Nested=nested("a.json", child)), IncludeNestedStacks=True) == {}
    described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="n1")
    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith("Nested stack Nested: Parameter 'Needed'")


def test_removed_nested_stack_is_told(stack: Stack, nested: Any) -> None:
    assert stack.deploy(of(Nested=nested("a.json", inner("1")))) == "CREATE_COMPLETE"
    change = stack.prepare(of(), IncludeNestedStacks=True)["Nested"]
    assert (change["Action"], change["PolicyAction"]) == ("Remove", "Delete")
    assert "ChangeSetId" not in change
