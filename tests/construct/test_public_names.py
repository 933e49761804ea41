"""A snapshot of what is public: a change here breaks deployed stacks or users' code, and needs a major version."""

import inspect

import aws_cdk as cdk

import cleanrooms_privacy_budget
from cleanrooms_privacy_budget import PrivacyBudgetMonitor, PrivacyBudgetProvider, PrivacyBudgetTemplate
from privacy_budget_core import contract, metrics, ownership
from tests.support.synth import add


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)[3:]  # type: ignore[arg-type]


def test_exported_names() -> None:
    assert cleanrooms_privacy_budget.__all__ == [
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


def test_keywords() -> None:
    assert parameters(PrivacyBudgetTemplate.__init__) == [
        "membership_id",
        "budget",
        "on_existing",
        "on_budget_reset",
        "removal_policy",
        "provider",
        "preview_impact",
    ]
    assert parameters(PrivacyBudgetProvider.__init__) == [
        "memory_size",
        "timeout",
        "runtime",
        "architecture",
        "log_retention",
        "log_group",
        "role",
        "memberships",
        "vpc",
        "vpc_subnets",
        "security_groups",
        "environment_encryption",
        "reserved_concurrent_executions",
        "parameter_name",
        "guardrails",
    ]
    assert parameters(PrivacyBudgetMonitor.__init__) == [
        "templates",
        "collaborations",
        "interval",
        "alarm_below",
        "alarm_actions",
        "dashboard",
        "outside_changes",
        "expected_roles",
        "log_group",
        "vpc",
        "vpc_subnets",
        "security_groups",
        "environment_encryption",
        "reserved_concurrent_executions",
    ]
    assert parameters(PrivacyBudgetProvider.from_function_arn) == ["timeout"]
    assert parameters(PrivacyBudgetProvider.from_parameter_name) == ["timeout"]


def test_names_in_the_cloudformation_template() -> None:
    assert contract.RESOURCE_TYPE == "Custom::CleanRoomsPrivacyBudgetTemplate"
    assert list(contract.Property) == [
        "MembershipIdentifier",
        "PrivacyBudgetType",
        "AutoRefresh",
        "Parameters",
        "Tags",
        "OnExisting",
        "OnBudgetReset",
        "PreviewImpact",
    ]
    assert list(contract.Attribute) == [
        "Arn",
        "PrivacyBudgetTemplateIdentifier",
        "MembershipArn",
        "CollaborationArn",
        "CollaborationIdentifier",
    ]
    assert list(contract.MAX_AGGREGATIONS.values()) == [
        "MaxAggregations.AVG",
        "MaxAggregations.COUNT",
        "MaxAggregations.COUNT_DISTINCT",
        "MaxAggregations.SUM",
        "MaxAggregations.STDDEV",
    ]


def test_logical_ids() -> None:
    stack = cdk.Stack(cdk.App(), "Shop")
    add(stack)
    assert sorted(cdk.assertions.Template.from_stack(stack).to_json()["Resources"]) == [
        "Budget",
        "PrivacyBudgetProviderFunctionEventInvokeConfigE8ADC882",
        "PrivacyBudgetProviderFunctionF7DA4313",
        "PrivacyBudgetProviderLogGroupC1B8BD80",
        "PrivacyBudgetProviderRole1843E271",
        "PrivacyBudgetProviderRoleDefaultPolicyD01C11D0",
    ]


def test_metrics_that_users_alarms_and_dashboards_name() -> None:
    assert metrics.NAMESPACE == "CleanRooms/PrivacyBudget"
    assert list(metrics.Metric) == ["RemainingFraction", "Remaining", "Maximum"]
    assert list(metrics.Dimension) == ["MembershipId", "CollaborationId", "PrivacyBudgetTemplateId", "Aggregation", "Period"]


def test_tags_on_existing_templates() -> None:
    assert (ownership.OWNER, ownership.REQUEST, ownership.PHYSICAL_ID, ownership.ADOPTED_FROM) == (
        "cleanrooms-privacy-budget:owner",
        "cleanrooms-privacy-budget:request",
        "cleanrooms-privacy-budget:physical-id",
        "cleanrooms-privacy-budget:adopted-from",
    )
