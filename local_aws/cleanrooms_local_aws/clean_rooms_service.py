"""Clean Rooms as a service of the emulator: found by its name in the signature, and allowed by the caller's IAM policies.

The permissions are checked here and not by the emulator, which lets any request through whose path it does not know, and
would take the operation's name from a header or the query string. Source of actions and resources: "Actions, resources, and
condition keys for AWS Clean Rooms" in the service authorization reference.
"""

import json
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

import botocore.session

from . import emulator
from .clean_rooms import dispatch

Answer = tuple[int, dict[str, str], bytes]

request_target: ContextVar[str] = ContextVar("request_target")
"""The path and query string of the request being answered, as sent: the emulator gives its services the decoded path only."""

_SPEND: Final = ("POST", "/local/memberships/{membershipIdentifier}/privacybudgettemplates/{privacyBudgetTemplateIdentifier}/spend")
"""The one operation that only the local service has; it is allowed as ``cleanrooms:SpendPrivacyBudget``."""

_ON_TEMPLATES_TOO: Final = frozenset({"CreatePrivacyBudgetTemplate", "ListPrivacyBudgetTemplates"})
"""What has two required resource types: the membership and, whichever they are, its templates."""


@dataclass(frozen=True)
class Permission:
    """An IAM action on a resource."""

    action: str
    resource: str


async def handle(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]) -> Answer:  # noqa: ARG001
    """Answer a request whose signature the emulator has checked."""
    responses = emulator.module("core.responses")
    account, region = responses.get_account_id(), responses.get_region()
    target = request_target.get()
    permissions = required_permissions(method, target.partition("?")[0], body, account, region)
    if permissions is None:
        return _error(404, "UnknownOperationException", f"Clean Rooms has no operation {method} {target.partition('?')[0]}")
    for permission in permissions:
        refusal = _refusal(permission, region, headers, body, query)
        if refusal is not None:
            return refusal
    answered: Answer = await emulator.module("core.concurrency").run_offloop(
        dispatch.answer, method, target, headers, body, account_id=account, region=region
    )
    return answered


def install() -> None:
    """Register the service with the emulator."""
    emulator.module("core.router").SERVICE_PATTERNS["cleanrooms"] = {}
    emulator.module("app").SERVICE_HANDLERS["cleanrooms"] = handle


def required_permissions(method: str, path: str, body: bytes, account: str, region: str) -> list[Permission] | None:
    """Give what a request needs, all of it; None where it is no operation of Clean Rooms."""
    for verb, pattern, operation in _operations():
        match = pattern.fullmatch(path)
        if verb == method and match:
            labels = {name: unquote(value) for name, value in match.groupdict().items()}
            resource = _resource(labels, f"arn:aws:cleanrooms:{region}:{account}")
            permissions = [Permission(f"cleanrooms:{operation}", resource)]
            if operation in _ON_TEMPLATES_TOO:
                permissions.append(Permission(f"cleanrooms:{operation}", f"{resource}/privacybudgettemplate/*"))
            if operation == "CreatePrivacyBudgetTemplate" and _has_tags(body):
                permissions.append(Permission("cleanrooms:TagResource", f"{resource}/privacybudgettemplate/*"))
            return permissions
    return None


def _refusal(permission: Permission, region: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]) -> Answer | None:
    actions = emulator.module("core.iam_actions")
    denied = emulator.module("core.iam_evaluator").enforce(
        emulator.module("core.router").extract_access_key_id(headers, query),
        permission.action,
        "cleanrooms",
        region,
        resource_arn=permission.resource,
        service_context=actions.request_tag_context("cleanrooms", permission.action, body, query),
    )
    if not denied:
        return None
    if hasattr(denied, "code"):
        return _error(403, denied.code, denied.message)
    message = actions.identity_denial_message(permission.action, denied.principal_arn, permission.resource, denied.decision == "Deny")
    return _error(403, "AccessDeniedException", message)


def _error(status: int, code: str, message: str) -> Answer:
    return status, {"Content-Type": "application/json", "X-Amzn-ErrorType": code}, json.dumps({"message": message}).encode()


@cache
def _operations() -> list[tuple[str, re.Pattern[str], str]]:
    """HTTP method, pattern of the path as sent, and name of each operation."""
    model = botocore.session.get_session().get_service_model("cleanrooms")
    found = [
        (operation.http["method"], _pattern(operation.http["requestUri"]), name)
        for name, operation in ((name, model.operation_model(name)) for name in model.operation_names)
    ]
    return [*found, (_SPEND[0], _pattern(_SPEND[1]), "SpendPrivacyBudget")]


def _pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", uri.partition("?")[0]))


def _resource(labels: Mapping[str, str], prefix: str) -> str:
    """Give the ARN that a policy has to name."""
    match labels:
        case {"resourceArn": arn}:
            return arn
        case {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": template}:
            return f"{prefix}:membership/{membership}/privacybudgettemplate/{template}"
        case {"membershipIdentifier": membership}:
            return f"{prefix}:membership/{membership}"
        case {"collaborationIdentifier": collaboration}:
            return f"{prefix}:collaboration/{collaboration}"
    return "*"


def _has_tags(body: bytes) -> bool:
    try:
        request: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(request, dict) and bool(request.get("tags"))
