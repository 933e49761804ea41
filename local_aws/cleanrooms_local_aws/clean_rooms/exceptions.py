"""The errors that Clean Rooms answers with, under the service's own names; each message is a sentence naming rule and value.

Source: the error shapes of the service model. A test compares status and members with it.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..errors import EmulatedServiceError


class CleanRoomsError(EmulatedServiceError):
    """Base of every error answer; ``members`` are those of the error's shape beside its message."""

    status: ClassVar[int]

    def __init__(self, message: str, **members: object) -> None:
        super().__init__(message)
        self.members = members

    @property
    def code(self) -> str:
        """The service's name for the error."""
        return type(self).__name__

    @property
    def body(self) -> dict[str, object]:
        """The response body, as JSON."""
        return {"message": str(self), **self.members}


class ConflictException(CleanRoomsError):
    """The request conflicts with the current state of a resource."""

    status = 409

    def __init__(self, message: str, reason: str = "INVALID_STATE", **members: object) -> None:
        super().__init__(message, reason=reason, **members)


class ResourceNotFoundException(CleanRoomsError):
    """No such membership, collaboration or template.

    The service's enumeration of resource types has no value for a template: such an error names the type of its parent.
    """

    status = 404

    def __init__(self, message: str, resource_id: str, resource_type: str) -> None:
        super().__init__(message, resourceId=resource_id, resourceType=resource_type)


class ValidationException(CleanRoomsError):
    """The request breaks a rule; ``fields`` are pairs of a member's path and what is wrong with it."""

    status = 400

    def __init__(self, message: str, reason: str = "INVALID_CONFIGURATION", fields: Iterable[tuple[str, str]] = ()) -> None:
        members: Mapping[str, object] = {"fieldList": [{"name": name, "message": wrong} for name, wrong in fields]}
        super().__init__(message, reason=reason, **(members if members["fieldList"] else {}))


class ServiceQuotaExceededException(CleanRoomsError):
    """The request exceeds a quota of the service."""

    status = 402

    def __init__(self, message: str, quota_name: str, quota_value: float) -> None:
        super().__init__(message, quotaName=quota_name, quotaValue=quota_value)


class ThrottlingException(CleanRoomsError):
    """More requests a second than the service allows."""

    status = 429


class AccessDeniedException(CleanRoomsError):
    """The caller may not do this."""

    status = 403

    def __init__(self, message: str, reason: str = "INSUFFICIENT_PERMISSIONS") -> None:
        super().__init__(message, reason=reason)


class InternalServerException(CleanRoomsError):
    """The service failed; whether the request had an effect is not told."""

    status = 500
