"""A local Clean Rooms for these tests: boto3 through moto, raw requests through ``dispatch``, and a clock that stands still."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import boto3

from cleanrooms_local_aws.clean_rooms import dispatch, request_validation
from cleanrooms_local_aws.clean_rooms.settings import Moment

ACCOUNT = "123456789012"
REGION = "eu-west-1"

DIFFERENTIAL_PRIVACY = "DIFFERENTIAL_PRIVACY"
ACCESS_BUDGET = "ACCESS_BUDGET"


def epoch(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@dataclass
class Clock:
    now: float = field(default_factory=lambda: epoch(2026, 5, 20, 10))

    def __call__(self) -> float:
        return self.now


@dataclass
class Faults:
    """Raises ``error`` at the next call of ``operation``, once."""

    operation: str = ""
    moment: Moment = Moment.BEFORE_EFFECT
    error: Exception | None = None

    def __call__(self, operation: str, moment: Moment) -> None:
        if self.error is not None and (operation, moment) == (self.operation, self.moment):
            error, self.error = self.error, None
            raise error


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        return self.headers["X-Amzn-ErrorType"]


@dataclass
class Backend:
    """The local service as one account sees it, with one membership."""

    clock: Clock
    faults: Faults

    def __post_init__(self) -> None:
        self.client = checked_client()
        self.collaboration_id = self.new_collaboration()
        self.membership_id = self.new_membership(self.collaboration_id)

    def new_collaboration(self) -> str:
        answer = self.client.create_collaboration(
            members=[],
            name="lab",
            description="for tests",
            creatorMemberAbilities=["CAN_QUERY"],
            creatorDisplayName="tester",
            queryLogStatus="DISABLED",
        )
        return str(answer["collaboration"]["id"])

    def new_membership(self, collaboration_id: str) -> str:
        answer = self.client.create_membership(collaborationIdentifier=collaboration_id, queryLogStatus="DISABLED")
        return str(answer["membership"]["id"])

    def table(self, name: str = "sales") -> str:
        return f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{self.membership_id}/configuredtableassociation/{name}"

    def create_dp(self, epsilon: int = 10, noise: int = 30, **more: Any) -> dict[str, Any]:
        return self._template(
            self.client.create_privacy_budget_template(
                **{
                    "membershipIdentifier": self.membership_id,
                    "privacyBudgetType": DIFFERENTIAL_PRIVACY,
                    "parameters": {"differentialPrivacy": {"epsilon": epsilon, "usersNoisePerQuery": noise}},
                    **more,
                }
            )
        )

    def create_access(self, *limits: Mapping[str, Any], table: str = "sales", **more: Any) -> dict[str, Any]:
        budget = {"resourceArn": self.table(table), "budgetParameters": list(limits) or [day(100)]}
        return self._template(
            self.client.create_privacy_budget_template(
                membershipIdentifier=self.membership_id,
                privacyBudgetType=ACCESS_BUDGET,
                parameters={"accessBudget": budget},
                **more,
            )
        )

    def get(self, template: Mapping[str, Any]) -> dict[str, Any]:
        return self._template(self.client.get_privacy_budget_template(**self.ids(template)))

    def update_dp(self, template: Mapping[str, Any], **parameters: int) -> dict[str, Any]:
        return self._template(
            self.client.update_privacy_budget_template(
                **self.ids(template), privacyBudgetType=DIFFERENTIAL_PRIVACY, parameters={"differentialPrivacy": parameters}
            )
        )

    def update_access(self, template: Mapping[str, Any], *limits: Mapping[str, Any]) -> dict[str, Any]:
        return self._template(
            self.client.update_privacy_budget_template(
                **self.ids(template),
                privacyBudgetType=ACCESS_BUDGET,
                parameters={"accessBudget": {"budgetParameters": list(limits)}},
            )
        )

    def delete(self, template: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.client.delete_privacy_budget_template(**self.ids(template)))

    def budgets(self, budget_type: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.client.list_privacy_budgets(membershipIdentifier=self.membership_id, privacyBudgetType=budget_type, **more)
        return list(answer["privacyBudgetSummaries"])

    def remaining(self, budget_type: str) -> dict[str, int]:
        """What remains of the one budget of this type, by aggregation or by period."""
        (summary,) = self.budgets(budget_type)
        if budget_type == DIFFERENTIAL_PRIVACY:
            return {entry["type"]: entry["remainingCount"] for entry in summary["budget"]["differentialPrivacy"]["aggregations"]}
        return {entry["budgetType"]: entry["remainingBudget"] for entry in summary["budget"]["accessBudget"]["details"]}

    def spend(self, template: Mapping[str, Any], **amount: Any) -> Answered:
        path = f"/local/memberships/{self.membership_id}/privacybudgettemplates/{template['id']}/spend"
        return send("POST", path, {"amount": amount})

    def tags(self, arn: str) -> dict[str, str]:
        return dict(self.client.list_tags_for_resource(resourceArn=arn)["tags"])

    def ids(self, template: Mapping[str, Any]) -> dict[str, str]:
        return {"membershipIdentifier": self.membership_id, "privacyBudgetTemplateIdentifier": template["id"]}

    @property
    def templates_path(self) -> str:
        return f"/memberships/{self.membership_id}/privacybudgettemplates"

    @staticmethod
    def _template(answer: Mapping[str, Any]) -> dict[str, Any]:
        return dict(answer["privacyBudgetTemplate"])


@cache
def checked_client() -> Any:
    """A client of the local service, made once, whose every answer is checked against the service model."""

    def check(response_dict: Mapping[str, Any], event_name: str, **_: object) -> None:
        operation = event_name.rpartition(".")[2]
        assert_conforms(operation, response_dict["status_code"], response_dict["headers"], response_dict["body"])

    client = boto3.client("cleanrooms", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    client.meta.events.register("response-received.cleanrooms", check)
    return client


def assert_conforms(operation: str, status: int, headers: Mapping[str, str], raw: bytes) -> None:
    """An answer is as the service model says, in status and in every member."""
    if "X-Amzn-ErrorType" in headers:
        assert request_validation.error_faults(headers["X-Amzn-ErrorType"], status, json.loads(raw)) == []
    elif operation in request_validation.OPERATIONS:
        assert status == request_validation.status(operation)
        assert request_validation.answer_faults(operation, json.loads(raw) if raw else {}) == []


def send(method: str, path: str, body: Any = None, *, account: str = ACCOUNT, headers: Mapping[str, str] | None = None) -> Answered:
    """A request of any content, past all that botocore would check; a ``bytes`` body is sent as it is."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    status, sent, answer = dispatch.answer(
        method, path, {"Content-Type": "application/json", **(headers or {})}, raw, account_id=account, region=REGION
    )
    routed = request_validation.route(method, path.split("?", maxsplit=1)[0])
    if routed or status >= 400:
        assert_conforms(routed[0] if routed else "", status, sent, answer)
    return Answered(status, sent, json.loads(answer) if answer else None)


def tags_path(arn: str) -> str:
    return f"/tags/{quote(arn, safe='')}"


def day(budget: int, **more: str) -> dict[str, Any]:
    return {"type": "CALENDAR_DAY", "budget": budget, **more}


def month(budget: int, **more: str) -> dict[str, Any]:
    return {"type": "CALENDAR_MONTH", "budget": budget, **more}


def lifetime(budget: int, **more: str) -> dict[str, Any]:
    return {"type": "LIFETIME", "budget": budget, **more}


def refused(call: Callable[[], object], client: Any, error: str) -> dict[str, Any]:
    """What the error answer of this call says; it must be of this type."""
    try:
        call()
    except getattr(client.exceptions, error) as raised:
        return dict(raised.response)
    raise AssertionError(f"the call went through, but should have been refused by {error}")
