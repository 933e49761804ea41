"""A world for a test."""

from collections.abc import Iterator

import pytest

from histories import MEMBERSHIPS
from world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A Clean Rooms with two memberships, and the function; every rule must have held in the end."""
    made = World()
    for membership in MEMBERSHIPS:
        made.membership(membership)
    try:
        yield made
        made.check()
    finally:
        made.close()
