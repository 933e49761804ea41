"""What each operation does: from a checked request to the answer."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from . import answers, pages
from .models import PrivacyBudgetBackend
from .templates import Kind, Template

Request = Mapping[str, Any]
Answer = dict[str, Any]


def _create(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.create(
        request["membershipIdentifier"],
        Kind(request["privacyBudgetType"]),
        request["parameters"],
        request.get("autoRefresh"),
        request.get("tags"),
    )
    return {"privacyBudgetTemplate": answers.template(template)}


def _get(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.get(request["membershipIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {"privacyBudgetTemplate": answers.template(template)}


def _update(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.ledger.update(
        request["membershipIdentifier"],
        request["privacyBudgetTemplateIdentifier"],
        Kind(request["privacyBudgetType"]),
        request.get("parameters"),
    )
    return {"privacyBudgetTemplate": answers.template(template)}


def _delete(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    backend.ledger.delete(request["membershipIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {}


def _list(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    templates = backend.ledger.of_membership(request["membershipIdentifier"])
    return pages.page("ListPrivacyBudgetTemplates", "privacyBudgetTemplateSummaries", templates, answers.template_summary, request)


def _list_budgets(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    templates = _with_budget(backend.ledger.of_membership(request["membershipIdentifier"]), request)
    return pages.page("ListPrivacyBudgets", "privacyBudgetSummaries", templates, answers.budget_summary, request)


def _preview(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    parameters = request["parameters"]["differentialPrivacy"]
    max_counts = backend.ledger.preview(request["membershipIdentifier"], parameters["epsilon"], parameters["usersNoisePerQuery"])
    return {"privacyImpact": answers.impact(max_counts)}


def _get_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    template = backend.collaboration_template(request["collaborationIdentifier"], request["privacyBudgetTemplateIdentifier"])
    return {"collaborationPrivacyBudgetTemplate": answers.for_collaboration(template, answers.template(template))}


def _list_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return pages.page(
        "ListCollaborationPrivacyBudgetTemplates",
        "collaborationPrivacyBudgetTemplateSummaries",
        backend.collaboration_templates(request["collaborationIdentifier"]),
        lambda template: answers.for_collaboration(template, answers.template_summary(template)),
        request,
    )


def _list_budgets_in_collaboration(backend: PrivacyBudgetBackend, request: Request) -> Answer:
    return pages.page(
        "ListCollaborationPrivacyBudgets",
        "collaborationPrivacyBudgetSummaries",
        _with_budget(backend.collaboration_templates(request["collaborationIdentifier"]), request),
        lambda template: answers.for_collaboration(template, answers.budget_summary(template)),
        request,
    )


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
    kind = Kind(request["privacyBudgetType"])
    table = request.get("accessBudgetResourceArn")
    return [template for template in templates if template.kind is kind and table in (None, template.resource_arn)]


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
}
