"""The CDK CLI on a bootstrapped local AWS, and a membership of each test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk import CLI, Cdk
from cleanrooms_local_aws import LocalAws


@pytest.fixture(scope="session")
def bootstrapped(local_aws: LocalAws) -> LocalAws:
    local_aws.bootstrap([str(CLI)])
    return local_aws


@pytest.fixture
def cdk(bootstrapped: LocalAws, tmp_path: Path) -> Iterator[Cdk]:
    """The CLI for one app; what a test leaves deployed is destroyed."""
    used = Cdk(bootstrapped, tmp_path)
    yield used
    cloudformation = bootstrapped.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if stack["StackName"] != "CDKToolkit" and stack["StackStatus"] != "DELETE_COMPLETE":
            cloudformation.delete_stack(StackName=stack["StackName"])


@pytest.fixture
def rooms(bootstrapped: LocalAws) -> Any:
    """Clean Rooms as an operator sees it."""
    return bootstrapped.client("cleanrooms")


@pytest.fixture
def memberships(rooms: Any) -> list[str]:
    """Two memberships of the test's own."""

    def made() -> str:
        collaboration = rooms.create_collaboration(
            members=[],
            name="lab",
            description="for tests",
            creatorMemberAbilities=["CAN_QUERY"],
            creatorDisplayName="tester",
            queryLogStatus="DISABLED",
        )["collaboration"]["id"]
        return str(rooms.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")["membership"]["id"])

    return [made(), made()]
