"""A Clean Rooms of its own for every test of the domain."""

from collections.abc import Iterator

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms


@pytest.fixture(autouse=True)
def service() -> Iterator[None]:
    cleanrooms_backends.clear()
    clean_rooms.install()
    yield
    cleanrooms_backends.clear()
