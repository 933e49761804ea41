"""Attributes of collaborations, memberships and configured tables that moto takes and does not keep, or does not let change."""

import json
from collections.abc import Mapping
from typing import Any, Final

_SAME: Final = ("jobLogStatus", "isMetricsEnabled")

_KEPT: Final[Mapping[str, Mapping[str, str]]] = {
    "CreateCollaboration": {
        **dict.fromkeys(_SAME, ""),
        "allowedResultRegions": "",
        "autoApprovedChangeRequestTypes": "autoApprovedChangeTypes",
    },
    "UpdateCollaboration": {"analyticsEngine": ""},
    "CreateMembership": {**dict.fromkeys(_SAME, ""), "defaultJobResultConfiguration": ""},
    "UpdateMembership": {
        "jobLogStatus": "",
        "defaultResultConfiguration": "",
        "defaultJobResultConfiguration": "",
        "membershipPaymentConfiguration": "paymentConfiguration",
    },
    "UpdateConfiguredTable": {"tableReference": "", "allowedColumns": ""},
}
"""By operation, the members of its request that are kept, and their names in an answer where these differ."""

_ANSWERED_IN: Final = ("collaboration", "membership", "configuredTable")


class Attributes:
    """These attributes, by the ARN of what has them."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def complete(self, operation: str, request: Mapping[str, Any], body: str) -> str:
        """Keep what a request gave, and complete moto's answer to it."""
        answer: dict[str, Any] = json.loads(body)
        found = next((answer[member] for member in _ANSWERED_IN if member in answer), None)
        if found is None:
            return body
        kept = _KEPT.get(operation, {})
        given = {kept[name] or name: request[name] for name in kept if name in request}
        if given:
            self.entries.setdefault(found["arn"], {}).update(given)
        found.update(self.entries.get(found["arn"], {}))
        return json.dumps(answer)

    def forget(self, arn: str) -> None:
        """Forget those of what is deleted."""
        self.entries.pop(arn, None)
