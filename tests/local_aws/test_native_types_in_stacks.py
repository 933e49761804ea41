"""Clean Rooms' own types in everything that CloudFormation documents of stacks: change sets, nested stacks, conditions, failures."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.native_stacks import Budget, access_budget, attribute, broken, budget, remains, template
from tests.local_aws.support.stacks import Stack

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
LIFETIME = {"Type": "LIFETIME", "Budget": 50}
OTHER_LIFETIME = {"Type": "LIFETIME", "Budget": 60}

Template = dict[str, Any]


def told_of_the_budget() -> Template:
    """A resource that refers to the budget."""
    value = {"Fn::Sub": "${Budget} ${Budget.PrivacyBudgetTemplateIdentifier} ${Budget.Arn}"}
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/of-budget", "Value": value}}


def with_budget(made: Template, **attributes: Any) -> Template:
    return template(Budget={**made, **attributes}, Told=told_of_the_budget())


def other_table(template: Template, table: str) -> Template:
    """The template with another table's association beside the first one."""
    second = deepcopy(template["Resources"]["Association"])
    second["Properties"]["Name"] = table
    template["Resources"][table] = second
    return template


DP = budget()
REFRESHED = budget(AutoRefresh="CALENDAR_MONTH")
REPLACED = {"Action": "Modify", "Replacement": "True", "PolicyAction": "ReplaceAndDelete"}
EDITED = {"Action": "Modify", "Replacement": "False"}

CHANGES: dict[str, tuple[Template, Template, dict[str, str]]] = {
    "epsilon": (with_budget(DP), with_budget(budget(Parameters={"Epsilon": 5, "UsersNoisePerQuery": 30})), EDITED),
    "tags": (with_budget(DP), with_budget(budget(Tags=[{"Key": "team", "Value": "x"}])), EDITED),
    "refresh": (with_budget(DP), with_budget(REFRESHED), REPLACED),
    "type": (with_budget(DP), with_budget(access_budget(LIFETIME)), REPLACED),
    "limits": (with_budget(access_budget(LIFETIME)), with_budget(access_budget(OTHER_LIFETIME)), EDITED),
    "table": (
        other_table(with_budget(access_budget(LIFETIME)), "Second"),
        other_table(with_budget(access_budget(LIFETIME, table=attribute("Second", "Arn"))), "Second"),
        REPLACED,
    ),
    "table that is new": (
        with_budget(access_budget(LIFETIME)),
        other_table(with_budget(access_budget(LIFETIME, table=attribute("Second", "Arn"))), "Second"),
        REPLACED,
    ),
}
"""From which template to which, and what CloudFormation documents of the resource ``Budget``."""


@pytest.mark.parametrize("case", CHANGES)
def test_change_of_a_template_is_told_and_done(local_aws: LocalAws, stack: Stack, case: str) -> None:
    before, after, expected = CHANGES[case]
    assert stack.deploy(before) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    changes = stack.prepare(after)
    change = changes["Budget"]
    assert {name: change[name] for name in ("Action", "Replacement", "PolicyAction") if name in change} == expected
    replaced = expected["Replacement"] == "True"
    if replaced:
        assert changes["Told"]["AfterContext"]["Properties"]["Value"] == UNKNOWN
    else:
        assert changes["Told"]["AfterContext"] == changes["Told"]["BeforeContext"]
    assert stack.execute() == "UPDATE_COMPLETE"
    assert old.exists() is not replaced
    assert Budget(local_aws, stack).get()["arn"] in local_aws.client("ssm").get_parameter(Name="/of-budget")["Parameter"]["Value"]


def test_nested_property_is_shown_by_path(stack: Stack) -> None:
    """Of ``Parameters`` only the table replaces a template, so the change set tells it apart from the limits."""
    before, after, _ = CHANGES["table"]
    after = deepcopy(after)
    after["Resources"]["Budget"]["Properties"]["Parameters"]["BudgetParameters"] = [OTHER_LIFETIME]
    assert stack.deploy(before) == "CREATE_COMPLETE"
    change = stack.prepare(after)["Budget"]
    targets = {detail["Target"]["Path"]: detail["Target"] for detail in change["Details"] if "Path" in detail["Target"]}
    assert {path: (target["Name"], target["RequiresRecreation"]) for path, target in targets.items()} == {
        "/Properties/Parameters": ("Parameters", "Never"),
        "/Properties/Parameters/ResourceArn": ("Parameters", "Always"),
    }
    arns = [change[side]["Properties"]["Parameters"]["ResourceArn"] for side in ("BeforeContext", "AfterContext")]
    table = targets["/Properties/Parameters/ResourceArn"]
    assert [table["BeforeValue"], table["AfterValue"]] == arns
    assert arns[0] != arns[1]


def test_replacement_passes_on_to_what_refers_to_it(local_aws: LocalAws, stack: Stack) -> None:
    """Another creator's name replaces the collaboration, with it the membership, and with that everything under it."""
    made = template(Budget=access_budget(LIFETIME))
    assert stack.deploy(made) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    made["Resources"]["Collaboration"]["Properties"]["CreatorDisplayName"] = "you"
    changes = stack.prepare(made)
    assert {name: change["Replacement"] for name, change in changes.items()} == dict.fromkeys(
        ("Collaboration", "Membership", "Association", "Budget"), "True"
    )
    assert changes["Budget"]["AfterContext"]["Properties"]["MembershipIdentifier"] == UNKNOWN
    assert stack.execute() == "UPDATE_COMPLETE"
    assert Budget(local_aws, stack).membership != old.membership


def test_edited_collaboration_keeps_its_id(stack: Stack) -> None:
    """What names it stays known, so nothing under it seems to be replaced by something unknown."""
    made = template(Budget=DP)
    assert stack.deploy(made) == "CREATE_COMPLETE"
    made["Resources"]["Collaboration"]["Properties"]["Name"] = "laboratory"
    changes = stack.prepare(made)
    assert changes["Collaboration"]["Replacement"] == "False"
    assert changes["Membership"]["BeforeContext"] == changes["Membership"]["AfterContext"]


@pytest.mark.parametrize(("policy", "told"), [("Delete", "Delete"), ("Retain", "Retain"), ("RetainExceptOnCreate", "Retain")])
def test_template_that_leaves_is_told_and_done(local_aws: LocalAws, stack: Stack, policy: str, told: str) -> None:
    assert stack.deploy(template(Budget={**budget(), "DeletionPolicy": policy})) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    old.spend(3)
    change = stack.prepare(template())["Budget"]
    assert (change["Action"], change["PolicyAction"]) == ("Remove", told)
    assert stack.execute() == "UPDATE_COMPLETE"
    assert old.exists() is (told == "Retain")
    old.delete()


def test_replaced_template_that_is_retained_is_told(stack: Stack) -> None:
    assert stack.deploy(template(Budget=DP)) == "CREATE_COMPLETE"
    change = stack.prepare(template(Budget={**REFRESHED, "UpdateReplacePolicy": "Retain"}))["Budget"]
    assert (change["Replacement"], change["PolicyAction"]) == ("True", "ReplaceAndRetain")


@pytest.mark.parametrize("way", ["update", "change set"])
def test_changed_type_under_same_id_is_refused(local_aws: LocalAws, stack: Stack, way: str) -> None:
    """Moving from the native type to the custom resource needs another logical id."""
    assert stack.deploy(template(Budget=DP)) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    token = {"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provider"}
    custom = {"Type": "Custom::CleanRoomsPrivacyBudgetTemplate", "Properties": {**DP["Properties"], **token}}
    with pytest.raises(ClientError) as refused:
        (stack.deploy if way == "update" else stack.prepare)(template(Budget=custom))
    assert refused.value.response["Error"]["Message"] == (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [Budget]"
    )
    assert old.exists()


def test_condition_brings_a_template_in_and_out(local_aws: LocalAws, stack: Stack) -> None:
    def body(wanted: str) -> Template:
        made = template(Budget={**budget(), "Condition": "Wanted"})
        made["Outputs"]["Budget"]["Condition"] = "Wanted"
        return {**made, "Conditions": {"Wanted": {"Fn::Equals": [{"Fn::Sub": wanted + "-${AWS::Region}"}, "yes-us-east-1"]}}}

    assert stack.deploy(body("no")) == "CREATE_COMPLETE"
    assert stack.prepare(body("yes"))["Budget"]["Action"] == "Add"
    assert stack.execute() == "UPDATE_COMPLETE"
    made = Budget(local_aws, stack)
    change = stack.prepare(body("no"))["Budget"]
    assert (change["Action"], change["PolicyAction"]) == ("Remove", "Delete")
    assert stack.execute() == "UPDATE_COMPLETE"
    assert not made.exists()


def test_property_by_condition_replaces(local_aws: LocalAws, stack: Stack) -> None:
    def body(monthly: str) -> Template:
        refresh = {"Fn::If": ["Monthly", "CALENDAR_MONTH", "NONE"]}
        return {**template(Budget=budget(AutoRefresh=refresh)), "Conditions": {"Monthly": {"Fn::Equals": [monthly, "true"]}}}

    assert stack.deploy(body("false")) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    assert stack.prepare(body("true"))["Budget"]["Replacement"] == "True"
    assert stack.execute() == "UPDATE_COMPLETE"
    assert not old.exists()


def test_next_operation_repeats_failed_create(local_aws: LocalAws, stack: Stack) -> None:
    """With rollback disabled."""
    wrong = budget(Parameters={"Epsilon": 21, "UsersNoisePerQuery": 30})
    assert stack.deploy(template(Budget=wrong), DisableRollback=True) == "CREATE_FAILED"
    membership = stack.physical_id("Membership")
    assert stack.prepare(template(Budget=DP))["Budget"]["Action"] == "Add"
    assert stack.execute(DisableRollback=True) == "UPDATE_COMPLETE"
    assert Budget(local_aws, stack).membership == membership


def test_next_operation_repeats_failed_update(local_aws: LocalAws, stack: Stack) -> None:
    """With rollback disabled."""
    wrong = budget(Parameters={"Epsilon": 21, "UsersNoisePerQuery": 30})
    assert stack.deploy(template(Budget=DP)) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    old.spend(3)
    assert stack.deploy(template(Budget=wrong), DisableRollback=True) == "UPDATE_FAILED"
    assert stack.resource_status("Budget") == "UPDATE_FAILED"
    assert (
        stack.deploy(template(Budget=budget(Parameters={"Epsilon": 5, "UsersNoisePerQuery": 30})), DisableRollback=True)
        == "UPDATE_COMPLETE"
    )
    assert (Budget(local_aws, stack).id, old.spent()) == (old.id, 3)


def test_replacement_is_refused_while_rollback_is_disabled(local_aws: LocalAws, stack: Stack) -> None:
    assert stack.deploy(template(Budget=DP)) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    old.spend(3)
    assert stack.deploy(template(Budget=REFRESHED), DisableRollback=True) == "UPDATE_FAILED"
    assert stack.reason("Budget") == "Replacement type updates not supported on stack with disable-rollback."
    assert stack.roll_back() == "UPDATE_ROLLBACK_COMPLETE"
    assert old.spent() == 3


def test_failed_create_rolls_back_to_stable_state(local_aws: LocalAws, stack: Stack, taken: None) -> None:
    """A create that fails during an update rolls back to the last stable state."""
    assert stack.deploy(template()) == "CREATE_COMPLETE"
    assert stack.deploy(template(Budget=DP, Broken=broken("Budget")), DisableRollback=True) == "UPDATE_FAILED"
    made = Budget(local_aws, stack)
    assert made.exists()
    assert stack.roll_back() == "UPDATE_ROLLBACK_COMPLETE"
    assert not made.exists()


def test_refused_rule_leaves_table_unchanged(local_aws: LocalAws, stack: Stack) -> None:
    """The table's columns are changed before its rule is refused; the rollback changes them back."""
    made = template()
    assert stack.deploy(made) == "CREATE_COMPLETE"
    changed = deepcopy(made)
    table = changed["Resources"]["Table"]["Properties"]
    table["AllowedColumns"] = ["customer", "amount"]
    table["AnalysisRules"].append({"Type": "NEW", "Policy": table["AnalysisRules"][0]["Policy"]})
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    found = local_aws.client("cleanrooms").get_configured_table(configuredTableIdentifier=stack.physical_id("Table"))["configuredTable"]
    assert (found["allowedColumns"], found["analysisRuleTypes"]) == (["customer"], ["CUSTOM"])


class Parent:
    """A stack with the membership, and a nested one with its budget, whose ARN is given to the outside."""

    def __init__(self, local_aws: LocalAws, stack: Stack, bucket: str) -> None:
        self._aws, self._stack, self._bucket = local_aws, stack, bucket
        self._s3 = local_aws.client("s3")

    def template(self, made: Template, **more: Template) -> Template:
        membership = {"MembershipIdentifier": {"Ref": "Membership"}}
        inside = {
            "Parameters": {"Membership": {"Type": "String"}},
            "Resources": {"Budget": {**made, "Properties": {**made["Properties"], **membership}}, **more.pop("inside", {})},
            "Outputs": {"Arn": {"Value": attribute("Budget", "Arn")}},
        }
        key = f"{len(self._s3.list_objects_v2(Bucket=self._bucket).get('Contents', []))}.json"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(inside))
        properties = {
            "TemplateURL": f"https://s3.us-east-1.amazonaws.com/{self._bucket}/{key}",
            "Parameters": {"Membership": attribute("Membership", "MembershipIdentifier")},
        }
        outside = template(Nested={"Type": "AWS::CloudFormation::Stack", "Properties": properties}, **more)
        outside["Outputs"]["Arn"] = {"Value": attribute("Nested", "Outputs.Arn")}
        return outside

    def budget(self) -> Budget:
        nested = Stack(self._aws, "nested")
        nested.id = self._stack.physical_id("Nested")
        return Budget(self._aws, nested)


@pytest.fixture
def parent(local_aws: LocalAws, stack: Stack) -> Iterator[Parent]:
    s3, bucket = local_aws.client("s3"), "native-types"
    s3.create_bucket(Bucket=bucket)
    yield Parent(local_aws, stack, bucket)
    for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    s3.delete_bucket(Bucket=bucket)


def test_nested_replacement_deletes_first_and_is_told(stack: Stack, parent: Parent) -> None:
    assert stack.deploy(parent.template(DP)) == "CREATE_COMPLETE"
    old = parent.budget()
    old.spend(3)
    changes = stack.prepare(parent.template(REFRESHED), IncludeNestedStacks=True)
    told = stack.changes(changes["Nested"]["ChangeSetId"])["Budget"]
    assert {name: told[name] for name in REPLACED} == REPLACED
    assert stack.execute() == "UPDATE_COMPLETE"
    assert (old.exists(), parent.budget().get()["autoRefresh"]) == (False, "CALENDAR_MONTH")
    assert stack.outputs()["Arn"] == parent.budget().get()["arn"]


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_nested_replacement_is_rolled_back_by_another_one(stack: Stack, parent: Parent, taken: None, where: str) -> None:
    assert stack.deploy(parent.template(DP)) == "CREATE_COMPLETE"
    old = parent.budget()
    failing = {"Broken": broken("Nested")} if where == "outside" else {"inside": {"Broken": broken("Budget")}}
    assert stack.deploy(parent.template(REFRESHED, **failing)) == "UPDATE_ROLLBACK_COMPLETE"
    restored = parent.budget()
    assert (old.exists(), restored.get()["autoRefresh"]) == (False, "NONE")
    assert stack.outputs()["Arn"] == restored.get()["arn"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert not restored.exists()


def test_nested_template_that_leaves_waits_for_its_root(stack: Stack, parent: Parent, taken: None) -> None:
    """What an update removes is deleted once the root has succeeded, so a rollback finds it as it was."""
    assert stack.deploy(parent.template(DP)) == "CREATE_COMPLETE"
    old = parent.budget()
    old.spend(3)
    without = template(Broken=broken("Membership"))
    assert stack.deploy(without) == "UPDATE_ROLLBACK_COMPLETE"
    assert old.spent() == 3
    assert stack.deploy(template()) == "UPDATE_COMPLETE"
    assert not old.exists()


def test_failed_creation_leaves_nothing_in_nested_stacks(local_aws: LocalAws, stack: Stack, parent: Parent, taken: None) -> None:
    before = remains(local_aws)
    assert stack.deploy(parent.template(DP, Broken=broken("Nested"))) == "ROLLBACK_COMPLETE"
    assert remains(local_aws) == before


def test_exported_arn_follows_a_rollback(local_aws: LocalAws, stack: Stack) -> None:
    """A replacement of what is imported fails, as its export would change; the rollback has no other way than a new ARN."""
    made = template(Budget=DP)
    made["Outputs"]["Budget"]["Export"] = {"Name": "native-budget"}
    assert stack.deploy(made) == "CREATE_COMPLETE"
    importer = Stack(local_aws, "native-importer")
    told = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/i", "Value": {"Fn::ImportValue": "native-budget"}}}
    assert importer.deploy({"Resources": {"Told": told}}) == "CREATE_COMPLETE"
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"]["AutoRefresh"] = "CALENDAR_MONTH"
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    (exported,) = (export for export in stack.client.list_exports()["Exports"] if export["Name"] == "native-budget")
    assert exported["Value"] == stack.outputs()["Budget"] == Budget(local_aws, stack).get()["arn"]
    importer.delete()
