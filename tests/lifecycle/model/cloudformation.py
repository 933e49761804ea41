"""CloudFormation's side of custom resources, by its documented rules: which events it sends, when, and what it makes of the answers.

Where its documentation is silent (whether a rolled back replacement gets an Update back, say) a ``Course`` chooses. An operation is
a generator that pauses after every event, so that operations of several stacks can run at once. Source: "Custom resource request
types" and "UpdateReplacePolicy" and "DeletionPolicy attribute" in the CloudFormation user guide, and design §6.
"""

import itertools
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any, Final, Protocol

from tests.lifecycle.model.oracle import Delivery
from tests.support.stack import ACCOUNT, REGION, as_strings

Answer = Mapping[str, Any]

CLEANUP_ATTEMPTS: Final = 3
"""How often CloudFormation tries a Delete of its cleanup before it leaves the resource behind."""


class Policy(StrEnum):
    """DeletionPolicy and UpdateReplacePolicy."""

    DELETE = "Delete"
    RETAIN = "Retain"
    RETAIN_EXCEPT_ON_CREATE = "RetainExceptOnCreate"


@dataclass(frozen=True)
class Declared:
    """A resource in a template."""

    properties: Mapping[str, Any]
    deletion_policy: Policy = Policy.DELETE
    update_replace_policy: Policy = Policy.DELETE

    @property
    def sent(self) -> Any:
        """The properties as an event has them."""
        return as_strings({"ServiceToken": "arn:…", "ServiceTimeout": "960", **self.properties})


Template = Mapping[str, Declared]


class Back(Enum):
    """What the rollback of an update sends to a resource that was replaced, before its cleanup deletes the new one."""

    NOTHING = "nothing"
    TO_THE_NEW_ID = "an Update with the new physical id"
    TO_THE_OLD_ID = "an Update with the old physical id"


@dataclass(frozen=True)
class Course:
    """What happens in an operation beside the function's answers."""

    fails_before: int | None = None
    """Before the event of which resource another resource of the stack fails; the number of resources is after all of them."""
    cancelled: int = 0
    """How many events were under way at a failure: CloudFormation waits for none of their answers."""
    cancelled_arrive: bool = True
    """Whether the function ever gets these, which it then does before anything that follows for the same resource."""
    reverse: bool = False
    back: Back = Back.NOTHING


SMOOTH: Final = Course()


@dataclass
class Held:
    """A resource of a stack."""

    declared: Declared
    physical_id: str


@dataclass
class Change:
    """A resource in the course of an operation."""

    logical_id: str
    new: Declared
    old: Held | None = None
    answered_id: str | None = None
    """The physical id that the stack knows of it by now."""
    done: bool = False
    superseded_id: str | None = None
    """The physical id that gave way to another one in the rollback."""

    @property
    def replaced(self) -> bool:
        return self.done and self.old is not None and self.answered_id != self.old.physical_id


class Function(Protocol):
    """Where the events go."""

    now: float
    """Seconds since the epoch."""

    def deliver(self, delivery: Delivery) -> Answer | None:
        """The answer that CloudFormation got; None if none came."""

    def left_behind(self, delivery: Delivery, why: str) -> None:
        """CloudFormation will not speak of this resource again."""

    def acknowledged(self, delivery: Delivery, answer: Answer) -> None:
        """CloudFormation took this success."""

    def stood(self, operation: int) -> None:
        """Every resource of an operation succeeded."""


SECONDS_BETWEEN_OPERATIONS: Final = 60.0

STUCK: Final = ("ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")


class Stack:
    """A stack over its whole life; created anew after its end, it has another id."""

    _operations = itertools.count(1)
    _ids = itertools.count(1)

    def __init__(self, name: str, function: Function) -> None:
        self.name = name
        self.status = ""
        self.resources: dict[str, Held] = {}
        self.ended: list[str] = []
        self.past: dict[str, list[Delivery]] = {}
        """By logical id, the events, latest first, each of which may be delivered again."""
        self.operation_began = 0.0
        self._function = function
        self._running: Iterator[None] | None = None
        self._operation = 0
        self._open: list[Change] = []
        """What a rollback that failed has not settled yet."""
        self._renew()

    @property
    def is_busy(self) -> bool:
        return self._running is not None

    @property
    def is_stuck(self) -> bool:
        return self.status in STUCK

    def deploy(self, template: Template, course: Course = SMOOTH) -> None:
        """Begin to create or update."""
        assert not self.is_busy
        self._begin()
        self._running = self._update(template, course) if self.resources else self._create(template, course)

    def destroy(self) -> None:
        """Begin to delete, from whatever status."""
        assert not self.is_busy or self.is_stuck
        self._begin()
        self._running = self._delete()

    def go_on(self, events: int | None = None) -> None:
        """Let the operation run for so many events, or to its end or until it is stuck."""
        for _ in range(events) if events is not None else itertools.count():
            if self._running is None:
                return
            try:
                next(self._running)
            except StopIteration:
                self._running = None
            if self.is_stuck:
                return

    def again(self, logical_id: str, number: int = 0) -> None:
        """Lambda delivers an event of a resource once more; nobody waits for the answer, and a rollback's stays one."""
        one = self.past[logical_id][number]
        self._function.deliver(replace(one, status=one.status if one.rolling_back else self.status))

    def is_at(self, operation: int) -> bool:
        """Whether an operation of this stack is under way."""
        return self._operation == operation and self.status.endswith("_IN_PROGRESS")

    def _begin(self) -> None:
        self._function.now += SECONDS_BETWEEN_OPERATIONS
        self._operation = next(self._operations)
        self.operation_began = self._function.now

    def _renew(self) -> None:
        self.id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self.name}/{uuid.UUID(int=next(self._ids))}"

    def _end(self, status: str) -> None:
        self.status = status
        self.resources = {}
        self._open = []
        self.ended.append(self.id)
        self._renew()

    def _create(self, template: Template, course: Course) -> Iterator[None]:
        self.status = "CREATE_IN_PROGRESS"
        started, failed = yield from self._forward(template, course)
        if not failed:
            self._take_over(template, started)
            self.status = "CREATE_COMPLETE"
            return
        self.status = "ROLLBACK_IN_PROGRESS"
        for change in reversed(started):
            self._hold(change)
            keep = change.new.deletion_policy is Policy.RETAIN
            if (yield from self._remove(change.logical_id, change.new, self.resources[change.logical_id].physical_id, keep)):
                del self.resources[change.logical_id]
        if self.resources:
            self.status = "ROLLBACK_FAILED"
            return
        self._end("ROLLBACK_COMPLETE")

    def _update(self, template: Template, course: Course) -> Iterator[None]:
        self.status = "UPDATE_IN_PROGRESS"
        before = dict(self.resources)
        started, failed = yield from self._forward(template, course)
        if failed:
            yield from self._roll_back(started, course)
            return
        self.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        self._take_over(template, started)
        for change in started:
            if change.replaced and change.old:
                keep = change.new.update_replace_policy is not Policy.DELETE
                yield from self._clean_up(change.logical_id, change.old.declared, change.old.physical_id, keep)
        for logical_id, held in before.items():
            if logical_id not in template:
                keep = held.declared.deletion_policy is not Policy.DELETE
                yield from self._clean_up(logical_id, held.declared, held.physical_id, keep)
        self.status = "UPDATE_COMPLETE"

    def _forward(self, template: Template, course: Course) -> Generator[None, None, tuple[list[Change], bool]]:
        """Create and update; gives the resources that got an event, or would have, and whether the operation failed."""
        changes = []
        for logical_id, declared in template.items():
            old = self.resources.get(logical_id)
            if old is None or old.declared.sent != declared.sent:
                changes.append(Change(logical_id, declared, old, old.physical_id if old else None))
        if course.reverse:
            changes.reverse()
        started: list[Change] = []
        for position, change in enumerate(changes):
            if position == course.fails_before:
                yield from self._cancel(changes[position:], started, course)
                return started, True
            started.append(change)
            answer = self._send(change.logical_id, *self._forward_event(change))
            change.done = answer is not None and answer["Status"] == "SUCCESS"
            if answer is not None:
                change.answered_id = answer["PhysicalResourceId"]
            yield
            if not change.done:
                yield from self._cancel(changes[position + 1 :], started, course)
                return started, True
        return started, course.fails_before is not None

    def _cancel(self, rest: Sequence[Change], started: list[Change], course: Course) -> Iterator[None]:
        """Give up the events that are under way when something fails."""
        for cancelled in rest[: course.cancelled]:
            started.append(cancelled)
            if course.cancelled_arrive:
                self._send(cancelled.logical_id, *self._forward_event(cancelled), awaited=False)
                yield

    def _forward_event(self, change: Change) -> tuple[str, Any, dict[str, Any]]:
        if change.old is None:
            return "Create", change.new.sent, {}
        more = {"PhysicalResourceId": change.old.physical_id, "OldResourceProperties": change.old.declared.sent}
        return "Update", change.new.sent, more

    def _take_over(self, template: Template, started: Sequence[Change]) -> None:
        answered = {change.logical_id: change.answered_id for change in started}
        kept = {logical_id: held.physical_id for logical_id, held in self.resources.items()}
        self.resources = {
            logical_id: Held(declared, str(answered.get(logical_id) or kept[logical_id])) for logical_id, declared in template.items()
        }
        self._function.stood(self._operation)

    def _roll_back(self, started: list[Change], course: Course) -> Iterator[None]:
        self._open = started
        unsettled = [change for change in reversed(started) if change.old is not None]
        while unsettled:
            self.status = "UPDATE_ROLLBACK_IN_PROGRESS"
            failed = []
            for change in unsettled:
                if not self._update_back(change, course.back):
                    failed.append(change)
                yield
            unsettled = failed
            if unsettled:
                self.status = "UPDATE_ROLLBACK_FAILED"
                yield
        self.status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
        self._open = []
        for change in reversed(started):
            if change.old is None or change.replaced:
                keep = change.new.deletion_policy is Policy.RETAIN
                yield from self._clean_up(change.logical_id, change.new, self._id(change), keep, decided=False)
            if change.superseded_id is not None:
                keep = change.new.update_replace_policy is not Policy.DELETE
                yield from self._clean_up(change.logical_id, change.new, change.superseded_id, keep, decided=False)
        self.status = "UPDATE_ROLLBACK_COMPLETE"

    def _update_back(self, change: Change, back: Back) -> bool:
        """Send a resource its Update with new and old swapped, unless it was replaced and CloudFormation sends none then."""
        assert change.old is not None
        if change.replaced and back is Back.NOTHING:
            return True
        physical_id = change.answered_id if change.replaced and back is Back.TO_THE_NEW_ID else change.old.physical_id
        more = {"PhysicalResourceId": physical_id, "OldResourceProperties": change.new.sent}
        answer = self._send(change.logical_id, "Update", change.old.declared.sent, more)
        if answer is None or answer["Status"] != "SUCCESS":
            return False
        self.resources[change.logical_id] = Held(change.old.declared, answer["PhysicalResourceId"])
        if physical_id not in (answer["PhysicalResourceId"], change.answered_id if change.replaced else None):
            change.superseded_id = physical_id
        return True

    def _delete(self) -> Iterator[None]:
        self.status = "DELETE_IN_PROGRESS"
        unsettled = []
        for change in self._open:
            if change.old is None:
                self._hold(change)
            elif not change.replaced:
                self._function.left_behind(self._delivery(change.logical_id, "Delete", change.new.sent, {}), "its rollback was given up")
            elif not (yield from self._remove(change.logical_id, change.new, self._id(change), keep=False, decided=True)):
                unsettled.append(change)
        self._open = unsettled
        for logical_id, held in reversed(list(self.resources.items())):
            keep = held.declared.deletion_policy is not Policy.DELETE
            if (yield from self._remove(logical_id, held.declared, held.physical_id, keep, decided=True)):
                del self.resources[logical_id]
        if self.resources or self._open:
            self.status = "DELETE_FAILED"
            return
        self._end("DELETE_COMPLETE")

    def _hold(self, change: Change) -> None:
        self.resources[change.logical_id] = Held(change.new, self._id(change))

    def _id(self, change: Change) -> str:
        """The physical id by which CloudFormation deletes a resource: an invented one where it had no answer."""
        return change.answered_id or f"{self.name}-{change.logical_id}-{next(self._ids):012X}"

    def _clean_up(self, logical_id: str, declared: Declared, physical_id: str, keep: bool, decided: bool = True) -> Iterator[None]:
        """Delete or keep what an operation left over; CloudFormation gives it up where a Delete fails too often."""
        for attempt in range(CLEANUP_ATTEMPTS):
            last = attempt + 1 == CLEANUP_ATTEMPTS
            if (yield from self._remove(logical_id, declared, physical_id, keep, decided=decided, given_up=last)):
                return

    def _remove(
        self,
        logical_id: str,
        declared: Declared,
        physical_id: str,
        keep: bool,
        decided: bool = False,
        given_up: bool = False,
    ) -> Generator[None, None, bool]:
        """Delete or keep one resource; gives whether it is settled."""
        more = {"PhysicalResourceId": physical_id}
        if keep:
            self._function.left_behind(self._delivery(logical_id, "Delete", declared.sent, more), "retained")
            return True
        answer = self._send(logical_id, "Delete", declared.sent, more, decided=decided)
        if answer is not None and answer["Status"] == "SUCCESS":
            yield
            return True
        if given_up:
            self._function.left_behind(self.past[logical_id][0], "given up by CloudFormation")
        yield
        return False

    def _send(
        self, logical_id: str, type_: str, properties: Any, more: Mapping[str, Any], decided: bool = False, awaited: bool = True
    ) -> Answer | None:
        delivery = self._delivery(logical_id, type_, properties, more, decided)
        self.past.setdefault(logical_id, []).insert(0, delivery)
        answer = self._function.deliver(delivery)
        if answer is not None and awaited and answer["Status"] == "SUCCESS":
            self._function.acknowledged(delivery, answer)
        return answer

    def _delivery(self, logical_id: str, type_: str, properties: Any, more: Mapping[str, Any], decided: bool = False) -> Delivery:
        event = {
            "RequestType": type_,
            "RequestId": str(uuid.UUID(int=next(self._ids))),
            "StackId": self.id,
            "LogicalResourceId": logical_id,
            "ResourceType": "Custom::CleanRoomsPrivacyBudgetTemplate",
            "ResponseURL": _response_url(datetime.fromtimestamp(self._function.now, UTC)),
            "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provider",
            "ResourceProperties": properties,
            **more,
        }
        return Delivery(event, self._operation, decided, self.status, self._function.now)


def _response_url(signed: datetime) -> str:
    return f"https://bucket.invalid/answer?X-Amz-Date={signed:%Y%m%dT%H%M%SZ}&X-Amz-Signature=verysecret"
