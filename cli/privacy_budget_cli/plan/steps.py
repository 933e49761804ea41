"""The steps of a plan: the events in CloudFormation's order, and their effects on the templates and on the consumed budgets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from privacy_budget_core import lifecycle
from privacy_budget_core.clean_rooms import Template
from privacy_budget_core.contract import Property
from privacy_budget_core.errors import InvalidPropertyError
from privacy_budget_core.model import Balance, DesiredTemplate, Identity
from privacy_budget_core.properties import parse, parse_identity

from .account import Account
from .change_set import unknown_in
from .dry_run import DryRunCleanRooms
from .exposure import exposure
from .prediction import Effect, Prediction, find, predict
from .resources import Delete, Resource


@dataclass(frozen=True)
class Step:
    """What a deployment does to one template; without a logical id, to a whole stack that CloudFormation refuses."""

    stack: str
    logical_id: str
    effect: Effect
    detail: str = ""
    """From what to what; or the refusal, in the function's own words or as a forecast."""
    exposure: str = ""
    """What a reset adds to the epsilon granted so far; empty where nothing is reset."""
    drift: str = ""
    """How Clean Rooms differs from the stack's last declaration; empty where it does not."""
    conflict: str = ""
    """Which other resources of the deployment declare the same template; empty where none does."""
    balances: tuple[Balance, ...] | None = None
    """Balances of the existing template (the old one, if it is replaced); None if there is none."""
    old: Effect | None = None
    """The effect on the old template of a replacement."""
    identity: Identity | None = None
    """The identity that the resource declares after the deployment; None where there is none, or where it is unknown."""

    @property
    def name(self) -> str:
        """The stack and the resource."""
        return f"{self.stack}/{self.logical_id}" if self.logical_id else self.stack

    @property
    def needs_review(self) -> bool:
        """Whether a person should review the deployment."""
        return self.effect.needs_review or bool(self.conflict)

    @property
    def loses(self) -> bool:
        """Whether the consumed part of the existing budget is forgotten."""
        return self.effect.resets_the_budget or self.old is Effect.DELETED

    @property
    def consumed(self) -> list[Balance]:
        """The balances of which something is consumed."""
        return [balance for balance in self.balances or () if balance.remaining < balance.maximum]

    @property
    def action(self) -> str:
        """The effect, in words."""
        return self.effect.value + (f"; the old one: {self.old.value}" if self.old else "")

    @property
    def ledger(self) -> str:
        """The effect on the consumed budget, in words; empty where no template exists."""
        if self.balances is None:
            return ""
        becomes = "is lost" if self.loses else "may be lost" if self.effect is Effect.UNKNOWN else "stays consumed"
        if not self.balances:
            return f"what is consumed {becomes}, and how much is unknown: Clean Rooms lists no balance"
        return f"{', '.join(map(str, self.consumed))} consumed, which {becomes}" if self.consumed else "nothing is consumed yet"

    def __str__(self) -> str:
        told = "; ".join(part for part in (self.detail, self.exposure, self.conflict, self.drift, self.ledger) if part)
        return f"{self.name}: {self.action}" + (f" ({told})" if told else "")


def steps(resources: Iterable[Resource], account: Account) -> list[Step]:
    """A step for each template: first forward in order, then the cleanup in reverse order. Raises UnreadableError."""
    planned = [_PlannedResource.before_deployment(resource, account) for resource in resources]
    for one in planned:
        one.go_forward(account.clean_rooms)
    for one in reversed(planned):
        one.clean_up(account.clean_rooms)
    return [one.step for one in planned]


def with_conflicts(steps: list[Step]) -> list[Step]:
    """The steps of a whole deployment, with conflicts where several declare the same template and one of them changes."""
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
class _PlannedResource:
    """A resource, and its step as far as it is planned."""

    resource: Resource
    existing: Template | None
    """The existing template before the deployment."""
    step: Step

    @classmethod
    def before_deployment(cls, resource: Resource, account: Account) -> "_PlannedResource":
        """The resource before the deployment. Raises UnreadableError."""
        existing = find(account.clean_rooms, resource)
        balances = tuple(account.clean_rooms.balances(existing.identity, existing.id)) if existing else None
        step = Step(resource.stack, resource.logical_id, Effect.UNCHANGED, drift=_drift(resource, existing, account), balances=balances)
        return cls(resource, existing, step)

    def go_forward(self, clean_rooms: DryRunCleanRooms) -> None:
        """Plan what is done while the stack is created or updated. Raises UnreadableError."""
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
            prediction = predict(clean_rooms, resource, resource.event)
            identity = parse_identity(resource.event.properties)
            self.step = replace(
                self.step,
                effect=prediction.effect,
                detail=_detail(prediction, self.existing),
                exposure=exposure(prediction, self.existing),
                identity=identity,
            )

    def clean_up(self, clean_rooms: DryRunCleanRooms) -> None:
        """Plan what is done once everything is created or updated. Raises UnreadableError."""
        resource, effect = self.resource, self.step.effect
        if effect is Effect.REPLACED:
            self.step = replace(self.step, old=Effect.KEPT if resource.is_retained else self._effect_on_old(clean_rooms))
        elif resource.leaves and effect is Effect.KEPT and not resource.is_retained:
            self.step = replace(self.step, effect=self._effect_on_old(clean_rooms))

    def _effect_on_old(self, clean_rooms: DryRunCleanRooms) -> Effect:
        """The effect of the Delete that the existing template gets."""
        resource = self.resource
        if resource.is_replaced:
            return Effect.DELETED
        before = resource.before or {}
        if self.existing is not None and (parse_identity(before) is None or list(unknown_in(before))):
            before = _declaring(self.existing.identity)
        return predict(clean_rooms, resource, Delete(resource.physical_id, before)).effect


def _declaring(identity: Identity) -> dict[str, Any]:
    """Properties that declare an identity."""
    table: dict[str, Any] = {Property.PARAMETERS: {"ResourceArn": identity.resource_arn}} if identity.resource_arn else {}
    return {Property.MEMBERSHIP_IDENTIFIER: identity.membership_id, Property.PRIVACY_BUDGET_TYPE: identity.budget_type, **table}


def _drift(resource: Resource, existing: Template | None, account: Account) -> str:
    """How Clean Rooms differs from the stack's last declaration; empty where it does not, or where that is unknown."""
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
    """The stack's last declaration of an existing template; None where only CloudFormation could resolve it.

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
    """The properties of the membership and the table, which stay the same as long as the physical id."""
    parameters = written.get(Property.PARAMETERS, {})
    table = {"ResourceArn": identity.resource_arn} if identity.resource_arn else {}
    merged: dict[str, Any] = {Property.PARAMETERS: {**parameters, **table}} if isinstance(parameters, Mapping) else {}
    return {Property.MEMBERSHIP_IDENTIFIER: identity.membership_id, **merged}


def _detail(prediction: Prediction, existing: Template | None) -> str:
    """From what to what, or why not."""
    if prediction.refusal is not None:
        words = " ".join([str(prediction.refusal), *getattr(prediction.refusal, "__notes__", [])])
        return f"a forecast, as only Clean Rooms can tell: {words}" if prediction.is_forecast else words
    desired = parse(prediction.event.properties)
    if existing is None:
        return str(desired.budget)
    if existing.identity != desired.identity:
        return f"{existing.identity} by {desired.identity}, which is {prediction.effect_on_declared.value}"
    unchanged = lifecycle.change(existing.budget, desired.budget) is lifecycle.Change.NONE
    return "" if unchanged else f"{existing.budget} to {desired.budget}"
