"""The contract holds what the service takes: compared with botocore's own model, so that neither can move alone."""

from typing import Any

import boto3
import botocore.session
import pytest

from privacy_budget_core import clean_rooms, contract
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import Range
from privacy_budget_core.model import AccessBudget, AccessLimit, DifferentialPrivacy
from tests.support.stack import Backend, Stack, access_budget

MODEL: Any = botocore.session.get_session().get_service_model("cleanrooms")


def shape(name: str) -> Any:
    return MODEL.shape_for(name)


@pytest.mark.parametrize(
    ("name", "range_"),
    [
        ("Epsilon", contract.EPSILON),
        ("UsersNoisePerQuery", contract.USERS_NOISE_PER_QUERY),
        ("Budget", contract.ACCESS_LIMIT_BUDGET),
        ("BudgetParameters", contract.ACCESS_LIMITS),
        ("TagKey", contract.TAG_KEY_LENGTH),
        ("TagValue", contract.TAG_VALUE_LENGTH),
        ("TagMap", Range(0, contract.TAGS_OF_THE_SERVICE)),
    ],
)
def test_ranges_are_the_services(name: str, range_: Range) -> None:
    assert (range_.minimum, range_.maximum) == (shape(name).metadata["min"], shape(name).metadata["max"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PrivacyBudgetType", contract.PrivacyBudgetType),
        ("PrivacyBudgetTemplateAutoRefresh", contract.AutoRefresh),
        ("AccessBudgetType", contract.AccessBudgetPeriod),
        ("AutoRefreshMode", contract.AutoRefreshMode),
    ],
)
def test_values_are_the_services(name: str, values: Any) -> None:
    assert set(values) == set(shape(name).enum)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("MembershipIdentifier", contract._MEMBERSHIP_ID.pattern), ("BudgetedResourceArn", contract._RESOURCE_ARN.pattern)],
)
def test_patterns_take_what_the_services_take(name: str, pattern: str) -> None:
    def plain(text: str) -> str:
        repeated = "(-[0-9a-f]{4}){3}", "-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"
        return text.replace(*repeated).replace("[\\w]", "\\w").replace("[\\d]", "\\d").replace("\\d\\w", "\\w")

    assert plain(pattern) == plain(shape(name).metadata["pattern"])


def test_lengths_are_the_services() -> None:
    assert shape("BudgetedResourceArn").metadata["max"] == contract.RESOURCE_ARN_LENGTH


@pytest.mark.parametrize("kind", ["differentialPrivacy", "accessBudget"])
@pytest.mark.parametrize(
    ("operation", "render"),
    [("CreatePrivacyBudgetTemplate", clean_rooms._create_parameters), ("UpdatePrivacyBudgetTemplate", clean_rooms._update_parameters)],
)
def test_requests_hold_the_members_of_the_services_shapes(operation: str, render: Any, kind: str) -> None:
    budgets = {
        "differentialPrivacy": DifferentialPrivacy(3, 30, contract.AutoRefresh.NONE),
        "accessBudget": AccessBudget("arn", (AccessLimit(contract.AccessBudgetPeriod.CALENDAR_DAY, 1, contract.AutoRefreshMode.ENABLED),)),
    }
    parameters = MODEL.operation_model(operation).input_shape.members["parameters"]
    rendered = render(budgets[kind])
    assert set(rendered) == {kind}
    assert set(rendered[kind]) == set(parameters.members[kind].members)
    for limit in rendered[kind].get("budgetParameters", ()):
        assert set(limit) == set(shape("BudgetParameter").members)


def test_the_regions_are_botocores() -> None:
    """A region without Clean Rooms is named before anything is sent."""
    assert set(boto3.session.Session().get_available_regions("cleanrooms")) == contract.REGIONS


def test_list_privacy_budgets_asks_for_one_table(backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A membership's other budgets are not read for one of them, nor is one read twice in an event."""
    stack, asked = Stack(), list[list[str]]()
    limit = {"Type": "CALENDAR_DAY", "Budget": 10}
    before = access_budget(membership, backend.table(membership), [limit])
    arn = stack.create(before)["PhysicalResourceId"]
    stack.create(access_budget(membership, backend.table(membership, "other"), [limit]), "Other")
    call = CleanRooms._call

    def counted(self: CleanRooms, operation: str, **request: Any) -> dict[str, Any]:
        answer = call(self, operation, **request)
        if operation == "list_privacy_budgets":
            asked.append([budget["privacyBudgetTemplateArn"] for budget in answer["privacyBudgetSummaries"]])
        return answer

    monkeypatch.setattr(CleanRooms, "_call", counted)
    stack.update(arn, before, access_budget(membership, backend.table(membership), [{"Type": "LIFETIME", "Budget": 10}]))
    assert asked == [[arn]]
