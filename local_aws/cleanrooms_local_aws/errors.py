"""The errors of the local AWS, in one tree."""

from collections.abc import Mapping
from typing import Any


class LocalAwsError(Exception):
    """The local AWS cannot do what was asked; the message states the problem and the remedy."""


class EmulatedServiceError(LocalAwsError):
    """An emulated service refuses a request, as the live one would."""


class CleanRoomsCallError(EmulatedServiceError):
    """Clean Rooms refused a call that the server made; the message is the service's own."""

    def __init__(self, status: int, code: str, answer: Mapping[str, Any]) -> None:
        super().__init__(answer.get("message", ""))
        self.status = status
        self.code = code
        self.reason = answer.get("reason")


class CustomResourceError(EmulatedServiceError):
    """A custom resource failed; the message is the reason in the stack's event."""

    def __init__(self, reason: str, physical_id: str = "") -> None:
        super().__init__(reason)
        self.physical_id = physical_id


class NativeResourceError(EmulatedServiceError):
    """A native resource could not be created, updated or deleted; the message is the reason in the stack's event."""


class UnresolvableError(EmulatedServiceError, ValueError):
    """A value that the template refers to does not exist. CloudFormation accepts such a template and fails later."""


class EventLookupError(EmulatedServiceError):
    """CloudTrail refused a LookupEvents request; ``code`` is the service's name for the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
