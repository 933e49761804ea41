"""Clean Rooms as a service of the emulator: found by its name in the signature, allowed by the caller's policies, logged by CloudTrail.

The permissions are checked here and not by the emulator, which lets any request through whose path it does not know, and
would take the operation's name from a header or the query string. Source of actions and resources: "Actions, resources, and
condition keys for AWS Clean Rooms" in the service authorization reference.
"""

import json
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlencode

import botocore.session
from botocore.serialize import create_serializer

from . import emulator
from .clean_rooms import arns, dispatch
from .clean_rooms.models import PrivacyBudgetBackend
from .cloud_trail import Caller, CloudTrail, caller_by_key
from .errors import CleanRoomsCallError

Answer = tuple[int, dict[str, str], bytes]

request_target: ContextVar[str] = ContextVar("request_target")
"""The path and query string of the request being answered, as sent: the emulator gives its services the decoded path only."""

_SPEND: Final = ("POST", "/local/memberships/{membershipIdentifier}/privacybudgettemplates/{privacyBudgetTemplateIdentifier}/spend")
"""The one operation that only the local service has; it is allowed as ``cleanrooms:SpendPrivacyBudget``."""

_ON_TEMPLATES_TOO: Final = frozenset({"CreatePrivacyBudgetTemplate", "ListPrivacyBudgetTemplates"})
"""What has two required resource types: the membership and, whichever they are, its templates."""

_READS: Final = ("Get", "List", "BatchGet", "Preview")

_TYPES: Final = {
    "collaboration": "AWS::CleanRooms::Collaboration",
    "membership": "AWS::CleanRooms::Membership",
    "configuredtable": "AWS::CleanRooms::ConfiguredTable",
    "configuredtableassociation": "AWS::CleanRooms::ConfiguredTableAssociation",
    "privacybudgettemplate": "AWS::CleanRooms::PrivacyBudgetTemplate",
}


@dataclass(frozen=True)
class Permission:
    """An IAM action on a resource."""

    action: str
    resource: str


@dataclass(frozen=True)
class Call:
    """A request to an operation: its name, what its path names, and the request as it was sent."""

    operation: str
    labels: Mapping[str, str]
    method: str
    target: str
    body: bytes


class CleanRoomsService:
    """The service, whoever calls it; every call leaves an event in the trail."""

    def __init__(self, trail: CloudTrail) -> None:
        self._trail = trail

    def install(self) -> None:
        """Register the service with the emulator."""
        emulator.module("core.router").SERVICE_PATTERNS["cleanrooms"] = {}
        emulator.module("app").SERVICE_HANDLERS["cleanrooms"] = self._handle

    def call(self, operation: str, members: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Make a call from within the server, by its members. Raises CleanRoomsCallError."""
        serialized = create_serializer("rest-json", include_validation=False).serialize_to_request(
            members, _model().operation_model(operation)
        )
        query = f"?{urlencode(serialized['query_string'], doseq=True)}" if serialized["query_string"] else ""
        method, target, body = serialized["method"], serialized["url_path"] + query, serialized["body"] or b""
        call = _routed(method, target, body)
        if call is None:
            raise ValueError(f"Clean Rooms has no operation {method} {target}")
        status, headers, answered = self._answer(call, {}, caller)
        answer: dict[str, Any] = json.loads(answered) if answered else {}
        if status >= 400:
            raise CleanRoomsCallError(status, headers.get("X-Amzn-ErrorType", "ResourceNotFoundException"), answer)
        return answer

    async def _handle(
        self,
        method: str,
        _: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, list[str]],
    ) -> Answer:
        """Answer a request whose signature the emulator has checked."""
        responses, router = emulator.module("core.responses"), emulator.module("core.router")
        account, region = responses.get_account_id(), responses.get_region()
        target = request_target.get()
        call = _routed(method, target, body)
        if call is None:
            return _error(404, "UnknownOperationException", f"Clean Rooms has no operation {method} {target.partition('?')[0]}")
        key = router.extract_access_key_id(headers, query) or "test"
        caller = caller_by_key(key, account, responses.get_request_client_ip(), headers.get("user-agent", ""))
        for permission in _required(call, account, region):
            refusal = _refusal(permission, region, headers, body, query)
            if refusal is not None:
                if caller is not None:
                    self._record(call, caller, account, region, refusal)
                return refusal
        answered: Answer = await emulator.module("core.concurrency").run_offloop(partial(self._answer, call, headers, caller))
        return answered

    def _answer(self, call: Call, headers: Mapping[str, str], caller: Caller | None) -> Answer:
        responses = emulator.module("core.responses")
        account, region = responses.get_account_id(), responses.get_region()
        answer = dispatch.answer(call.method, call.target, headers, call.body, account_id=account, region=region)
        if caller is not None:
            self._record(call, caller, account, region, answer)
        return answer

    def _record(self, call: Call, caller: Caller, account: str, region: str, answer: Answer) -> None:
        if call.operation == "SpendPrivacyBudget":
            return
        status, headers, body = answer
        answered = _json(body)
        self._trail.record(
            caller,
            account_id=account,
            region=region,
            source="cleanrooms.amazonaws.com",
            name=call.operation,
            read_only=call.operation.startswith(_READS),
            request=_parameters(call),
            answer=answered,
            error=(headers.get("X-Amzn-ErrorType", str(status)), answered.get("message", "")) if status >= 400 else None,
            resources=_resources(call, account, region, answered),
        )


def required_permissions(method: str, path: str, body: bytes, account: str, region: str) -> list[Permission] | None:
    """All permissions that a request needs; None if it is not an operation of Clean Rooms."""
    call = _routed(method, path, body)
    return None if call is None else _required(call, account, region)


def _required(call: Call, account: str, region: str) -> list[Permission]:
    resource = _resource(call.labels, f"arn:aws:cleanrooms:{region}:{account}")
    permissions = [Permission(f"cleanrooms:{call.operation}", resource)]
    if call.operation in _ON_TEMPLATES_TOO:
        permissions.append(Permission(f"cleanrooms:{call.operation}", f"{resource}/privacybudgettemplate/*"))
    if call.operation == "CreatePrivacyBudgetTemplate" and _json(call.body).get("tags"):
        permissions.append(Permission("cleanrooms:TagResource", f"{resource}/privacybudgettemplate/*"))
    return permissions


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
def _model() -> Any:
    return botocore.session.get_session().get_service_model("cleanrooms")


@cache
def _operations() -> list[tuple[str, re.Pattern[str], str]]:
    """HTTP method, pattern of the path as sent, and name of each operation."""
    found = [
        (operation.http["method"], _pattern(operation.http["requestUri"]), name)
        for name, operation in ((name, _model().operation_model(name)) for name in _model().operation_names)
    ]
    return [*found, (_SPEND[0], _pattern(_SPEND[1]), "SpendPrivacyBudget")]


def _pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", uri.partition("?")[0]))


def _routed(method: str, target: str, body: bytes) -> Call | None:
    """Find the operation that a request is for; None where it is none of Clean Rooms."""
    path = target.partition("?")[0]
    for verb, pattern, operation in _operations():
        match = pattern.fullmatch(path)
        if verb == method and match:
            return Call(operation, {name: unquote(value) for name, value in match.groupdict().items()}, method, target, body)
    return None


def _resource(labels: Mapping[str, str], prefix: str) -> str:
    """The ARN that a policy has to name."""
    match labels:
        case {"resourceArn": arn}:
            return arn
        case {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": template}:
            return f"{prefix}:membership/{membership}/privacybudgettemplate/{template}"
        case {"membershipIdentifier": membership, "configuredTableAssociationIdentifier": association}:
            return f"{prefix}:membership/{membership}/configuredtableassociation/{association}"
        case {"membershipIdentifier": membership}:
            return f"{prefix}:membership/{membership}"
        case {"collaborationIdentifier": collaboration}:
            return f"{prefix}:collaboration/{collaboration}"
        case {"configuredTableIdentifier": table}:
            return f"{prefix}:configuredtable/{table}"
    return "*"


def _parameters(call: Call) -> dict[str, Any]:
    """The members of a request, from wherever they were sent."""
    model = _model().operation_model(call.operation).input_shape
    query = {
        name: values if model.members[name].type_name == "list" else values[-1]
        for name, values in parse_qs(call.target.partition("?")[2]).items()
        if name in model.members
    }
    return {**call.labels, **query, **_json(call.body)}


def _resources(call: Call, account: str, region: str, answer: Mapping[str, Any]) -> list[dict[str, str]]:
    """List what a call was made to: what its path names, the membership above it, and what it created."""
    prefix = f"arn:aws:cleanrooms:{region}:{account}"
    match call.labels:
        case {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": template}:
            named = [arns.template_arn(PrivacyBudgetBackend.settings.arn_form, region, account, membership, template)]
        case _:
            named = [_resource(call.labels, prefix)]
    if "membershipIdentifier" in call.labels:
        named.append(f"{prefix}:membership/{call.labels['membershipIdentifier']}")
    if call.operation.startswith("Create"):
        named += [member["arn"] for member in answer.values() if isinstance(member, dict) and "arn" in member]
    types = {arn: _TYPES.get(re.split("[:/]", arn)[-2]) for arn in named if "/" in arn}
    return [{"accountId": account, "type": type_, "ARN": arn} for arn, type_ in types.items() if type_ is not None]


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
