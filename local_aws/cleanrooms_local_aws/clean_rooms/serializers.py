"""Response members for templates, budgets, associations and rules; they are copies of the stored data.

Times are in seconds since the epoch.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from .tables import AnalysisRule, TableAssociation
from .templates import BudgetType, Meter, Template


def template(entry: Template) -> dict[str, Any]:
    """``PrivacyBudgetTemplate``."""
    return {**template_summary(entry), "autoRefresh": entry.auto_refresh, "parameters": deepcopy(entry.parameters)}


def template_summary(entry: Template) -> dict[str, Any]:
    """``PrivacyBudgetTemplateSummary``."""
    return {
        "id": entry.id,
        "arn": entry.arn,
        **_membership(entry),
        **_collaboration(entry),
        "privacyBudgetType": entry.budget_type.value,
        "createTime": entry.create_time,
        "updateTime": entry.update_time,
    }


def budget_summary(entry: Template) -> dict[str, Any]:
    """``PrivacyBudgetSummary``."""
    return {
        "id": entry.budget_id,
        "privacyBudgetTemplateId": entry.id,
        "privacyBudgetTemplateArn": entry.arn,
        **_membership(entry),
        **_collaboration(entry),
        "type": entry.budget_type.value,
        "createTime": entry.create_time,
        "updateTime": entry.budget_update_time,
        "budget": {entry.budget_type.member: _budget(entry)},
    }


def for_collaboration(entry: Template, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Any of the above as the whole collaboration sees it: with its creator's account in place of the membership."""
    shown = {name: value for name, value in answer.items() if name not in _membership(entry)}
    return {**shown, "creatorAccountId": entry.account_id}


def impact(max_counts: Mapping[str, int]) -> dict[str, Any]:
    """``PrivacyImpact``."""
    return {"differentialPrivacy": {"aggregations": [{"type": type_, "maxCount": count} for type_, count in max_counts.items()]}}


def association(entry: TableAssociation) -> dict[str, Any]:
    """``ConfiguredTableAssociation``."""
    answer = {**association_summary(entry), "configuredTableArn": entry.configured_table_arn, "roleArn": entry.role_arn}
    return {**answer, "description": entry.description} if entry.description is not None else answer


def association_summary(entry: TableAssociation) -> dict[str, Any]:
    """``ConfiguredTableAssociationSummary``."""
    return {
        "id": entry.id,
        "arn": entry.arn,
        **_membership(entry),
        "configuredTableId": entry.configured_table_id,
        "name": entry.name,
        "createTime": entry.create_time,
        "updateTime": entry.update_time,
        "analysisRuleTypes": [entry.rule.type] if entry.rule else [],
    }


def analysis_rule(rule: AnalysisRule) -> dict[str, Any]:
    """What ``ConfiguredTableAnalysisRule`` and ``ConfiguredTableAssociationAnalysisRule`` have in common."""
    return {"type": rule.type, "policy": deepcopy(rule.policy), "createTime": rule.create_time, "updateTime": rule.update_time}


def _membership(entry: Template | TableAssociation) -> dict[str, str]:
    return {"membershipId": entry.membership.id, "membershipArn": entry.membership.arn}


def _collaboration(entry: Template) -> dict[str, str]:
    return {"collaborationId": entry.membership.collaboration_id, "collaborationArn": entry.membership.collaboration_arn}


def _budget(entry: Template) -> dict[str, Any]:
    if entry.budget_type is BudgetType.ACCESS_BUDGET:
        return {
            "resourceArn": entry.resource_arn,
            "details": [_detail(meter) for meter in entry.meters.values()],
            "aggregateRemainingBudget": min(meter.remaining for meter in entry.meters.values()),
        }
    return {
        "aggregations": [
            {"type": type_, "maxCount": meter.maximum, "remainingCount": meter.remaining} for type_, meter in entry.meters.items()
        ],
        "epsilon": entry.parameters[entry.budget_type.member]["epsilon"],
    }


def _detail(meter: Meter) -> dict[str, Any]:
    """``AccessBudgetDetails``; a lifetime has neither an end nor a refresh."""
    detail = {
        "startTime": meter.start,
        "remainingBudget": meter.remaining,
        "budget": meter.maximum,
        "budgetType": meter.period.value,
    }
    if meter.end is not None:
        detail |= {"endTime": meter.end, "autoRefresh": "ENABLED" if meter.refreshes else "DISABLED"}
    return detail
