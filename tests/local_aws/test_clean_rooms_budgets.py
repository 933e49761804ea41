"""What is left of a privacy budget, and when it starts anew."""

from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.impact import max_counts
from cleanrooms_local_aws.clean_rooms.periods import Period, end_of, start_of
from tests.local_aws.support.clean_rooms import ACCESS_BUDGET, ACCOUNT, DIFFERENTIAL_PRIVACY, Rooms, day, epoch, lifetime, month, send


def details(rooms: Rooms) -> list[dict[str, Any]]:
    (summary,) = rooms.budgets(ACCESS_BUDGET)
    return list(summary["budget"]["accessBudget"]["details"])


def test_the_stand_in_reproduces_the_one_known_point() -> None:
    known = {"AVG": 165, "COUNT": 330, "COUNT_DISTINCT": 660, "SUM": 220}
    assert {aggregation: max_counts(10, 30)[aggregation] for aggregation in known} == known


def test_the_stand_in_grows_with_epsilon_and_with_noise() -> None:
    for epsilon in range(1, 20):
        for noise in range(10, 100):
            here = max_counts(epsilon, noise)
            for more in (max_counts(epsilon + 1, noise), max_counts(epsilon, noise + 1)):
                assert all(0 < here[aggregation] <= more[aggregation] for aggregation in here)


def test_preview_gives_what_a_budget_then_has(rooms: Rooms) -> None:
    parameters = {"differentialPrivacy": {"epsilon": 7, "usersNoisePerQuery": 45}}
    answer = rooms.client.preview_privacy_impact(membershipIdentifier=rooms.membership_id, parameters=parameters)
    previewed = {entry["type"]: entry["maxCount"] for entry in answer["privacyImpact"]["differentialPrivacy"]["aggregations"]}
    rooms.create_dp(7, 45)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY) == previewed == max_counts(7, 45)


def test_spending_takes_from_one_aggregation_up_to_its_count(rooms: Rooms) -> None:
    template = rooms.create_dp()
    answer = rooms.spend(template, type="AVG", count=165)
    assert answer.body["privacyBudgetSummary"]["privacyBudgetTemplateId"] == template["id"]
    assert rooms.remaining(DIFFERENTIAL_PRIVACY) == {**max_counts(10, 30), "AVG": 0}
    refusal = rooms.spend(template, type="AVG", count=1)
    assert (refusal.status, refusal.body["message"]) == (400, "at most 0 is left of AVG, got 1")


def test_spending_counts_against_each_limit_of_a_table_or_none(rooms: Rooms) -> None:
    template = rooms.create_access(day(5), lifetime(7))
    rooms.spend(template, uses=4)
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 1, "LIFETIME": 3}
    assert rooms.spend(template, uses=2).body["message"] == "at most 1 is left of CALENDAR_DAY, got 2"
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 1, "LIFETIME": 3}
    assert rooms.budgets(ACCESS_BUDGET)[0]["budget"]["accessBudget"]["aggregateRemainingBudget"] == 1


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
def test_an_amount_that_cannot_be_spent_is_refused(rooms: Rooms, amount: dict[str, Any]) -> None:
    assert rooms.spend(rooms.create_dp(), **amount).code == "ValidationException"


def test_an_amount_of_the_other_kind_is_refused(rooms: Rooms) -> None:
    assert rooms.spend(rooms.create_dp(), uses=1).code == "ValidationException"
    assert rooms.spend(rooms.create_access(), type="COUNT", count=1).code == "ValidationException"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount": 3}', b'{"amount": null}'])
def test_a_spend_without_an_amount_is_refused(rooms: Rooms, body: bytes) -> None:
    template = rooms.create_dp()
    path = f"/local{rooms.templates_path}/{template['id']}/spend"
    assert send("POST", path, body).code == "ValidationException"


def test_spending_an_unknown_template_is_not_found(rooms: Rooms) -> None:
    assert rooms.spend({"id": "unknown"}, uses=1).code == "ResourceNotFoundException"


def test_an_edit_of_a_differential_privacy_budget_keeps_what_was_spent(rooms: Rooms) -> None:
    template = rooms.create_dp(10, 30)
    rooms.spend(template, type="COUNT", count=300)
    rooms.update_dp(template, epsilon=20)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 660 - 300
    rooms.update_dp(template, usersNoisePerQuery=10)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 0
    rooms.update_dp(template, usersNoisePerQuery=30)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 660 - 300


def test_any_edit_of_an_access_budget_refills_it(rooms: Rooms) -> None:
    template = rooms.create_access(day(5), lifetime(50))
    rooms.spend(template, uses=5)
    rooms.update_access(template, day(5), lifetime(50))
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 5, "LIFETIME": 50}
    rooms.spend(template, uses=5)
    updated = rooms.update_access(template, month(9, autoRefresh="DISABLED"))
    assert updated["parameters"]["accessBudget"]["resourceArn"] == rooms.table()
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_MONTH": 9}


def test_a_monthly_differential_privacy_budget_starts_anew_each_month(rooms: Rooms) -> None:
    rooms.clock.now = epoch(2026, 1, 31, 23, 59, 59)
    template = rooms.create_dp(autoRefresh="CALENDAR_MONTH")
    rooms.spend(template, type="COUNT", count=30)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 300
    rooms.clock.now += 1
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330
    assert rooms.spend(template, type="COUNT", count=330).status == 200
    rooms.clock.now = epoch(2027, 6, 1)
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330


def test_a_differential_privacy_budget_without_refresh_never_starts_anew(rooms: Rooms) -> None:
    rooms.spend(rooms.create_dp(), type="COUNT", count=30)
    rooms.clock.now += 400 * 86_400
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 300


def test_a_calendar_limit_starts_anew_and_a_lifetime_does_not(rooms: Rooms) -> None:
    template = rooms.create_access(day(5), lifetime(50))
    rooms.spend(template, uses=5)
    calendar, whole_life = details(rooms)
    assert (calendar["startTime"].timestamp(), calendar["endTime"].timestamp()) == (epoch(2026, 5, 20), epoch(2026, 5, 21))
    assert whole_life["startTime"].timestamp() == rooms.clock.now
    assert "endTime" not in whole_life
    rooms.clock.now = epoch(2026, 5, 21)
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 5, "LIFETIME": 45}
    assert details(rooms)[0]["startTime"].timestamp() == epoch(2026, 5, 21)


def test_a_calendar_limit_without_refresh_stays_in_its_first_period(rooms: Rooms) -> None:
    template = rooms.create_access(day(5, autoRefresh="DISABLED"))
    rooms.spend(template, uses=5)
    rooms.clock.now += 10 * 86_400
    assert rooms.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 0}
    assert details(rooms)[0]["autoRefresh"] == "DISABLED"
    assert details(rooms)[0]["startTime"].timestamp() == epoch(2026, 5, 20)


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


def test_budgets_are_listed_by_kind_and_by_table(rooms: Rooms) -> None:
    rooms.create_dp()
    sales, visits = rooms.create_access(table="sales"), rooms.create_access(table="visits")
    listed = [summary["privacyBudgetTemplateId"] for summary in rooms.budgets(ACCESS_BUDGET)]
    assert listed == [sales["id"], visits["id"]]
    (summary,) = rooms.budgets(ACCESS_BUDGET, accessBudgetResourceArn=rooms.table("visits"))
    assert summary["privacyBudgetTemplateId"] == visits["id"]
    assert len(rooms.budgets(DIFFERENTIAL_PRIVACY)) == 1


def test_the_collaboration_sees_templates_and_budgets_with_their_creator(rooms: Rooms) -> None:
    template = rooms.create_dp()
    collaboration = {"collaborationIdentifier": rooms.collaboration_id}
    answer = rooms.client.get_collaboration_privacy_budget_template(**collaboration, privacyBudgetTemplateIdentifier=template["id"])
    shared = answer["collaborationPrivacyBudgetTemplate"]
    assert shared["creatorAccountId"] == ACCOUNT
    assert shared["parameters"] == template["parameters"]
    assert "membershipId" not in shared
    answer = rooms.client.list_collaboration_privacy_budget_templates(**collaboration)
    assert [entry["id"] for entry in answer["collaborationPrivacyBudgetTemplateSummaries"]] == [template["id"]]
    answer = rooms.client.list_collaboration_privacy_budgets(**collaboration, privacyBudgetType=DIFFERENTIAL_PRIVACY)
    (budget,) = answer["collaborationPrivacyBudgetSummaries"]
    assert budget["budget"] == rooms.budgets(DIFFERENTIAL_PRIVACY)[0]["budget"]


def test_lists_are_answered_page_by_page(rooms: Rooms) -> None:
    created = [rooms.create_access(table=f"table-{number}")["id"] for number in range(5)]
    for operation, member, key, more in (
        ("list_privacy_budget_templates", "privacyBudgetTemplateSummaries", "id", {}),
        ("list_privacy_budgets", "privacyBudgetSummaries", "privacyBudgetTemplateId", {"privacyBudgetType": ACCESS_BUDGET}),
    ):
        pages = list(
            rooms.client.get_paginator(operation).paginate(
                membershipIdentifier=rooms.membership_id, PaginationConfig={"PageSize": 2}, **more
            )
        )
        assert [len(page[member]) for page in pages] == [2, 2, 1]
        assert [entry[key] for page in pages for entry in page[member]] == created


def test_a_page_goes_on_where_the_last_one_ended_although_that_template_is_gone(rooms: Rooms) -> None:
    templates = [rooms.create_access(table=f"table-{number}") for number in range(3)]
    first = rooms.client.list_privacy_budget_templates(membershipIdentifier=rooms.membership_id, maxResults=2)
    rooms.delete(templates[1])
    rest = rooms.client.list_privacy_budget_templates(membershipIdentifier=rooms.membership_id, nextToken=first["nextToken"])
    assert [entry["id"] for entry in rest["privacyBudgetTemplateSummaries"]] == [templates[2]["id"]]
    assert "nextToken" not in rest


def test_a_token_of_another_list_or_of_none_is_refused(rooms: Rooms) -> None:
    for number in range(2):
        rooms.create_access(table=f"table-{number}")
    token = rooms.client.list_privacy_budget_templates(membershipIdentifier=rooms.membership_id, maxResults=1)["nextToken"]
    budgets = f"/memberships/{rooms.membership_id}/privacybudgets?privacyBudgetType=ACCESS_BUDGET&nextToken="
    for wrong in (token, "%FF", "bm9uZQ=="):
        assert send("GET", budgets + wrong).code == "ValidationException"
