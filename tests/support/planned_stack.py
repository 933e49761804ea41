"""A stack whose every event is planned, then delivered: plan and handler must agree in all that they do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest

from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from privacy_budget_cli.plan.dry_run import DryRunCleanRooms, Write
from privacy_budget_cli.plan.prediction import Effect, Prediction, predict
from privacy_budget_cli.plan.resources import Create, Delete, Event, Resource, Update
from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import CleanRooms, Template
from privacy_budget_core.contract import Operation
from privacy_budget_core.errors import ServiceError
from privacy_budget_core.model import AccessBudget, AccessLimit, Budget, DesiredTemplate, Identity
from privacy_budget_core.physical_id import template_id
from privacy_budget_core.properties import parse_identity
from tests.support.stack import REGION, Context, Stack, serve


def only_reads(model: Any, **_: object) -> None:
    assert model.name.startswith(("Get", "List")), f"a plan must not send {model.name}"


CLIENT = boto3.client("cleanrooms", region_name=REGION)
CLIENT.meta.events.register("before-call.cleanrooms", only_reads)
serve(CLIENT)


class PlannedStack(Stack):
    """A stack that plans each event before it delivers it.

    It plans no rollback, no Delete of a create that failed, which only a rollback sends, and nothing where the test planned a fault.
    """

    def deliver(self, event: Mapping[str, Any], context: Context | None = None) -> dict[str, Any]:
        arranged = getattr(PrivacyBudgetBackend.settings.faults, "planned", {})
        is_of_a_failed_create = event["RequestType"] == "Delete" and template_id(event["PhysicalResourceId"]) is None
        if "ROLLBACK" in self.status or is_of_a_failed_create or any(arranged.values()):
            return super().deliver(event, context)
        before = Held.by(CleanRooms(CLIENT), event)
        planned, asked = DryRunCleanRooms(CLIENT), planned_event(event)
        prediction = predict(planned, Resource("Shop", event["StackId"], event["LogicalResourceId"]), asked, event["RequestId"])
        expected = Held.by(planned, event)
        with recorded() as written:
            answered = super().deliver(event, context)
        after = Held.by(CleanRooms(CLIENT), event)
        assert [same_everywhere(write) for write in prediction.writes] == [same_everywhere(write) for write in written]
        assert_same_answer(prediction, written, answered)
        assert after == expected
        assert prediction.effect is seen(asked, answered, before, after)
        return answered


def planned_event(event: Mapping[str, Any]) -> Event:
    match event["RequestType"]:
        case "Create":
            return Create(event["ResourceProperties"])
        case "Update":
            return Update(event["PhysicalResourceId"], event["ResourceProperties"], event["OldResourceProperties"])
    return Delete(event["PhysicalResourceId"], event["ResourceProperties"])


@dataclass(frozen=True)
class One:
    """An existing template; two are equal whatever their ids, which only the service can give."""

    identity: Identity
    budget: Budget
    tags: Mapping[str, str]
    spent: int
    id: str = field(compare=False)

    @property
    def owner(self) -> str | None:
        return self.tags.get(ownership.OWNER)


@dataclass
class Held:
    """The templates in the memberships that an event names."""

    templates: list[One]

    @classmethod
    def by(cls, clean_rooms: CleanRooms, event: Mapping[str, Any]) -> "Held":
        named = {event[name].get("MembershipIdentifier") for name in ("ResourceProperties", "OldResourceProperties") if name in event}
        held = cls([])
        for membership in sorted(named):
            with suppress(ServiceError):
                for template in clean_rooms.templates(membership):
                    balances = clean_rooms.balances(template.identity, template.id)
                    spent = sum(balance.maximum - balance.remaining for balance in balances)
                    tags = clean_rooms.tags(template.arn)
                    held.templates.append(One(template.identity, as_answered(template.budget), tags, spent, template.id))
        return held


def as_answered(budget: Budget) -> Budget:
    """A budget less what the service fills in by itself."""
    if isinstance(budget, AccessBudget):
        return replace(budget, limits=tuple(AccessLimit(limit.period, limit.budget) for limit in budget.limits))
    return budget


@contextmanager
def recorded() -> Iterator[list[Write]]:
    """What the handler changes by its client, in the plan's terms."""
    written: list[Write] = []

    def recording(name: str, write: Callable[..., Write]) -> None:
        method = getattr(CleanRooms, name)

        def call(clean_rooms: CleanRooms, *arguments: Any) -> Any:
            answer = method(clean_rooms, *arguments)
            if arguments[-1]:
                written.append(write(answer, *arguments))
            return answer

        patched.setattr(CleanRooms, name, call)

    def created(answer: Template, desired: DesiredTemplate, tags: Mapping[str, str]) -> Write:
        return Write(Operation.CREATE, answer.arn, desired.budget, tags)

    with pytest.MonkeyPatch.context() as patched:
        recording("create", created)
        recording("update", lambda _, template, budget: Write(Operation.UPDATE, template.arn, budget))
        recording("delete", lambda _, membership, id_: Write(Operation.DELETE, f"membership/{membership}/privacybudgettemplate/{id_}"))
        recording("tag", lambda _, arn, tags: Write(Operation.TAG, arn, tags=tags))
        recording("untag", lambda _, arn, keys: Write(Operation.UNTAG, arn, removed=keys))
        yield written


def same_everywhere(write: Write) -> Write:
    """A call less what only the service can give: the ARN of what is created, of which the others have the id in common."""
    return replace(write, arn="" if write.operation == Operation.CREATE else write.arn.rpartition("/")[2])


def assert_same_answer(prediction: Prediction, written: list[Write], answered: Mapping[str, Any]) -> None:
    if isinstance(prediction.refusal, ServiceError):
        assert answered["Reason"].startswith(f"{prediction.refusal.code} from {prediction.refusal.operation}: ")
    else:
        assert answered.get("Reason") == (str(prediction.refusal) if prediction.refusal else None)
    assert (answered["Status"] == "FAILED") == (prediction.refusal is not None)
    if prediction.refusal is None:
        made = {mine.arn: theirs.arn for mine, theirs in zip(prediction.writes, written, strict=True) if mine.operation == Operation.CREATE}
        assert made.get(prediction.physical_id or "", prediction.physical_id) == answered["PhysicalResourceId"]


def seen(asked: Event, answered: Mapping[str, Any], before: Held, after: Held) -> Effect:
    """The effect of a delivered event, by the templates before and after it."""
    if answered["Status"] == "FAILED":
        return Effect.OCCUPIED if " exists already: " in answered["Reason"] else Effect.REFUSED
    if isinstance(asked, Update) and answered["PhysicalResourceId"] != asked.physical_id:
        return Effect.REPLACED
    identity = parse_identity(asked.properties)
    old, new = (next((one for one in held.templates if one.identity == identity), None) for held in (before, after))
    if isinstance(asked, Delete):
        if old is None:
            return Effect.GONE
        if new is None:
            return Effect.DELETED
        return Effect.HANDED_BACK if old.owner != new.owner else Effect.LEFT
    assert new is not None
    if old is None:
        return Effect.CREATED
    if old.id != new.id:
        return Effect.RECREATED
    edited = old.budget != new.budget
    if edited and isinstance(new.budget, AccessBudget):
        return Effect.EDITED_WITH_RESET
    if old.owner != new.owner:
        return Effect.ADOPTED
    if old.tags.get(ownership.ADOPTED_FROM) != new.tags.get(ownership.ADOPTED_FROM) == new.owner:
        return Effect.RESUMED
    return Effect.EDITED if edited else Effect.TAGGED
