"""A Clean Rooms of its own for every test of the monitor, which answers the function's own client."""

from collections.abc import Iterator

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_monitor import function
from tests.support.stack import Rooms, serve

serve(function.client)


@pytest.fixture(autouse=True)
def service() -> Iterator[None]:
    cleanrooms_backends.clear()
    clean_rooms.install()
    yield
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()
