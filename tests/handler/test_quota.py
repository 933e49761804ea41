"""The service's quota, and a service that throttles or hangs until the invocation's time is over."""

import itertools
import json
import re
import threading
import time
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest

from cleanrooms_local_aws.clean_rooms.exceptions import ThrottlingException
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_core.retries import LONGEST_PAUSE, ONE_ATTEMPT
from privacy_budget_handler import protocol
from privacy_budget_handler.events import PrivacyBudgetEvent
from tests.support.stack import REGION, Backend, Clock, HandledEvent, Stack, differential_privacy, serve

FASTER = 4
"""How much faster than in earnest the time of the many creates at once runs: the service's clock and the pauses of every client."""

pytestmark = pytest.mark.slow


class Environment:
    """An execution environment of its own, with a client that no other one shares."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("cleanrooms", region_name=REGION, config=ONE_ATTEMPT)
        serve(self.client)

    def handle(self, event: dict[str, Any]) -> HandledEvent:
        handled = HandledEvent(event, Clock(300 / FASTER), {"StackStatus": "CREATE_IN_PROGRESS"}, self.client)
        handled.respond()
        return handled


class TestQuota:
    """A Clean Rooms that takes 5 requests a second of each operation, as its documentation says."""

    @pytest.fixture(autouse=True)
    def quota(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        PrivacyBudgetBackend.settings = Settings(requests_per_second=5, clock=lambda: time.time() * FASTER)
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / FASTER)))

    def test_fifty_concurrent_creates_succeed(self, backend: Backend) -> None:
        """Each in an environment of its own."""
        memberships = [backend.membership() for _ in range(50)]
        environments = [Environment() for _ in memberships]
        handled: list[HandledEvent] = []
        stack, start = Stack(), threading.Barrier(len(memberships))

        def create(environment: Environment, number: int, membership: str) -> None:
            event = stack.event("Create", differential_privacy(membership), f"Budget{number}")
            start.wait()
            handled.append(environment.handle(event))

        threads = [
            threading.Thread(target=create, args=(environment, number, membership))
            for number, (environment, membership) in enumerate(zip(environments, memberships, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = [json.loads(body) for one in handled for body in one.bodies]
        assert [answered["Status"] for answered in answers] == ["SUCCESS"] * 50
        assert {answered["LogicalResourceId"] for answered in answers} == {f"Budget{number}" for number in range(50)}
        assert len({answered["PhysicalResourceId"] for answered in answers}) == 50
        assert sum(one.requests.count for one in handled) > 50


class TestOneEnvironment:
    """Events that follow each other in one warm execution environment, with the one client that they share."""

    def test_earlier_events_use_up_no_retries(
        self, settings: Settings, backend: Backend, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """botocore's 500 retry tokens would be gone with the 34th create that is throttled three times."""
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
        requests = itertools.count()

        def throttle(operation: str, moment: Moment) -> None:
            if (operation, moment) == ("CreatePrivacyBudgetTemplate", Moment.BEFORE_EFFECT) and next(requests) % 4 < 3:
                raise ThrottlingException("too many requests")

        memberships = [backend.membership() for _ in range(50)]
        PrivacyBudgetBackend.settings = Settings(faults=throttle)
        for number, membership in enumerate(memberships):
            assert stack.create(differential_privacy(membership), f"Budget{number}")["Status"] == "SUCCESS"
            assert HandledEvent.latest.requests.count == 4


class Trouble:
    """A service that throttles every request, after as long as it hangs; counts them."""

    def __init__(self) -> None:
        self.requests = 0
        self.seconds = 0.0

    def __call__(self, operation: str, moment: Moment) -> None:
        self.requests += 1
        time.sleep(self.seconds)
        raise ThrottlingException("too many requests")


class TestUntilTheEnd:
    """A service that is in trouble until the invocation's time is over."""

    @pytest.fixture
    def trouble(self, settings: Settings) -> Trouble:
        trouble = Trouble()
        PrivacyBudgetBackend.settings = Settings(faults=trouble)
        return trouble

    @pytest.fixture
    def event(self, trouble: Trouble, backend: Backend, stack: Stack) -> dict[str, Any]:
        return stack.event("Create", differential_privacy(backend.membership()))

    def test_endless_throttling_is_answered_in_time(
        self, event: dict[str, Any], stack: Stack, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reason says what the handler was doing."""
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.2))))
        context = Clock(1.5)
        answered = stack.deliver(event, context)
        assert context.get_remaining_time_in_millis() > 0
        assert answered["Status"] == "FAILED"
        assert trouble.requests > 2
        # The time may run out in the midst of a request.
        assert re.match(
            r"The function's time ran out after \d+ requests to Clean Rooms, the last: CreatePrivacyBudgetTemplate →"
            r" (ThrottlingException|no response yet)\.",
            answered["Reason"],
        )

    def test_hanging_service_is_answered_in_time(
        self, event: dict[str, Any], stack: Stack, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reason says what the handler was doing."""
        context, left = Clock(1.5), []
        monkeypatch.setattr(PrivacyBudgetEvent, "log_record", lambda *_: left.append(context.get_remaining_time_in_millis()))
        trouble.seconds = 1.8
        answered = stack.deliver(event, context)
        assert left[0] > 0
        assert answered["Status"] == "FAILED"
        assert "CreatePrivacyBudgetTemplate" in answered["Reason"]
        assert trouble.requests == 1

    def test_no_retry_after_the_answer(
        self, event: dict[str, Any], stack: Stack, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Lambda kills an invocation that waits beyond its time, and delivers the event once more, answered as it is."""
        waits: list[float] = []
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=waits.append))
        trouble.seconds = 1.2
        stack.deliver(event, Clock(1.5))
        assert waits == []

    def test_waits_end_before_the_invocation(self) -> None:
        """Neither for a request that hangs nor between two of them, for the same reason."""
        timeouts: Any = ONE_ATTEMPT
        assert max(timeouts.connect_timeout + timeouts.read_timeout, LONGEST_PAUSE) < protocol.SECONDS_TO_ANSWER
