"""How long one request is tried, and what became of it."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from privacy_budget_core import retries
from privacy_budget_core.errors import OutOfTimeError, SupersededError
from privacy_budget_core.retries import ONE_ATTEMPT, Requests, watched
from tests.support.stack import REGION, Response

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
    monkeypatch.setattr(retries, "time", clock)
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
        ("ExpiredToken", "The provided token has expired."),
        ("IncompleteSignature", "Date must be in ISO-8601 format"),
        ("InvalidClientTokenId", "The security token included in the request is invalid."),
        ("RequestExpired", "Request has expired."),
        ("SignatureDoesNotMatch", "Signature expired"),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
    ],
)
def test_eventual_consistency_is_awaited_half_a_minute(clock: Clock, code: str, message: str) -> None:
    requests = Requests()
    assert pause(requests, 403, code, message) is not None
    clock.now += 29
    assert pause(requests, 403, code, message) is not None
    clock.now += 1
    assert pause(requests, 403, code, message) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", EXPLICIT),
        ("AccessDeniedException", "the membership is not active"),
        ("AccessDeniedException", ""),
        ("AccessDeniedException", "no, because nobody may"),
        ("AccessDeniedException", "no policy allows that because of an explicit deny"),
        ("ValidationException", "no"),
        ("ValidationException", NOT_YET),
        ("ConflictException", "no"),
        ("ServiceQuotaExceededException", "no"),
    ],
)
def test_what_lasts_is_reported_at_once(code: str, message: str) -> None:
    assert pause(Requests(), 400, code, message) is None


@pytest.mark.parametrize(
    ("status", "code", "is_passing"),
    [
        (428, "x", False),
        (429, "x", True),
        (430, "x", False),
        (499, "x", False),
        (500, "x", True),
        (501, "x", True),
        (400, "ThrottledException", False),
        (400, "ThrottlingException", True),
    ],
)
def test_what_passes_by_its_status(status: int, code: str, is_passing: bool) -> None:
    assert (pause(Requests(), status, code) is not None) is is_passing


@pytest.mark.parametrize(
    ("exception", "is_passing"),
    [
        (EndpointConnectionError(endpoint_url=URL), True),
        (ConnectTimeoutError(endpoint_url=URL), True),
        (ReadTimeoutError(endpoint_url=URL), True),
        (ConnectionClosedError(endpoint_url=URL), True),
        (NoCredentialsError(), False),
        (ParamValidationError(report="no"), False),
    ],
)
def test_what_passes_by_its_exception(exception: Exception, is_passing: bool) -> None:
    assert (pause(Requests(), exception=exception) is not None) is is_passing


def test_the_pause_doubles_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[float, float]] = []
    monkeypatch.setattr(retries, "random", SimpleNamespace(uniform=lambda *drawn_between: limits.append(drawn_between)))
    for attempt in (1, 2, 3, 4, 5, 2000):
        Requests().pause(GET, attempt, 429, {"Code": "x"}, None)
    assert limits == [(0, limit) for limit in (1, 2, 4, 8, 10, 10)]


@pytest.mark.parametrize(
    "status_and_code", [(429, "ThrottlingException"), (400, "Throttling"), (500, "InternalServerException"), (503, "x")]
)
def test_transient_errors_are_retried_until_time_ends(clock: Clock, status_and_code: tuple[int, str]) -> None:
    status, code = status_and_code
    requests = Requests()
    for attempt in range(1, 200):
        waited = requests.pause(CREATE, attempt, status, {"Code": code}, None)
        assert waited is not None
        assert 0 <= waited <= retries.LONGEST_PAUSE
    requests.may_send = lambda: False
    with pytest.raises(OutOfTimeError):
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


def test_refusal_keeps_earlier_unknown_outcome() -> None:
    """A refusal after an attempt of unknown outcome leaves the outcome unknown."""
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


@pytest.mark.parametrize(
    ("operations", "write"),
    [
        (
            ("CreatePrivacyBudgetTemplate", "UpdatePrivacyBudgetTemplate", "DeletePrivacyBudgetTemplate", "TagResource", "UntagResource"),
            True,
        ),
        (("GetPrivacyBudgetTemplate", "ListPrivacyBudgetTemplates", "ListPrivacyBudgets", "ListTagsForResource"), False),
        (("PreviewPrivacyImpact", "DescribeStacks"), False),
    ],
)
def test_what_writes(operations: tuple[str, ...], write: bool) -> None:
    """Every operation that the handler uses; a read that is refused says nothing of an earlier write."""
    for operation in operations:
        requests = Requests()
        requests.begin(operation)
        assert requests.may_have_written is write
        requests.begin(CREATE)
        requests.pause(CREATE, 1, 200, {}, None)
        requests.begin(operation)
        requests.pause(operation, 1, 400, {"Code": "ValidationException"}, None)
        assert requests.may_have_written


def test_what_is_told_of_the_requests() -> None:
    """How many were sent, and what became of the last one."""
    requests = Requests()
    assert (requests.count, requests.last) == (0, "nothing yet")
    requests.begin(CREATE)
    assert (requests.count, requests.last) == (1, f"{CREATE} → no response yet")
    pause(requests, 429, "ThrottlingException")
    assert requests.last == f"{CREATE} → ThrottlingException"
    requests.begin(GET)
    requests.pause(GET, 1, 0, {}, ReadTimeoutError(endpoint_url=URL))
    assert requests.last.startswith(f"{GET} → ReadTimeoutError(")
    requests.pause(GET, 2, 400, {"Message": "no code"}, None)
    assert requests.last == f"{GET} → an error"
    requests.pause(GET, 2, 200, {}, None)
    assert (requests.count, requests.last) == (2, f"{GET} → answered")


@pytest.mark.parametrize("error", [{"Code": "AccessDeniedException"}, {"Code": "AccessDeniedException", "Message": None}])
def test_a_denial_without_a_message_lasts(error: dict[str, Any]) -> None:
    assert Requests().pause(CREATE, 1, 403, error, None) is None


def test_an_event_whose_time_is_over() -> None:
    """It sends nothing more, but takes the answer that came; what was refused last wrote nothing."""
    requests = Requests()
    requests.begin(CREATE)
    requests.may_send = lambda: False
    assert pause(requests, 200) is None
    with pytest.raises(OutOfTimeError):
        requests.begin(GET)
    assert requests.count == 1
    with pytest.raises(OutOfTimeError):
        pause(requests, 400, "ValidationException")
    assert not requests.may_have_written


def test_read_needs_no_write_permission() -> None:
    requests = Requests(may_write=lambda: False)
    requests.begin(GET)
    assert not requests.may_have_written
    with pytest.raises(SupersededError):
        requests.begin(CREATE)


def test_an_event_that_began_to_write_goes_on() -> None:
    expected = [True, False]
    requests = Requests(may_write=lambda: expected.pop(0))
    requests.begin("DeletePrivacyBudgetTemplate")
    requests.begin(CREATE)
    assert expected == [False]


def test_botocore_retries_as_the_hook_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    client: Any = boto3.client("cleanrooms", region_name=REGION, config=ONE_ATTEMPT, endpoint_url="https://127.0.0.1:1")
    left = iter([True] * 6)
    requests = Requests(may_send=lambda: next(left, False))
    with watched(client, requests), pytest.raises(OutOfTimeError):
        client.list_memberships()
    assert requests.count == 3


def test_botocore_has_no_retries_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own retries know no event's time."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    client: Any = boto3.client("cleanrooms", region_name=REGION, config=ONE_ATTEMPT)
    requests = Requests()
    headers = HTTPHeaders.from_dict({"x-amzn-errortype": "RequestTimeoutException"})
    client.meta.events.register_last("before-send.cleanrooms", lambda request, **_: AWSResponse(request.url, 400, headers, Response(b"{}")))
    with watched(client, requests), pytest.raises(ClientError):
        client.list_memberships()
    assert requests.count == 1
