"""The throttle, by a clock that only the pauses move: each request of a real client is recorded with its time."""

from itertools import pairwise

import pytest

from privacy_budget_core.throttle import throttle
from tests.support.stack import Backend


class Clock:
    """A clock that moves by pauses alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> Backend:
    backend = Backend()
    throttle(backend.client, 4, clock, clock.sleep)
    return backend


@pytest.fixture
def sent(backend: Backend, clock: Clock) -> list[tuple[str, float]]:
    """The operation and the time of each request."""
    requests: list[tuple[str, float]] = []

    def record(event_name: str, **_: object) -> None:
        requests.append((event_name.rpartition(".")[2], clock.now))

    backend.client.meta.events.register("before-send.cleanrooms", record)
    return requests


def test_within_the_quota(backend: Backend, sent: list[tuple[str, float]], clock: Clock) -> None:
    for _ in range(12):
        backend.client.list_memberships()
    assert len(sent) == 12
    assert all(after - before >= 0.25 for (_, before), (_, after) in pairwise(sent))
    assert clock.now == 102.75


def test_operations_do_not_wait_for_each_other(backend: Backend, sent: list[tuple[str, float]]) -> None:
    for _ in range(2):
        backend.client.list_memberships()
        backend.client.list_collaborations()
    assert sent == [
        ("ListMemberships", 100.0),
        ("ListCollaborations", 100.0),
        ("ListMemberships", 100.25),
        ("ListCollaborations", 100.25),
    ]


def test_no_pause_within_the_quota(backend: Backend, clock: Clock) -> None:
    backend.client.list_memberships()
    clock.now += 60
    backend.client.list_memberships()
    assert clock.pauses == []
