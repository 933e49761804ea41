"""Fixtures for stacks on the local AWS."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import TAKEN, Stack


@pytest.fixture
def stack(local_aws: LocalAws, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the test's name, deleted at its end."""
    stack = Stack(local_aws, re.sub("[^a-z0-9]+", "-", request.node.name).strip("-"))
    yield stack
    if stack.id:
        stack.delete()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Where a stack's function notes its requests."""
    return tmp_path / "requests"


@pytest.fixture
def taken(local_aws: LocalAws) -> Iterator[None]:
    """A parameter whose name is taken, so that a resource of that name fails."""
    ssm = local_aws.client("ssm")
    ssm.put_parameter(Name=TAKEN, Value="x", Type="String")
    yield
    ssm.delete_parameter(Name=TAKEN)
