"""What CloudFormation itself does for a template of the native type, on a Clean Rooms that is only read.

Source: the schema of AWS::CleanRooms::PrivacyBudgetTemplate, whose replacement deletes first and creates then.
"""

from contextlib import suppress

from privacy_budget_core.clean_rooms import Template
from privacy_budget_core.errors import InvalidPropertyError, NotFoundError, ServiceError
from privacy_budget_core.properties import parse, parse_previous

from .dry_run import DryRun, Operation, Prediction, forecast
from .events import Create, Delete, Event, Resource, Update


def find(clean_rooms: DryRun, physical_id: str) -> Template | None:
    """The template of a physical id, which is that of the template and that of the membership. Raises ServiceError."""
    template_id, _, membership_id = physical_id.partition("|")
    with suppress(NotFoundError):
        return clean_rooms.get(membership_id, template_id) if membership_id else None
    return None


def predict(clean_rooms: DryRun, resource: Resource, event: Event) -> Prediction:
    """What CloudFormation does about an event. Raises UnreadableError where Clean Rooms does not answer."""
    first, refusal, existing = len(clean_rooms.writes), None, None
    physical_id: str | None = None
    try:
        existing = find(clean_rooms, resource.physical_id) if resource.physical_id else None
        physical_id = _apply(clean_rooms, resource, event, existing)
    except InvalidPropertyError as error:
        return Prediction((), refusal=error)
    except ServiceError as error:
        refusal = forecast(error)
    return Prediction(tuple(clean_rooms.writes[first:]), physical_id, refusal, existing.arn if existing else None)


def _apply(clean_rooms: DryRun, resource: Resource, event: Event, existing: Template | None) -> str:
    """Bring Clean Rooms to what the event asks for, and give the physical id from then on. Raises InvalidPropertyError and ServiceError."""
    match event:
        case Create(properties):
            return clean_rooms.create(parse(properties), {}).arn
        case Delete():
            if existing is not None:
                clean_rooms.delete(existing.membership_id, existing.id)
            return resource.physical_id
        case Update(physical_id, properties, old):
            return _update(clean_rooms, resource, Update(physical_id, properties, old), existing)


def _update(clean_rooms: DryRun, resource: Resource, event: Update, existing: Template | None) -> str:
    desired = parse(event.properties)
    if resource.is_replaced:
        if existing is not None and not resource.is_retained:
            clean_rooms.delete(existing.membership_id, existing.id)
        created = clean_rooms.create(desired, {})
        return event.physical_id if parse_previous(event.old).identity == desired.identity else created.arn
    if existing is None:
        raise NotFoundError(Operation.UPDATE, "ResourceNotFoundException", f"there is no {resource.physical_id}")
    if event.properties.get("Parameters") != event.old.get("Parameters"):
        clean_rooms.update(existing, desired.budget)
    return event.physical_id
