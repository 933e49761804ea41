"""The Clean Rooms client: requests, responses and errors in this package's types.

Signing, retries and parsing are botocore's. Source of every operation: the Clean Rooms API reference.
"""

import json
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from .contract import REGIONS, RESERVED_TAG_PREFIXES, AccessBudgetPeriod, Attribute, AutoRefresh, AutoRefreshMode, PrivacyBudgetType
from .errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, UnsupportedRegionError, ValidationError
from .model import AccessBudget, AccessLimit, Balance, Budget, DesiredTemplate, DifferentialPrivacy, Identity, UnknownBudget, identity_of

if TYPE_CHECKING:
    from botocore.client import BaseClient

E = TypeVar("E", bound=StrEnum)

LONGEST_MESSAGE: Final = 1500
"""Characters of a service's message that are shown."""

LIST_LAG: Final = (1.0, 2.0, 4.0)
"""Seconds to wait before each further list, where a template that must exist is not listed yet."""


_ERRORS: Mapping[str, type[ServiceError]] = {
    "ResourceNotFoundException": NotFoundError,
    "ConflictException": ConflictError,
    "ValidationException": ValidationError,
    "AccessDeniedException": AccessDeniedError,
}


class Template(NamedTuple):
    """A privacy budget template in Clean Rooms."""

    id: str
    arn: str
    membership_id: str
    membership_arn: str
    collaboration_id: str
    collaboration_arn: str
    budget: Budget
    created_at: float | None = None
    """Seconds since the epoch."""
    updated_at: float | None = None
    """Seconds since the epoch."""

    @property
    def identity(self) -> Identity:
        """The identity; Clean Rooms allows one template of each."""
        return identity_of(self.membership_id, self.budget)

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes for ``Fn::GetAtt``."""
        return {
            Attribute.ARN: self.arn,
            Attribute.PRIVACY_BUDGET_TEMPLATE_IDENTIFIER: self.id,
            Attribute.MEMBERSHIP_ARN: self.membership_arn,
            Attribute.COLLABORATION_ARN: self.collaboration_arn,
            Attribute.COLLABORATION_IDENTIFIER: self.collaboration_id,
        }


class CollaborationTemplate(NamedTuple):
    """A template of any member of a collaboration, as every member sees it: without its membership and its tags."""

    id: str
    arn: str
    collaboration_id: str
    account_id: str
    """The account of the member that created it."""
    budget: Budget


class CleanRooms:
    """Clean Rooms, by a boto3 or botocore client."""

    def __init__(self, client: "BaseClient") -> None:
        self.client = client

    def create(self, desired: DesiredTemplate, tags: Mapping[str, str]) -> Template:
        """CreatePrivacyBudgetTemplate. Raises ConflictError where a template of this identity exists."""
        request: dict[str, Any] = {
            "membershipIdentifier": desired.membership_id,
            "privacyBudgetType": str(desired.identity.budget_type),
            "parameters": _create_parameters(desired.budget),
            "tags": dict(tags),
        }
        if isinstance(desired.budget, DifferentialPrivacy):
            request["autoRefresh"] = str(desired.budget.auto_refresh)
        return _template(self._call("create_privacy_budget_template", **request)["privacyBudgetTemplate"])

    def get(self, membership_id: str, template_id: str) -> Template:
        """GetPrivacyBudgetTemplate. Raises NotFoundError."""
        response = self._call(
            "get_privacy_budget_template",
            membershipIdentifier=membership_id,
            privacyBudgetTemplateIdentifier=template_id,
        )
        return _template(response["privacyBudgetTemplate"])

    def find(self, identity: Identity, is_expected: bool = False) -> Template | None:
        """The template of this identity, by ListPrivacyBudgetTemplates and Get; None also where the membership does not exist.

        A list may lag behind: with ``is_expected`` it is requested again for a few seconds.
        """
        for pause in (0.0, *LIST_LAG) if is_expected else (0.0,):
            time.sleep(pause)
            try:
                templates = self.templates(identity.membership_id, identity.budget_type)
            except NotFoundError:
                return None
            for template in templates:
                if template.identity == identity:
                    return template
        return None

    def templates(self, membership_id: str, budget_type: str | None = None) -> list[Template]:
        """The templates of a membership, of one budget type or all, by ListPrivacyBudgetTemplates and Get. Raises NotFoundError."""
        summaries = self._pages("list_privacy_budget_templates", "privacyBudgetTemplateSummaries", membershipIdentifier=membership_id)
        templates = []
        for summary in summaries:
            if budget_type in (None, summary["privacyBudgetType"]):
                with suppress(NotFoundError):
                    templates.append(self.get(membership_id, summary["id"]))
        return templates

    def update(self, template: Template, budget: Budget) -> Template:
        """UpdatePrivacyBudgetTemplate: only the parameters, which is all that can be edited in place."""
        response = self._call(
            "update_privacy_budget_template",
            membershipIdentifier=template.membership_id,
            privacyBudgetTemplateIdentifier=template.id,
            privacyBudgetType=str(template.identity.budget_type),
            parameters=_update_parameters(budget),
        )
        return _template(response["privacyBudgetTemplate"])

    def delete(self, membership_id: str, template_id: str) -> None:
        """DeletePrivacyBudgetTemplate; succeeds where the template does not exist."""
        with suppress(NotFoundError):
            self._call(
                "delete_privacy_budget_template",
                membershipIdentifier=membership_id,
                privacyBudgetTemplateIdentifier=template_id,
            )

    def balances(self, identity: Identity, template_id: str) -> list[Balance]:
        """The balances of a template, by ListPrivacyBudgets; empty where the service lists none."""
        by_template = self.balances_by_template(identity.membership_id, identity.budget_type, identity.resource_arn)
        return by_template.get(template_id, [])

    def balances_by_template(self, membership_id: str, budget_type: str, resource_arn: str | None = None) -> dict[str, list[Balance]]:
        """The balances of a membership's budgets of one type, or of one table, by template id. Raises NotFoundError."""
        budgets = self._pages(
            "list_privacy_budgets",
            "privacyBudgetSummaries",
            membershipIdentifier=membership_id,
            privacyBudgetType=budget_type,
            **({"accessBudgetResourceArn": resource_arn} if resource_arn else {}),
        )
        return _by_template(budgets)

    def active_memberships(self) -> list[str]:
        """The ids of the account's active memberships in the client's region, by ListMemberships."""
        return [summary["id"] for summary in self._pages("list_memberships", "membershipSummaries", status="ACTIVE")]

    def collaboration_templates(self, collaboration_id: str) -> list[CollaborationTemplate]:
        """The templates of every member, by ListCollaborationPrivacyBudgetTemplates and Get. Raises NotFoundError."""
        summaries = self._pages(
            "list_collaboration_privacy_budget_templates",
            "collaborationPrivacyBudgetTemplateSummaries",
            collaborationIdentifier=collaboration_id,
        )
        templates = []
        for summary in summaries:
            with suppress(NotFoundError):
                response = self._call(
                    "get_collaboration_privacy_budget_template",
                    collaborationIdentifier=collaboration_id,
                    privacyBudgetTemplateIdentifier=summary["id"],
                )
                templates.append(_collaboration_template(response["collaborationPrivacyBudgetTemplate"]))
        return templates

    def collaboration_balances(self, collaboration_id: str, budget_type: str) -> dict[str, list[Balance]]:
        """The balances of every member's budgets of one type, by template id: ListCollaborationPrivacyBudgets. Raises NotFoundError."""
        budgets = self._pages(
            "list_collaboration_privacy_budgets",
            "collaborationPrivacyBudgetSummaries",
            collaborationIdentifier=collaboration_id,
            privacyBudgetType=budget_type,
        )
        return _by_template(budgets)

    def preview(self, membership_id: str, budget: DifferentialPrivacy) -> dict[str, int]:
        """PreviewPrivacyImpact: how many aggregations of each type a budget would allow. Raises AccessDeniedError and ValidationError."""
        response = self._call("preview_privacy_impact", membershipIdentifier=membership_id, parameters=_update_parameters(budget))
        return {entry["type"]: entry["maxCount"] for entry in response["privacyImpact"]["differentialPrivacy"]["aggregations"]}

    def tags(self, arn: str) -> dict[str, str]:
        """ListTagsForResource. Raises NotFoundError."""
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
        region = self.client.meta.region_name
        if region not in REGIONS and not _has_address(self.client.meta.endpoint_url):
            raise UnsupportedRegionError(region)
        return call(self.client, operation, request)


def _has_address(endpoint_url: str) -> bool:
    """Whether the endpoint exists, as in a region that got Clean Rooms after this version."""
    try:
        return bool(socket.getaddrinfo(urlsplit(endpoint_url).hostname, None))
    except OSError:
        return False


def call(client: "BaseClient", operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Call one operation of an AWS client. Raises ServiceError, OutOfTimeError and SupersededError."""
    name = client.meta.method_to_api_mapping[operation]
    try:
        response: dict[str, Any] = getattr(client, operation)(**request)
        return response
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message") or "(the service gave no message)"
        raise _ERRORS.get(code, ServiceError)(name, code, _safe(message, request)) from error
    except BotoCoreError as error:
        raise ServiceError(name, type(error).__name__, _safe(str(error), request)) from error


def _safe(message: str, request: Mapping[str, Any]) -> str:
    """A message without the user's tag values, which may be secrets, and cut to LONGEST_MESSAGE."""
    secrets = {value: key for key, value in request.get("tags", {}).items() if len(value) > 3 and not key.startswith(RESERVED_TAG_PREFIXES)}
    for value in sorted(secrets, key=len, reverse=True):
        for written in (value, json.dumps(value)[1:-1]):
            message = message.replace(written, f"(the value of tag {secrets[value]})")
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"


def _create_parameters(budget: Budget) -> dict[str, Any]:
    parameters = _update_parameters(budget)
    if isinstance(budget, AccessBudget):
        parameters["accessBudget"]["resourceArn"] = budget.resource_arn
    return parameters


def _update_parameters(budget: Budget) -> dict[str, Any]:
    if isinstance(budget, DifferentialPrivacy):
        return {"differentialPrivacy": {"epsilon": budget.epsilon, "usersNoisePerQuery": budget.users_noise_per_query}}
    if isinstance(budget, AccessBudget):
        return {"accessBudget": {"budgetParameters": [_limit_parameter(limit) for limit in budget.limits]}}
    raise TypeError(f"{budget} is found, never created or changed")


def _limit_parameter(limit: AccessLimit) -> dict[str, Any]:
    refresh = {"autoRefresh": limit.auto_refresh.value} if limit.auto_refresh else {}
    return {"type": str(limit.period), "budget": limit.budget, **refresh}


def _template(response: Mapping[str, Any]) -> Template:
    return Template(
        id=response["id"],
        arn=response["arn"],
        membership_id=response["membershipId"],
        membership_arn=response["membershipArn"],
        collaboration_id=response["collaborationId"],
        collaboration_arn=response["collaborationArn"],
        budget=budget_of(response),
        created_at=response["createTime"].timestamp(),
        updated_at=response["updateTime"].timestamp(),
    )


def _collaboration_template(response: Mapping[str, Any]) -> CollaborationTemplate:
    return CollaborationTemplate(
        id=response["id"],
        arn=response["arn"],
        collaboration_id=response["collaborationId"],
        account_id=response["creatorAccountId"],
        budget=budget_of(response),
    )


def _known(values: type[E], answered: str) -> E | str:
    """A value of the service as its enum member; one that this version does not know stays a string."""
    return values(answered) if answered in set(values) else answered


def _refresh_mode(answered: str | None) -> AutoRefreshMode | None:
    """A limit's refresh; None where the service returns none that this version knows."""
    return AutoRefreshMode(answered) if answered in set(AutoRefreshMode) else None


def _by_template(summaries: Iterable[Mapping[str, Any]]) -> dict[str, list[Balance]]:
    """The balances of budgets, by template id."""
    by_template: dict[str, list[Balance]] = {}
    for summary in summaries:
        by_template.setdefault(summary["privacyBudgetTemplateId"], []).extend(_balances(summary["budget"]))
    return by_template


def _balances(budget: Mapping[str, Any]) -> list[Balance]:
    if "differentialPrivacy" in budget:
        aggregations = budget["differentialPrivacy"]["aggregations"]
        return [Balance(entry["type"], entry["remainingCount"], entry["maxCount"]) for entry in aggregations]
    details = budget["accessBudget"]["details"] if "accessBudget" in budget else []
    return [Balance(entry["budgetType"], entry["remainingBudget"], entry["budget"], _timestamp(entry.get("endTime"))) for entry in details]


def _timestamp(answered: datetime | None) -> float | None:
    return answered.timestamp() if answered else None


def budget_of(response: Mapping[str, Any]) -> Budget:
    """The budget of a template as Clean Rooms describes it: its type, parameters and refresh."""
    budget_type, parameters = response["privacyBudgetType"], response["parameters"]
    if budget_type == PrivacyBudgetType.DIFFERENTIAL_PRIVACY and "differentialPrivacy" in parameters:
        return DifferentialPrivacy(
            epsilon=parameters["differentialPrivacy"]["epsilon"],
            users_noise_per_query=parameters["differentialPrivacy"]["usersNoisePerQuery"],
            auto_refresh=_known(AutoRefresh, response.get("autoRefresh") or AutoRefresh.NONE),
        )
    if budget_type == PrivacyBudgetType.ACCESS_BUDGET and "accessBudget" in parameters:
        limits = [
            AccessLimit(_known(AccessBudgetPeriod, limit["type"]), limit["budget"], _refresh_mode(limit.get("autoRefresh")))
            for limit in parameters["accessBudget"]["budgetParameters"]
        ]
        return AccessBudget(resource_arn=parameters["accessBudget"]["resourceArn"], limits=tuple(limits))
    return UnknownBudget(budget_type)
