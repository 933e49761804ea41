"""How long one request is tried, and what became of it."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from privacy_budget_handler import attempts
from privacy_budget_handler.attempts import ONE_ATTEMPT, OutOfTime, Requests, Superseded, watch
from stack import REGION

URL = "https://cleanrooms.us-east-1.amazonaws.com"
CREATE, GET = "CreatePrivacyBudgetTemplate", "GetPrivacyBudgetTemplate"
NOT_YET = "User: arn is not authorized to perform: x on resource: y because no identity-based policy allows the x action"
EXPLICIT = "User: arn is not authorized to perform: x on resource: y with an explicit deny in a service control policy"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(attempts, "time", clock)
    return clock


def pause(requests: Requests, status: int = 0, code: str = "", message: str = "", exception: Exception | None = None) -> float | None:
    return requests.pause(CREATE, 1, status, {"Code": code, "Message": message} if code else {}, exception)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", NOT_YET),
        ("AccessDeniedException", NOT_YET.replace("identity-based policy", "permissions boundary")),
        ("UnrecognizedClientException", "The security token included in the request is invalid."),
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("InvalidSignatureException", "Signature not yet current: 20261126T000500Z is still later than 20261126T000000Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ],
)
def test_what_takes_effect_soon_is_waited_for_half_a_minute(clock: Clock, code: str, message: str) -> None:
    requests = Requests()
    assert pause(requests, 403, code, message) is not None
    clock.now += 29
    assert pause(requests, 403, code, message) is not None
    clock.now += 2
    assert pause(requests, 403, code, message) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", EXPLICIT),
        ("AccessDeniedException", "the membership is not active"),
        ("AccessDeniedException", ""),
        ("ValidationException", "no"),
        ("ConflictException", "no"),
        ("ServiceQuotaExceededException", "no"),
    ],
)
def test_what_lasts_is_reported_at_once(code: str, message: str) -> None:
    assert pause(Requests(), 400, code, message) is None


@pytest.mark.parametrize(
    "status_and_code", [(429, "ThrottlingException"), (400, "Throttling"), (500, "InternalServerException"), (503, "x")]
)
def test_throttling_and_server_errors_are_tried_as_long_as_there_is_time(clock: Clock, status_and_code: tuple[int, str]) -> None:
    status, code = status_and_code
    requests = Requests()
    for attempt in range(1, 200):
        waited = requests.pause(CREATE, attempt, status, {"Code": code}, None)
        assert waited is not None
        assert 0 <= waited <= attempts.LONGEST_PAUSE
    requests.may_send = lambda: False
    with pytest.raises(OutOfTime):
        pause(requests, status, code)


@pytest.mark.parametrize(
    ("outcome", "may_have_written"),
    [
        ({"status": 403, "code": "AccessDeniedException"}, False),
        ({"status": 429, "code": "ThrottlingException"}, False),
        ({"exception": EndpointConnectionError(endpoint_url=URL)}, False),
        ({"exception": ConnectTimeoutError(endpoint_url=URL)}, False),
        ({"status": 409, "code": "ConflictException"}, True),
        ({"status": 500, "code": "InternalServerException"}, True),
        ({"exception": ReadTimeoutError(endpoint_url=URL)}, True),
        ({"exception": ConnectionClosedError(endpoint_url=URL)}, True),
        ({}, True),
    ],
)
def test_what_an_attempt_may_have_written(outcome: dict[str, Any], may_have_written: bool) -> None:
    requests = Requests()
    requests.begin(CREATE)
    pause(requests, **outcome)
    assert requests.may_have_written is may_have_written


def test_a_refusal_does_not_undo_an_attempt_of_unknown_outcome() -> None:
    requests = Requests()
    requests.begin(CREATE)
    pause(requests, 500, "InternalServerException")
    requests.begin(CREATE)
    pause(requests, 403, "AccessDeniedException")
    assert requests.may_have_written


def test_an_earlier_delivery_may_have_written() -> None:
    """It may have died after its create: the refusal of this delivery does not say that nothing was created."""
    requests = Requests(was_delivered_before=True)
    requests.begin(CREATE)
    pause(requests, 403, "AccessDeniedException")
    assert requests.may_have_written
    requests.wrote_nothing()
    assert not requests.may_have_written


def test_a_read_writes_nothing_and_needs_no_permission_to_write() -> None:
    requests = Requests(may_write=lambda: False)
    requests.begin(GET)
    assert not requests.may_have_written
    with pytest.raises(Superseded):
        requests.begin(CREATE)


def test_an_event_that_began_to_write_goes_on() -> None:
    expected = [True, False]
    requests = Requests(may_write=lambda: expected.pop(0))
    requests.begin("DeletePrivacyBudgetTemplate")
    requests.begin(CREATE)
    assert expected == [False]


def test_botocore_tries_once_and_again_as_the_hook_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    client: Any = boto3.client("cleanrooms", region_name=REGION, config=ONE_ATTEMPT, endpoint_url="https://127.0.0.1:1")
    left = iter([True] * 6)
    requests = Requests(may_send=lambda: next(left, False))
    watch(client, lambda: requests)
    with pytest.raises(OutOfTime):
        client.list_memberships()
    assert requests.count == 3
