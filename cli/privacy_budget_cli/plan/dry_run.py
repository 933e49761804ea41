"""Clean Rooms in a dry run: it is read and never written, and what a deployment would change stays in memory."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from privacy_budget_core import lifecycle
from privacy_budget_core.clean_rooms import CleanRooms, Template
from privacy_budget_core.contract import Operation, PrivacyBudgetType
from privacy_budget_core.errors import ConflictError, NotFoundError, PrivacyBudgetError, ServiceError, ValidationError
from privacy_budget_core.model import AccessBudget, Balance, Budget, DesiredTemplate, Identity
from privacy_budget_core.ownership import OwnershipTags
from privacy_budget_core.physical_id import TemplateArn

NOT_CREATED_YET: Final = "not created yet"
"""For the attributes that only Clean Rooms can give a template."""

ACCESS_BUDGETS_PER_COLLABORATION: Final = 25
"""The service's quota. Source: the Clean Rooms user guide, "Quotas for AWS Clean Rooms"."""


@dataclass(frozen=True)
class Write:
    """A call that would change a template, and what it would set or remove."""

    operation: Operation
    arn: str
    budget: Budget | None = None
    """Of a create and an update: the new budget."""
    tags: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()


class UnreadableError(PrivacyBudgetError):
    """Clean Rooms cannot be read, so nothing can be predicted. Not a ServiceError, because the reconciler handles those."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(str(error))
        self.error = error


class DryRunCleanRooms(CleanRooms):
    """Clean Rooms as it would be after the writes so far. Each read is sent once, no write is sent.

    Where the service would refuse a write, that is forecast: the write raises a ServiceError.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.writes: list[Write] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._templates: dict[str, Template | None] = {}
        """Templates that were written, by their ids; None for a deleted one."""
        self._tags: dict[str, Mapping[str, str] | None] = {}
        """Tags that were written, by their templates' ARNs; None for a deleted one."""
        self._fresh: dict[str, list[Balance]] = {}
        """Balances of new and refilled budgets, by their templates' ids."""

    def create(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """Create a template in memory. Raises ConflictError for a second one of its identity, and ServiceError."""
        membership_id, identity = desired.membership_id, desired.identity
        try:
            existing = self.templates(membership_id, identity.budget_type)
        except NotFoundError as error:
            unknown = f"there is no membership {membership_id} in this account and region"
            raise NotFoundError(Operation.CREATE, error.code, unknown) from None
        if any(template.identity == identity for template in existing):
            raise ConflictError(Operation.CREATE, "ConflictException", f"{identity} exists already")
        if identity.budget_type == PrivacyBudgetType.ACCESS_BUDGET:
            self._check_quota(membership_id)
        id_ = str(uuid.uuid4())
        membership_arn = f"arn:aws:cleanrooms:::membership/{membership_id}"
        arn = f"{membership_arn}/privacybudgettemplate/{id_}"
        created = Template(id_, arn, membership_id, membership_arn, NOT_CREATED_YET, NOT_CREATED_YET, desired.budget)
        self._templates[id_], self._tags[arn], self._fresh[id_] = created, dict(tags), _nothing_consumed(desired.budget)
        self.writes.append(Write(Operation.CREATE, arn, desired.budget, dict(tags)))
        return created

    def get(self, membership_id: str, template_id: str) -> Template:
        """The template after the writes. Raises NotFoundError."""
        if template_id not in self._templates:
            return super().get(membership_id, template_id)
        template = self._templates[template_id]
        if template is None or template.membership_id != membership_id:
            raise NotFoundError("GetPrivacyBudgetTemplate", "ResourceNotFoundException", f"there is no template {template_id}")
        return template

    def templates(self, membership_id: str, budget_type: str | None = None) -> list[Template]:
        """The membership's templates after the writes. Raises NotFoundError."""
        found = super().templates(membership_id, budget_type)
        listed = {template.id for template in found}
        made = [template for template in self._templates.values() if template and template.id not in listed]
        return found + [one for one in made if one.membership_id == membership_id and budget_type in (None, one.identity.budget_type)]

    def find_by_physical_id(self, physical_id: str) -> Template | None:
        """The template that a physical id stands for, whoever owns it, in any active membership. Raises ServiceError."""
        arn = TemplateArn.parse(physical_id)
        memberships = [arn.membership_id] if arn and arn.membership_id else self.active_memberships()
        if arn is not None:
            for membership_id in memberships:
                with suppress(NotFoundError):
                    return self.get(membership_id, arn.template_id)
        for membership_id in memberships:
            with suppress(NotFoundError):
                for template in self.templates(membership_id):
                    if OwnershipTags.of(self.tags(template.arn)).physical_id == physical_id:
                        return template
        return None

    def update(self, template: Template, budget: Budget) -> Template:
        """Edit a template in memory. Raises ValidationError for an epsilon that is lowered once querying began."""
        before = template.budget
        if lifecycle.lowers_epsilon(before, budget) and lifecycle.consumed(self.balances(template.identity, template.id)):
            lowered = f"epsilon cannot be lowered once querying began: {before} would become {budget}"
            raise ValidationError(Operation.UPDATE, "ValidationException", lowered)
        edited = template._replace(budget=budget)
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
        """The balances of a template. Raises UnreadableError, where the function would count the budget as consumed."""
        if template_id in self._fresh:
            return self._fresh[template_id]
        try:
            return super().balances(identity, template_id)
        except ServiceError as error:
            raise UnreadableError(error) from error

    def tags(self, arn: str) -> dict[str, str]:
        """The template's tags after the writes. Raises NotFoundError."""
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

    def _check_quota(self, membership_id: str) -> None:
        """Raise ServiceError where the collaboration, whose members share the quota, can have no further access budget."""
        collaboration = self._collaboration(membership_id)
        listed = self._pages(
            "list_collaboration_privacy_budget_templates",
            "collaborationPrivacyBudgetTemplateSummaries",
            collaborationIdentifier=collaboration,
        )
        ids = {one["id"] for one in listed if one["privacyBudgetType"] == PrivacyBudgetType.ACCESS_BUDGET}
        for id_, template in self._templates.items():
            if template is None:
                ids.discard(id_)
            elif isinstance(template.budget, AccessBudget) and self._collaboration(template.membership_id) == collaboration:
                ids.add(id_)
        if len(ids) >= ACCESS_BUDGETS_PER_COLLABORATION:
            full = f"collaboration {collaboration} has {len(ids)} access budgets, of {ACCESS_BUDGETS_PER_COLLABORATION} that it may have"
            raise ServiceError(Operation.CREATE, "ServiceQuotaExceededException", full)

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


def _nothing_consumed(budget: Budget) -> list[Balance]:
    """The balances of a new budget. Only Clean Rooms knows how many aggregations it allows, so their count is 0 of 0."""
    if isinstance(budget, AccessBudget):
        return [Balance(str(limit.period), limit.budget, limit.budget) for limit in budget.limits]
    return [Balance("aggregations", 0, 0)]
