"""Bringing Clean Rooms to what an event asks for, from what is really there: finds, decides by ``lifecycle``, and acts."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from . import lifecycle, mark
from .budget import DesiredTemplate, Identity
from .client import CleanRooms, Conflict, Denied, NotFound, Refused, ServiceError, Template
from .contract import TAG_PREFIX_OF_AWS, OnBudgetReset, OnExisting, PrivacyBudgetType
from .lifecycle import Change, Disposal, Refusal, Standing, TagChange
from .properties import PreviousTemplate

_ARN = re.compile(r"arn:[\w-]+:cleanrooms:.*[:/]privacybudgettemplate/(?P<id>[\w-]+)", re.ASCII)

_PERHAPS_GONE = (NotFound, Denied, Refused)
"""What the service may answer about a template that is gone; one that is there will be found by its identity."""


@dataclass
class Story:
    """What was found, decided and done for one event, for its one log record."""

    event: Mapping[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    found: str = "nothing"
    before: str | None = None
    after: str | None = None
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What CloudFormation is told of a resource that stands."""

    physical_id: str
    attributes: Mapping[str, str]


@dataclass
class Reconciler:
    """The lifecycle of one resource during one event."""

    rooms: CleanRooms
    owner: str
    request_id: str
    rolling_back: Callable[[], bool | None]
    """Whether the stack is on its way back; None where that cannot be told."""
    story: Story = field(default_factory=Story)

    def create(self, desired: DesiredTemplate) -> Outcome:
        """Make the template, or find that it stands already. Raises Refusal and ServiceError."""
        return self._create(desired, None, _allows(desired))

    def update(self, physical_id: str, desired: DesiredTemplate, previous: PreviousTemplate) -> Outcome:
        """Bring the template to what is desired now; another identity is another template. Raises Refusal and ServiceError."""
        may_reset = _allows(desired) or previous.on_budget_reset is OnBudgetReset.ALLOW
        if previous.identity is not None and previous.identity != desired.identity:
            outcome = self._create(desired, None, may_reset)
            if outcome.physical_id == physical_id:
                self._dispose_of_unacknowledged(previous.identity)
            return outcome
        found = self.find(physical_id, desired.identity)
        if found is None:
            return self._create(desired, physical_id, may_reset)
        self.story.found = found.arn
        tags = lifecycle.tag_change(previous.tags, desired.tags)
        if OnExisting.ADOPT in (desired.on_existing, previous.on_existing) and self._may_keep_for_good(found.arn):
            tags = replace(tags, remove=tags.remove | {mark.ADOPTED_FROM})
        return Outcome(physical_id, self._bring(found, desired, tags, physical_id, may_reset).attributes)

    def find(self, physical_id: str, identity: Identity) -> Template | None:
        """The template behind a physical id, or else the one of that identity that carries this resource's mark."""
        template_id = _template_id(physical_id)
        if template_id is not None:
            with suppress(*_PERHAPS_GONE):
                return self.rooms.get(identity.membership_id, template_id)
        existing = self.rooms.find(identity)
        if existing is not None and self.rooms.tags(existing.arn).get(mark.OWNER) == self.owner:
            return existing
        return None

    def _may_keep_for_good(self, arn: str) -> bool:
        """Whether this resource has taken the template over, nobody has since, and the deploy that did is not being rolled back."""
        tags = self.rooms.tags(arn)
        return mark.ADOPTED_FROM in tags and tags.get(mark.OWNER) == self.owner and self.rolling_back() is False

    def delete(self, physical_id: str, identity: Identity | None) -> None:
        """Delete the template if this resource made it; whatever else stands there is left. Raises ServiceError."""
        if identity is None:
            self.story.found = "properties that Clean Rooms never takes, so nothing was made by them"
            return
        template_id = _template_id(physical_id)
        if template_id is None:
            self._dispose_of_unacknowledged(identity)
            return
        try:
            own = _Own(template_id, physical_id, self.rooms.tags(physical_id))
        except _PERHAPS_GONE:
            found = self._find_any(identity)
            if found is None:
                return
            own = found
        disposal = lifecycle.disposal(own.tags, self.owner, self.request_id)
        if disposal is Disposal.DELETE and not own.is_behind(physical_id) and self._is_spent(own, identity):
            disposal = Disposal.KEEP_IN_ROLLBACK
        if disposal is Disposal.KEEP_IN_ROLLBACK and self.rolling_back() is False:
            disposal = Disposal.DELETE
        self._dispose(own, identity, disposal)

    def _dispose_of_unacknowledged(self, identity: Identity) -> None:
        """Delete what a create made whose answer CloudFormation never had; what was there before that create is kept.

        The template does not tell the two apart, but a ledger does: one of which nothing was spent is no loss.
        """
        own = self._find_own(identity)
        if own is None:
            return
        disposal = lifecycle.disposal(own.tags, self.owner, self.request_id)
        if disposal is Disposal.DELETE and self._is_spent(own, identity):
            disposal = Disposal.LEAVE
        self._dispose(own, identity, disposal)

    def _dispose(self, own: "_Own", identity: Identity, disposal: Disposal) -> None:
        self.story.found = own.arn
        if disposal is Disposal.DELETE:
            self.rooms.delete(identity.membership_id, own.template_id)
            self.story.done.append(f"deleted {own.arn}")
        elif disposal is Disposal.HAND_BACK:
            self._hand_back(own.arn, own.tags)
        elif disposal in (Disposal.KEEP_IN_ROLLBACK, Disposal.KEEP):
            if disposal is Disposal.KEEP_IN_ROLLBACK:
                self.rooms.tag(own.arn, {mark.ADOPTED_FROM: self.owner, mark.REQUEST: self.request_id})
            self.story.warnings.append(f"kept {own.arn}, which this resource had made before the deploy that is rolled back")
        else:
            self.story.warnings.append(f"left {own.arn}, which carries {own.tags.get(mark.OWNER, 'no mark')}")
            self._let_go(own.arn, own.tags)

    def _let_go(self, arn: str, tags: Mapping[str, str]) -> None:
        """Make an adoption from this resource final, now that it is deleted."""
        if tags.get(mark.ADOPTED_FROM) == self.owner and tags.get(mark.OWNER) != self.owner:
            self.rooms.untag(arn, frozenset({mark.ADOPTED_FROM}))

    def _create(self, desired: DesiredTemplate, physical_id: str | None, may_reset: bool) -> Outcome:
        """Make the template, under the physical id that the resource has already or else under its own ARN."""
        marks = {mark.OWNER: self.owner, mark.REQUEST: self.request_id}
        if physical_id is not None:
            marks[mark.PHYSICAL_ID] = physical_id
        try:
            template = self.rooms.create(desired, {**desired.tags, **marks})
        except Conflict:
            existing = self.rooms.find(desired.identity)
            if existing is None:
                raise
            return self._take(existing, desired, physical_id, may_reset)
        self.story.done.append(f"created {template.arn}")
        self.story.after = str(template.budget)
        return Outcome(physical_id or template.arn, template.attributes)

    def _take(self, existing: Template, desired: DesiredTemplate, physical_id: str | None, may_reset: bool) -> Outcome:
        """Go on with the template that stands in a create's way, where it is this resource's or is to be adopted."""
        self.story.found = existing.arn
        tags = self.rooms.tags(existing.arn)
        standing = lifecycle.standing(tags, self.owner, self.request_id, desired, existing.arn)
        if standing is Standing.ADOPTABLE or (standing is Standing.THIS_RESOURCE and not self.rolling_back()):
            self.rooms.tag(existing.arn, lifecycle.marks_of_adoption(tags, self.owner))
            self.story.warnings.append(f"took over {existing.arn}: {standing.value}")
        if physical_id is None:
            physical_id = tags.get(mark.PHYSICAL_ID, existing.arn)
        declared = TagChange(set=lifecycle.tag_change(tags, desired.tags).set, remove=frozenset())
        return Outcome(physical_id, self._bring(existing, desired, declared, physical_id, may_reset).attributes)

    def _bring(self, found: Template, desired: DesiredTemplate, tags: TagChange, physical_id: str, may_reset: bool) -> Template:
        """Bring a template of the desired identity to the desired budget and tags."""
        change = lifecycle.change(found.budget, desired.budget)
        template = found
        self.story.before = self.story.after = str(found.budget)
        try:
            if change.resets_the_budget and not may_reset:
                self._guard(change, found, desired)
            if change is Change.SWAP:
                present = self._tags_to_take_along(found)
            elif change is not Change.NONE:
                template = self.rooms.update(found, desired.budget)
                self.story.done.append(change.value)
                self.story.after = str(template.budget)
        except (Refusal, Refused, Conflict) as refusal:
            if not self.rolling_back():
                raise
            self._kept(found, desired, refusal)
        else:
            if change is Change.SWAP:
                return self._swap(found, desired, present, tags, physical_id)
        self.rooms.tag(template.arn, tags.set)
        self.rooms.untag(template.arn, tags.remove)
        if tags.set or tags.remove:
            self.story.done.append(f"tags set: {sorted(tags.set)}, removed: {sorted(tags.remove)}")
        return template

    def _guard(self, change: Change, found: Template, desired: DesiredTemplate) -> None:
        """Refuse a change that throws away a spent budget; one that cannot be read counts as spent."""
        spent = self._spent(found.membership_id, found.identity.kind, found.id)
        if spent is not None:
            raise lifecycle.refused_reset(change, found.budget, desired, spent)

    def _is_spent(self, own: "_Own", identity: Identity) -> bool:
        """Whether deleting it would lose something."""
        return self._spent(identity.membership_id, identity.kind, own.template_id) is not None

    def _spent(self, membership_id: str, kind: PrivacyBudgetType, template_id: str) -> str | None:
        """What has been spent of a template's budget, in words; None where nothing has."""
        try:
            return lifecycle.spent(self.rooms.balances(membership_id, kind, template_id))
        except ServiceError as error:
            return f"what was spent of it (which could not be read: {error})"

    def _tags_to_take_along(self, found: Template) -> dict[str, str]:
        """The tags of a template that is about to make room for its successor, which only its owner may have it do."""
        tags = self.rooms.tags(found.arn)
        if tags.get(mark.OWNER, self.owner) != self.owner:
            raise lifecycle.refused_for_owner(found.arn, tags[mark.OWNER])
        return {key: value for key, value in tags.items() if not key.startswith(TAG_PREFIX_OF_AWS)}

    def _swap(self, found: Template, desired: DesiredTemplate, present: Mapping[str, str], tags: TagChange, physical_id: str) -> Template:
        """Delete a template and create its successor behind the same physical id; put the old one back if that fails."""
        marks = {mark.OWNER: self.owner, mark.PHYSICAL_ID: physical_id}
        kept = {key: value for key, value in present.items() if key not in tags.remove}
        self.rooms.delete(found.membership_id, found.id)
        self.story.done.append(f"deleted {found.arn} to make room for its successor")
        try:
            template = self._create_successor(desired, {**kept, **desired.tags, **marks, mark.REQUEST: self.request_id})
        except ServiceError as error:
            again = self._put_back(found, {**present, **marks}, error)
            if again is None or not isinstance(error, Refused | Conflict) or not self.rolling_back():
                raise
            self._kept(found, desired, error)
            return again
        self.story.done.append(f"created {template.arn} in its place")
        self.story.after = str(template.budget)
        return template

    def _create_successor(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """Create what takes a deleted template's place; it stands already where the answer to the client's first try was lost."""
        try:
            return self.rooms.create(desired, tags)
        except Conflict:
            existing = self.rooms.find(desired.identity)
            if existing is None or self.rooms.tags(existing.arn).get(mark.REQUEST) != self.request_id:
                raise
            return existing

    def _put_back(self, found: Template, tags: Mapping[str, str], reason: ServiceError) -> Template | None:
        """Create the template again that was deleted to make room; None, and the reason says so, where that fails too."""
        try:
            again = self.rooms.create(DesiredTemplate(found.membership_id, found.budget, tags), tags)
        except ServiceError as error:
            self.story.after = None
            self.story.warnings.append(f"could not put {found.budget} back either ({error}); the next deployment creates what is missing")
            reason.add_note(f"The template that it replaces could not be put back ({error}); the next deployment creates what is missing.")
            return None
        self.story.warnings.append(f"put {found.budget} back as {again.arn}, with a fresh budget")
        reason.add_note("The template that it replaces was put back, with a fresh budget.")
        return again

    def _kept(self, found: Template, desired: DesiredTemplate, refusal: Exception) -> None:
        self.story.warnings.append(f"kept {found.budget} instead of going back to {desired.budget}: {refusal}")

    def _hand_back(self, arn: str, tags: Mapping[str, str]) -> None:
        """Leave an adopted template with the mark that it had before.

        Cut off between the two calls, it looks like one that was adopted from this resource, so that the next delivery finishes.
        """
        previous = tags[mark.ADOPTED_FROM]
        if previous:
            self.rooms.tag(arn, {mark.OWNER: previous, mark.ADOPTED_FROM: self.owner})
            self.rooms.untag(arn, frozenset({mark.ADOPTED_FROM}))
        else:
            self.rooms.untag(arn, frozenset({mark.OWNER, mark.ADOPTED_FROM}))
        self.story.warnings.append(f"handed {arn} back to {previous or 'nobody'}: this stack did not make it")

    def _find_own(self, identity: Identity) -> "_Own | None":
        """The template of that identity that carries this resource's mark."""
        found = self._find_any(identity)
        if found is None or found.tags.get(mark.OWNER) == self.owner:
            return found
        self.story.found = f"{found.arn}, which is not this resource's"
        return None

    def _find_any(self, identity: Identity) -> "_Own | None":
        """The template of that identity, whosever it is."""
        existing = self.rooms.find(identity)
        return _Own(existing.id, existing.arn, self.rooms.tags(existing.arn)) if existing else None


@dataclass(frozen=True)
class _Own:
    """A template that a delete found: its id, its ARN and its tags."""

    template_id: str
    arn: str
    tags: Mapping[str, str]

    def is_behind(self, physical_id: str) -> bool:
        """Whether it is the template of a physical id, or came after the one that was."""
        return self.template_id == _template_id(physical_id) or self.tags.get(mark.PHYSICAL_ID) == physical_id


def _allows(desired: DesiredTemplate) -> bool:
    return desired.on_budget_reset is OnBudgetReset.ALLOW


def _template_id(physical_id: str) -> str | None:
    match = _ARN.fullmatch(physical_id)
    return match["id"] if match else None
