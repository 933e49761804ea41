"""The tags by which a template tells which resource of which stack it belongs to.

They are set in the create call itself, so that a second delivery, a crash, a cancelled create and a renamed resource can all
tell what is theirs.
"""

import hashlib
from typing import Final

from .contract import TAG_VALUE_LENGTH

OWNER: Final = "cleanrooms-privacy-budget:owner"
"""Stack id and logical id of the resource that the template belongs to."""
REQUEST: Final = "cleanrooms-privacy-budget:request"
"""CloudFormation's id of the request that made the template, or kept it in a rollback; the same in every delivery of that request."""
PHYSICAL_ID: Final = "cleanrooms-privacy-budget:physical-id"
"""The physical id that the resource keeps, where the template came after the one that gave it."""
ADOPTED_FROM: Final = "cleanrooms-privacy-budget:adopted-from"
"""Whose the template was before an adoption that is not final yet; empty where it was nobody's."""

KEYS: Final = frozenset({OWNER, REQUEST, PHYSICAL_ID, ADOPTED_FROM})


def owner(stack_id: str, logical_id: str) -> str:
    """The mark of one resource: readable, or a digest where it would not fit into a tag."""
    name = f"{stack_id}/{logical_id}"
    if len(name) <= TAG_VALUE_LENGTH.maximum:
        return name
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
