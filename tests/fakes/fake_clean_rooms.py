"""Clean Rooms over a ledger in this process, behind as much of a boto3 client as the handler uses, and failing as it is told.

No request is written, signed or sent, and no pause takes time, so that thousands of histories take minutes; ``test_fake_clean_rooms.py``
compares what it answers with boto3 and the local service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import SimpleNamespace
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from cleanrooms_local_aws.clean_rooms.exceptions import CleanRoomsError
from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.operations import OPERATIONS
from cleanrooms_local_aws.clean_rooms.settings import Moment

ENDPOINT: Final = "https://cleanrooms.us-east-1.amazonaws.com"
SUMMARIES: Final = "privacyBudgetTemplateSummaries"


class DiedError(BaseException):
    """The execution environment ended in the middle of an invocation."""


class Failure(Enum):
    """What can go wrong with one request."""

    THROTTLED = "ThrottlingException"
    INTERNAL = "InternalServerException"
    CUT = "ConnectionClosedError"
    SILENT = "ReadTimeoutError"
    NOT_YET = "AccessDeniedException because no identity-based policy allows the action"
    DENIED = "AccessDeniedException"
    INVALID = "ValidationException"
    BUSY = "ConflictException"
    QUOTA = "ServiceQuotaExceededException"
    MISSING = "ResourceNotFoundException"
    DEATH = "the execution environment ends"
    TIME_OUT = "the invocation's time ends"

    @property
    def passes(self) -> bool:
        """Whether the request is sent again until the failure is over."""
        return self in (Failure.THROTTLED, Failure.INTERNAL, Failure.CUT, Failure.SILENT, Failure.NOT_YET)

    @property
    def has_no_effect(self) -> bool:
        """Whether the service says that it did nothing."""
        return self not in (Failure.INTERNAL, Failure.CUT, Failure.SILENT, Failure.DEATH, Failure.TIME_OUT)

    def error(self, operation: str) -> Exception:
        """What a boto3 client raises."""
        if self is Failure.CUT:
            return ConnectionClosedError(endpoint_url=ENDPOINT)
        if self is Failure.SILENT:
            return ReadTimeoutError(endpoint_url=ENDPOINT)
        code, _, message = self.value.partition(" ")
        return _error(operation, code, message or "a failure that the test arranged")


STATUSES: Final = {"ThrottlingException": 429, "InternalServerException": 500}


def _error(operation: str, code: str, message: str) -> ClientError:
    metadata: Any = {"HTTPStatusCode": STATUSES.get(code, 400)}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)


@dataclass
class Fault:
    """A failure to come: after ``skip`` requests that go well, of one operation or any, as many ``times``."""

    failure: Failure
    moment: Moment = Moment.BEFORE_EFFECT
    skip: int = 0
    times: int = 1
    operation: str | None = None


@dataclass
class FaultPlan:
    """The failures to come."""

    faults: list[Fault] = field(default_factory=list)

    def strike(self, operation: str) -> Fault | None:
        """The failure of the request that is about to be sent."""
        for fault in self.faults:
            if fault.operation in (None, operation):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return None


class _Hooks:
    """The two hooks that the handler registers."""

    def __init__(self) -> None:
        self._registered: dict[str, list[Callable[..., Any]]] = {"before-send.cleanrooms": [], "needs-retry.cleanrooms": []}

    def register(self, name: str, hook: Callable[..., Any]) -> None:
        self._registered[name].append(hook)

    register_first = register

    def unregister(self, name: str, hook: Callable[..., Any]) -> None:
        self._registered[name].remove(hook)

    def call(self, name: str, **arguments: Any) -> float | None:
        """Call the hook of the event that began last: one within another has a client of its own."""
        hooks = self._registered[name]
        wait: float | None = hooks[-1](**arguments) if hooks else None
        return wait


class FakeClient:
    """As much of ``boto3.client("cleanrooms")`` as the handler uses. ``lags`` are the seconds that lists are behind."""

    def __init__(
        self,
        ledger: Ledger,
        fault_plan: FaultPlan,
        end_time: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.fault_plan = fault_plan
        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        """Every request that was sent, retries included."""
        self.failures: list[str] = []
        """The operation of every call that was given up."""
        self.dead = False
        self.before_request: Callable[[str], None] = lambda _: None
        self.hidden_until: dict[str, float] = {}
        """By template id, until when no list shows it."""
        self._end_time, self._sleep, self._clock = end_time, sleep, clock
        self._backend: Any = SimpleNamespace(
            ledger=ledger, tag_resource=ledger.tag, untag_resource=ledger.untag, list_tags_for_resource=ledger.tags
        )
        self._hooks = _Hooks()
        self.meta = SimpleNamespace(
            method_to_api_mapping={xform_name(operation): operation for operation in OPERATIONS},
            events=self._hooks,
            service_model=SimpleNamespace(service_id=SimpleNamespace(hyphenize=lambda: "cleanrooms")),
            region_name="us-east-1",
            endpoint_url=ENDPOINT,
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = self.meta.method_to_api_mapping[name]
        return lambda **request: self._call(operation, request)

    def _call(self, operation: str, request: Mapping[str, Any]) -> Any:
        attempts = 0
        while True:
            if self.dead:
                raise DiedError
            self.before_request(operation)
            attempts += 1
            answer, error = self._attempt(operation, request, self.fault_plan.strike(operation))
            response = error.response if isinstance(error, ClientError) else {}
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
            pause = self._hooks.call(
                "needs-retry.cleanrooms",
                operation=SimpleNamespace(name=operation),
                attempts=attempts,
                response=(SimpleNamespace(status_code=status), response) if error is None or response else None,
                caught_exception=None if response else error,
            )
            if pause is not None:
                self._sleep(pause)
            elif error is None:
                return answer
            else:
                self.failures.append(operation)
                raise error

    def _attempt(self, operation: str, request: Mapping[str, Any], fault: Fault | None) -> tuple[Any, Exception | None]:
        """Send a request once, and fail before or after its effect where a fault is planned."""
        failure, moment = (fault.failure, fault.moment) if fault else (None, None)
        if moment is Moment.BEFORE_EFFECT:
            self._stop(failure)
        self._hooks.call("before-send.cleanrooms", event_name=f"before-send.cleanrooms.{operation}")
        self.requests.append((operation, request))
        if failure and moment is Moment.BEFORE_EFFECT:
            return None, failure.error(operation)
        answer, error = self._effect(operation, request)
        if moment is Moment.AFTER_EFFECT:
            self._stop(failure)
            if failure and failure is not Failure.TIME_OUT:
                return None, failure.error(operation)
        return answer, error

    def _stop(self, failure: Failure | None) -> None:
        if failure is Failure.DEATH:
            self.dead = True
            raise DiedError
        if failure is Failure.TIME_OUT:
            self._end_time()

    def _effect(self, operation: str, request: Mapping[str, Any]) -> tuple[Any, Exception | None]:
        try:
            answer = OPERATIONS[operation](self._backend, request)
        except CleanRoomsError as error:
            return None, _error(operation, error.code, str(error))
        if operation == "ListPrivacyBudgetTemplates":
            listed = [one for one in answer[SUMMARIES] if self.hidden_until.get(one["id"], 0.0) <= self._clock()]
            answer = {**answer, SUMMARIES: listed}
        return _with_moments(answer), None


def _with_moments(answer: Any) -> Any:
    """An answer whose times are such as boto3 makes of them."""
    if isinstance(answer, dict):
        return {
            key: datetime.fromtimestamp(value, UTC) if key.endswith("Time") and isinstance(value, float) else _with_moments(value)
            for key, value in answer.items()
        }
    return [_with_moments(value) for value in answer] if isinstance(answer, list) else answer
