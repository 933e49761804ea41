"""A Clean Rooms of its own for every test of the monitor, which answers a client like the function's own, without its throttle."""

from collections.abc import Iterator

import botocore.session
import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_monitor import function
from tests.support.stack import REGION, Backend, serve

CLIENT = botocore.session.get_session().create_client("cleanrooms", region_name=REGION, config=function.PATIENCE)
serve(CLIENT)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(function, "clean_rooms", CleanRooms(CLIENT))
    cleanrooms_backends.clear()
    clean_rooms.install()
    yield
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


@pytest.fixture
def backend() -> Backend:
    return Backend()
