"""The plan of one stack: the events of its templates, in CloudFormation's order, through the handler's own code."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from privacy_budget_handler import lifecycle, ownership
from privacy_budget_handler.budget import Balance
from privacy_budget_handler.client import ServiceError, Template
from privacy_budget_handler.contract import ADDED_BY_CLOUDFORMATION, Property
from privacy_budget_handler.properties import InvalidProperty, parse, parse_identity

from . import plan_events
from .deployed import Deployed
from .dry_run import DryRun, Foreseen, Unreadable, find, foresee
from .plan_effect import Effect, Step, effect
from .plan_events import SERVICE_TOKEN, Create, Resource, Update
from .plan_values import Values
from .resolve import Unresolved, substituted, unresolved_in

_PHYSICAL_ID: Final = re.compile(r"arn:.*?(:membership/(?P<membership>[\w-]+))?[:/]privacybudgettemplate/(?P<template>[\w-]+)", re.ASCII)


class StackPlan:
    """What a deployment does to the templates of one stack, without those nested in it."""

    def __init__(self, name: str, deployed: Deployed, values: Values, rooms: DryRun) -> None:
        self._name = name
        self._id = deployed.stack_id or f"stack {name}, which does not exist yet"
        self._rooms = rooms
        self._before: dict[str, Resource] = {}
        self._after = values.declared_now()
        for id_, before in values.declared_before(deployed.physical_ids).items():
            known = self._known_of(before)
            self._before[id_] = replace(before, properties=substituted(before.properties, known))
            if after := self._after.get(id_):
                self._after[id_] = replace(after, properties=substituted(after.properties, known))

    def steps(self) -> Iterator[Step]:
        """Each template's step, in the order of the declarations. Raises Unreadable."""
        leaving = [id_ for id_, before in self._before.items() if before.physical_id and id_ not in self._after]
        updated = {id_: self._update(id_, after) for id_, after in self._after.items()}
        cleaned = {id_: self._leave(id_, self._before[id_]) for id_ in reversed(leaving)}
        cleaned |= {id_: self._clean_up(id_, step, physical_id) for id_, (step, physical_id) in reversed(updated.items())}
        yield from (cleaned[id_] for id_ in [*updated, *leaving])

    def _update(self, id_: str, after: Resource) -> tuple[Step, str]:
        """The step of a resource that is created or updated, and its physical id from then on, empty where it has none yet."""
        before = self._before.get(id_)
        step = Step(self._name, id_, Effect.UNCHANGED)
        if after.condition is not None and (before is None or before.condition != after.condition):
            return replace(step, effect=Effect.UNKNOWN, detail="CloudFormation evaluates the condition that it is declared under"), ""
        if before is None or not before.physical_id:
            return (step if after.condition is not None else self._create(step, after)), ""
        present = self._present(id_, before)
        step = replace(step, balances=self._balances(present), drift=_drift(before, present))
        event = plan_events.first(before, after)
        if event is None:
            return (replace(step, effect=Effect.DRIFTED) if step.drift else step), before.physical_id
        if obstacle := _obstacle(before, after):
            return replace(step, effect=Effect.UNKNOWN, detail=obstacle), before.physical_id
        foreseen = foresee(self._rooms, self._owner(id_), _sent(event))
        step = replace(step, effect=effect(event, foreseen), detail=_detail(after, foreseen, present))
        return step, foreseen.physical_id or before.physical_id

    def _create(self, step: Step, after: Resource) -> Step:
        membership = after.properties.get(Property.MEMBERSHIP_IDENTIFIER)
        if isinstance(membership, Unresolved) and membership.is_new:
            return replace(step, effect=Effect.CREATED, detail="in a membership that the deployment creates as well")
        if obstacle := _obstacle(None, after):
            return replace(step, effect=Effect.UNKNOWN, detail=obstacle)
        identity = parse_identity(after.properties)
        try:
            standing = self._rooms.find(identity) if identity else None
        except ServiceError as error:
            raise Unreadable(error) from error
        event = Create(after.properties)
        balances = self._balances(standing)
        foreseen = foresee(self._rooms, self._owner(step.logical_id), _sent(event))
        return replace(step, effect=effect(event, foreseen), detail=_detail(after, foreseen, standing), balances=balances)

    def _clean_up(self, id_: str, step: Step, physical_id: str) -> Step:
        """The same step with what becomes of the old template, where another one has replaced it."""
        before = self._before.get(id_)
        if before is None or step.effect is not Effect.REPLACED:
            return step
        event = plan_events.cleanup(before, self._after[id_], physical_id)
        if event is None:
            return replace(step, old=Effect.KEPT)
        return replace(step, old=effect(event, foresee(self._rooms, self._owner(id_), event)))

    def _leave(self, id_: str, before: Resource) -> Step:
        """The step of a resource that leaves the stack."""
        present = self._present(id_, before)
        step = Step(self._name, id_, Effect.KEPT, balances=self._balances(present), drift=_drift(before, present))
        event = plan_events.cleanup(before, None, "")
        if event is None:
            return step
        if obstacle := _obstacle(None, before):
            return replace(step, effect=Effect.UNKNOWN, detail=obstacle)
        return replace(step, effect=effect(event, foresee(self._rooms, self._owner(id_), event)))

    def _owner(self, id_: str) -> str:
        return ownership.owner(self._id, id_)

    def _present(self, id_: str, before: Resource) -> Template | None:
        """The template that the handler would find for a resource."""
        identity = parse_identity(before.properties)
        return find(self._rooms, self._owner(id_), before.physical_id, identity) if identity else None

    def _balances(self, template: Template | None) -> tuple[Balance, ...] | None:
        if template is None:
            return None
        return tuple(self._rooms.balances(template.identity, template.id))

    def _known_of(self, before: Resource) -> dict[Unresolved, str]:
        """What the physical id tells of the values of an identity, which stays the same behind one id."""
        membership = before.properties.get(Property.MEMBERSHIP_IDENTIFIER)
        table = before.properties.get(Property.PARAMETERS, {}).get("ResourceArn")
        told = _PHYSICAL_ID.fullmatch(before.physical_id)
        if told is None or not unresolved_in([membership, table]):
            return {}
        try:
            template = self._rooms.search(told["template"])
        except ServiceError as error:
            raise Unreadable(error) from error
        values = {membership: told["membership"], table: None}
        if template is not None:
            values = {membership: template.membership_id, table: template.identity.resource_arn}
        return {unknown: value for unknown, value in values.items() if isinstance(unknown, Unresolved) and value}


def _sent(event: Create | Update) -> Create | Update:
    """The event without the tags that cannot be known yet, which decide nothing."""
    tags = [tag for tag in event.properties.get(Property.TAGS, []) if not unresolved_in(tag)]
    return replace(event, properties={**event.properties, Property.TAGS: tags})


def _obstacle(before: Resource | None, after: Resource) -> str:
    """Why it cannot be told what the handler would do; empty where it can."""
    token = after.properties.get(SERVICE_TOKEN)
    if before is not None and str(token) != str(was := before.properties.get(SERVICE_TOKEN)):
        return f"CloudFormation does not give a resource another {SERVICE_TOKEN}, and {was} may not be {token}"
    decide = {name: value for name, value in after.properties.items() if name not in (Property.TAGS, *ADDED_BY_CLOUDFORMATION)}
    unknown = sorted({str(value) for value in unresolved_in(decide)})
    return f"only CloudFormation can resolve {', '.join(unknown)}" if unknown else ""


def _drift(before: Resource, present: Template | None) -> str:
    """How Clean Rooms differs from what the stack last declared; empty where it does not, or where that cannot be told."""
    try:
        declared = parse({name: value for name, value in before.properties.items() if name != Property.TAGS})
    except InvalidProperty:
        return ""
    if present is None:
        return f"Clean Rooms does not hold {declared.identity} for this stack any more"
    if lifecycle.change(present.budget, declared.budget) is lifecycle.Change.NONE:
        return ""
    return f"Clean Rooms holds {present.budget}, the stack last declared {declared.budget}"


def _detail(after: Resource, foreseen: Foreseen, present: Template | None) -> str:
    """From what to what, or why not."""
    if foreseen.refusal is not None:
        return str(foreseen.refusal)
    desired = parse(_sent(Create(after.properties)).properties)
    if present is None:
        return str(desired.budget)
    if present.identity != desired.identity:
        there = effect(Create(after.properties), foreseen)
        return f"{present.identity} by {desired.identity}, which is {there.value}"
    unchanged = lifecycle.change(present.budget, desired.budget) is lifecycle.Change.NONE
    return "" if unchanged else f"{present.budget} to {desired.budget}"
