"""A change set as CloudFormation describes it, read by the shapes of the service model, and which stacks an app has."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_sns as sns
from botocore.stub import ANY, Stubber

from privacy_budget_cli.errors import CommandError
from privacy_budget_cli.plan.assembly import stacks
from privacy_budget_cli.plan.change_set import read, unknown_in

ID = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/reviewed/1"
STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/Shop/1"


@pytest.fixture
def cloudformation() -> Iterator[Stubber]:
    """CloudFormation as the service model has it: each request and response is checked by its shapes."""
    client = boto3.client("cloudformation", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def described(status: str = "CREATE_COMPLETE", execution: str = "AVAILABLE", **more: Any) -> dict[str, Any]:
    names = {"ChangeSetName": "reviewed", "ChangeSetId": ID, "StackId": STACK, "StackName": "Shop"}
    return {**names, "Status": status, "ExecutionStatus": execution, **more}


def change(**more: Any) -> dict[str, Any]:
    known = {"Action": "Modify", "LogicalResourceId": "Budget", "ResourceType": "Custom::CleanRoomsPrivacyBudgetTemplate"}
    return {"Type": "Resource", "ResourceChange": {**known, **more}}


def test_every_page_is_read_with_property_values(cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_change_set", described(status="CREATE_PENDING"))
    cloudformation.add_response("describe_change_set", described())
    asked = {"StackName": STACK, "ChangeSetName": ID, "IncludePropertyValues": True}
    contexts = {"BeforeContext": '{"Properties":{"Epsilon":"3"}}', "AfterContext": "{}"}
    cloudformation.add_response("describe_change_set", described(Changes=[change(**contexts)], NextToken="more"), asked)
    second = change(LogicalResourceId="Second", AfterContext="not JSON", PolicyAction="ReplaceAndRetain")
    cloudformation.add_response("describe_change_set", described(Changes=[second]), {**asked, "NextToken": "more"})
    made = read(cloudformation.client, "Shop", "reviewed")  # type: ignore[arg-type]
    assert [one.logical_id for one in made.changes] == ["Budget", "Second"]
    assert (made.changes[0].before, made.changes[0].after) == ({"Properties": {"Epsilon": "3"}}, {"Properties": {}})
    assert (made.changes[1].before, made.changes[1].after, made.changes[1].retains) == (None, None, True)


def test_nested_change_sets_are_read(cloudformation: Stubber) -> None:
    nested = f"{ID}-nested"
    cloudformation.add_response("describe_change_set", described())
    outer = change(ResourceType="AWS::CloudFormation::Stack", LogicalResourceId="Inner", ChangeSetId=nested)
    cloudformation.add_response("describe_change_set", described(Changes=[outer]))
    cloudformation.add_response("describe_change_set", described(ChangeSetId=nested), {"ChangeSetName": nested})
    asked = {"StackName": STACK, "ChangeSetName": nested, "IncludePropertyValues": True}
    cloudformation.add_response("describe_change_set", described(Changes=[change()]), asked)
    made = read(cloudformation.client, "Shop", "reviewed")  # type: ignore[arg-type]
    assert [one.logical_id for one in made.all_changes()] == ["Inner", "Budget"]


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("The submitted information didn't contain changes. Submit different information to create a change set.", ""),
        ("No updates are to be performed.", ""),
        ("Parameter validation failed", "Parameter validation failed"),
        ("", "the change set failed"),
    ],
)
def test_a_change_set_that_failed(cloudformation: Stubber, reason: str, refusal: str) -> None:
    cloudformation.add_response("describe_change_set", described("FAILED", "UNAVAILABLE", StatusReason=reason))
    made = read(cloudformation.client, "Shop", "reviewed")  # type: ignore[arg-type]
    assert (made.changes, made.refusal, made.is_executable) == ((), refusal, False)


def test_a_change_set_that_is_out_of_date(cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_change_set", described(execution="OBSOLETE"))
    with pytest.raises(CommandError, match=r"change set reviewed of stack Shop is out of date \(OBSOLETE\).*prepare-change-set"):
        read(cloudformation.client, "Shop", "reviewed")  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "told"), [("ChangeSetNotFound", "no"), ("ValidationError", "Stack [Shop] does not exist")])
def test_a_change_set_that_is_not_there(cloudformation: Stubber, code: str, told: str) -> None:
    cloudformation.add_client_error("describe_change_set", code, told, expected_params={"StackName": ANY, "ChangeSetName": ANY})
    with pytest.raises(
        CommandError, match="stack Shop has no change set reviewed, or has changed since it was made; prepare it by cdk deploy"
    ):
        read(cloudformation.client, "Shop", "reviewed")  # type: ignore[arg-type]


def test_paths_of_what_is_not_known() -> None:
    value = {"a": "known", "b": [{"c": "arn:{{changeSet:KNOWN_AFTER_APPLY}}"}], "d": "****", "e": "{{resolve:secretsmanager:x}}", "f": 3}
    assert list(unknown_in(value)) == ["b[0].c", "d", "e"]


def test_stages_keep_roles_and_nested_templates(tmp_path: Path) -> None:
    """Stacks of a stage are read with their deploy roles and nested templates."""
    built = cdk.App(outdir=str(tmp_path))
    environment = cdk.Environment(account="111122223333", region="us-east-1")
    shop = cdk.Stack(cdk.Stage(built, "prod"), "Shop", env=environment, tags={"office": "Zürich \u2013 Datenschutz"})
    sns.CfnTopic(cdk.NestedStack(shop, "Inner"), "Topic")
    built.synth()
    (declared,) = stacks(tmp_path)
    assert (declared.name, declared.account, declared.region) == ("prod-Shop", "111122223333", "us-east-1")
    assert declared.tags == {"office": "Zürich \u2013 Datenschutz"}
    assert declared.lookup_role is not None
    assert declared.deploy_role is not None
    assert "-lookup-role-" in declared.lookup_role.arn
    assert "-deploy-role-" in declared.deploy_role.arn
    assert len([asset for asset in declared.assets if ".nested." in asset.file.name]) == 1
    assert all(asset.role and "-file-publishing-role-" in asset.role.arn for asset in declared.assets)


def test_stacks_come_after_those_that_they_depend_on(tmp_path: Path) -> None:
    built = cdk.App(outdir=str(tmp_path))
    first, second = (cdk.Stack(built, name) for name in ("First", "Second"))
    cdk.CfnOutput(first, "Used", value=sns.CfnTopic(second, "Topic").ref)
    built.synth()
    assert [declared.name for declared in stacks(tmp_path)] == ["Second", "First"]
    assert {(declared.account, declared.region) for declared in stacks(tmp_path)} == {(None, None)}


def test_another_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"must be the output of cdk synth .* got no manifest\.json"):
        list(stacks(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "1"}))
    assert list(stacks(tmp_path)) == []


@pytest.mark.parametrize(("text", "rule"), [("Resources:", "must be JSON"), ("[]", "must hold a JSON object")])
def test_a_manifest_that_is_none(tmp_path: Path, text: str, rule: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CommandError, match=rule):
        list(stacks(tmp_path))
