"""What to do about an event, given what stands in Clean Rooms: decisions alone, no calls.

The rules come from the Clean Rooms user guide on privacy budget templates; docs/lifecycle.md gives them in a user's words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from . import mark
from .budget import AccessBudget, AccessLimit, Balance, Budget, DesiredTemplate, DifferentialPrivacy, Identity
from .contract import OnBudgetReset, OnExisting


class Refusal(Exception):
    """The handler will not do this: the rule, what stands there, and the way out."""


class Occupied(Refusal):
    """Somebody else's template of the same identity stands there already."""


class Change(Enum):
    """What it takes to bring a template's budget to the desired one of the same identity."""

    NONE = "nothing to change"
    EDIT = "edit in place"
    REFILL = "edit in place, which refills the balance"
    SWAP = "delete and create, which gives a fresh budget"

    @property
    def resets_the_budget(self) -> bool:
        """Whether what was spent so far is forgotten."""
        return self in (Change.REFILL, Change.SWAP)


def change(actual: Budget, desired: Budget) -> Change:
    """How far a template is from the desired budget; a member that its author left to the service is no difference."""
    if isinstance(actual, DifferentialPrivacy) and isinstance(desired, DifferentialPrivacy):
        if actual.auto_refresh != desired.auto_refresh:
            return Change.SWAP
        return Change.NONE if actual == desired else Change.EDIT
    if isinstance(actual, AccessBudget) and isinstance(desired, AccessBudget):
        same = len(actual.limits) == len(desired.limits) and all(map(_same_limit, actual.limits, desired.limits))
        return Change.NONE if same else Change.REFILL
    raise TypeError(f"a template's kind is part of its identity: {actual} cannot become {desired}")


def _same_limit(actual: AccessLimit, desired: AccessLimit) -> bool:
    return (actual.period, actual.budget) == (desired.period, desired.budget) and desired.auto_refresh in (
        None,
        actual.auto_refresh,
    )


@dataclass(frozen=True)
class TagChange:
    """The tags to set and the keys to remove so that one declaration becomes the other; foreign tags are in neither."""

    set: Mapping[str, str]
    remove: frozenset[str]


def tag_change(before: Mapping[str, str], after: Mapping[str, str]) -> TagChange:
    """The difference between two declarations of tags."""
    return TagChange(
        set={key: value for key, value in after.items() if before.get(key) != value},
        remove=frozenset(before.keys() - after.keys()),
    )


class Standing(Enum):
    """Whose a template is that stands where a create wants to put one."""

    THIS_REQUEST = "made by an earlier delivery of this request"
    THIS_RESOURCE = "made by this resource before, and kept"
    ADOPTABLE = "someone else's, to be adopted"


def standing(tags: Mapping[str, str], owner: str, request_id: str, desired: DesiredTemplate, arn: str) -> Standing:
    """Whose the template in a create's way is. Raises Occupied where it is someone else's and is not to be adopted."""
    if tags.get(mark.OWNER) == owner:
        return Standing.THIS_REQUEST if tags.get(mark.REQUEST) == request_id else Standing.THIS_RESOURCE
    if desired.on_existing is OnExisting.ADOPT:
        return Standing.ADOPTABLE
    whose = tags.get(mark.OWNER, "nobody's mark")
    raise Occupied(
        f"{_sentence(desired.identity)} exists already: {arn}, which carries {whose}. Clean Rooms allows one of each. To take it"
        " over with what is left of its budget, set on_existing=OnExisting.ADOPT (OnExisting: ADOPT)."
    )


class Disposal(Enum):
    """What a delete does with the template that it finds."""

    DELETE = "delete it"
    LEAVE = "leave it: it is not this resource's"
    HAND_BACK = "hand it back: this stack did not make it"
    KEEP_IN_ROLLBACK = "keep it in a rollback, delete it otherwise: this resource made it earlier and found it again"
    KEEP = "keep it, whether or not the rollback has ended since: an earlier delivery of this request did"


def disposal(tags: Mapping[str, str], owner: str, request_id: str) -> Disposal:
    """What becomes of a template with these tags when this request deletes this resource."""
    if tags.get(mark.OWNER) != owner:
        return Disposal.LEAVE
    if mark.ADOPTED_FROM not in tags:
        return Disposal.DELETE
    if tags[mark.ADOPTED_FROM] != owner:
        return Disposal.HAND_BACK
    return Disposal.KEEP if tags.get(mark.REQUEST) == request_id else Disposal.KEEP_IN_ROLLBACK


def marks_of_adoption(tags: Mapping[str, str], owner: str) -> dict[str, str]:
    """The marks that take a template over, noting whose it was: nobody's where that was an adoption not final either."""
    if tags.get(mark.OWNER) != owner and mark.ADOPTED_FROM in tags:
        return {mark.OWNER: owner, mark.ADOPTED_FROM: ""}
    return {mark.OWNER: owner, mark.ADOPTED_FROM: tags.get(mark.ADOPTED_FROM, tags.get(mark.OWNER, ""))}


def spent(balances: Sequence[Balance]) -> str | None:
    """What has been spent, in words; None where nothing has. A budget without balances counts as spent."""
    if not balances:
        return "what was spent of it (Clean Rooms lists no balance for it)"
    used = [str(balance) for balance in balances if balance.remaining < balance.maximum]
    return f"what was spent of it ({', '.join(used)})" if used else None


def refused_reset(change: Change, actual: Budget, desired: DesiredTemplate, spent: str) -> Refusal:
    """Why a change that throws away a spent budget is refused, what would be lost, and which option accepts it."""
    return Refusal(
        f"Changing {desired.identity} from {_reset_by(actual)} to {_reset_by(desired.budget)} needs a reset ({change.value}): {spent}"
        f" would be forgotten. To accept that, set on_budget_reset=OnBudgetReset.ALLOW (OnBudgetReset: {OnBudgetReset.ALLOW});"
        " otherwise put the old value back."
    )


def _reset_by(budget: Budget) -> str:
    """The part of a budget whose change resets it."""
    return f"auto refresh {budget.auto_refresh}" if isinstance(budget, DifferentialPrivacy) else str(budget)


def refused_for_owner(arn: str, owner: str) -> Refusal:
    """Why a template that somebody else has adopted is not deleted to make room for another one."""
    return Refusal(
        f"{arn} belongs to {owner} by now, and a changed refresh would delete it. Change it there, or adopt it back with"
        " on_existing=OnExisting.ADOPT under a new logical id."
    )


def _sentence(identity: Identity) -> str:
    text = str(identity)
    return text[0].upper() + text[1:]
