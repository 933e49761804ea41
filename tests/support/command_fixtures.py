"""The command ``privacy-budget``, run in this process against a Clean Rooms of the test's own."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_cli import session
from privacy_budget_cli.command import run
from tests.support.command import Command, Ended
from tests.support.stack import Backend, serve


@pytest.fixture
def use() -> Iterator[Callable[[Settings], None]]:
    """Give Clean Rooms other settings; at first it has the default ones."""

    def settle(settings: Settings) -> None:
        cleanrooms_backends.clear()
        clean_rooms.install(settings)

    settle(Settings())
    yield settle
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


@pytest.fixture
def backend(use: Callable[[Settings], None]) -> Backend:
    """Clean Rooms as an operator sees it."""
    return Backend()


@pytest.fixture
def membership(backend: Backend) -> str:
    """A membership that holds no template."""
    return backend.membership()


@pytest.fixture
def command(backend: Backend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command, whose clients are the real ones but for the network, and whose pace is fast."""
    make: Any = boto3.Session.client

    def served(self: boto3.Session, *arguments: Any, **options: Any) -> Any:
        client = make(self, *arguments, **options)
        serve(client)
        return client

    monkeypatch.setattr(boto3.Session, "client", served)
    monkeypatch.setattr(session, "CALLS_PER_SECOND", 1000)

    def ended(*arguments: str) -> Ended:
        try:
            status = run(arguments)
        except SystemExit as error:
            assert isinstance(error.code, int)
            status = error.code
        printed = capsys.readouterr()
        return Ended(status, printed.out, printed.err)

    return ended
