"""What an event does to its privacy budget template, predicted by the code that would handle it, or by CloudFormation's rules."""

import uuid
from dataclasses import dataclass
from enum import Enum

from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import Template
from privacy_budget_core.contract import Operation
from privacy_budget_core.errors import ConflictError, ExistingTemplateError, InvalidPropertyError, NotFoundError, RefusalError, ServiceError
from privacy_budget_core.model import AccessBudget
from privacy_budget_core.properties import parse, parse_identity, parse_previous
from privacy_budget_core.reconciler import EventRecord, Reconciler

from .dry_run import DryRunCleanRooms, UnreadableError, Write
from .resources import Create, Delete, Event, Resource, Update


class Effect(Enum):
    """What a deployment does to a template."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    RESUMED = "kept from an earlier deployment and used again"
    ADOPTED = "adopted, with what remains of its budget"
    EDITED = "edited in place"
    TAGGED = "only its tags or options change"
    KEPT = "leaves the stack and stays in Clean Rooms"
    LEFT = "left alone, since it is not this stack's"
    HANDED_BACK = "handed back, since this stack did not create it"
    GONE = "gone already"
    DRIFTED = "changed outside of the stack, which the deployment does not correct"
    EDITED_WITH_RESET = "edited in place, which refills the balance"
    RECREATED = "deleted and created, which gives a fresh budget"
    REPLACED = "replaced by the template of another membership, type or table"
    DELETED = "deleted"
    OCCUPIED = "fails, since a template of another owner exists"
    REFUSED = "refused"
    UNKNOWN = "cannot be determined before the deployment"

    @property
    def resets_the_budget(self) -> bool:
        """Whether the consumed part of the budget is forgotten."""
        return self in (Effect.EDITED_WITH_RESET, Effect.RECREATED, Effect.DELETED)

    @property
    def fails(self) -> bool:
        """Whether the deployment fails and is rolled back."""
        return self in (Effect.OCCUPIED, Effect.REFUSED)

    @property
    def needs_review(self) -> bool:
        """Whether a person should review the deployment, even if nothing is consumed yet: something may be by then."""
        return self.resets_the_budget or self.fails or self in (Effect.REPLACED, Effect.UNKNOWN)


@dataclass(frozen=True)
class Prediction:
    """What happens when an event is sent."""

    event: Event
    writes: tuple[Write, ...] = ()
    physical_id: str | None = None
    """The physical id from then on; None where the event fails."""
    refusal: Exception | None = None
    """Why the event fails: the function's own error, or the forecast of an error of Clean Rooms."""
    found_arn: str | None = None
    """The existing template that the function meets."""

    @property
    def is_forecast(self) -> bool:
        """Whether only Clean Rooms can refuse this for certain."""
        return isinstance(self.refusal, ServiceError)

    @property
    def effect(self) -> Effect:
        """The effect on the template of the event's resource."""
        if self.refusal is not None:
            return Effect.OCCUPIED if isinstance(self.refusal, ExistingTemplateError | ConflictError) else Effect.REFUSED
        if isinstance(self.event, Delete):
            return self._effect_of_delete()
        if isinstance(self.event, Update) and self.physical_id != self.event.physical_id:
            return Effect.REPLACED
        return self.effect_on_declared

    @property
    def effect_on_declared(self) -> Effect:
        """The effect on the template that the event declares; for a replacement, on the new one."""
        if self._has(Operation.DELETE):
            return Effect.RECREATED
        if self._has(Operation.CREATE):
            return Effect.CREATED
        edit = self._has(Operation.UPDATE)
        if edit and any(isinstance(write.budget, AccessBudget) for write in self.writes):
            return Effect.EDITED_WITH_RESET
        for write in self.writes:
            if ownership.ADOPTED_FROM in write.tags:
                return Effect.ADOPTED if ownership.OWNER in write.tags else Effect.RESUMED
        return Effect.EDITED if edit else Effect.TAGGED

    def _effect_of_delete(self) -> Effect:
        if self._has(Operation.DELETE):
            return Effect.DELETED
        if any(ownership.OWNER in write.tags or ownership.OWNER in write.removed for write in self.writes):
            return Effect.HANDED_BACK
        return Effect.LEFT if self.found_arn else Effect.GONE

    def _has(self, operation: Operation) -> bool:
        return any(write.operation is operation for write in self.writes)


class NotRollingBack:
    """The stack of a deployment that succeeds, which is what a plan is about."""

    def is_rolling_back(self) -> bool:
        """Whether the stack is rolling back."""
        return False

    def began_after(self, _: float | None) -> bool:
        """Whether the operation began after a moment, which only a rollback asks."""
        return False


def predict(clean_rooms: DryRunCleanRooms, resource: Resource, event: Event, request_id: str = "") -> Prediction:
    """The outcome of an event, by handling it in a dry run. Raises UnreadableError where Clean Rooms cannot be read.

    :param request_id: CloudFormation's id of the request; by default one that no other event has.
    """
    record, first = EventRecord(), len(clean_rooms.writes)
    physical_id: str | None = None
    refusal: Exception | None = None
    try:
        if resource.is_native:
            physical_id = _handle_natively(clean_rooms, resource, event)
        else:
            reconciler = Reconciler(
                clean_rooms, resource.owner, request_id or str(uuid.uuid4()), NotRollingBack(), resource.guardrails, record=record
            )
            physical_id = _handle(reconciler, event)
    except (InvalidPropertyError, RefusalError) as error:
        refusal = error
    except ServiceError as error:
        if error.operation not in set(Operation):  # of a read, which was really sent
            raise UnreadableError(error) from error
        refusal = error
    return Prediction(event, tuple(clean_rooms.writes[first:]), physical_id, refusal, record.found_arn)


def find(clean_rooms: DryRunCleanRooms, resource: Resource) -> Template | None:
    """The existing template of a resource; of a new one, that of its identity. Raises UnreadableError."""
    physical_id = resource.physical_id
    identity = parse_identity((resource.before if physical_id else resource.after) or {})
    try:
        if not physical_id:
            return clean_rooms.find(identity) if identity else None
        if resource.is_native:
            return _native_template(clean_rooms, physical_id)
        if identity is None:
            return clean_rooms.find_by_physical_id(physical_id)
        found = Reconciler(clean_rooms, resource.owner, "", NotRollingBack()).find(physical_id, identity)
        return found[0] if found else None
    except ServiceError as error:
        raise UnreadableError(error) from error


def _handle(reconciler: Reconciler, event: Event) -> str:
    """Handle an event as the function does. Returns the new physical id. Raises what the reconciler raises."""
    match event:
        case Create(properties):
            return reconciler.create(parse(properties)).physical_id
        case Update(physical_id, properties, old):
            return reconciler.update(physical_id, parse(properties), parse_previous(old)).physical_id
        case Delete(physical_id, properties):
            reconciler.delete(physical_id, parse_identity(properties))
            return physical_id


def _handle_natively(clean_rooms: DryRunCleanRooms, resource: Resource, event: Event) -> str:
    """Handle an event as CloudFormation does for a native type. Returns the physical id. Raises InvalidPropertyError and ServiceError.

    Source: the schema of AWS::CleanRooms::PrivacyBudgetTemplate, whose replacement deletes first and then creates.
    """
    existing = _native_template(clean_rooms, resource.physical_id)
    if isinstance(event, Delete):
        if existing is not None:
            clean_rooms.delete(existing.membership_id, existing.id)
        return event.physical_id
    desired = parse(event.properties)
    if isinstance(event, Create):
        return clean_rooms.create(desired, {}).arn
    if resource.is_replaced:
        if existing is not None and not resource.is_retained:
            clean_rooms.delete(existing.membership_id, existing.id)
        created = clean_rooms.create(desired, {})
        return event.physical_id if parse_identity(event.old) == desired.identity else created.arn
    if existing is None:
        raise NotFoundError(Operation.UPDATE, "ResourceNotFoundException", f"there is no {resource.physical_id}")
    if event.properties.get("Parameters") != event.old.get("Parameters"):
        clean_rooms.update(existing, desired.budget)
    return event.physical_id


def _native_template(clean_rooms: DryRunCleanRooms, physical_id: str) -> Template | None:
    """The template of a native physical id, which is the template's id and the membership's. Raises ServiceError."""
    template_id, _, membership_id = physical_id.partition("|")
    try:
        return clean_rooms.get(membership_id, template_id) if membership_id else None
    except NotFoundError:
        return None
