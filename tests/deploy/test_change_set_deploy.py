"""The CDK CLI's ways of deploying that need more of CloudFormation: change sets that are reviewed, and stacks that stay failed."""

import json
from typing import Any

from tests.support.cdk import Cdk, Engine
from tests.support.deployed_app import declared
from tests.support.deployed_clean_rooms import held

UNKNOWN = "99999999-1111-4222-8333-444444444444"
NAME = ("--change-set-name", "reviewed")


def deploy(cdk: Cdk, *options: str) -> None:
    ran = cdk.run("deploy", "Shop", "--require-approval", "never", *options)
    assert ran.status == 0, ran.text


def budget(cdk: Cdk) -> dict[str, Any]:
    """What the change set says of the custom resource."""
    client = cdk.local_aws.client("cloudformation")
    described = client.describe_change_set(StackName="Shop", ChangeSetName="reviewed", IncludePropertyValues=True)
    changes = [change["ResourceChange"] for change in described["Changes"]]
    (change,) = (change for change in changes if change["ResourceType"].startswith("Custom::"))
    return dict(change)


def test_change_set_is_prepared_then_executed(cdk: Cdk, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    cdk.declare(declared({"membership": membership}))
    deploy(cdk, "--method=prepare-change-set", *NAME)
    assert json.loads(budget(cdk)["AfterContext"])["Properties"]["MembershipIdentifier"] == membership
    assert held(clean_rooms, membership) == []
    deploy(cdk, "--method=execute-change-set", *NAME)
    (template,) = held(clean_rooms, membership)

    cdk.declare(declared({"membership": membership, "epsilon": 5}))
    deploy(cdk, "--method=prepare-change-set", *NAME)
    change = budget(cdk)
    epsilons = [json.loads(change[side])["Properties"]["Parameters"]["Epsilon"] for side in ("BeforeContext", "AfterContext")]
    assert epsilons == ["3", "5"]
    assert held(clean_rooms, membership) == [template]
    deploy(cdk, "--method=execute-change-set", *NAME)
    assert held(clean_rooms, membership)[0]["parameters"]["differentialPrivacy"]["epsilon"] == 5


def test_failed_create_is_mended_without_a_rollback(cdk: Cdk, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    cdk.declare(declared({"membership": UNKNOWN}))
    ran = cdk.run("deploy", "--all", "--require-approval", "never", "--no-rollback")
    assert ran.status != 0
    assert cdk.settled("Shop") == "CREATE_FAILED"
    cdk.declare(declared({"membership": membership}))
    deploy(cdk, "--no-rollback")
    assert cdk.settled("Shop") == "UPDATE_COMPLETE"
    (template,) = held(clean_rooms, membership)
    assert template["arn"] == cdk.resource("Shop", "Budget")["PhysicalResourceId"]


def test_failed_update_is_mended_without_a_rollback(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    engine.deploys(declared({"membership": membership}))
    engine.declare(declared({"membership": UNKNOWN}))
    assert engine.run("deploy", "--all", "--require-approval", "never", "--no-rollback").status != 0
    assert engine.settled("Shop") == "UPDATE_FAILED"
    engine.declare(declared({"membership": membership, "epsilon": 5}))
    deploy(engine, "--no-rollback")
    assert held(clean_rooms, membership)[0]["parameters"]["differentialPrivacy"]["epsilon"] == 5
