"""The life of each budget: what CloudTrail recorded of its template, together with what Clean Rooms has now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import Template, budget_of
from privacy_budget_core.contract import Operation
from privacy_budget_core.model import Budget, Identity, identity_of
from privacy_budget_core.ownership import OwnershipTags, is_same
from privacy_budget_core.physical_id import template_id

from .records import Call, Caller


class Change(Enum):
    """What happened to a template."""

    CREATED = "created"
    RECREATED = "recreated"
    """Created after another one of the same identity was deleted: a fresh budget."""
    EDITED = "edited"
    ADOPTED = "adopted"
    OWNER_CHANGED = "owner changed"
    """Handed back after an adoption, or tagged by hand."""
    DELETED = "deleted"
    GONE = "gone"
    """Not in Clean Rooms any more, without a record of its delete."""


@dataclass(frozen=True)
class Entry:
    """One change of a template."""

    change: Change
    at: float | None
    """Seconds since the epoch; None where it is not known."""
    before: Budget | None = None
    after: Budget | None = None
    """The budget from then on; None where it is not known, and after a delete."""
    owner: str | None = None
    """The value of the owner tag from then on; None for nobody."""
    caller: Caller | None = None
    """None where there is no record of the call."""


@dataclass
class Life:
    """One template, from its create to its delete."""

    membership_id: str
    template_id: str | None
    """None where the record of the create lacks the response."""
    identity: Identity | None = None
    """None where the type is not known, as of a template of which only the delete is on record."""
    created_at: float | None = None
    """Seconds since the epoch; None where it was created before the record begins."""
    deleted_at: float | None = None
    is_complete: bool = True
    """Whether the budget is known at all times: not where some changes may be older than the record."""
    entries: list[Entry] = field(default_factory=list)
    budget: Budget | None = None
    """The last budget that is known."""
    owner: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Type, parameters and refresh as the calls so far gave them, in the service's own names."""

    @property
    def ended(self) -> Change | None:
        """How the template ended; None where it exists."""
        last = self.entries[-1].change
        return last if last in (Change.DELETED, Change.GONE) else None

    @property
    def budgets(self) -> list[tuple[float, Budget]]:
        """Each budget with the moment from which it was granted. The first that is known counts from the create."""
        known = [(entry.at, entry.after) for entry in self.entries if entry.change in _SETS_BUDGET and entry.at and entry.after]
        return [(self.created_at if place == 0 and self.created_at else at, budget) for place, (at, budget) in enumerate(known)]


_SETS_BUDGET = (Change.CREATED, Change.RECREATED, Change.EDITED)


def lives(calls: Iterable[Call], existing: Mapping[str, Iterable[Template]], owners: Mapping[str, str | None]) -> list[Life]:
    """The lives of the templates of some memberships, in the order of their creation.

    :param calls: The oldest first, of any membership.
    :param existing: By membership, the templates that Clean Rooms has now.
    :param owners: By template id, the present value of its owner tag.
    """
    found = _Lives({template.id: membership_id for membership_id, templates in existing.items() for template in templates}, existing)
    for call in calls:
        found.take(call)
    for membership_id, templates in existing.items():
        found.compare(membership_id, list(templates), owners)
    return sorted(found.all, key=lambda life: life.created_at or life.entries[0].at or 0)


class _Lives:
    """The lives as far as the calls were taken."""

    def __init__(self, memberships: Mapping[str, str], wanted: Iterable[str]) -> None:
        self.all: list[Life] = []
        self._memberships = memberships
        """By the id of a template that exists."""
        self._wanted = frozenset(wanted)

    def take(self, call: Call) -> None:
        """Take the next call."""
        if call.operation is Operation.CREATE:
            self._create(call)
            return
        life = self._of(call)
        if life is None:
            return
        match call.operation:
            case Operation.UPDATE:
                before = life.budget
                self._set_budget(life, call.settings)
                life.entries.append(Entry(Change.EDITED, call.at, before, life.budget, life.owner, call.caller))
            case Operation.DELETE:
                life.deleted_at = call.at
                life.entries.append(Entry(Change.DELETED, call.at, life.budget, None, life.owner, call.caller))
            case Operation.TAG if call.owner is not None and not (life.owner and is_same(life.owner, call.owner)):
                tags = OwnershipTags.of(call.tags)
                is_adopted = bool(tags.previous_owners) and (
                    not life.owner or is_same(tags.previous_owners[0], life.owner) or tags.previous_owners[0] == ownership.NOBODY
                )
                self._change_owner(life, Change.ADOPTED if is_adopted else Change.OWNER_CHANGED, call.owner, call)
            case Operation.UNTAG if ownership.OWNER in call.removed:
                self._change_owner(life, Change.OWNER_CHANGED, None, call)

    def compare(self, membership_id: str, templates: Iterable[Template], owners: Mapping[str, str | None]) -> None:
        """Complete the lives of a membership by what Clean Rooms has now."""
        templates = list(templates)
        for template in templates:
            life = self._existing(template)
            if life.created_at is None:
                is_unedited = template.updated_at == template.created_at
                life.created_at, life.is_complete = template.created_at, is_unedited
                life.budget = template.budget if is_unedited else life.budget
                life.entries.insert(0, Entry(Change.CREATED, template.created_at, after=template.budget if is_unedited else None))
            if life.budget != template.budget:
                life.entries.append(Entry(Change.EDITED, template.updated_at, life.budget, template.budget, life.owner))
            life.budget, life.identity = template.budget, template.identity
            if not any(entry.owner for entry in life.entries):
                life.owner = owners.get(template.id)
                life.entries = [replace(entry, owner=life.owner) for entry in life.entries]
        ids = {template.id for template in templates}
        for life in self.all:
            if life.membership_id == membership_id and life.template_id not in ids and life.ended is None:
                life.entries.append(Entry(Change.GONE, None, life.budget, None, life.owner))

    def _create(self, call: Call) -> None:
        if call.membership_id not in self._wanted or call.membership_id is None:
            return
        life = Life(call.membership_id, call.template_id, created_at=call.at, owner=call.owner)
        self._set_budget(life, call.settings)
        stood_behind = template_id(call.tags.get(ownership.PHYSICAL_ID, ""))
        for earlier in self.all:
            if earlier.identity is None and earlier.template_id == stood_behind:
                earlier.identity = life.identity  # the handler recreates behind the physical id of the first template
        is_first = not any(life.identity and earlier.identity == life.identity for earlier in self.all)
        life.entries.append(Entry(Change.CREATED if is_first else Change.RECREATED, call.at, None, life.budget, life.owner, call.caller))
        self.all.append(life)

    def _of(self, call: Call) -> Life | None:
        """The life that a call belongs to; a new one where the template was created before the record begins."""
        for life in self.all:
            if life.template_id == call.template_id:
                return life
        membership_id = call.membership_id or self._memberships.get(call.template_id or "")
        if membership_id not in self._wanted or membership_id is None:
            return None
        nameless = [life for life in self.all if life.membership_id == membership_id and life.template_id is None]
        if len(nameless) == 1:
            nameless[0].template_id = call.template_id
            return nameless[0]
        return self._new(membership_id, call.template_id)

    def _existing(self, template: Template) -> Life:
        """The life of a template that exists."""
        for life in self.all:
            is_nameless = life.template_id is None and life.ended is None and life.identity == template.identity
            if life.template_id == template.id or is_nameless:
                life.template_id = template.id
                return life
        return self._new(template.membership_id, template.id)

    def _new(self, membership_id: str, id_: str | None) -> Life:
        life = Life(membership_id, id_, is_complete=False)
        self.all.append(life)
        return life

    def _set_budget(self, life: Life, settings: Mapping[str, Any]) -> None:
        """Set a life's budget; what an update's request leaves out stays as it was."""
        before, given = life.settings.get("parameters") or {}, settings.get("parameters") or {}
        parameters = {**before, **{member: {**before.get(member, {}), **values} for member, values in given.items()}}
        life.settings = {**life.settings, **settings, "parameters": parameters}
        try:
            life.budget = budget_of(life.settings)
        except (KeyError, TypeError):
            life.budget = None  # an access budget older than the record, of which an update's request names no table
        else:
            life.identity = identity_of(life.membership_id, life.budget)

    @staticmethod
    def _change_owner(life: Life, change: Change, owner: str | None, call: Call) -> None:
        life.owner = owner
        life.entries.append(Entry(change, call.at, life.budget, life.budget, owner, call.caller))
