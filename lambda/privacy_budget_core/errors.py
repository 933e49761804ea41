"""Every error of the domain, in one tree. By the standard library alone."""

from .contract import REGIONS


class PrivacyBudgetError(Exception):
    """The base of all errors of this project; the message is written for whoever deploys."""


class InvalidPropertyError(PrivacyBudgetError):
    """A property that the resource does not take; the message names the property, the rule and the value."""


class InvalidGuardrailError(PrivacyBudgetError):
    """A guardrail that is not valid; the message names the guardrail, the rule and the value."""


class RefusalError(PrivacyBudgetError):
    """The handler refuses a change that would lose a ledger or touch another owner's template; the message names the remedy."""


class ExistingTemplateError(RefusalError):
    """Another owner's template of the same identity exists already."""


class GuardrailError(RefusalError):
    """A template breaks guardrails of its provider."""


class OutOfTimeError(PrivacyBudgetError):
    """The event's time is over, so no further request is sent."""


class SupersededError(PrivacyBudgetError):
    """The stack no longer expects this event, so it changes nothing."""


class ServiceError(PrivacyBudgetError):
    """AWS rejected a request or did not answer it: the service's own code and words."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{code} from {operation}: {message}")
        self.operation = operation
        self.code = code


class NotFoundError(ServiceError):
    """No such template or no such membership; Clean Rooms does not tell which."""


class ConflictError(ServiceError):
    """A resource is in the way: for a create, a template of the same identity."""


class ValidationError(ServiceError):
    """The service rejects the request, however often it is sent."""


class AccessDeniedError(ServiceError):
    """The caller lacks a permission, or the service does not tell whether the resource exists."""


class UnsupportedRegionError(ServiceError):
    """Clean Rooms is not available in the client's region."""

    def __init__(self, region: str) -> None:
        regions = ", ".join(sorted(REGIONS))
        Exception.__init__(self, f"AWS Clean Rooms is not available in {region}: deploy the stack in one of {regions}. Nothing was sent.")
        self.operation = ""
        self.code = type(self).__name__
