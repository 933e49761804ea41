"""The plan of one stack: its events, in CloudFormation's order, through the code that would handle them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from privacy_budget_core import lifecycle, ownership
from privacy_budget_core.clean_rooms import Template
from privacy_budget_core.contract import Property
from privacy_budget_core.errors import InvalidPropertyError, ServiceError
from privacy_budget_core.model import DesiredTemplate, Identity
from privacy_budget_core.properties import parse, parse_identity

from . import native
from .account import Account
from .change_set import unknown_in
from .dry_run import DryRun, Prediction, UnreadableError, find, predict
from .effect import Effect, Step, effect
from .events import Create, Delete, Event, Resource, Update


def steps(resources: Iterable[Resource], account: Account) -> list[Step]:
    """What becomes of each template: forward in order, then the cleanup in reverse order. Raises UnreadableError."""
    clean_rooms = account.clean_rooms
    planned = [_Planned.of(resource, account) for resource in resources]
    for one in planned:
        one.go_forward(clean_rooms)
    for one in reversed(planned):
        one.clean_up(clean_rooms)
    return [one.step for one in planned]


def with_conflicts(steps: list[Step]) -> list[Step]:
    """The steps of a whole deployment, each with the others that declare the same template where one of them changes."""
    by_identity: dict[Identity, list[Step]] = {}
    for step in steps:
        if step.identity is not None:
            by_identity.setdefault(step.identity, []).append(step)

    def conflict(step: Step) -> str:
        same = by_identity.get(step.identity, []) if step.identity else []
        others = [other.name for other in same if other.name != step.name]
        if not others or all(one.effect in (Effect.UNCHANGED, Effect.DRIFTED) for one in same):
            return ""
        return f"{', '.join(others)} of this deployment declares {step.identity} as well, and Clean Rooms allows one: remove one of them"

    return [replace(step, conflict=conflict(step)) for step in steps]


@dataclass
class _Planned:
    """A resource, and its step as far as it is planned."""

    resource: Resource
    owner: str
    existing: Template | None
    """The template that is there before the deployment."""
    step: Step
    physical_id: str
    """The physical id after what was planned."""

    @classmethod
    def of(cls, resource: Resource, account: Account) -> "_Planned":
        """The resource as it is before the deployment."""
        owner = ownership.owner(resource.stack_id, resource.logical_id)
        clean_rooms = account.clean_rooms
        try:
            existing = _existing(resource, owner, clean_rooms)
            balances = tuple(clean_rooms.balances(existing.identity, existing.id)) if existing else None
        except ServiceError as error:
            raise UnreadableError(error) from error
        step = Step(resource.stack, resource.logical_id, Effect.UNCHANGED, drift=_drift(resource, existing, account), balances=balances)
        return cls(resource, owner, existing, step, resource.physical_id)

    def go_forward(self, clean_rooms: DryRun) -> None:
        """Plan what is done while the stack is created or updated."""
        resource = self.resource
        if resource.refusal:
            self.step = replace(self.step, effect=Effect.REFUSED, detail=f"by CloudFormation: {resource.refusal}")
        elif resource.obstacle:
            self.step = replace(self.step, effect=Effect.UNKNOWN, detail=resource.obstacle)
        elif resource.leaves:
            self.step = replace(self.step, effect=Effect.KEPT)
        elif resource.event is None:
            drifted = Effect.DRIFTED if self.step.drift else Effect.UNCHANGED
            self.step = replace(self.step, effect=drifted, identity=self.existing.identity if self.existing else None)
        else:
            prediction = self._predict(resource.event, clean_rooms)
            self.physical_id = prediction.physical_id or resource.physical_id
            self.step = replace(
                self.step,
                effect=effect(resource.event, prediction),
                detail=_detail(resource.event, prediction, self.existing),
                identity=parse_identity(resource.event.properties),
            )

    def clean_up(self, clean_rooms: DryRun) -> None:
        """Plan what is done once everything is created or updated."""
        resource, effect_now = self.resource, self.step.effect
        if effect_now is Effect.REPLACED:
            self.step = replace(self.step, old=Effect.KEPT if resource.is_retained else self._of_old(clean_rooms))
        elif resource.leaves and effect_now is Effect.KEPT and not resource.is_retained:
            self.step = replace(self.step, effect=self._of_old(clean_rooms))

    def _of_old(self, clean_rooms: DryRun) -> Effect:
        """What the Delete of the present template does to it."""
        resource = self.resource
        if resource.is_replaced:
            return Effect.DELETED
        before = resource.before
        if (before is None or parse_identity(before) is None or list(unknown_in(before))) and self.existing is not None:
            before = _declaring(self.existing.identity)
        event = Delete(resource.physical_id, before or {})
        return effect(event, self._predict(event, clean_rooms))

    def _predict(self, event: Event, clean_rooms: DryRun) -> Prediction:
        if self.resource.is_native:
            return native.predict(clean_rooms, self.resource, event)
        return predict(clean_rooms, self.owner, _without_unknown_tags(event))


def _existing(resource: Resource, owner: str, clean_rooms: DryRun) -> Template | None:
    """The template that is there for a resource; of a new one, that of its identity."""
    if not resource.physical_id:
        identity = parse_identity(resource.after or {})
        return clean_rooms.find(identity) if identity else None
    if resource.is_native:
        return native.find(clean_rooms, resource.physical_id)
    identity = parse_identity(resource.before or {})
    return find(clean_rooms, owner, resource.physical_id, identity) if identity else clean_rooms.search(resource.physical_id)


def _declaring(identity: Identity) -> dict[str, Any]:
    """Properties that declare an identity."""
    table: dict[str, Any] = {Property.PARAMETERS: {"ResourceArn": identity.resource_arn}} if identity.resource_arn else {}
    return {Property.MEMBERSHIP_IDENTIFIER: identity.membership_id, Property.PRIVACY_BUDGET_TYPE: identity.budget_type, **table}


def _without_unknown_tags(event: Event) -> Event:
    """The event without the tags that are not known yet, which decide nothing."""
    if isinstance(event, Delete):
        return event
    tags = event.properties.get(Property.TAGS)
    if not isinstance(tags, list) or not list(unknown_in(tags)):
        return event
    known = [tag for tag in tags if not list(unknown_in(tag))]
    return replace(event, properties={**event.properties, Property.TAGS: known})


def _drift(resource: Resource, existing: Template | None, account: Account) -> str:
    """How Clean Rooms differs from what the stack last declared; empty where it does not, or where that cannot be told."""
    if not resource.physical_id:
        return ""
    if existing is None:
        return f"Clean Rooms does not hold the template of {resource.physical_id} any more"
    declared = _declared(resource, existing, account)
    if declared is None or declared.identity != existing.identity:
        return ""
    if lifecycle.change(existing.budget, declared.budget) is lifecycle.Change.NONE:
        return ""
    return f"Clean Rooms holds {existing.budget}, the stack last declared {declared.budget}"


def _declared(resource: Resource, existing: Template, account: Account) -> DesiredTemplate | None:
    """What the stack last declared of an existing template; None where only CloudFormation could resolve it.

    A change set has the values of what changes. Of the rest, the template has those that are written in it.
    """
    properties = resource.before
    if properties is None:
        written = account.declared(resource.stack_id, resource.logical_id).get("Properties", {})
        properties = {**written, **_membership_and_table(existing.identity, written)}
    try:
        return parse({name: value for name, value in properties.items() if name != Property.TAGS})
    except InvalidPropertyError:
        return None


def _membership_and_table(identity: Identity, written: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an identity that stay as long as the physical id does."""
    parameters = written.get(Property.PARAMETERS, {})
    table = {"ResourceArn": identity.resource_arn} if identity.resource_arn else {}
    merged: dict[str, Any] = {Property.PARAMETERS: {**parameters, **table}} if isinstance(parameters, Mapping) else {}
    return {Property.MEMBERSHIP_IDENTIFIER: identity.membership_id, **merged}


def _detail(event: Create | Update, prediction: Prediction, existing: Template | None) -> str:
    """From what to what, or why not."""
    if prediction.refusal is not None:
        words = " ".join([str(prediction.refusal), *getattr(prediction.refusal, "__notes__", [])])
        return f"a forecast, as only Clean Rooms can tell: {words}" if prediction.is_forecast else words
    desired = parse({name: value for name, value in event.properties.items() if name != Property.TAGS})
    if existing is None:
        return str(desired.budget)
    if existing.identity != desired.identity:
        there = effect(Create(event.properties), prediction)
        return f"{existing.identity} by {desired.identity}, which is {there.value}"
    unchanged = lifecycle.change(existing.budget, desired.budget) is lifecycle.Change.NONE
    return "" if unchanged else f"{existing.budget} to {desired.budget}"
