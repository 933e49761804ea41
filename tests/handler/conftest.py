"""A Clean Rooms of its own for every test of the handler, and a stack that sends the handler its events."""

from collections.abc import Iterator

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_handler import cfn_response, events
from stack import Rooms, Stack, serve

serve(events.clean_rooms.client)


@pytest.fixture(autouse=True)
def settings() -> Iterator[Settings]:
    """The service's settings; a test that wants others calls ``use``."""
    cleanrooms_backends.clear()
    clean_rooms.install()
    yield PrivacyBudgetBackend.settings
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what a stack replaces when it delivers an event."""
    monkeypatch.setattr(cfn_response, "deliver", cfn_response.deliver)
    monkeypatch.setattr(events, "describe_stack", events.describe_stack)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def membership(rooms: Rooms) -> str:
    return rooms.membership()


@pytest.fixture
def stack() -> Stack:
    return Stack()
