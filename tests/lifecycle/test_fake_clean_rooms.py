"""The fake Clean Rooms responds as boto3 and the local service do: the lifecycle model and the plan rest on it."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Settings
from cleanrooms_local_aws.clean_rooms.spending import Aggregations, TableUses
from cleanrooms_local_aws.clean_rooms.templates import Membership
from tests.fakes.fake_clean_rooms import FakeClient, FaultPlan
from tests.support.deployed_clean_rooms import new_membership
from tests.support.stack import ACCOUNT, REGION, serve

NOON = 1_780_000_000.0
UNKNOWN = "99999999-1111-4222-8333-444444444444"
TYPES = ("DIFFERENTIAL_PRIVACY", "ACCESS_BUDGET")


class Pair:
    """Both services, with the same memberships. The ids of templates differ, so answers are compared by the order of creation."""

    def __init__(self) -> None:
        self.real: Any = boto3.client("cleanrooms", region_name=REGION)
        serve(self.real)
        self.memberships = [new_membership(self.real) for _ in range(2)]
        held = {
            one["id"]: Membership(one["id"], one["arn"], one["collaborationId"], one["collaborationArn"])
            for one in (self.real.get_membership(membershipIdentifier=id_)["membership"] for id_ in self.memberships)
        }
        self.ledger = Ledger(ACCOUNT, REGION, held.get, lambda: NOON)
        self.fake: Any = FakeClient(self.ledger, FaultPlan())
        self.ids: dict[str, list[str]] = {"fake": [], "real": []}

    def ask(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Both answers, which must be the same."""
        answers = {name: self._ask(name, operation, request) for name in ("fake", "real")}
        for name, answer in answers.items():
            if operation == "create_privacy_budget_template" and "privacyBudgetTemplate" in answer:
                self.ids[name].append(answer["privacyBudgetTemplate"]["id"])
        same = {name: self._by_number(name, answer) for name, answer in answers.items()}
        assert same["fake"] == same["real"], (operation, request)
        return answers["fake"]

    def _ask(self, name: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(getattr(self, name), operation)(**self._with_ids(name, request))
        except ClientError as error:
            return {"error": error.response["Error"]}
        answer.pop("ResponseMetadata", None)
        return answer

    def _with_ids(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """A request in which ``#2`` stands for the id of the third template."""
        given = {key: value for key, value in request.items() if value is not None}
        for key in ("privacyBudgetTemplateIdentifier", "resourceArn"):
            if str(given.get(key, "")).startswith("#"):
                id_ = self.ids[name][int(given[key][1:])]
                prefix = "" if key == "privacyBudgetTemplateIdentifier" else f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/"
                given[key] = prefix + id_
        return given

    def _by_number(self, name: str, answer: Any) -> Any:
        if isinstance(answer, Mapping):
            own_id = {"id"} if "privacyBudgetTemplateId" in answer else set()
            kept = {key: value for key, value in answer.items() if not key.endswith("Time") and key not in own_id}
            return {key: self._by_number(name, value) for key, value in kept.items()}
        if isinstance(answer, list):
            return [self._by_number(name, value) for value in answer]
        if isinstance(answer, str):
            for number, id_ in enumerate(self.ids[name]):
                answer = answer.replace(id_, f"#{number}")
        return answer


@pytest.fixture
def pair() -> Iterator[Pair]:
    cleanrooms_backends.clear()
    clean_rooms.install()
    PrivacyBudgetBackend.settings = Settings(clock=lambda: NOON)
    yield Pair()
    cleanrooms_backends.clear()
    PrivacyBudgetBackend.settings = Settings()


def parameters(chance: random.Random, type_: str, membership: str, creates: bool) -> dict[str, Any]:
    if type_ == "DIFFERENTIAL_PRIVACY":
        return {"differentialPrivacy": {"epsilon": chance.choice([1, 3, 5, 20]), "usersNoisePerQuery": chance.choice([10, 30, 100])}}
    day = {"type": "CALENDAR_DAY", "budget": chance.choice([0, 7, 100]), "autoRefresh": chance.choice(["ENABLED", "DISABLED"])}
    week, lifetime = {"type": "CALENDAR_WEEK", "budget": 10}, {"type": "LIFETIME", "budget": 1000}
    limits = chance.choice([[day], [lifetime], [day, lifetime], [week, day], [lifetime, lifetime]])
    table = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{membership}/configuredtableassociation/{chance.choice('ab')}"
    return {"accessBudget": {"budgetParameters": limits, **({"resourceArn": table} if creates else {})}}


def request(chance: random.Random, pair: Pair) -> tuple[str, dict[str, Any]]:
    membership = chance.choice([*pair.memberships * 3, UNKNOWN])
    made = len(pair.ids["fake"])
    one = f"#{chance.randrange(made)}" if made and chance.random() < 0.9 else UNKNOWN
    arn = one if one.startswith("#") else f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/{UNKNOWN}"
    type_ = chance.choice(TYPES)
    ids = {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": one}
    tags = {chance.choice("xyz"): chance.choice(["", "1"])}
    operations: dict[str, dict[str, Any]] = {
        "create_privacy_budget_template": {
            "membershipIdentifier": membership,
            "privacyBudgetType": type_,
            "autoRefresh": chance.choice(["NONE", "CALENDAR_MONTH"]) if type_ == "DIFFERENTIAL_PRIVACY" else None,
            "parameters": parameters(chance, type_, membership, creates=True),
            "tags": tags,
        },
        "get_privacy_budget_template": ids,
        "update_privacy_budget_template": {
            **ids,
            "privacyBudgetType": type_,
            "parameters": parameters(chance, type_, membership, creates=False),
        },
        "delete_privacy_budget_template": ids,
        "list_privacy_budget_templates": {"membershipIdentifier": membership},
        "list_privacy_budgets": {"membershipIdentifier": membership, "privacyBudgetType": type_},
        "preview_privacy_impact": {
            "membershipIdentifier": membership,
            "parameters": parameters(chance, "DIFFERENTIAL_PRIVACY", membership, creates=True),
        },
        "tag_resource": {"resourceArn": arn, "tags": tags},
        "untag_resource": {"resourceArn": arn, "tagKeys": list(tags)},
        "list_tags_for_resource": {"resourceArn": arn},
    }
    weights = [6, 3, 5, 2, 3, 3, 1, 2, 1, 2]
    operation = chance.choices(list(operations), weights)[0]
    return operation, operations[operation]


@pytest.mark.parametrize("seed", range(8))
def test_both_answer_the_same_to_random_requests(pair: Pair, seed: int) -> None:
    chance = random.Random(seed)
    answered = set()
    for _ in range(150):
        operation, asked = request(chance, pair)
        answer = pair.ask(operation, asked)
        answered.add((operation, answer.get("error", {}).get("Code", "answered")))
        if chance.random() < 0.1 and pair.ids["fake"]:
            spend(chance, pair)
    assert {operation for operation, code in answered if code == "answered"} >= {"create_privacy_budget_template", "tag_resource"}
    assert len(answered) > 12


def spend(chance: random.Random, pair: Pair) -> None:
    """Consume the same of one budget on both sides, where something is left."""
    number = chance.randrange(len(pair.ids["fake"]))
    fake = pair.ledger._templates.get(pair.ids["fake"][number])
    if fake is None or not all(meter.remaining for meter in fake.meters.values()):
        return
    backend: Any = cleanrooms_backends[ACCOUNT][REGION]
    amount = TableUses(1) if fake.resource_arn else Aggregations("COUNT", 1)
    for ledger, name in ((pair.ledger, "fake"), (backend.ledger, "real")):
        ledger.spend(fake.membership.id, pair.ids[name][number], amount)
