"""The handler's own code on a Clean Rooms that is read and never written: what an event would change stays in memory."""

import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from privacy_budget_core import lifecycle
from privacy_budget_core import physical_id as physical_ids
from privacy_budget_core.clean_rooms import CleanRooms, Template
from privacy_budget_core.contract import PrivacyBudgetType
from privacy_budget_core.errors import (
    ConflictError,
    InvalidPropertyError,
    NotFoundError,
    PrivacyBudgetError,
    RefusalError,
    ServiceError,
    ValidationError,
)
from privacy_budget_core.model import AccessBudget, Balance, Budget, DesiredTemplate, Identity
from privacy_budget_core.ownership import OwnershipTags
from privacy_budget_core.properties import parse, parse_identity, parse_previous
from privacy_budget_core.reconciler import EventRecord, Reconciler

from .events import Create, Delete, Event, Update

NOT_MADE_YET: Final = "not made yet"
"""In place of what Clean Rooms will give a template that the dry run made."""

_MEMBERSHIP: Final = re.compile(r":membership/([\w-]+)/privacybudgettemplate/", re.ASCII)

ACCESS_BUDGETS_PER_COLLABORATION: Final = 25
"""The service's quota. Source: the Clean Rooms user guide, "Quotas for AWS Clean Rooms"."""


class Operation(StrEnum):
    """What the handler changes Clean Rooms by."""

    CREATE = "CreatePrivacyBudgetTemplate"
    UPDATE = "UpdatePrivacyBudgetTemplate"
    DELETE = "DeletePrivacyBudgetTemplate"
    TAG = "TagResource"
    UNTAG = "UntagResource"


@dataclass(frozen=True)
class Write:
    """A call that changes something: which, on which template, and what it sets or removes."""

    operation: Operation
    arn: str
    budget: Budget | None = None
    """Of a create and an update: the budget from then on."""
    tags: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()


class UnreadableError(PrivacyBudgetError):
    """Clean Rooms did not answer a question of the plan's, which then knows nothing: the service's own error."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(str(error))
        self.error = error


class DryRun(CleanRooms):
    """Clean Rooms as it would be after the writes so far. Every read is asked of the service once, no write is sent.

    What only the service can refuse is a forecast: raised as a ServiceError of the write.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.writes: list[Write] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._templates: dict[str, Template | None] = {}
        """What the writes left of a template, by its id; None where they deleted it."""
        self._tags: dict[str, Mapping[str, str] | None] = {}
        """The same of its tags, by its ARN."""
        self._fresh: dict[str, list[Balance]] = {}
        """Balances of which nothing is consumed any more, by the template's id."""

    def create(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """Make a template in memory. Raises ConflictError for a second one of its identity, and ServiceError."""
        membership_id, identity = desired.membership_id, desired.identity
        try:
            existing = self.templates(membership_id, identity.budget_type)
        except NotFoundError as error:
            unknown = f"there is no membership {membership_id} in this account and region"
            raise NotFoundError(Operation.CREATE, error.code, unknown) from None
        if any(template.identity == identity for template in existing):
            raise ConflictError(Operation.CREATE, "ConflictException", f"{identity} exists already")
        if identity.budget_type == PrivacyBudgetType.ACCESS_BUDGET:
            self._keep_within_quota(membership_id)
        id_ = str(uuid.uuid4())
        membership_arn = f"arn:aws:cleanrooms:::membership/{membership_id}"
        arn = f"{membership_arn}/privacybudgettemplate/{id_}"
        created = Template(id_, arn, membership_id, membership_arn, NOT_MADE_YET, NOT_MADE_YET, desired.budget)
        self._templates[id_], self._tags[arn], self._fresh[id_] = created, dict(tags), _nothing_consumed(desired.budget)
        self.writes.append(Write(Operation.CREATE, arn, desired.budget, dict(tags)))
        return created

    def get(self, membership_id: str, template_id: str) -> Template:
        """The template as the writes left it. Raises NotFoundError."""
        if template_id not in self._templates:
            return super().get(membership_id, template_id)
        template = self._templates[template_id]
        if template is None or template.membership_id != membership_id:
            raise NotFoundError("GetPrivacyBudgetTemplate", "ResourceNotFoundException", f"there is no template {template_id}")
        return template

    def templates(self, membership_id: str, kind: str | None = None) -> list[Template]:
        """The membership's templates as the writes left them. Raises NotFoundError."""
        found = super().templates(membership_id, kind)
        listed = {template.id for template in found}
        made = [template for template in self._templates.values() if template and template.id not in listed]
        return found + [one for one in made if one.membership_id == membership_id and kind in (None, one.identity.budget_type)]

    def search(self, physical_id: str) -> Template | None:
        """The template that a physical id stands for, whoever owns it, in whichever active membership holds it."""
        named = _MEMBERSHIP.search(physical_id)
        template_id = physical_ids.template_id(physical_id)
        memberships = [named[1]] if named else self._active_memberships()
        for membership_id in memberships if template_id else ():
            with suppress(NotFoundError):
                return self.get(membership_id, str(template_id))
        for membership_id in memberships:
            with suppress(NotFoundError):
                for template in self.templates(membership_id):
                    if OwnershipTags.of(self.tags(template.arn)).physical_id == physical_id:
                        return template
        return None

    def update(self, template: Template, budget: Budget) -> Template:
        """Edit a template in memory. Raises ValidationError for what the service never does: lower epsilon once querying began."""
        before = template.budget
        if lifecycle.lowers_epsilon(before, budget) and lifecycle.consumed(self.balances(template.identity, template.id)):
            lowered = f"epsilon cannot be lowered once querying began: {before} would become {budget}"
            raise ValidationError(Operation.UPDATE, "ValidationException", lowered)
        edited = replace(template, budget=budget)
        self._templates[template.id] = edited
        if isinstance(budget, AccessBudget):
            self._fresh[template.id] = _nothing_consumed(budget)
        self.writes.append(Write(Operation.UPDATE, template.arn, budget))
        return edited

    def delete(self, membership_id: str, template_id: str) -> None:
        """Delete a template in memory; one that is gone already is no error."""
        try:
            template = self.get(membership_id, template_id)
        except NotFoundError:
            return
        self._templates[template_id] = self._tags[template.arn] = None
        self.writes.append(Write(Operation.DELETE, template.arn))

    def balances(self, identity: Identity, template_id: str) -> list[Balance]:
        """What is left of a template's budget. Raises UnreadableError: the handler would take it for consumed, a plan must not guess."""
        if template_id in self._fresh:
            return self._fresh[template_id]
        try:
            return super().balances(identity, template_id)
        except ServiceError as error:
            raise UnreadableError(error) from error

    def tags(self, arn: str) -> dict[str, str]:
        """The template's tags as the writes left them. Raises NotFoundError."""
        if arn not in self._tags:
            return super().tags(arn)
        tags = self._tags[arn]
        if tags is None:
            raise NotFoundError("ListTagsForResource", "ResourceNotFoundException", f"there is no {arn}")
        return dict(tags)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags in memory."""
        if tags:
            self._tags[arn] = {**self.tags(arn), **tags}
            self.writes.append(Write(Operation.TAG, arn, tags=dict(tags)))

    def untag(self, arn: str, keys: frozenset[str]) -> None:
        """Remove tags in memory."""
        if keys:
            self._tags[arn] = {key: value for key, value in self.tags(arn).items() if key not in keys}
            self.writes.append(Write(Operation.UNTAG, arn, removed=keys))

    def _keep_within_quota(self, membership_id: str) -> None:
        """Raise ServiceError where the collaboration has as many access budgets as the service allows, those of other members included."""
        collaboration = self._collaboration(membership_id)
        listed = self._pages(
            "list_collaboration_privacy_budget_templates",
            "collaborationPrivacyBudgetTemplateSummaries",
            collaborationIdentifier=collaboration,
        )
        ids = {one["id"] for one in listed if one["privacyBudgetType"] == PrivacyBudgetType.ACCESS_BUDGET}
        ids -= {id_ for id_, template in self._templates.items() if template is None}
        created = [template for template in self._templates.values() if template and isinstance(template.budget, AccessBudget)]
        ids |= {template.id for template in created if self._collaboration(template.membership_id) == collaboration}
        if len(ids) >= ACCESS_BUDGETS_PER_COLLABORATION:
            full = f"collaboration {collaboration} has {len(ids)} access budgets, of {ACCESS_BUDGETS_PER_COLLABORATION} that it may have"
            raise ServiceError(Operation.CREATE, "ServiceQuotaExceededException", full)

    def _active_memberships(self) -> list[str]:
        return [summary["id"] for summary in self._pages("list_memberships", "membershipSummaries", status="ACTIVE")]

    def _collaboration(self, membership_id: str) -> str:
        membership = self._call("get_membership", membershipIdentifier=membership_id)["membership"]
        return str(membership["collaborationId"])

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        if not operation.startswith(("get_", "list_")):
            raise AssertionError(f"a dry run only reads, got {operation}")
        asked = f"{operation} {sorted(request.items())}"
        if asked not in self._answers:
            self._answers[asked] = super()._call(operation, **request)
        return self._answers[asked]


class GoingForward:
    """A stack that is not rolling back."""

    def is_rolling_back(self) -> bool:
        """A plan is of what a deployment does when all goes well."""
        return False

    def began_after(self, _: float | None) -> bool:
        """Nothing is rolled back."""
        return False


def _nothing_consumed(budget: Budget) -> list[Balance]:
    """A fresh budget's balances; how many aggregations it allows is the service's secret, so that only the zeros are known."""
    if isinstance(budget, AccessBudget):
        return [Balance(str(limit.period), limit.budget, limit.budget) for limit in budget.limits]
    return [Balance("aggregations", 0, 0)]


@dataclass(frozen=True)
class Prediction:
    """What would be done about an event."""

    writes: tuple[Write, ...]
    physical_id: str | None = None
    """What would be answered with; None where it would fail."""
    refusal: Exception | None = None
    """Why it would fail: the handler's own error, or the forecast of one of Clean Rooms'."""
    found_arn: str | None = None
    """The existing template that the event would meet."""

    @property
    def is_forecast(self) -> bool:
        """Whether the refusal is one that only Clean Rooms can give."""
        return isinstance(self.refusal, ServiceError)


def predict(clean_rooms: DryRun, owner: str, event: Event, request_id: str = "") -> Prediction:
    """Run the handler for an event. Raises UnreadableError where Clean Rooms does not answer.

    :param owner: The owner tag of the event's resource.
    :param request_id: CloudFormation's id of the request; by default one that no other event had.
    """
    record, first = EventRecord(), len(clean_rooms.writes)
    reconciler = Reconciler(clean_rooms, owner, request_id or str(uuid.uuid4()), GoingForward(), record=record)
    physical_id: str | None = None
    refusal: Exception | None = None
    try:
        match event:
            case Create(properties):
                physical_id = reconciler.create(parse(properties)).physical_id
            case Update(present, properties, old):
                physical_id = reconciler.update(present, parse(properties), parse_previous(old)).physical_id
            case Delete(present, properties):
                reconciler.delete(present, parse_identity(properties))
                physical_id = present
    except (InvalidPropertyError, RefusalError) as error:
        refusal = error
    except ServiceError as error:
        refusal = forecast(error)
    return Prediction(tuple(clean_rooms.writes[first:]), physical_id, refusal, record.found_arn)


def forecast(error: ServiceError) -> ServiceError:
    """The error of a write, which the dry run made. Raises UnreadableError for that of a read, which the service made."""
    if error.operation not in set(Operation):
        raise UnreadableError(error) from error
    return error


def find(clean_rooms: DryRun, owner: str, physical_id: str, identity: Identity) -> Template | None:
    """The template that the handler would find for a resource. Raises UnreadableError."""
    try:
        found = Reconciler(clean_rooms, owner, "", GoingForward()).find(physical_id, identity)
    except ServiceError as error:
        raise UnreadableError(error) from error
    return found[0] if found else None
