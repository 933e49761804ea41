"""A Clean Rooms of its own for every test of the handler, and a stack that sends the handler its events."""

from collections.abc import Iterator

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_handler import events
from tests.support.stack import Backend, Stack, serve

serve(events.client)


@pytest.fixture(autouse=True)
def settings() -> Iterator[Settings]:
    """The service's settings; a test that wants others calls ``use``."""
    cleanrooms_backends.clear()
    clean_rooms.install()
    yield PrivacyBudgetBackend.settings
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def membership(backend: Backend) -> str:
    return backend.membership()


@pytest.fixture
def stack() -> Stack:
    return Stack()
