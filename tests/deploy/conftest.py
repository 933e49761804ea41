"""The CDK CLI on a bootstrapped local AWS, and a membership of each test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT, Cdk, Engine
from tests.support.deployed_clean_rooms import new_membership

BOOTSTRAP_TEMPLATE = ROOT / "node_modules" / "aws-cdk" / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"

_Used = TypeVar("_Used", bound=Cdk)


@pytest.fixture(scope="session")
def bootstrapped(local_aws: LocalAws) -> LocalAws:
    """By the CLI's own template, but without the CLI, which would take two seconds in each worker."""
    cloudformation = local_aws.client("cloudformation")
    if any(stack["StackName"] == "CDKToolkit" for stack in cloudformation.describe_stacks()["Stacks"]):
        return local_aws
    cloudformation.create_stack(
        StackName="CDKToolkit",
        TemplateBody=BOOTSTRAP_TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": "CloudFormationExecutionPolicies", "ParameterValue": "arn:aws:iam::aws:policy/AdministratorAccess"}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="CDKToolkit", WaiterConfig={"Delay": 1})
    return local_aws


@pytest.fixture
def cdk(bootstrapped: LocalAws, tmp_path: Path) -> Iterator[Cdk]:
    """The CLI for one app; what a test leaves deployed is destroyed, which the next test waits for."""
    yield from _with_its_stacks_deleted(Cdk(bootstrapped, tmp_path))


@pytest.fixture
def engine(bootstrapped: LocalAws, tmp_path: Path) -> Iterator[Engine]:
    """CloudFormation without the CLI, likewise."""
    yield from _with_its_stacks_deleted(Engine(bootstrapped, tmp_path))


def _with_its_stacks_deleted(used: _Used) -> Iterator[_Used]:
    cloudformation = used.local_aws.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if stack["StackStatus"] == "DELETE_IN_PROGRESS":
            used.settled(stack["StackId"])
    yield used
    for stack in cloudformation.describe_stacks()["Stacks"]:
        # A nested stack is deleted by its parent, whose own deletion would fail where somebody else deletes it.
        if stack["StackName"] != "CDKToolkit" and stack["StackStatus"] != "DELETE_COMPLETE" and "ParentId" not in stack:
            cloudformation.delete_stack(StackName=stack["StackName"])


@pytest.fixture
def clean_rooms(bootstrapped: LocalAws) -> Any:
    """Clean Rooms as an operator sees it."""
    return bootstrapped.client("cleanrooms")


@pytest.fixture
def memberships(clean_rooms: Any) -> list[str]:
    """Two memberships of the test's own."""
    return [new_membership(clean_rooms), new_membership(clean_rooms)]


@pytest.fixture
def taken(bootstrapped: LocalAws) -> Iterator[str]:
    """A parameter's name that a stack cannot have, as it is taken: a stack that declares it fails."""
    name = "/taken"
    ssm = bootstrapped.client("ssm")
    ssm.put_parameter(Name=name, Value="x", Type="String")
    yield name
    ssm.delete_parameter(Name=name)
