"""Everything around the handler: a Clean Rooms that fails as it is told, Lambda that delivers and redelivers, and the oracle."""

import io
import json
import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import pytest

from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.spending import Aggregations, TableUses
from cleanrooms_local_aws.clean_rooms.templates import BudgetType, Membership, Template
from privacy_budget_core import clean_rooms, ownership, retries
from privacy_budget_handler import events, protocol, stack_status
from privacy_budget_handler.errors import DeliveryError
from privacy_budget_handler.events import PrivacyBudgetEvent
from tests.fakes.fake_clean_rooms import DiedError, FakeClient, FaultPlan
from tests.lifecycle.model.cloudformation import Answer, Stack
from tests.lifecycle.model.oracle import Delivery, Identity, Oracle, WatchedLedger, identity_of, spent
from tests.support.stack import ACCOUNT, REGION, Context

PAUSES_BETWEEN_DELIVERIES: Final = (60.0, 120.0)
"""How long Lambda waits before it runs an asynchronous invocation that ended in an error again."""
SECONDS_TO_DELIVER: Final = 1.0
SECONDS_TO_FINISH: Final = 270.0
"""When an event that is still handled is answered."""

NOON: Final = 1_780_000_000.0


@dataclass
class Counts:
    """How much was tried."""

    histories: int = 0
    steps: int = 0
    operations: int = 0
    events: int = 0
    requests: int = 0


class _HandledEvent(PrivacyBudgetEvent):
    """An event in the harness, whose clock ends it, whose stacks are described, and which takes the response."""

    def __init__(self, event: Mapping[str, Any], harness: "Harness") -> None:
        super().__init__(event, Context(), harness.client)  # type: ignore[arg-type] # as much of a client as the handler uses
        self._harness = harness

    def _set_timeout(self) -> None:
        pass

    def describe_stack(self) -> Mapping[str, Any] | None:
        return self._harness.describe_stack(self.StackId)

    def deliver(self, body: bytes) -> None:
        self._harness.take(body)


@dataclass
class Harness:
    """One account's Clean Rooms, the function, and the stacks that send it events."""

    arn_form: ArnForm = ArnForm.SERVICE_MODEL
    counts: Counts = field(default_factory=Counts)
    fault_plan: FaultPlan = field(default_factory=FaultPlan)
    oracle: Oracle = field(default_factory=Oracle)
    memberships: dict[str, Membership] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    """Memberships that there were."""
    stacks: list[Stack] = field(default_factory=list)
    dark: int = 0
    """For how many events DescribeStacks tells nothing."""
    lost: int = 0
    """How many answers CloudFormation will not take."""
    repeated: int = 0
    """After how many answers that were taken the invocation fails all the same."""

    now: float = NOON
    lag: float = 0.0
    """For how many seconds no list shows a new template."""
    meanwhile: tuple[int, Stack] | None = None
    """After how many events another stack goes on in the middle of one."""

    journal: list[str] = field(default_factory=list)
    """A line for each delivery, for a person who reads how a rule came to be broken."""

    def __post_init__(self) -> None:
        self.ledger = WatchedLedger(self.oracle, ACCOUNT, REGION, self.memberships.get, lambda: NOON, self.arn_form)
        self.client = FakeClient(self.ledger, self.fault_plan, self._end_time, self._sleep, lambda: self.now)
        self.ledger.on_create = self._hide
        self.client.before_request = self._go_on_meanwhile
        self._ends_at = float("inf")
        self._log = io.StringIO()
        self._bodies: list[bytes] = []
        self._taken: list[bytes] = []
        self._patches = pytest.MonkeyPatch()
        clock = SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now, sleep=self._sleep)
        for module in (retries, clean_rooms, protocol, stack_status):
            self._patches.setattr(module, "time", clock)
        self._patches.setattr(retries, "random", random.Random(1))
        # crhelper sets the same levels at each event, and each time logging goes through all loggers of the process.
        self._patches.setattr(logging.Manager, "_clear_cache", lambda _: None)
        self._patches.setattr(events.logger.registered_handler, "stream", self._log)
        # In place of pytest's own handlers, which format each record four times more.
        self._patches.setattr(logging.root, "handlers", [logging.StreamHandler(self._log)])

    def close(self) -> None:
        """Put back what was replaced."""
        self._patches.undo()

    def check(self) -> None:
        """Every rule has held so far."""
        assert not self.oracle.broken, "\n".join([*self.journal, *self.oracle.broken])

    @property
    def is_calm(self) -> bool:
        """Whether nothing will fail."""
        return not (self.fault_plan.faults or self.dark or self.lost or self.repeated or self.left or self.lag)

    def calm(self, memberships: Iterable[str]) -> None:
        """The faults are over, and the memberships are there again."""
        self.fault_plan.faults.clear()
        self.dark = self.lost = self.repeated = 0
        self.lag = 0.0
        self.client.hidden_until.clear()
        self.meanwhile = None
        for membership in memberships:
            self.membership(membership)
        self.left.clear()

    def leave(self, membership: str) -> None:
        """Delete a membership with everything under it."""
        for template in self.ledger.standing:
            if template.membership.id == membership:
                self.ledger.delete(membership, template.id)
        del self.memberships[membership]
        self.left.add(membership)

    def membership(self, membership_id: str) -> None:
        """Make a membership, or have it back."""
        self.left.discard(membership_id)
        arn = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}"
        self.memberships[membership_id] = Membership(membership_id, f"{arn}:membership/{membership_id}", "c", f"{arn}:collaboration/c")

    def stack(self, name: str) -> Stack:
        made = Stack(name, self)
        self.stacks.append(made)
        return made

    def deliver(self, delivery: Delivery) -> Answer | None:
        """Run the function for an event, again where the invocation failed; the first answer that CloudFormation took."""
        self._taken = []
        self.client.failures.clear()
        self.now += SECONDS_TO_DELIVER
        for pause in (*PAUSES_BETWEEN_DELIVERIES, 0.0):
            if not self._invoke(delivery):
                break
            self.now += pause
        if delivery.type == "Delete" and not (delivery.decided and not self.dark):
            self._excuse_earlier(delivery)
        self._excuse_hidden(delivery)
        if delivery.type == "Update" and delivery.rolling_back:
            self._excuse_kept(delivery)
        if self.dark:
            self.dark -= 1
        if delivery.type == "Delete" and not delivery.names_a_template:
            self._excuse_unacknowledged(delivery, identity_of(delivery.event["ResourceProperties"]))
        elif delivery.type == "Update" and delivery.rolling_back:
            self._excuse_unacknowledged(delivery, identity_of(delivery.event["OldResourceProperties"]))
        return json.loads(self._taken[0]) if self._taken else None

    def left_behind(self, delivery: Delivery, why: str) -> None:
        self.oracle.left_behind(self.ledger.standing, delivery.owner, identity_of(delivery.event["ResourceProperties"]), why)

    def acknowledged(self, delivery: Delivery, answer: Answer) -> None:
        self.oracle.acknowledged(delivery, answer["Data"].get("PrivacyBudgetTemplateIdentifier"))

    def stood(self, operation: int) -> None:
        self.oracle.stood.add(operation)

    def spend(self, template: Template) -> None:
        """Query once, where something is left."""
        if all(meter.remaining for meter in template.meters.values()):
            amount = TableUses(1) if template.budget_type is BudgetType.ACCESS_BUDGET else Aggregations("COUNT", 1)
            self.ledger.spend(template.membership.id, template.id, amount)

    def by_hand(self, properties: Mapping[str, Any]) -> Template | None:
        """Make a template as somebody would in the console; None if one exists."""
        of = identity_of(properties)
        if self.ledger.find(of) or of[0] not in self.memberships:
            return None
        budget_type = BudgetType(of[1])
        parameters = properties["Parameters"]
        if budget_type is BudgetType.ACCESS_BUDGET:
            limits = [{"type": limit["Type"], "budget": limit["Budget"]} for limit in parameters["BudgetParameters"]]
            given: dict[str, Any] = {"resourceArn": parameters["ResourceArn"], "budgetParameters": limits}
        else:
            given = {"epsilon": parameters["Epsilon"], "usersNoisePerQuery": parameters["UsersNoisePerQuery"]}
        return self.ledger.create(of[0], budget_type, {budget_type.member: given}, properties.get("AutoRefresh"), {"by": "hand"})

    def remove_by_hand(self, of: Identity) -> None:
        """Delete the template there, as somebody would in the console."""
        template = self.ledger.find(of)
        if template is not None:
            self.ledger.delete(template.membership.id, template.id)

    def _invoke(self, delivery: Delivery) -> bool:
        """Run the function once; whether the invocation failed."""
        self.client.dead = False
        self._bodies = []
        self.counts.events += 1
        before = len(self.client.requests)
        self.oracle.begin(replace(delivery, is_late=self._is_late(delivery), is_answerable=not self.dark))
        began, self._ends_at = self.now, self.now + SECONDS_TO_FINISH
        try:
            self.latest = _HandledEvent(delivery.event, self)
            self.latest.respond()
            failed = False
        except (DeliveryError, DiedError):
            failed = True
        self.oracle.seconds = self.now - began
        self.oracle.failures = list(self.client.failures)
        self.oracle.answered(self._bodies, self.client.dead, self._named(), self.ledger.standing)
        self.oracle.logged(self._log.getvalue())
        self._log.seek(0)
        self._log.truncate()
        self.oracle.end(self.ledger.standing)
        self.counts.requests += len(self.client.requests) - before
        self.journal.append(self._line(delivery, [operation for operation, _ in self.client.requests[before:]]))
        return failed

    def _line(self, delivery: Delivery, operations: list[str]) -> str:
        event = delivery.event
        told = "; ".join(
            f"{body['Status']} {body['PhysicalResourceId'][-12:]} {body.get('Reason', '')[:90]}" for body in map(json.loads, self._bodies)
        )
        declared = {name: value for name, value in event["ResourceProperties"].items() if not name.startswith("Service")}
        return (
            f"{delivery.status}: {event['RequestType']} {event['RequestId'][-4:]} {delivery.owner.split('/', 1)[1]}"
            f" {event.get('PhysicalResourceId', '')[-12:]} {declared}"
            f"\n    {' '.join(operations)}{' DIED' if self.client.dead else ''} -> {told}"
        )

    def take(self, body: bytes) -> None:
        """CloudFormation's end of the response URL."""
        if self.client.dead:
            return
        self._bodies.append(body)
        if self.lost:
            self.lost -= 1
            raise DeliveryError("CloudFormation did not accept the response: HTTP status 503")
        self._taken.append(body)
        if self.repeated:
            self.repeated -= 1
            raise DeliveryError("CloudFormation did not accept the response: TimeoutError")

    def _named(self) -> Template | None:
        if not self._bodies:
            return None
        return self.ledger.by_id(json.loads(self._bodies[-1])["Data"].get("PrivacyBudgetTemplateIdentifier"))

    def describe_stack(self, stack_id: str) -> Mapping[str, Any] | None:
        if self.dark:
            return None
        for stack in self.stacks:
            if stack_id == stack.id:
                return {"StackStatus": stack.status, "LastUpdatedTime": datetime.fromtimestamp(stack.operation_began, UTC)}
        return {"StackStatus": "DELETE_COMPLETE"}

    def _is_late(self, delivery: Delivery) -> bool:
        """Whether the stack has gone on without this event, and could be asked."""
        if self.now - delivery.sent_at < stack_status.SECONDS_UNTIL_SUPERSEDED:
            return False
        is_late = not any(stack.id == delivery.event["StackId"] and stack.is_at(delivery.operation) for stack in self.stacks)
        if is_late and self.dark:
            self.oracle.lost_track.add(delivery.owner)
        return is_late and not self.dark

    def _end_time(self) -> None:
        self.latest._time_out()

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self._ends_at:
            self._end_time()

    def _hide(self, template: Template) -> None:
        template.create_time = self.now
        self.client.hidden_until[template.id] = self.now + self.lag

    def _go_on_meanwhile(self, operation: str) -> None:
        """Let another stack go on in the middle of an event: before its first request, or before any that creates."""
        if self.meanwhile is None or not operation.startswith(("Create", "Get")):
            return
        events_left, stack = self.meanwhile
        if events_left:
            self.meanwhile = (events_left - 1, stack)
            return
        self.meanwhile = None
        if self.oracle.delivery is not None and self.oracle.delivery.event["StackId"] != stack.id:
            with self._another_environment():
                stack.go_on(1)

    @contextmanager
    def _another_environment(self) -> Iterator[None]:
        """Handle events in the middle of another one, as a second execution environment does."""
        here = (
            self.latest,
            self._bodies,
            self._taken,
            self._ends_at,
            self.oracle.delivery,
            self.oracle.swapped,
            self.oracle.changes,
        )
        dead, failures = self.client.dead, list(self.client.failures)
        yield
        self.latest, self._bodies, self._taken, self._ends_at, self.oracle.delivery, self.oracle.swapped, self.oracle.changes = here
        self.client.dead, self.client.failures = dead, failures

    def _excuse_earlier(self, delivery: Delivery) -> None:
        """What a resource made in an earlier operation, and found again in this one, outlives the rollback of this one."""
        earlier = [one for one in self.ledger.standing if self._made_before(one, delivery.operation)]
        of = identity_of(delivery.event["ResourceProperties"])
        self.oracle.excuse(earlier, delivery.owner, of, "there before the deploy that was rolled back")

    def _excuse_hidden(self, delivery: Delivery) -> None:
        """What no list shows yet outlives a Delete and a rollback: its owner's next deployment finds it."""
        if delivery.type == "Delete" or delivery.rolling_back:
            for template in self.ledger.standing:
                if self.client.hidden_until.get(template.id, 0.0) > self.now - SECONDS_TO_DELIVER:
                    self.oracle.pasts[template.id].excused[delivery.owner] = "no list showed it"

    def _excuse_kept(self, delivery: Delivery) -> None:
        """A rollback that could not go back, or not clean up: its physical id may not stand for what its resource has."""
        held = self.ledger.find(identity_of(delivery.event["ResourceProperties"]))
        answered = json.loads(self._taken[0])["PhysicalResourceId"] if self._taken else delivery.physical_id
        stands_behind = held is not None and (answered.endswith(held.id) or held.tags.get(ownership.PHYSICAL_ID) == answered)
        if self.client.failures or held is None or not stands_behind or self.oracle.owner_of(held) != delivery.owner:
            self.oracle.lost_track.add(delivery.owner)
            self.oracle.stray_ids.add(answered)

    def _made_before(self, template: Template, operation: int) -> bool:
        made = self.oracle.pasts[template.id].made
        return made is None or made.operation != operation

    def _excuse_unacknowledged(self, delivery: Delivery, of: Identity) -> None:
        """What a create made whose answer CloudFormation never had is kept where it is, or may be, consumed, or was adopted since."""
        unread = bool(self.client.failures)
        pasts = self.oracle.pasts
        kept = [one for one in self.ledger.standing if unread or spent(one) or delivery.owner in pasts[one.id].owners[:-1]]
        self.oracle.excuse(kept, delivery.owner, of, "kept after an unacknowledged create")
