"""The ownership tags: which resource of which stack owns a template, and who owned it before an adoption.

The create call itself sets them. So a repeated delivery, a retry after a crash, the Delete of a cancelled create and a renamed
resource each recognize their own template.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from .contract import TAG_VALUE_LENGTH

OWNER: Final = "cleanrooms-privacy-budget:owner"
"""Stack id and logical id of the resource that owns the template."""
REQUEST: Final = "cleanrooms-privacy-budget:request"
"""CloudFormation's id of the request that created, adopted or found the template, or whose Delete kept it in a rollback."""
PHYSICAL_ID: Final = "cleanrooms-privacy-budget:physical-id"
"""The physical id that stands for the template, where that is not its own ARN."""
ADOPTED_FROM: Final = "cleanrooms-privacy-budget:adopted-from"
"""The previous owners while an adoption is not final, latest first. An empty name is a template without an owner; the resource itself is
one that found its own template again."""

KEYS: Final = frozenset({OWNER, REQUEST, PHYSICAL_ID, ADOPTED_FROM})

NOBODY: Final = ""
MOST_PREVIOUS_OWNERS: Final = 10
"""As many digests as fit into one tag. Beyond that the first owners are dropped; the last rollback leaves the template without an owner."""

_SEPARATOR: Final = "+"
_DIGEST: Final = "sha256:"
_DIGITS: Final = 16


def owner(stack_id: str, logical_id: str) -> str:
    """The value of the owner tag for a resource: readable, or a digest where that does not fit into a tag."""
    name = f"{stack_id}/{logical_id}"
    return name if len(name) <= TAG_VALUE_LENGTH.maximum else _DIGEST + hashlib.sha256(name.encode()).hexdigest()


def is_same(one: str | None, other: str) -> bool:
    """Whether two values name the same owner, where either may be a digest."""
    return one is not None and _short(one) == _short(other)


class OwnershipTags(NamedTuple):
    """The ownership tags of one template."""

    owner: str | None
    request: str | None
    physical_id: str | None
    previous_owners: tuple[str, ...]
    """Latest first; empty where the adoption is final, or there was none."""

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "OwnershipTags":
        """The ownership tags among all tags of a template."""
        adopted_from = tags.get(ADOPTED_FROM)
        previous = () if adopted_from is None else tuple(adopted_from.split(_SEPARATOR))
        return cls(tags.get(OWNER), tags.get(REQUEST), tags.get(PHYSICAL_ID), previous)


def adopted_from(previous_owners: Sequence[str]) -> dict[str, str]:
    """The tag that names the previous owners: the latest in full where it fits, the others as digests. No tag if there are none."""
    if not previous_owners:
        return {}
    latest, *others = previous_owners
    if len(others) >= MOST_PREVIOUS_OWNERS:
        others = [*others[: MOST_PREVIOUS_OWNERS - 2], NOBODY]
    digests = [_short(name) for name in others]
    value = _SEPARATOR.join([latest, *digests])
    return {ADOPTED_FROM: value if len(value) <= TAG_VALUE_LENGTH.maximum else _SEPARATOR.join([_short(latest), *digests])}


def _short(name: str) -> str:
    if name == NOBODY:
        return name
    digest = name.removeprefix(_DIGEST) if name.startswith(_DIGEST) else hashlib.sha256(name.encode()).hexdigest()
    return _DIGEST + digest[:_DIGITS]


def readable(owner: str) -> str:
    """An owner for a person: ``stack/logical id``, or the digest where the name was too long for a tag."""
    _, is_arn, stack_and_resource = owner.partition(":stack/")
    name, *_, logical_id = stack_and_resource.split("/")
    return f"{name}/{logical_id}" if is_arn else owner
