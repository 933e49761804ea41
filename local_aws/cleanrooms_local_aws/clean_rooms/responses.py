"""moto's Clean Rooms responses with privacy budgets: from an HTTP request to an operation, and back."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from moto.cleanrooms.responses import CleanRoomsResponse
from moto.core.common_types import TYPE_RESPONSE

from . import request_validation, serializers, spending
from .exceptions import CleanRoomsError
from .models import LOCK, PrivacyBudgetBackend, backend
from .operations import OPERATIONS
from .settings import Moment

SPEND: Final = "SpendPrivacyBudget"
"""The one operation that only the local service has."""
_SPEND_PATH: Final = re.compile(
    r"/local/memberships/(?P<membershipIdentifier>[^/]+)/privacybudgettemplates/(?P<privacyBudgetTemplateIdentifier>[^/]+)/spend"
)
_ANSWERED_WITHOUT_BODY: Final = frozenset({"DeleteCollaboration", "DeleteMembership", "DeleteConfiguredTable"})


class PrivacyBudgetResponse(CleanRoomsResponse):
    """Answers one request: the operations of ``request_validation`` itself, moto's own as moto does."""

    @property
    def cleanrooms_backend(self) -> PrivacyBudgetBackend:
        """The backend of the caller's account and region."""
        return backend(self.current_account, self.region)

    def call_action(self) -> TYPE_RESPONSE:
        """Answer the request."""
        operation = self._get_action()
        try:
            if operation == SPEND:
                return self._respond(200, self._spend())
            if operation in OPERATIONS:
                return self._respond(request_validation.status(operation), self._perform(operation))
            request = self._checked(operation)
            with LOCK:
                status, headers, body = super().call_action()
                if status == 200 and isinstance(body, str):
                    body = self.cleanrooms_backend.attributes.complete(operation, request, body)
        except CleanRoomsError as error:
            self.response_headers["X-Amzn-ErrorType"] = error.code
            return self._respond(error.status, error.body)
        if operation in _ANSWERED_WITHOUT_BODY and status == 200:
            return self._respond(204, {})
        return status, headers, body

    def _get_action(self) -> str:
        """Route by method and path alone: moto would first look for an action in the query string and even in a JSON body."""
        path = self.normalized_request.path
        spend = _SPEND_PATH.fullmatch(path)
        if spend and self.method == "POST":
            self.uri_match = spend.groupdict()
            return SPEND
        routed = request_validation.route(self.method, path)
        if routed is None:
            return self._get_action_from_method_and_request_uri(self.normalized_request)
        operation, self.uri_match = routed
        return operation

    def _perform(self, operation: str) -> Mapping[str, Any]:
        """One of the service's operations. The faults are consulted outside the lock, as they may wait."""
        account_backend = self.cleanrooms_backend
        with LOCK:
            account_backend.quota.take(operation)
        request = request_validation.request(operation, self.uri_match, self.normalized_request.args.to_dict(flat=False), self.body)
        account_backend.settings.faults(operation, Moment.BEFORE_EFFECT)
        with LOCK:
            answer = OPERATIONS[operation](account_backend, request)
        account_backend.settings.faults(operation, Moment.AFTER_EFFECT)
        return answer

    def _checked(self, operation: str) -> Mapping[str, Any]:
        """A request that moto is to answer; empty where the service has no such operation, which is moto's to say."""
        if request_validation.route(self.method, self.normalized_request.path) is None:
            return {}
        return request_validation.request(operation, self.uri_match, self.normalized_request.args.to_dict(flat=False), self.body)

    def _spend(self) -> Mapping[str, Any]:
        """Consume a part of a budget and return the new balance."""
        amount = spending.amount(self.body)
        with LOCK:
            template = self.cleanrooms_backend.ledger.spend(
                self.uri_match["membershipIdentifier"], self.uri_match["privacyBudgetTemplateIdentifier"], amount
            )
            return {"privacyBudgetSummary": serializers.budget_summary(template)}

    def _respond(self, status: int, answer: Mapping[str, Any]) -> TYPE_RESPONSE:
        self.response_headers["Content-Type"] = "application/json"
        headers, body = self._enrich_response(self.response_headers, "" if status == 204 else json.dumps(answer))
        return status, headers, body
