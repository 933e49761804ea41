"""A harness for a test."""

from collections.abc import Iterator

import pytest

from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.state_machine import MEMBERSHIPS


@pytest.fixture
def harness() -> Iterator[Harness]:
    """A Clean Rooms with two memberships, and the function; every rule must have held in the end."""
    made = Harness()
    for membership in MEMBERSHIPS:
        made.membership(membership)
    try:
        yield made
        made.check()
    finally:
        made.close()
