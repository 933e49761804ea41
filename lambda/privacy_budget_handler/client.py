"""How to call Clean Rooms: requests, answers and errors in this package's own terms, and how long to try.

Signing, retries and parsing are botocore's. Source of every operation: the Clean Rooms API reference.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from .budget import AccessBudget, AccessLimit, Balance, Budget, DesiredTemplate, DifferentialPrivacy, Identity, identity_of
from .contract import AccessBudgetPeriod, Attribute, AutoRefresh, AutoRefreshMode, PrivacyBudgetType

if TYPE_CHECKING:
    from botocore.client import BaseClient


class ServiceError(Exception):
    """Clean Rooms, or the way to it, did not do what was asked: the service's own code and words."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{code} from {operation}: {message}")
        self.operation = operation
        self.code = code


class NotFound(ServiceError):
    """No such template or no such membership; the service does not tell which."""


class Conflict(ServiceError):
    """Something stands in the way: for a create, a template of the same identity."""


class Refused(ServiceError):
    """The service will not do this, however often it is asked."""


class Denied(ServiceError):
    """The caller may not do this, or the service does not say whether there is such a thing."""


class OutOfTime(Exception):
    """The invocation's time is over, so no further request may be sent."""


_ERRORS: Mapping[str, type[ServiceError]] = {
    "ResourceNotFoundException": NotFound,
    "ConflictException": Conflict,
    "ValidationException": Refused,
    "AccessDeniedException": Denied,
}


@dataclass(frozen=True)
class Template:
    """A privacy budget template as Clean Rooms holds it."""

    id: str
    arn: str
    membership_id: str
    membership_arn: str
    collaboration_id: str
    collaboration_arn: str
    budget: Budget

    @property
    def identity(self) -> Identity:
        """What Clean Rooms allows one of."""
        return identity_of(self.membership_id, self.budget)

    @property
    def attributes(self) -> dict[str, str]:
        """What ``Fn::GetAtt`` answers."""
        return {
            Attribute.ARN: self.arn,
            Attribute.PRIVACY_BUDGET_TEMPLATE_IDENTIFIER: self.id,
            Attribute.MEMBERSHIP_ARN: self.membership_arn,
            Attribute.COLLABORATION_ARN: self.collaboration_arn,
            Attribute.COLLABORATION_IDENTIFIER: self.collaboration_id,
        }


@dataclass
class Calls:
    """What one event asked of the service: how often, until when it may, and what last went wrong."""

    may_send: Callable[[], bool] = lambda: True
    count: int = 0
    last: str = "nothing yet"


class CleanRooms:
    """Clean Rooms as the lifecycle sees it; one object serves every event of an execution environment."""

    def __init__(self, client: "BaseClient") -> None:
        self._client = client
        self.calls = Calls()
        watch(client, lambda: self.calls)

    def create(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """CreatePrivacyBudgetTemplate. Raises Conflict where a template of this identity stands."""
        request: dict[str, Any] = {
            "membershipIdentifier": desired.membership_id,
            "privacyBudgetType": desired.identity.kind.value,
            "parameters": _create_parameters(desired.budget),
            "tags": dict(tags),
        }
        if isinstance(desired.budget, DifferentialPrivacy):
            request["autoRefresh"] = desired.budget.auto_refresh.value
        return _template(self._call("create_privacy_budget_template", **request)["privacyBudgetTemplate"])

    def get(self, membership_id: str, template_id: str) -> Template:
        """GetPrivacyBudgetTemplate. Raises NotFound."""
        answer = self._call(
            "get_privacy_budget_template",
            membershipIdentifier=membership_id,
            privacyBudgetTemplateIdentifier=template_id,
        )
        return _template(answer["privacyBudgetTemplate"])

    def find(self, identity: Identity) -> Template | None:
        """The template of this identity, by ListPrivacyBudgetTemplates and Get; None also where the membership is gone."""
        try:
            templates = self.templates(identity.membership_id, identity.kind)
        except NotFound:
            return None
        return next((template for template in templates if template.identity == identity), None)

    def templates(self, membership_id: str, kind: PrivacyBudgetType | None = None) -> list[Template]:
        """The templates of a membership, of one kind or all, by ListPrivacyBudgetTemplates and Get. Raises NotFound."""
        summaries = self._pages("list_privacy_budget_templates", "privacyBudgetTemplateSummaries", membershipIdentifier=membership_id)
        templates = []
        for summary in summaries:
            if kind in (None, summary["privacyBudgetType"]):
                with suppress(NotFound):
                    templates.append(self.get(membership_id, summary["id"]))
        return templates

    def update(self, template: Template, budget: Budget) -> Template:
        """UpdatePrivacyBudgetTemplate: only the parameters, which is all that can be edited in place."""
        answer = self._call(
            "update_privacy_budget_template",
            membershipIdentifier=template.membership_id,
            privacyBudgetTemplateIdentifier=template.id,
            privacyBudgetType=template.identity.kind.value,
            parameters=_update_parameters(budget),
        )
        return _template(answer["privacyBudgetTemplate"])

    def delete(self, membership_id: str, template_id: str) -> None:
        """DeletePrivacyBudgetTemplate; one that is gone already is no error."""
        with suppress(NotFound):
            self._call(
                "delete_privacy_budget_template",
                membershipIdentifier=membership_id,
                privacyBudgetTemplateIdentifier=template_id,
            )

    def balances(self, membership_id: str, kind: PrivacyBudgetType, template_id: str) -> list[Balance]:
        """What is left of a template's budget, by ListPrivacyBudgets; empty where the service lists none."""
        return self.balances_by_template(membership_id, kind).get(template_id, [])

    def balances_by_template(self, membership_id: str, kind: PrivacyBudgetType) -> dict[str, list[Balance]]:
        """ListPrivacyBudgets: what is left of each of a membership's budgets of a kind, by template. Raises NotFound."""
        budgets = self._pages(
            "list_privacy_budgets",
            "privacyBudgetSummaries",
            membershipIdentifier=membership_id,
            privacyBudgetType=kind.value,
        )
        by_template: dict[str, list[Balance]] = {}
        for budget in budgets:
            by_template.setdefault(budget["privacyBudgetTemplateId"], []).extend(_balances(budget["budget"]))
        return by_template

    def preview(self, membership_id: str, budget: DifferentialPrivacy) -> dict[str, int]:
        """PreviewPrivacyImpact: how many aggregations of each type a budget would allow. Raises Denied and Refused."""
        answer = self._call("preview_privacy_impact", membershipIdentifier=membership_id, parameters=_update_parameters(budget))
        return {entry["type"]: entry["maxCount"] for entry in answer["privacyImpact"]["differentialPrivacy"]["aggregations"]}

    def tags(self, arn: str) -> dict[str, str]:
        """ListTagsForResource. Raises NotFound."""
        return dict(self._call("list_tags_for_resource", resourceArn=arn)["tags"])

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """TagResource; sends nothing where there is nothing to set."""
        if tags:
            self._call("tag_resource", resourceArn=arn, tags=dict(tags))

    def untag(self, arn: str, keys: frozenset[str]) -> None:
        """UntagResource; sends nothing where there is nothing to remove."""
        if keys:
            self._call("untag_resource", resourceArn=arn, tagKeys=sorted(keys))

    def _pages(self, operation: str, member: str, **request: Any) -> list[dict[str, Any]]:
        """Every entry of a list operation, page by page."""
        entries: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(operation, **request, **token)
            entries += page[member]
            if "nextToken" not in page:
                return entries
            token = {"nextToken": page["nextToken"]}

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return call(self._client, operation, request)


def call(client: "BaseClient", operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """One operation of an AWS client, its errors in this package's terms. Raises ServiceError and OutOfTime."""
    name = client.meta.method_to_api_mapping[operation]
    try:
        answer: dict[str, Any] = getattr(client, operation)(**request)
        return answer
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message") or "(the service gave no message)"
        raise _ERRORS.get(code, ServiceError)(name, code, message) from error
    except BotoCoreError as error:
        raise ServiceError(name, type(error).__name__, str(error)) from error


def watch(client: "BaseClient", calls: Callable[[], Calls]) -> None:
    """Have a client count its requests, remember what went wrong, and send none once the event's time is over."""

    def before_send(event_name: str, **_: object) -> None:
        if not calls().may_send():
            raise OutOfTime
        calls().count += 1
        calls().last = f"{event_name.rpartition('.')[2]} → no answer yet"

    def after_attempt(
        operation: Any, response: tuple[object, dict[str, Any]] | None, caught_exception: Exception | None, **_: object
    ) -> None:
        error = response[1].get("Error") if response else None
        outcome = error.get("Code", "an error") if error else repr(caught_exception) if caught_exception else "answered"
        calls().last = f"{operation.name} → {outcome}"
        if outcome != "answered" and not calls().may_send():
            raise OutOfTime

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}", before_send)
    client.meta.events.register_first(f"needs-retry.{service}", after_attempt)


def _create_parameters(budget: Budget) -> dict[str, Any]:
    parameters = _update_parameters(budget)
    if isinstance(budget, AccessBudget):
        parameters["accessBudget"]["resourceArn"] = budget.resource_arn
    return parameters


def _update_parameters(budget: Budget) -> dict[str, Any]:
    if isinstance(budget, DifferentialPrivacy):
        return {"differentialPrivacy": {"epsilon": budget.epsilon, "usersNoisePerQuery": budget.users_noise_per_query}}
    return {"accessBudget": {"budgetParameters": [_limit_parameter(limit) for limit in budget.limits]}}


def _limit_parameter(limit: AccessLimit) -> dict[str, Any]:
    refresh = {"autoRefresh": limit.auto_refresh.value} if limit.auto_refresh else {}
    return {"type": limit.period.value, "budget": limit.budget, **refresh}


def _template(answer: Mapping[str, Any]) -> Template:
    return Template(
        id=answer["id"],
        arn=answer["arn"],
        membership_id=answer["membershipId"],
        membership_arn=answer["membershipArn"],
        collaboration_id=answer["collaborationId"],
        collaboration_arn=answer["collaborationArn"],
        budget=_budget(answer),
    )


def _refresh_mode(answered: str | None) -> AutoRefreshMode | None:
    """A limit's refresh, None where the service says neither way."""
    return AutoRefreshMode(answered) if answered in set(AutoRefreshMode) else None


def _balances(budget: Mapping[str, Any]) -> list[Balance]:
    if "differentialPrivacy" in budget:
        aggregations = budget["differentialPrivacy"]["aggregations"]
        return [Balance(entry["type"], entry["remainingCount"], entry["maxCount"]) for entry in aggregations]
    return [Balance(entry["budgetType"], entry["remainingBudget"], entry["budget"]) for entry in budget["accessBudget"]["details"]]


def _budget(answer: Mapping[str, Any]) -> Budget:
    if PrivacyBudgetType(answer["privacyBudgetType"]) is PrivacyBudgetType.DIFFERENTIAL_PRIVACY:
        parameters = answer["parameters"]["differentialPrivacy"]
        return DifferentialPrivacy(
            epsilon=parameters["epsilon"],
            users_noise_per_query=parameters["usersNoisePerQuery"],
            auto_refresh=AutoRefresh(answer["autoRefresh"]),
        )
    parameters = answer["parameters"]["accessBudget"]
    limits = [
        AccessLimit(
            AccessBudgetPeriod(limit["type"]),
            limit["budget"],
            _refresh_mode(limit.get("autoRefresh")),
        )
        for limit in parameters["budgetParameters"]
    ]
    return AccessBudget(resource_arn=parameters["resourceArn"], limits=tuple(limits))
