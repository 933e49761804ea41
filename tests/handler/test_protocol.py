"""Every event gets exactly one answer, valid and in time: what crhelper leaves open, closed."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

import privacy_budget_handler
from privacy_budget_core import properties
from privacy_budget_handler import cfn_response, events, protocol
from privacy_budget_handler.errors import DeliveryError
from privacy_budget_handler.protocol import CustomResource
from tests.fakes.response_url import ResponseUrl, serving
from tests.support.stack import Backend, Clock, Context, Stack, differential_privacy

MEMBERSHIP = "12345678-1111-4222-8333-444455556666"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def url(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ResponseUrl]:
    monkeypatch.setattr(cfn_response, "ATTEMPTS", 3)
    with serving(folder) as told:
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        cfn_response._trusted.cache_clear()
        yield told
    cfn_response._trusted.cache_clear()


def event(url: ResponseUrl, request_type: str = "Create", **more: Any) -> dict[str, Any]:
    return {**Stack().event(request_type, differential_privacy(MEMBERSHIP), **more), "ResponseURL": url.url}


Handle = Callable[["Handled"], str]


class Handled(CustomResource):
    """An event that is handled by a function, which is given this object."""

    def __init__(self, event: Mapping[str, Any], context: Any, handle: Handle) -> None:
        super().__init__(event, context)
        for register in (self.create, self.update, self.delete):
            register(lambda *_: handle(self))

    def failure_reason(self, error: Exception) -> str:
        return f"{type(error).__name__}: {error}"

    def timeout_reason(self) -> str:
        return "the time ran out while testing"

    def may_have_written(self) -> bool:
        return False

    def log_record(self, status: str, reason: str) -> None:
        pass


def respond(event: Mapping[str, Any], handle: Handle = lambda _: "arn", context: Any = None) -> Handled:
    handled = Handled(event, context or Context(), handle)
    handled.respond()
    return handled


def bodies(url: ResponseUrl) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in url.received]


def raises(message: str) -> Callable[..., Any]:
    def handle(*_: Any) -> str:
        raise RuntimeError(message)

    return handle


def test_answer_goes_to_the_exact_url(url: ResponseUrl) -> None:
    """With an empty content type, as the URL is signed for."""
    sent = event(url)
    respond(sent)
    ((path, headers, body),) = url.received
    assert url.url.endswith(path)
    assert headers["content-type"] == ""
    assert json.loads(body) == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "arn",
        "StackId": sent["StackId"],
        "RequestId": sent["RequestId"],
        "LogicalResourceId": "Budget",
        "NoEcho": False,
        "Data": {},
    }


def test_no_boto3_client_is_made_for_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "client", lambda *_args, **_more: pytest.fail("a client was made"))
    monkeypatch.delenv("AWS_SAM_LOCAL", raising=False)
    Handled({}, Context(), lambda _: "arn")
    assert "AWS_SAM_LOCAL" not in os.environ


def test_a_delete_is_answered_at_once(url: ResponseUrl) -> None:
    began = time.monotonic()
    respond(event(url, "Delete", PhysicalResourceId="arn"))
    assert time.monotonic() - began < 5
    assert len(url.received) == 1


def test_failed_create_has_a_stable_id(url: ResponseUrl) -> None:
    """Every delivery of the event answers with the same physical id."""
    sent = event(url)
    for delivered in (sent, sent, {**sent, "RequestId": "another"}):
        respond(delivered, raises("no"))
    first, second, other = (body["PhysicalResourceId"] for body in bodies(url))
    assert first == second != other
    assert first


@pytest.mark.parametrize("request_type", ["Update", "Delete"])
def test_failure_keeps_physical_id_without_attributes(url: ResponseUrl, request_type: str) -> None:
    def handle(handled: Handled) -> str:
        handled.Data = {"Arn": "new"}
        raise RuntimeError("no")

    respond(event(url, request_type, PhysicalResourceId="arn"), handle)
    (body,) = bodies(url)
    assert (body["Status"], body["PhysicalResourceId"], body["Data"]) == ("FAILED", "arn", {})


@pytest.mark.parametrize("text", ["x" * 20_000, '€\u0000"' * 3_000, "🔒" * 4_000])
def test_a_long_reason_keeps_its_beginning_and_fits(url: ResponseUrl, text: str) -> None:
    respond(event(url), raises(text))
    ((_, _, body),) = url.received
    assert len(body) <= cfn_response.MAX_BYTES
    assert len(body) > cfn_response.MAX_BYTES - 100
    reason = json.loads(body)["Reason"]
    assert reason.startswith("RuntimeError: " + text[:50].replace("\u0000", " "))
    assert reason.endswith("...")


def test_too_long_attributes_fail_uncut(url: ResponseUrl) -> None:
    """Attributes that are too long fail the event instead of being cut."""

    def handle(handled: Handled) -> str:
        handled.Data = {"Arn": "x" * 9_000}
        return "arn"

    respond(event(url), handle)
    (body,) = bodies(url)
    assert body["Status"] == "FAILED"
    assert "4096" in body["Reason"]


def test_nothing_is_carried_over_to_the_next_event(url: ResponseUrl) -> None:
    def handle(handled: Handled) -> str:
        handled.NoEcho, handled.Data = True, {"Arn": "arn"}
        return "arn"

    respond(event(url), handle)
    respond(event(url))
    assert [(body["NoEcho"], body["Data"]) for body in bodies(url)] == [(False, {"Arn": "arn"}), (False, {})]


@pytest.mark.parametrize("statuses", [[403, 200], [503, 500, 200]])
def test_rejected_answer_is_sent_again(url: ResponseUrl, statuses: list[int]) -> None:
    url.statuses = list(statuses)
    respond(event(url))
    assert len(url.received) == len(statuses)
    assert len({body for _, _, body in url.received}) == 1


@pytest.mark.parametrize("status", [403, 500])
def test_undeliverable_answer_fails_without_naming_url(url: ResponseUrl, status: int) -> None:
    url.statuses = [status]
    with pytest.raises(DeliveryError, match=f"HTTP status {status}") as raised:
        respond(event(url))
    assert len(url.received) == cfn_response.ATTEMPTS
    assert "Signature" not in str(raised.value)


def test_hanging_response_url_is_given_up(url: ResponseUrl) -> None:
    """Within the invocation's remaining time."""
    url.hang = 30
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="TimeoutError"):
        respond(event(url), context=Clock(2))
    assert time.monotonic() - began < 3


def test_slow_event_is_answered_once_in_time(url: ResponseUrl) -> None:
    release = threading.Event()

    def handle(handled: Handled) -> str:
        release.wait(4)
        assert not handled.may_act()
        return "late"

    threading.Timer(2.5, release.set).start()
    respond(event(url, PhysicalResourceId="", request_type="Create"), handle, Clock(3))
    (body,) = bodies(url)
    assert body["Status"] == "FAILED"
    assert body["Reason"] == "the time ran out while testing"
    assert body["PhysicalResourceId"]


def test_end_during_timeout_answer_sends_no_second(url: ResponseUrl) -> None:
    """A handler that ends while the timer answers sends no second answer."""
    url.hang = 0.5

    def handle(handled: Handled) -> str:
        while handled.may_act():
            time.sleep(0.01)
        return "late"

    handled = respond(event(url), handle, Clock(3))
    assert [body["Status"] for body in bodies(url)] == ["FAILED"]
    assert not handled._timer or not handled._timer.is_alive()


def test_a_timer_that_fires_late_adds_no_response(url: ResponseUrl) -> None:
    timer = respond(event(url), context=Clock(1.0))._timer
    assert timer is not None
    timer.function(*timer.args)
    assert [body["Status"] for body in bodies(url)] == ["SUCCESS"]


@pytest.mark.parametrize(("minutes", "acts"), [(15, True), (17, False)])
def test_abandoned_event_is_ignored(url: ResponseUrl, minutes: int, acts: bool) -> None:
    """An event that CloudFormation no longer waits for changes nothing."""
    signed = datetime.now(UTC) - timedelta(minutes=minutes)
    sent = event(url)
    sent["ResponseURL"] = f"{url.url}&X-Amz-Date={signed:%Y%m%dT%H%M%SZ}"
    acted: list[Any] = []
    respond(sent, lambda _: acted.append(1) or "arn")  # type: ignore[func-returns-value]
    assert bool(acted) is acts
    (body,) = bodies(url)
    assert (body["Status"] == "SUCCESS") is acts
    assert acts or "no longer waits" in body["Reason"]


@pytest.mark.parametrize("date", ["", "yesterday", "20261399T000000Z"])
def test_undated_url_sets_no_deadline(url: ResponseUrl, date: str) -> None:
    sent = event(url)
    sent["ResponseURL"] = f"{url.url}&X-Amz-Date={date}"
    respond(sent)
    assert bodies(url)[0]["Status"] == "SUCCESS"


def test_event_is_never_logged(url: ResponseUrl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At any log level."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.root.addHandler(handler)
    monkeypatch.setattr(logging.root, "level", logging.DEBUG)
    events.logger.setLevel(logging.DEBUG)
    url.statuses = [503, 200]
    try:
        events.handle(event(url), Context())
    finally:
        logging.root.removeHandler(handler)
        events.logger.setLevel(logging.INFO)
    captured = capsys.readouterr()
    told = log.getvalue() + captured.out + captured.err
    assert "answered with FAILED" in told
    for secret in (url.url, "Signature", "ecret", "X-Amz-Security-Token", "AWS4-HMAC"):
        assert secret not in told


def test_one_record_tells_what_was_found_and_done(
    url: ResponseUrl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(events.logger.registered_handler, "stream", log)
    sent = event(url)
    events.handle(sent, Context())
    (record,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert record["level"] == "INFO"
    assert record["message"] == "Create answered with FAILED"
    assert record["stack"] == sent["StackId"]
    assert record["logical_id"] == "Budget"
    assert record["request_id"] == sent["RequestId"]
    assert record["calls"] == 1
    assert record["reason"].startswith("ResourceNotFoundException")
    assert record["milliseconds"] >= 0


def test_the_record_tells_the_budget_before_and_after(
    backend: Backend, membership: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = differential_privacy(membership)
    arn = stack.create(before)["PhysicalResourceId"]
    log = io.StringIO()
    monkeypatch.setattr(events.logger.registered_handler, "stream", log)
    stack.update(arn, before, differential_privacy(membership, epsilon=5))
    (record,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert record["template"] == arn
    assert record["budget_before"] == "epsilon 3, noise 30, auto refresh NONE"
    assert record["budget_after"] == "epsilon 5, noise 30, auto refresh NONE"
    assert record["done"] == ["edit in place"]


def test_timed_out_event_is_recorded_as_answered(url: ResponseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(events.logger.registered_handler, "stream", log)
    monkeypatch.setattr(properties, "parse", lambda _: time.sleep(1))
    events.handle(event(url), Clock(1))
    record = json.loads(log.getvalue().splitlines()[0])
    assert record["message"] == "Create answered with FAILED"
    assert record["reason"].startswith("The function's time ran out after 0 requests")


def test_event_without_members_gets_no_answer(url: ResponseUrl) -> None:
    with pytest.raises(KeyError):
        respond({"RequestType": "Create"})
    assert not url.received


def test_loggers_that_know_secrets_stay_silent_below_warnings() -> None:
    for name in protocol.SILENT_LOGGERS:
        assert logging.getLogger(name).level >= logging.WARNING


def test_unknown_error_is_answered_by_name(url: ResponseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has no traceback."""
    monkeypatch.setattr(properties, "parse", raises("who knows"))
    events.handle(event(url), Context())
    (body,) = bodies(url)
    assert body["Reason"].startswith("RuntimeError: ")
    assert "Traceback" not in body["Reason"]


def test_function_that_cannot_start_answers(url: ResponseUrl, tmp_path: Path, folder: Path) -> None:
    """In a process of its own, where the handler's dependencies are missing."""
    source = Path(privacy_budget_handler.__file__).parent
    for package in ("privacy_budget_core", "privacy_budget_handler"):
        (tmp_path / package).symlink_to(source.parent / package)
    script = (
        "import json, sys\n"
        "from privacy_budget_handler.function import handler\n"
        "class Context:\n"
        "    get_remaining_time_in_millis = staticmethod(lambda: 60000)\n"
        "handler(json.loads(sys.argv[1]), Context())\n"
    )
    finished = subprocess.run(
        [sys.executable, "-S", "-c", script, json.dumps(event(url))],
        cwd=tmp_path,
        env={"SSL_CERT_FILE": str(folder / "ca.pem"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    (body,) = bodies(url)
    assert body["Status"] == "FAILED"
    assert body["Reason"].startswith("The provider's function could not start: ModuleNotFoundError")
    assert body["PhysicalResourceId"]
    assert "Signature" not in finished.stderr


def test_control_characters_are_removed(url: ResponseUrl) -> None:
    """They make a stack's events unreadable in some tools."""
    respond(event(url), raises("first\x1b[31m line\r\nsecond\x00 line\u2028third"))
    (body,) = bodies(url)
    assert body["Reason"] == "RuntimeError: first [31m line second line third"
    assert cfn_response.printable("epsilon → 3, 7 of 99 COUNT") == "epsilon → 3, 7 of 99 COUNT"
