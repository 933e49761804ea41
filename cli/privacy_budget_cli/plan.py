"""What a deployment would do to each privacy budget template: what the app declares now beside what its stack last declared.

The decisions are the handler's own, so that plan and deployment cannot disagree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from privacy_budget_handler import lifecycle
from privacy_budget_handler.contract import Property
from privacy_budget_handler.lifecycle import Change
from privacy_budget_handler.properties import InvalidProperty, parse

from .assembly import Declared, templates_in
from .deployed import Deployed


class Effect(Enum):
    """What a deployment does to a template, and to what was spent of its budget."""

    NONE = "unchanged"
    CREATED = "created"
    EDITED = "edited in place"
    TAGGED = "only its tags or options change"
    KEPT = "leaves the stack and stays in Clean Rooms"
    REFILLED = "edited in place, which refills the balance"
    SWAPPED = "deleted and created, which gives a fresh budget"
    REPLACED = "replaced by the template of another membership, kind or table"
    DELETED = "deleted"
    UNKNOWN = "cannot be told before the deployment"

    @property
    def needs_a_person(self) -> bool:
        """Whether a budget may be lost or replaced, so that somebody should look before the deployment."""
        return self in (Effect.REFILLED, Effect.SWAPPED, Effect.REPLACED, Effect.DELETED, Effect.UNKNOWN)


_SOME_MEMBERSHIP = "00000000-0000-0000-0000-000000000000"
_SOME_TABLE = f"arn:aws:cleanrooms:us-east-1:000000000000:membership/{_SOME_MEMBERSHIP}/configuredtableassociation/{_SOME_MEMBERSHIP}"

_EFFECTS = {Change.NONE: Effect.TAGGED, Change.EDIT: Effect.EDITED, Change.REFILL: Effect.REFILLED, Change.SWAP: Effect.SWAPPED}


@dataclass(frozen=True)
class Step:
    """What becomes of one template."""

    stack: str
    logical_id: str
    effect: Effect
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.stack}/{self.logical_id}: {self.effect.value}" + (f" ({self.detail})" if self.detail else "")


def steps(declared: Declared, deployed: Deployed, path: str = "") -> Iterator[Step]:
    """What deploying a stack would do to each of its templates, nested stacks included."""
    name = f"{path}{declared.name}"
    before, after = templates_in(deployed.template), templates_in(declared.template)
    for id_ in sorted(before.keys() | after.keys()):
        effect, detail = _effect(before.get(id_), after.get(id_))
        yield Step(name, id_, effect, detail)
    nothing = Declared("", {}, {})
    for id_ in sorted(declared.nested.keys() | deployed.nested.keys()):
        inner = declared.nested.get(id_, nothing)
        yield from steps(Declared(id_, inner.template, inner.nested), deployed.nested.get(id_, Deployed.nothing()), f"{name}/")


def _effect(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Effect, str]:
    if before is None:
        return Effect.CREATED, ""
    if after is None:
        kept = before.get("DeletionPolicy", "Delete") != "Delete"
        return (Effect.KEPT if kept else Effect.DELETED), ""
    if before["Properties"] == after["Properties"]:
        return Effect.NONE, ""
    try:
        old, new = map(parse, _comparable(before["Properties"], after["Properties"]))
    except InvalidProperty as error:
        return Effect.UNKNOWN, str(error)
    if old.identity != new.identity:
        return Effect.REPLACED, f"{old.identity} by {new.identity}"
    change = lifecycle.change(old.budget, new.budget)
    return _EFFECTS[change], "" if change is Change.NONE else f"{old.budget} to {new.budget}"


def _comparable(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides' properties as the handler would get them: what only CloudFormation can resolve is no difference if it is the same.

    Tags are left out, since they decide nothing here.
    """
    sides = [{name: value for name, value in properties.items() if name != Property.TAGS} for properties in (before, after)]
    for side in sides:
        side[Property.PARAMETERS] = dict(side.get(Property.PARAMETERS, {}))
    for place, name, stand_in in (
        (sides, Property.MEMBERSHIP_IDENTIFIER, _SOME_MEMBERSHIP),
        ([side[Property.PARAMETERS] for side in sides], "ResourceArn", _SOME_TABLE),
    ):
        first, second = (side.get(name) for side in place)
        if isinstance(first, Mapping) and first == second:
            for side in place:
                side[name] = stand_in
    return sides[0], sides[1]
