"""The operations: each takes a validated request and returns its response."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from . import pages, serializers
from .models import PrivacyBudgetBackend
from .tables import AnalysisRule
from .templates import BudgetType, Template

Request = Mapping[str, Any]
Answer = dict[str, Any]


def _create(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.create(
        request["membershipIdentifier"],
        BudgetType(request["privacyBudgetType"]),
        request["parameters"],
        request.get("autoRefresh"),
        request.get("tags"),
    )
    return {"privacyBudgetTemplate": serializers.template(template)}


def _get(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.get(request["membershipIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {"privacyBudgetTemplate": serializers.template(template)}


def _update(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.update(
        request["membershipIdentifier"],
        request["privacyBudgetTemplateIdentifier"],
        BudgetType(request["privacyBudgetType"]),
        request.get("parameters"),
    )
    return {"privacyBudgetTemplate": serializers.template(template)}


def _delete(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.ledger.delete(request["membershipIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {}


def _list(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    templates = backend.ledger.of_membership(request["membershipIdentifier"])
    return pages.page("ListPrivacyBudgetTemplates", "privacyBudgetTemplateSummaries", templates, serializers.template_summary, request)


def _list_budgets(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    templates = _with_budget(backend.ledger.of_membership(request["membershipIdentifier"]), request)
    return pages.page("ListPrivacyBudgets", "privacyBudgetSummaries", templates, serializers.budget_summary, request)


def _preview(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    parameters = request["parameters"]["differentialPrivacy"]
    max_counts = backend.ledger.preview(request["membershipIdentifier"], parameters["epsilon"], parameters["usersNoisePerQuery"])
    return {"privacyImpact": serializers.impact(max_counts)}


def _get_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.collaboration_template(request["collaborationIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {"collaborationPrivacyBudgetTemplate": serializers.for_collaboration(template, serializers.template(template))}


def _list_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return pages.page(
        "ListCollaborationPrivacyBudgetTemplates",
        "collaborationPrivacyBudgetTemplateSummaries",
        backend.collaboration_templates(request["collaborationIdentifier"]),
        lambda template: serializers.for_collaboration(template, serializers.template_summary(template)),
        request,
    )


def _list_budgets_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return pages.page(
        "ListCollaborationPrivacyBudgets",
        "collaborationPrivacyBudgetSummaries",
        _with_budget(backend.collaboration_templates(request["collaborationIdentifier"]), request),
        lambda template: serializers.for_collaboration(template, serializers.budget_summary(template)),
        request,
    )


def _associate(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    association = backend.tables.associate(
        request["membershipIdentifier"],
        request["configuredTableIdentifier"],
        request["name"],
        request["roleArn"],
        request.get("description"),
    )
    if request.get("tags"):
        backend.tag_resource(association.arn, request["tags"])
    return {"configuredTableAssociation": serializers.association(association)}


def _get_association(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return {"configuredTableAssociation": serializers.association(backend.tables.association(*_association_ids(request)))}


def _update_association(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    association = backend.tables.update_association(*_association_ids(request), request.get("roleArn"), request.get("description"))
    return {"configuredTableAssociation": serializers.association(association)}


def _delete_association(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    association = backend.tables.delete_association(*_association_ids(request))
    backend.untag_resource(association.arn, list(backend.list_tags_for_resource(association.arn)))
    return {}


def _list_associations(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    associations = backend.tables.of_membership(request["membershipIdentifier"])
    member = "configuredTableAssociationSummaries"
    return pages.page("ListConfiguredTableAssociations", member, associations, serializers.association_summary, request)


def _association_ids(request: Request) -> tuple[str, str]:
    return request["membershipIdentifier"], request["configuredTableAssociationIdentifier"]


def _create_table_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    table_id = request["configuredTableIdentifier"]
    rule = backend.tables.create_table_rule(table_id, request["analysisRuleType"], request["analysisRulePolicy"])
    return _table_rule(backend, table_id, rule)


def _get_table_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    table_id = request["configuredTableIdentifier"]
    return _table_rule(backend, table_id, backend.tables.table_rule(table_id, request["analysisRuleType"]))


def _update_table_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    table_id = request["configuredTableIdentifier"]
    rule = backend.tables.table_rule(table_id, request["analysisRuleType"])
    return _table_rule(backend, table_id, backend.tables.change_rule(rule, request["analysisRulePolicy"]))


def _delete_table_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.tables.delete_table_rule(request["configuredTableIdentifier"], request["analysisRuleType"])
    return {}


def _table_rule(backend: PrivacyBudgetBackend, table_id: str, rule: AnalysisRule) -> Answer:
    table = backend.tables.table(table_id)
    return {"analysisRule": {"configuredTableId": table.id, "configuredTableArn": table.arn, **serializers.analysis_rule(rule)}}


def _create_association_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    ids = _association_ids(request)
    rule = backend.tables.create_association_rule(*ids, request["analysisRuleType"], request["analysisRulePolicy"])
    return _association_rule(backend, ids, rule)


def _get_association_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    ids = _association_ids(request)
    return _association_rule(backend, ids, backend.tables.association_rule(*ids, request["analysisRuleType"]))


def _update_association_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    ids = _association_ids(request)
    rule = backend.tables.association_rule(*ids, request["analysisRuleType"])
    return _association_rule(backend, ids, backend.tables.change_rule(rule, request["analysisRulePolicy"]))


def _delete_association_rule(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.tables.delete_association_rule(*_association_ids(request), request["analysisRuleType"])
    return {}


def _association_rule(backend: PrivacyBudgetBackend, ids: tuple[str, str], rule: AnalysisRule) -> Answer:
    association = backend.tables.association(*ids)
    found = {
        "membershipIdentifier": association.membership.id,
        "configuredTableAssociationId": association.id,
        "configuredTableAssociationArn": association.arn,
    }
    return {"analysisRule": {**found, **serializers.analysis_rule(rule)}}


def _tag(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.tag_resource(request["resourceArn"], request["tags"])
    return {}


def _untag(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.untag_resource(request["resourceArn"], request["tagKeys"])
    return {}


def _list_tags(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return {"tags": backend.list_tags_for_resource(request["resourceArn"])}


def _with_budget(templates: list[Template], request: Request) -> list[Template]:
    """Those whose budgets a list of budgets asks for."""
    budget_type = BudgetType(request["privacyBudgetType"])
    table = request.get("accessBudgetResourceArn")
    return [template for template in templates if template.budget_type is budget_type and table in (None, template.resource_arn)]


OPERATIONS: Final[Mapping[str, Callable[[PrivacyBudgetBackend, Request], Answer]]] = {
    "CreatePrivacyBudgetTemplate": _create,
    "GetPrivacyBudgetTemplate": _get,
    "UpdatePrivacyBudgetTemplate": _update,
    "DeletePrivacyBudgetTemplate": _delete,
    "ListPrivacyBudgetTemplates": _list,
    "ListPrivacyBudgets": _list_budgets,
    "PreviewPrivacyImpact": _preview,
    "GetCollaborationPrivacyBudgetTemplate": _get_in_collaboration,
    "ListCollaborationPrivacyBudgetTemplates": _list_in_collaboration,
    "ListCollaborationPrivacyBudgets": _list_budgets_in_collaboration,
    "TagResource": _tag,
    "UntagResource": _untag,
    "ListTagsForResource": _list_tags,
    "CreateConfiguredTableAssociation": _associate,
    "GetConfiguredTableAssociation": _get_association,
    "UpdateConfiguredTableAssociation": _update_association,
    "DeleteConfiguredTableAssociation": _delete_association,
    "ListConfiguredTableAssociations": _list_associations,
    "CreateConfiguredTableAnalysisRule": _create_table_rule,
    "GetConfiguredTableAnalysisRule": _get_table_rule,
    "UpdateConfiguredTableAnalysisRule": _update_table_rule,
    "DeleteConfiguredTableAnalysisRule": _delete_table_rule,
    "CreateConfiguredTableAssociationAnalysisRule": _create_association_rule,
    "GetConfiguredTableAssociationAnalysisRule": _get_association_rule,
    "UpdateConfiguredTableAssociationAnalysisRule": _update_association_rule,
    "DeleteConfiguredTableAssociationAnalysisRule": _delete_association_rule,
}
