"""What to do about an event, given the existing template: decisions without requests.

The rules come from the Clean Rooms user guide on privacy budget templates; docs/lifecycle.md gives them in a user's words.
"""

from collections.abc import Mapping, Sequence, Set
from enum import Enum
from typing import Final, NamedTuple

from . import physical_id as physical_ids
from .contract import TAG_PREFIX_OF_AWS, TAGS_OF_THE_SERVICE, OnBudgetReset, OnExisting
from .errors import ExistingTemplateError, RefusalError
from .model import AccessBudget, AccessLimit, Balance, Budget, DesiredTemplate, DifferentialPrivacy, Identity
from .ownership import ADOPTED_FROM, KEYS, NOBODY, OWNER, OwnershipTags, adopted_from, is_same


class Change(Enum):
    """How a template's budget becomes the desired one of the same identity."""

    NONE = "nothing to change"
    EDIT = "edit in place"
    EDIT_WITH_RESET = "edit in place, which refills the balance"
    RECREATE = "delete and create, which gives a fresh budget"

    @property
    def resets_the_budget(self) -> bool:
        """Whether the consumed part of the budget is forgotten."""
        return self in (Change.EDIT_WITH_RESET, Change.RECREATE)


def change(actual: Budget, desired: Budget) -> Change:
    """The change from the actual to the desired budget. A value that the desired budget does not set is no difference."""
    if isinstance(actual, DifferentialPrivacy) and isinstance(desired, DifferentialPrivacy):
        if actual.auto_refresh != desired.auto_refresh:
            return Change.RECREATE
        return Change.NONE if actual == desired else Change.EDIT
    if isinstance(actual, AccessBudget) and isinstance(desired, AccessBudget):
        same = len(actual.limits) == len(desired.limits) and all(map(_is_same_limit, actual.limits, desired.limits))
        return Change.NONE if same else Change.EDIT_WITH_RESET
    raise TypeError(f"a template's budget type is part of its identity: {actual} cannot become {desired}")


def _is_same_limit(actual: AccessLimit, desired: AccessLimit) -> bool:
    refreshes = {actual.auto_refresh, desired.auto_refresh} - {None}
    return (actual.period, actual.budget) == (desired.period, desired.budget) and len(refreshes) < 2


def lowers_epsilon(actual: Budget, desired: Budget) -> bool:
    """Whether the change lowers epsilon, which Clean Rooms rejects once querying has begun."""
    return isinstance(actual, DifferentialPrivacy) and isinstance(desired, DifferentialPrivacy) and desired.epsilon < actual.epsilon


class TagChange(NamedTuple):
    """The tags to set and the keys to remove; foreign tags are in neither."""

    set: Mapping[str, str]
    remove: frozenset[str]


def tag_change(present: Mapping[str, str], wanted: Mapping[str, str], ours: Set[str]) -> TagChange:
    """The difference between the present and the wanted tags; of the other present ones, only ``ours`` are removed."""
    return TagChange(
        set={key: value for key, value in wanted.items() if present.get(key) != value},
        remove=frozenset((ours & present.keys()) - wanted.keys()),
    )


LOWERED_EPSILON_REMEDY: Final = (
    f"To start a smaller budget on purpose, set on_budget_reset=OnBudgetReset.ALLOW (OnBudgetReset: {OnBudgetReset.ALLOW}): the template"
    " is then deleted and created, and what was consumed of it is forgotten. Otherwise put the old value back."
)
"""The remedy that the service's own message does not name."""


def check_tags(keys: Set[str], arn: str) -> None:
    """Raise RefusalError where a template would have more tags than Clean Rooms allows: foreign, declared and ownership tags."""
    count = sum(not key.startswith(TAG_PREFIX_OF_AWS) for key in keys)
    if count > TAGS_OF_THE_SERVICE:
        raise RefusalError(
            f"{arn} must have at most {TAGS_OF_THE_SERVICE} tags, got {count} with those declared and {len(KEYS)} ownership tags. Remove"
            " tags from it, or declare fewer."
        )


class Ownership(Enum):
    """Who owns the existing template that a create finds."""

    THIS_REQUEST = "created by an earlier delivery of this request"
    THIS_RESOURCE = "created by this resource before, and kept"
    ANOTHER = "another owner's, to be adopted"


def ownership(tags: OwnershipTags, owner: str, request_id: str, desired: DesiredTemplate, arn: str) -> Ownership:
    """Who owns the template. Raises ExistingTemplateError where another owner does, and OnExisting is not ADOPT."""
    if is_same(tags.owner, owner):
        return Ownership.THIS_REQUEST if tags.request == request_id else Ownership.THIS_RESOURCE
    if desired.on_existing is not OnExisting.ADOPT:
        raise ExistingTemplateError(
            f"{_sentence(desired.identity)} exists already: {arn}, which {_belongs_to(tags.owner)}. Clean Rooms allows one of each."
            " To adopt it with its remaining budget, set on_existing=OnExisting.ADOPT (OnExisting: ADOPT)."
        )
    return Ownership.ANOTHER


class DeleteAction(Enum):
    """What a Delete does with the template that its physical id stands for."""

    DELETE = "delete it"
    DELETE_UNLESS_CONSUMED = "delete it unless something of its budget is consumed: it may have existed before the create"
    HAND_BACK = "hand it back to its previous owner"
    KEEP = "keep it, and note that this request did"
    LEAVE = "leave it as it is"


def delete_action(tags: OwnershipTags, owner: str, request_id: str, physical_id: str, rolling_back: bool | None) -> DeleteAction:
    """What a Delete does with the template that its physical id stands for.

    An ARN stands for its template, the id of a failed create for what that very request created. For an id that CloudFormation
    invented, the ownership tags and the ledger decide.
    """
    is_arn = physical_ids.template_id(physical_id) is not None
    digest = physical_ids.request_digest(physical_id)
    of_another_request = digest is not None and digest != physical_ids.digest(tags.request or "")
    if not is_same(tags.owner, owner) or of_another_request:
        return DeleteAction.LEAVE
    if was_found_again(tags, owner):
        if not is_arn or tags.request == request_id:
            return DeleteAction.LEAVE
        if rolling_back is not False:
            return DeleteAction.KEEP
    if previous_owners_but(tags, owner):
        return DeleteAction.HAND_BACK
    return DeleteAction.DELETE if is_arn or digest else DeleteAction.DELETE_UNLESS_CONSUMED


def is_owner_more_than_once(tags: OwnershipTags, owner: str) -> bool:
    """Whether this resource is among the previous owners too, so that a rollback leaves it one of them."""
    return sum(is_same(name, owner) for name in (tags.owner, *tags.previous_owners)) > 1


def was_found_again(tags: OwnershipTags, owner: str) -> bool:
    """Whether this resource found its own kept template again, in a deployment that is not final yet."""
    return bool(tags.previous_owners) and is_same(tags.previous_owners[0], owner)


def previous_owners_but(tags: OwnershipTags, owner: str) -> tuple[str, ...]:
    """The previous owners without this one."""
    return tuple(name for name in tags.previous_owners if not is_same(name, owner))


def owners_without(tags: OwnershipTags, owner: str, rolling_back: bool | None) -> TagChange:
    """How the ownership tags change when one owner is deleted: the present owner hands the template back, a previous one is removed.

    A rollback undoes only the owner's latest adoption. If a delivery ends between setting and removing tags, the template looks
    adopted from this owner; the next delivery removes it.
    """
    is_present = is_same(tags.owner, owner)
    previous = previous_owners_but(tags, owner)
    if rolling_back is not False:
        latest = next((place for place, name in enumerate(tags.previous_owners) if is_same(name, owner)), None)
        previous = tuple(name for place, name in enumerate(tags.previous_owners) if is_present or place != latest)
    if not is_present:
        changed = {} if previous == tags.previous_owners else adopted_from(previous)
        return TagChange(changed, frozenset() if previous else frozenset({ADOPTED_FROM}))
    if previous[0] == NOBODY:
        return TagChange({}, KEYS)
    others = previous[1:]
    return TagChange({OWNER: previous[0], **adopted_from(others or (owner,))}, frozenset() if others else frozenset({ADOPTED_FROM}))


def consumed(balances: Sequence[Balance]) -> str | None:
    """What has been consumed, as text; None where nothing has. A budget without balances counts as consumed."""
    if not balances:
        return "what was consumed of it (Clean Rooms lists no balance for it)"
    used = [str(balance) for balance in balances if balance.remaining < balance.maximum]
    return f"what was consumed of it ({', '.join(used)})" if used else None


def refused_reset(change: Change, actual: Budget, desired: DesiredTemplate, consumed: str) -> RefusalError:
    """The error for a change that resets a consumed budget: what would be lost, and which option accepts it."""
    return RefusalError(
        f"Changing {desired.identity} from {_reset_by(actual)} to {_reset_by(desired.budget)} needs a reset ({change.value}): {consumed}"
        f" would be forgotten. To accept that, set on_budget_reset=OnBudgetReset.ALLOW (OnBudgetReset: {OnBudgetReset.ALLOW});"
        " otherwise put the old value back."
    )


def _reset_by(budget: Budget) -> str:
    """The part of a budget whose change resets it."""
    return f"auto refresh {budget.auto_refresh}" if isinstance(budget, DifferentialPrivacy) else str(budget)


def refused_for_owner(arn: str, owner: str) -> RefusalError:
    """The error for an update of a template that another resource has adopted."""
    return RefusalError(
        f"{arn} belongs to {owner} by now, so this resource does not change it. Change it there, or take it back with"
        " on_existing=OnExisting.ADOPT (OnExisting: ADOPT)."
    )


def _belongs_to(owner: str | None) -> str:
    return f"belongs to {owner}" if owner not in (None, NOBODY) else "carries no owner tag"


def _sentence(identity: Identity) -> str:
    text = str(identity)
    return text[0].upper() + text[1:]
