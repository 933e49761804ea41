"""Brings Clean Rooms to the desired state from the actual one: finds the template, decides by ``lifecycle``, and acts."""

from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from . import lifecycle, ownership
from . import physical_id as physical_ids
from .clean_rooms import CleanRooms, Template
from .contract import TAG_PREFIX_OF_AWS, UNKNOWN, Attribute, OnBudgetReset, OnExisting
from .errors import (
    AccessDeniedError,
    ConflictError,
    GuardrailError,
    NotFoundError,
    RefusalError,
    ServiceError,
    UnsupportedRegionError,
    ValidationError,
)
from .guardrails import Guardrails
from .lifecycle import Change, DeleteAction, Ownership, TagChange
from .model import DesiredTemplate, Identity
from .ownership import OwnershipTags, is_same
from .properties import PreviousTemplate
from .retries import Requests

_PERHAPS_GONE = (NotFoundError, AccessDeniedError, ValidationError)
"""Errors that the service may return for a deleted template; an existing one is found by its identity."""


@dataclass
class EventRecord:
    """What was found, decided and done for one event: the content of its log record."""

    found: str = "nothing"
    found_arn: str | None = None
    """The existing template that was found; None where there was none, or no request was needed."""
    before: str | None = None
    after: str | None = None
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Outcome(NamedTuple):
    """The physical id and attributes of a resource that was created or updated."""

    physical_id: str
    attributes: Mapping[str, str]


class FoundTemplate(NamedTuple):
    """An existing template and its tags."""

    id: str
    arn: str
    tags: Mapping[str, str]
    created_at: float | None = None
    """Seconds since the epoch; None where it was not read."""

    @property
    def ownership(self) -> OwnershipTags:
        """Its ownership tags."""
        return OwnershipTags.of(self.tags)

    def stands_behind(self, physical_id: str) -> bool:
        """Whether the physical id stands for this template."""
        return self.id == physical_ids.template_id(physical_id) or self.ownership.physical_id == physical_id


if TYPE_CHECKING:

    class Stack(Protocol):
        """The stack of the event."""

        def is_rolling_back(self) -> bool | None:
            """None where that is unknown."""

        def began_after(self, moment: float | None) -> bool:
            """Whether its operation began after a moment; False where that is unknown."""


@dataclass
class Reconciler:
    """The lifecycle of one resource during one event."""

    clean_rooms: CleanRooms
    owner: str
    request_id: str
    stack: "Stack"
    guardrails: Guardrails = field(default_factory=Guardrails)
    requests: Requests = field(default_factory=Requests)
    record: EventRecord = field(default_factory=EventRecord)
    _template: Template | None = field(init=False, default=None)
    """The template as far as this event knows."""
    _known_id: str = field(init=False, default="")
    """The physical id that CloudFormation knows, where it is an ARN."""

    def create(self, desired: DesiredTemplate) -> Outcome:
        """Create the template, or continue with the existing one. Raises RefusalError and ServiceError."""
        self._check_guardrails(desired)
        return self._create(desired, None, self._may_reset(desired.on_budget_reset))

    def update(self, physical_id: str, desired: DesiredTemplate, previous: PreviousTemplate) -> Outcome:
        """Bring the template to the desired state; another identity is another template. Raises RefusalError and ServiceError.

        A rollback does not fail: where it cannot go back, it keeps the existing template.
        """
        try:
            outcome = self._update(physical_id, desired, previous)
        except (RefusalError, ServiceError) as obstacle:
            outcome = self.keep(physical_id, desired.membership_id, str(desired.budget), obstacle)
        if previous.identity not in (None, desired.identity) and (outcome.physical_id == physical_id or self.stack.is_rolling_back()):
            self._delete_unacknowledged(previous.identity, physical_id)
        return outcome

    def keep(self, physical_id: str, membership_id: str, wanted: str, obstacle: Exception) -> Outcome:
        """Keep the existing template where a rollback cannot go back. Raises the obstacle where the stack is not rolling back."""
        if not self.stack.is_rolling_back():
            raise obstacle
        template = self._template
        self.record.warnings.append(f"kept {template.budget if template else physical_id} instead of going back to {wanted}: {obstacle}")
        if template is not None:
            return Outcome(physical_id, template.attributes)
        account = ":".join(physical_id.split(":")[:5])
        known: dict[str, str] = {
            Attribute.ARN: physical_id,
            Attribute.PRIVACY_BUDGET_TEMPLATE_IDENTIFIER: physical_ids.template_id(physical_id) or UNKNOWN,
            Attribute.MEMBERSHIP_ARN: f"{account}:membership/{membership_id}",
        }
        return Outcome(physical_id, {**dict.fromkeys(Attribute, UNKNOWN), **known})

    def delete(self, physical_id: str, identity: Identity | None) -> None:
        """Delete what the physical id stands for, and nothing else. Raises ServiceError."""
        if identity is None or physical_ids.says_nothing_was_created(physical_id):
            self.record.found = "nothing, as nothing was created"
            return
        try:
            for found in self._standing_for(physical_id, identity):
                self._delete(found, identity, physical_id)
        except ServiceError as error:
            if physical_ids.template_id(physical_id) is not None and not isinstance(error, UnsupportedRegionError):
                raise
            self.record.warnings.append(f"could not tell whether {identity} was created by a create that failed: {error}")

    def find(self, physical_id: str, identity: Identity) -> tuple[Template, FoundTemplate] | None:
        """The template that a physical id stands for, whoever owns it, or else the one of that identity that this resource owns."""
        template_id = physical_ids.template_id(physical_id)
        if template_id is not None:
            with suppress(*_PERHAPS_GONE):
                template = self.clean_rooms.get(identity.membership_id, template_id)
                if template.identity == identity:
                    return template, self._with_tags(template)
        existing = self.clean_rooms.find(identity)
        if existing is not None:
            found = self._with_tags(existing)
            if found.stands_behind(physical_id) or is_same(found.ownership.owner, self.owner):
                return existing, found
        return None

    def _update(self, physical_id: str, desired: DesiredTemplate, previous: PreviousTemplate) -> Outcome:
        self._check_guardrails(desired)
        may_reset = self._may_reset(desired.on_budget_reset, previous.on_budget_reset)
        self._known_id = physical_id if physical_ids.template_id(physical_id) else ""
        if previous.identity not in (None, desired.identity):
            return self._create(desired, None, may_reset)
        existing = self.find(physical_id, desired.identity)
        if existing is None:
            return self._create(desired, self._known_id or None, may_reset)
        template, found = existing
        self._see(template)
        tags = found.ownership
        if tags.owner is not None and not is_same(tags.owner, self.owner):
            if desired.on_existing is not OnExisting.ADOPT:
                raise lifecycle.refused_for_owner(found.arn, tags.owner)
            return self._reuse_or_adopt(template, found, desired, physical_id, may_reset)
        is_final = not tags.previous_owners or self.stack.is_rolling_back() is False
        physical_id = self._known_id or tags.physical_id or found.arn
        ownership_tags = self._ownership_tags(found, physical_id, () if is_final else tags.previous_owners)
        ours = previous.tags.keys() | {ownership.ADOPTED_FROM}
        return self._apply(template, found, desired, physical_id, ownership_tags, ours, may_reset)

    def _check_guardrails(self, desired: DesiredTemplate) -> None:
        """Raise GuardrailError where the template breaks guardrails, before anything is requested."""
        if broken := self.guardrails.violations(desired):
            raise GuardrailError(" ".join(broken))

    def _may_reset(self, *declared: OnBudgetReset) -> bool:
        return self.guardrails.allow_budget_reset and OnBudgetReset.ALLOW in declared

    def _create(self, desired: DesiredTemplate, physical_id: str | None, may_reset: bool) -> Outcome:
        """Create the template. Its physical id is the one that the resource has already, or else its own ARN."""
        ownership_tags = {ownership.OWNER: self.owner, ownership.REQUEST: self.request_id}
        if physical_id is not None:
            ownership_tags[ownership.PHYSICAL_ID] = physical_id
        try:
            template = self.clean_rooms.create(desired, {**desired.tags, **ownership_tags})
        except ConflictError:
            existing = self.clean_rooms.find(desired.identity, is_expected=True)
            if existing is None:
                raise
            self._see(existing)
            return self._reuse_or_adopt(existing, self._with_tags(existing), desired, physical_id, may_reset)
        self.record.done.append(f"created {template.arn}")
        self.record.after = str(template.budget)
        return Outcome(physical_id or template.arn, template.attributes)

    def _reuse_or_adopt(
        self, existing: Template, found: FoundTemplate, desired: DesiredTemplate, physical_id: str | None, may_reset: bool
    ) -> Outcome:
        """Continue with an existing template of this resource, or adopt another owner's."""
        tags = found.ownership
        if tags.request != self.request_id:
            self.requests.wrote_nothing()
        whose = lifecycle.ownership(tags, self.owner, self.request_id, desired, existing.arn)
        if whose is Ownership.ANOTHER and self.stack.is_rolling_back():
            raise lifecycle.refused_for_owner(existing.arn, tags.owner or "nobody")
        previous = tags.previous_owners
        found_again = whose is Ownership.THIS_RESOURCE and physical_id is None and not lifecycle.was_found_again(tags, self.owner)
        if whose is Ownership.ANOTHER or (found_again and not self.stack.is_rolling_back()):
            previous = (tags.owner or ownership.NOBODY, *previous)
            self.record.warnings.append(f"took over {existing.arn}: {whose.value}")
        if whose is Ownership.ANOTHER or physical_id is None:
            physical_id = self._known_id if found.stands_behind(self._known_id) else tags.physical_id or existing.arn
        ownership_tags = self._ownership_tags(found, physical_id, previous)
        if previous != tags.previous_owners:
            ownership_tags[ownership.REQUEST] = self.request_id
        return self._apply(existing, found, desired, physical_id, ownership_tags, frozenset(), may_reset)

    def _ownership_tags(self, found: FoundTemplate, physical_id: str, previous_owners: tuple[str, ...]) -> dict[str, str]:
        """The ownership tags of a template that this resource owns from now on."""
        behind = {} if found.stands_behind(physical_id) else {ownership.PHYSICAL_ID: physical_id}
        return {ownership.OWNER: self.owner, **behind, **ownership.adopted_from(previous_owners)}

    def _apply(
        self,
        template: Template,
        found: FoundTemplate,
        desired: DesiredTemplate,
        physical_id: str,
        ownership_tags: Mapping[str, str],
        ours: Set[str],
        may_reset: bool,
    ) -> Outcome:
        """Bring an existing template to the desired budget and tags."""
        # The budget before the tags: where Clean Rooms rejects it, no tag has changed.
        change = lifecycle.change(template.budget, desired.budget)
        tags = lifecycle.tag_change(found.tags, {**desired.tags, **ownership_tags}, ours)
        lifecycle.check_tags((found.tags.keys() - tags.remove) | tags.set.keys() | ownership.KEYS, found.arn)
        if change.resets_the_budget and not may_reset:
            self._refuse_if_consumed(change, template, desired)
        if change in (Change.EDIT, Change.EDIT_WITH_RESET):
            try:
                template = self._see(self.clean_rooms.update(template, desired.budget))
                self.record.done.append(change.value)
            except (ValidationError, ConflictError) as refusal:
                if not lifecycle.lowers_epsilon(template.budget, desired.budget):
                    raise
                if not may_reset:
                    refusal.add_note(lifecycle.LOWERED_EPSILON_REMEDY)
                if not may_reset or self.stack.is_rolling_back() is not False:
                    raise
                change = Change.RECREATE
        if change is Change.RECREATE:
            return Outcome(physical_id, self._recreate(template, found, desired, tags, physical_id).attributes)
        self.clean_rooms.tag(template.arn, tags.set)
        self.clean_rooms.untag(template.arn, tags.remove)
        if tags.set or tags.remove:
            self.record.done.append(f"tags set: {sorted(tags.set)}, removed: {sorted(tags.remove)}")
        return Outcome(physical_id, template.attributes)

    def _refuse_if_consumed(self, change: Change, template: Template, desired: DesiredTemplate) -> None:
        """Raise RefusalError where the change resets a consumed budget; one that cannot be read counts as consumed."""
        consumed = self._what_is_consumed(template.identity, template.id)
        if consumed is not None:
            raise lifecycle.refused_reset(change, template.budget, desired, consumed)

    def _what_is_consumed(self, identity: Identity, template_id: str) -> str | None:
        """What has been consumed of a template's budget, as text; None where nothing has."""
        try:
            return lifecycle.consumed(self.clean_rooms.balances(identity, template_id))
        except ServiceError as error:
            return f"what was consumed of it (which could not be read: {error})"

    def _recreate(self, template: Template, found: FoundTemplate, desired: DesiredTemplate, tags: TagChange, physical_id: str) -> Template:
        """Delete a template and create its successor behind the same physical id; put the old one back if that fails."""
        present = {key: value for key, value in found.tags.items() if not key.startswith(TAG_PREFIX_OF_AWS)}
        kept = {key: value for key, value in present.items() if key not in tags.remove}
        behind = {ownership.PHYSICAL_ID: physical_id}
        self.clean_rooms.delete(template.membership_id, template.id)
        self._template = None
        self.record.done.append(f"deleted {template.arn} to make room for its successor")
        try:
            successor = self._create_successor(desired, {**kept, **tags.set, **behind, ownership.REQUEST: self.request_id})
        except ServiceError as error:
            owned = {ownership.PHYSICAL_ID: found.ownership.physical_id or found.arn} if found.ownership.owner else {}
            self._put_back(template, {**present, **owned}, error)
            raise
        self.record.done.append(f"created {successor.arn} in its place")
        return self._see(successor)

    def _create_successor(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """Create a deleted template's successor; it exists already where the response to the first attempt was lost."""
        try:
            return self.clean_rooms.create(desired, tags)
        except ConflictError:
            existing = self.clean_rooms.find(desired.identity, is_expected=True)
            if existing is None or self._with_tags(existing).ownership.request != self.request_id:
                raise
            return existing

    def _put_back(self, template: Template, tags: Mapping[str, str], reason: ServiceError) -> None:
        """Create the deleted template again after its successor failed; the reason tells whether that succeeded."""
        try:
            again = self.clean_rooms.create(DesiredTemplate(template.membership_id, template.budget, tags), tags)
        except ServiceError as error:
            self.record.after = None
            lost = f"could not be put back ({error}); the next deployment creates what is missing"
            self.record.warnings.append(f"{template.budget} {lost}")
            reason.add_note(f"The template that it replaces {lost}.")
            return
        self._see(again)
        self.record.warnings.append(f"put {template.budget} back as {again.arn}, with a fresh budget")
        reason.add_note("The template that it replaces was put back, with a fresh budget.")

    def _standing_for(self, physical_id: str, identity: Identity) -> Iterator[FoundTemplate]:
        """The templates that a physical id stands for: by its ARN or its ownership tag; for another id the one of the identity."""
        template_id = physical_ids.template_id(physical_id)
        named = None
        if template_id is not None:
            with suppress(*_PERHAPS_GONE):
                named = FoundTemplate(template_id, physical_id, self.clean_rooms.tags(physical_id))
        if named is not None:
            yield named
            if is_same(named.ownership.owner, self.owner):
                return
        is_expected = physical_ids.request_digest(physical_id) is not None
        existing = self.clean_rooms.find(identity, is_expected)
        if existing is None or (named is not None and existing.id == template_id):
            return
        found = self._with_tags(existing)
        if template_id is None or found.stands_behind(physical_id):
            yield found
        else:
            self.record.warnings.append(f"left {existing.arn}, as {physical_id} does not stand for it")

    def _delete_unacknowledged(self, identity: Identity, physical_id: str) -> None:
        """Delete what a replacement created if CloudFormation never got its response, as for a physical id that CloudFormation invented."""
        try:
            existing = self.clean_rooms.find(identity)
            found = self._with_tags(existing) if existing else None
            if found and not found.stands_behind(physical_id):
                self._delete(found, identity, physical_id="")
        except ServiceError as error:
            self.record.warnings.append(f"could not tell whether the replacement that is rolled back left {identity} behind: {error}")

    def _delete(self, found: FoundTemplate, identity: Identity, physical_id: str) -> None:
        self.record.found = self.record.found_arn = found.arn
        tags = found.ownership
        rolling_back = self.stack.is_rolling_back() if lifecycle.is_owner_more_than_once(tags, self.owner) else False
        action = lifecycle.delete_action(tags, self.owner, self.request_id, physical_id, rolling_back)
        if action is DeleteAction.DELETE_UNLESS_CONSUMED:
            is_older = self.stack.began_after(found.created_at)
            action = DeleteAction.LEAVE if is_older or self._what_is_consumed(identity, found.id) else DeleteAction.DELETE
        if action is DeleteAction.DELETE:
            self.clean_rooms.delete(identity.membership_id, found.id)
            self.record.done.append(f"deleted {found.arn}")
        elif action is DeleteAction.HAND_BACK:
            self._leave(found, rolling_back)
            previous = lifecycle.previous_owners_but(tags, self.owner)[0]
            self.record.warnings.append(f"handed {found.arn} back to {previous or 'nobody'}: this stack did not create it")
        elif action is DeleteAction.KEEP:
            self.clean_rooms.tag(found.arn, {ownership.REQUEST: self.request_id})
            self.record.warnings.append(f"kept {found.arn}, which this resource had created before the deployment that is rolled back")
        else:
            self.record.warnings.append(f"left {found.arn}, whose owner tag is {tags.owner or 'missing'}")
            if physical_ids.template_id(physical_id) is not None and not is_same(tags.owner, self.owner):
                self._leave(found, rolling_back)

    def _leave(self, found: FoundTemplate, rolling_back: bool | None) -> None:
        """Remove this deleted resource from the owners of a template."""
        tags = lifecycle.owners_without(found.ownership, self.owner, rolling_back)
        self.clean_rooms.tag(found.arn, tags.set)
        self.clean_rooms.untag(found.arn, tags.remove & found.tags.keys())

    def _with_tags(self, template: Template) -> FoundTemplate:
        return FoundTemplate(template.id, template.arn, self.clean_rooms.tags(template.arn), template.created_at)

    def _see(self, template: Template) -> Template:
        """Record an existing template; the first one recorded is the state before this event."""
        if self.record.before is None:
            self.record.found = self.record.found_arn = template.arn
            self.record.before = str(template.budget)
        self._template = template
        self.record.after = str(template.budget)
        return template
