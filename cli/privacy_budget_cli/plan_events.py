"""CloudFormation's side of a deployment: which events a stack sends for a resource, decided from its two declarations.

Source: "Update behaviors of stack resources", "DeletionPolicy attribute" and "UpdateReplacePolicy attribute" in the CloudFormation
user guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SERVICE_TOKEN: Final = "ServiceToken"  # noqa: S105 - the name of a property
_DELETE: Final = "Delete"


@dataclass(frozen=True)
class Create:
    """The resource is new."""

    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """What is declared of the resource has changed."""

    physical_id: str
    properties: Mapping[str, Any]
    old: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """The resource has left the stack, or another one has taken its place."""

    physical_id: str
    properties: Mapping[str, Any]


Event = Create | Update | Delete


@dataclass(frozen=True)
class Resource:
    """A resource as a template declares it, with its values as far as they are known."""

    properties: Mapping[str, Any]
    deletion_policy: str = _DELETE
    update_replace_policy: str = _DELETE
    condition: Any = None
    physical_id: str = ""
    """Of what stands; empty in a template that is not deployed yet."""


def first(before: Resource | None, after: Resource | None) -> Create | Update | None:
    """The event while the stack is created or updated; None where CloudFormation sends none, as nothing declared has changed."""
    if after is None:
        return None
    if before is None:
        return Create(after.properties)
    if _declared(before) == _declared(after):
        return None
    return Update(before.physical_id, after.properties, before.properties)


def cleanup(before: Resource, after: Resource | None, physical_id: str) -> Delete | None:
    """The event once everything has been updated, for what left or was replaced; None where nothing did, or a policy keeps it.

    ``physical_id`` is the one that the first event was answered with. RetainExceptOnCreate keeps, as the resource was created before.
    """
    if after is not None and physical_id == before.physical_id:
        return None
    policy = before.deletion_policy if after is None else after.update_replace_policy
    return Delete(before.physical_id, before.properties) if policy == _DELETE else None


def _declared(resource: Resource) -> dict[str, Any]:
    """What an update is sent for; the function that makes the resource may change as long as its ARN does not."""
    return {**resource.properties, SERVICE_TOKEN: str(resource.properties.get(SERVICE_TOKEN))}
