"""What remains of a privacy budget, and when it is refilled."""

from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.impact import max_counts
from cleanrooms_local_aws.clean_rooms.periods import Period, end_of, start_of
from tests.local_aws.support.clean_rooms import ACCESS_BUDGET, ACCOUNT, DIFFERENTIAL_PRIVACY, Backend, day, epoch, lifetime, month, send


def details(backend: Backend) -> list[dict[str, Any]]:
    (summary,) = backend.budgets(ACCESS_BUDGET)
    return list(summary["budget"]["accessBudget"]["details"])


def test_the_stand_in_reproduces_the_one_known_point() -> None:
    known = {"AVG": 165, "COUNT": 330, "COUNT_DISTINCT": 660, "SUM": 220}
    assert {aggregation: max_counts(10, 30)[aggregation] for aggregation in known} == known


def test_local_counts_grow_with_epsilon_and_noise() -> None:
    for epsilon in range(1, 20):
        for noise in range(10, 100):
            here = max_counts(epsilon, noise)
            for more in (max_counts(epsilon + 1, noise), max_counts(epsilon, noise + 1)):
                assert all(0 < here[aggregation] <= more[aggregation] for aggregation in here)


def test_preview_gives_what_a_budget_then_has(backend: Backend) -> None:
    parameters = {"differentialPrivacy": {"epsilon": 7, "usersNoisePerQuery": 45}}
    answer = backend.client.preview_privacy_impact(membershipIdentifier=backend.membership_id, parameters=parameters)
    previewed = {entry["type"]: entry["maxCount"] for entry in answer["privacyImpact"]["differentialPrivacy"]["aggregations"]}
    backend.create_dp(7, 45)
    assert backend.remaining(DIFFERENTIAL_PRIVACY) == previewed == max_counts(7, 45)


def test_spending_stops_at_an_aggregations_count(backend: Backend) -> None:
    template = backend.create_dp()
    answer = backend.spend(template, type="AVG", count=165)
    assert answer.body["privacyBudgetSummary"]["privacyBudgetTemplateId"] == template["id"]
    assert backend.remaining(DIFFERENTIAL_PRIVACY) == {**max_counts(10, 30), "AVG": 0}
    refusal = backend.spend(template, type="AVG", count=1)
    assert (refusal.status, refusal.body["message"]) == (400, "at most 0 is left of AVG, got 1")


def test_spending_counts_against_all_limits_or_none(backend: Backend) -> None:
    template = backend.create_access(day(5), lifetime(7))
    backend.spend(template, uses=4)
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 1, "LIFETIME": 3}
    assert backend.spend(template, uses=2).body["message"] == "at most 1 is left of CALENDAR_DAY, got 2"
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 1, "LIFETIME": 3}
    assert backend.budgets(ACCESS_BUDGET)[0]["budget"]["accessBudget"]["aggregateRemainingBudget"] == 1


@pytest.mark.parametrize(
    "amount",
    [
        {},
        {"uses": 0},
        {"uses": True},
        {"type": "COUNT"},
        {"type": "COUNT", "count": -1},
        {"type": 1, "count": 1},
        {"type": "MEDIAN", "count": 1},
    ],
)
def test_an_amount_that_cannot_be_spent_is_refused(backend: Backend, amount: dict[str, Any]) -> None:
    assert backend.spend(backend.create_dp(), **amount).code == "ValidationException"


def test_an_amount_of_the_other_kind_is_refused(backend: Backend) -> None:
    assert backend.spend(backend.create_dp(), uses=1).code == "ValidationException"
    assert backend.spend(backend.create_access(), type="COUNT", count=1).code == "ValidationException"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount": 3}', b'{"amount": null}'])
def test_a_spend_without_an_amount_is_refused(backend: Backend, body: bytes) -> None:
    template = backend.create_dp()
    path = f"/local{backend.templates_path}/{template['id']}/spend"
    assert send("POST", path, body).code == "ValidationException"


def test_spending_an_unknown_template_is_not_found(backend: Backend) -> None:
    assert backend.spend({"id": "unknown"}, uses=1).code == "ResourceNotFoundException"


def test_differential_privacy_edit_keeps_consumption(backend: Backend) -> None:
    template = backend.create_dp(10, 30)
    backend.spend(template, type="COUNT", count=300)
    backend.update_dp(template, epsilon=20)
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 660 - 300
    backend.update_dp(template, usersNoisePerQuery=10)
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 0
    backend.update_dp(template, usersNoisePerQuery=30)
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 660 - 300


def test_any_edit_of_an_access_budget_refills_it(backend: Backend) -> None:
    template = backend.create_access(day(5), lifetime(50))
    backend.spend(template, uses=5)
    backend.update_access(template, day(5), lifetime(50))
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 5, "LIFETIME": 50}
    backend.spend(template, uses=5)
    updated = backend.update_access(template, month(9, autoRefresh="DISABLED"))
    assert updated["parameters"]["accessBudget"]["resourceArn"] == backend.table()
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_MONTH": 9}


def test_monthly_differential_privacy_budget_is_refilled(backend: Backend) -> None:
    backend.clock.now = epoch(2026, 1, 31, 23, 59, 59)
    template = backend.create_dp(autoRefresh="CALENDAR_MONTH")
    backend.spend(template, type="COUNT", count=30)
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 300
    backend.clock.now += 1
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330
    assert backend.spend(template, type="COUNT", count=330).status == 200
    backend.clock.now = epoch(2027, 6, 1)
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330


def test_differential_privacy_without_refresh_stays_consumed(backend: Backend) -> None:
    backend.spend(backend.create_dp(), type="COUNT", count=30)
    backend.clock.now += 400 * 86_400
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 300


def test_calendar_limit_alone_is_refilled(backend: Backend) -> None:
    """A lifetime limit is not refilled."""
    template = backend.create_access(day(5), lifetime(50))
    backend.spend(template, uses=5)
    calendar, whole_life = details(backend)
    assert (calendar["startTime"].timestamp(), calendar["endTime"].timestamp()) == (epoch(2026, 5, 20), epoch(2026, 5, 21))
    assert whole_life["startTime"].timestamp() == backend.clock.now
    assert "endTime" not in whole_life
    backend.clock.now = epoch(2026, 5, 21)
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 5, "LIFETIME": 45}
    assert details(backend)[0]["startTime"].timestamp() == epoch(2026, 5, 21)


def test_calendar_limit_without_refresh_keeps_its_period(backend: Backend) -> None:
    template = backend.create_access(day(5, autoRefresh="DISABLED"))
    backend.spend(template, uses=5)
    backend.clock.now += 10 * 86_400
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 0}
    assert details(backend)[0]["autoRefresh"] == "DISABLED"
    assert details(backend)[0]["startTime"].timestamp() == epoch(2026, 5, 20)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.CALENDAR_DAY, epoch(2027, 12, 31), epoch(2028, 1, 1)),
        (Period.CALENDAR_WEEK, epoch(2027, 12, 27), epoch(2028, 1, 3)),
        (Period.CALENDAR_MONTH, epoch(2027, 12, 1), epoch(2028, 1, 1)),
        (Period.LIFETIME, epoch(2027, 12, 31, 12), None),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(period: Period, start: float, end: float | None) -> None:
    assert start_of(period, epoch(2027, 12, 31, 12)) == start
    assert end_of(period, start) == end


def test_february_is_a_month() -> None:
    assert end_of(Period.CALENDAR_MONTH, epoch(2028, 2, 1)) == epoch(2028, 3, 1)


def test_budgets_are_listed_by_kind_and_by_table(backend: Backend) -> None:
    backend.create_dp()
    sales, visits = backend.create_access(table="sales"), backend.create_access(table="visits")
    listed = [summary["privacyBudgetTemplateId"] for summary in backend.budgets(ACCESS_BUDGET)]
    assert listed == [sales["id"], visits["id"]]
    (summary,) = backend.budgets(ACCESS_BUDGET, accessBudgetResourceArn=backend.table("visits"))
    assert summary["privacyBudgetTemplateId"] == visits["id"]
    assert len(backend.budgets(DIFFERENTIAL_PRIVACY)) == 1


def test_collaboration_sees_budgets_with_creator(backend: Backend) -> None:
    template = backend.create_dp()
    collaboration = {"collaborationIdentifier": backend.collaboration_id}
    answer = backend.client.get_collaboration_privacy_budget_template(**collaboration, privacyBudgetTemplateIdentifier=template["id"])
    shared = answer["collaborationPrivacyBudgetTemplate"]
    assert shared["creatorAccountId"] == ACCOUNT
    assert shared["parameters"] == template["parameters"]
    assert "membershipId" not in shared
    answer = backend.client.list_collaboration_privacy_budget_templates(**collaboration)
    assert [entry["id"] for entry in answer["collaborationPrivacyBudgetTemplateSummaries"]] == [template["id"]]
    answer = backend.client.list_collaboration_privacy_budgets(**collaboration, privacyBudgetType=DIFFERENTIAL_PRIVACY)
    (budget,) = answer["collaborationPrivacyBudgetSummaries"]
    assert budget["budget"] == backend.budgets(DIFFERENTIAL_PRIVACY)[0]["budget"]


def test_lists_are_answered_page_by_page(backend: Backend) -> None:
    created = [backend.create_access(table=f"table-{number}")["id"] for number in range(5)]
    for operation, member, key, more in (
        ("list_privacy_budget_templates", "privacyBudgetTemplateSummaries", "id", {}),
        ("list_privacy_budgets", "privacyBudgetSummaries", "privacyBudgetTemplateId", {"privacyBudgetType": ACCESS_BUDGET}),
    ):
        pages = list(
            backend.client.get_paginator(operation).paginate(
                membershipIdentifier=backend.membership_id, PaginationConfig={"PageSize": 2}, **more
            )
        )
        assert [len(page[member]) for page in pages] == [2, 2, 1]
        assert [entry[key] for page in pages for entry in page[member]] == created


def test_page_continues_after_a_deleted_template(backend: Backend) -> None:
    templates = [backend.create_access(table=f"table-{number}") for number in range(3)]
    first = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id, maxResults=2)
    backend.delete(templates[1])
    rest = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id, nextToken=first["nextToken"])
    assert [entry["id"] for entry in rest["privacyBudgetTemplateSummaries"]] == [templates[2]["id"]]
    assert "nextToken" not in rest


def test_foreign_page_token_is_refused(backend: Backend) -> None:
    for number in range(2):
        backend.create_access(table=f"table-{number}")
    token = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id, maxResults=1)["nextToken"]
    budgets = f"/memberships/{backend.membership_id}/privacybudgets?privacyBudgetType=ACCESS_BUDGET&nextToken="
    for wrong in (token, "%FF", "bm9uZQ=="):
        assert send("GET", budgets + wrong).code == "ValidationException"
