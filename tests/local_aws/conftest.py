"""Fixtures of the local Clean Rooms."""

from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.settings import Settings
from tests.local_aws.support.clean_rooms import Backend, Clock, Faults


@pytest.fixture
def settings() -> Settings:
    return Settings(clock=Clock(), faults=Faults())


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    """A fresh local service of these settings."""
    with mock_aws():
        clean_rooms.install(settings)
        assert isinstance(settings.clock, Clock)
        assert isinstance(settings.faults, Faults)
        yield Backend(settings.clock, settings.faults)
        cleanrooms_backends.clear()


@pytest.fixture
def iam_form() -> Settings:
    return Settings(clock=Clock(), faults=Faults(), arn_form=ArnForm.IAM)
