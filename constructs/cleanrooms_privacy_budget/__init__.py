"""AWS Clean Rooms privacy budget templates for the AWS CDK, by a custom resource that never loses a consumed budget by accident."""

from privacy_budget_core.contract import AccessBudgetPeriod, AggregationType, AutoRefresh, OnBudgetReset, OnExisting

from .budget import AccessLimit, PrivacyBudget
from .guardrails import PrivacyBudgetGuardrails
from .monitor import PrivacyBudgetMonitor
from .provider import IPrivacyBudgetProvider, PrivacyBudgetProvider
from .template import IPrivacyBudgetTemplate, PrivacyBudgetTemplate

__all__ = [
    "AccessBudgetPeriod",
    "AccessLimit",
    "AggregationType",
    "AutoRefresh",
    "IPrivacyBudgetProvider",
    "IPrivacyBudgetTemplate",
    "OnBudgetReset",
    "OnExisting",
    "PrivacyBudget",
    "PrivacyBudgetGuardrails",
    "PrivacyBudgetMonitor",
    "PrivacyBudgetProvider",
    "PrivacyBudgetTemplate",
]
