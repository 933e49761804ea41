"""The errors of CloudFormation's protocol. By the standard library alone."""

from privacy_budget_core.errors import PrivacyBudgetError


class ExpiredEventError(PrivacyBudgetError):
    """The event was delivered after CloudFormation had stopped waiting for it."""


class DeliveryError(PrivacyBudgetError):
    """CloudFormation did not accept the response; the message names the last status or error, never the URL."""
