"""The lifecycle of privacy budget templates, through boto3."""

from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.exceptions import ConflictException
from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.settings import Settings
from tests.local_aws.support.clean_rooms import (
    ACCESS_BUDGET,
    ACCOUNT,
    DIFFERENTIAL_PRIVACY,
    REGION,
    Rooms,
    day,
    lifetime,
    month,
    refused,
    send,
    tags_path,
)

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_a_created_template_is_answered_as_it_was_declared(rooms: Rooms) -> None:
    template = rooms.create_dp(3, 40, autoRefresh="CALENDAR_MONTH", tags={"team": "ads"})
    assert rooms.get(template) == template
    assert template["parameters"] == {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 40}}
    assert template["autoRefresh"] == "CALENDAR_MONTH"
    assert template["arn"] == f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/{template['id']}"
    assert template["membershipId"] == rooms.membership_id
    assert template["collaborationId"] == rooms.collaboration_id
    assert template["createTime"].timestamp() == rooms.clock.now
    assert rooms.tags(template["arn"]) == {"team": "ads"}


def test_auto_refresh_is_none_where_it_was_left_out(rooms: Rooms) -> None:
    assert rooms.create_dp()["autoRefresh"] == "NONE"
    assert rooms.create_access()["autoRefresh"] == "NONE"


def test_a_calendar_limit_refreshes_where_nothing_was_said_and_a_lifetime_says_nothing(rooms: Rooms) -> None:
    budget = rooms.create_access(day(5), lifetime(50))["parameters"]["accessBudget"]
    assert budget["budgetParameters"] == [day(5, autoRefresh="ENABLED"), lifetime(50)]
    (summary,) = rooms.budgets(ACCESS_BUDGET)
    calendar, whole_life = summary["budget"]["accessBudget"]["details"]
    assert calendar["autoRefresh"] == "ENABLED"
    assert "autoRefresh" not in whole_life


def test_a_second_differential_privacy_template_conflicts_with_the_first(rooms: Rooms) -> None:
    first = rooms.create_dp()
    response = refused(rooms.create_dp, rooms.client, "ConflictException")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert response["reason"] == "ALREADY_EXISTS"
    assert response["resourceId"] == first["id"]


def test_each_membership_has_a_differential_privacy_template_of_its_own(rooms: Rooms) -> None:
    rooms.create_dp()
    rooms.create_dp(membershipIdentifier=rooms.new_membership(rooms.new_collaboration()))


def test_a_second_access_budget_of_one_table_conflicts_and_one_of_another_table_does_not(rooms: Rooms) -> None:
    rooms.create_access(table="sales")
    rooms.create_access(table="visits")
    rooms.create_dp()
    response = refused(lambda: rooms.create_access(day(7), table="sales"), rooms.client, "ConflictException")
    assert response["reason"] == "ALREADY_EXISTS"


def test_a_collaboration_takes_25_access_budgets(rooms: Rooms) -> None:
    for number in range(25):
        rooms.create_access(table=f"table-{number}")
    response = refused(lambda: rooms.create_access(table="one-more"), rooms.client, "ServiceQuotaExceededException")
    assert response["quotaValue"] == 25
    rooms.create_dp()


@pytest.mark.parametrize(
    "limits", [[day(1)], [month(1)], [lifetime(1)], [{"type": "CALENDAR_WEEK", "budget": 1}, lifetime(2)], [lifetime(2), day(0)]]
)
def test_one_calendar_period_or_a_lifetime_or_one_of_each_is_taken(rooms: Rooms, limits: list[dict[str, Any]]) -> None:
    rooms.create_access(*limits)


@pytest.mark.parametrize("limits", [[day(1), month(9)], [day(1), day(2)], [lifetime(1), lifetime(2)], [lifetime(1, autoRefresh="ENABLED")]])
def test_other_limits_are_refused(rooms: Rooms, limits: list[dict[str, Any]]) -> None:
    refused(lambda: rooms.create_access(*limits), rooms.client, "ValidationException")
    template = rooms.create_access()
    refused(lambda: rooms.update_access(template, *limits), rooms.client, "ValidationException")


def test_parameters_of_another_kind_are_refused(rooms: Rooms) -> None:
    template = rooms.create_dp()
    limits = {"accessBudget": {"budgetParameters": [day(1)]}}
    for kind, parameters in (
        (DIFFERENTIAL_PRIVACY, limits),
        (ACCESS_BUDGET, limits),
        (ACCESS_BUDGET, {"differentialPrivacy": {"epsilon": 1}}),
    ):
        answer = send("PATCH", f"{rooms.templates_path}/{template['id']}", {"privacyBudgetType": kind, "parameters": parameters})
        assert answer.code == "ValidationException"
    answer = send("POST", rooms.templates_path, {"privacyBudgetType": ACCESS_BUDGET, "parameters": template["parameters"]})
    assert answer.code == "ValidationException"


def test_an_update_changes_the_parameters_and_nothing_else(rooms: Rooms) -> None:
    template = rooms.create_dp(3, 30, tags={"a": "b"})
    rooms.clock.now += 60
    updated = rooms.update_dp(template, epsilon=5)
    assert updated.pop("parameters") == {"differentialPrivacy": {"epsilon": 5, "usersNoisePerQuery": 30}}
    assert updated.pop("updateTime").timestamp() == rooms.clock.now
    assert updated == {name: value for name, value in template.items() if name not in ("parameters", "updateTime")}
    assert rooms.tags(template["arn"]) == {"a": "b"}


def test_an_update_without_parameters_changes_none(rooms: Rooms) -> None:
    for template in (rooms.create_dp(), rooms.create_access()):
        kind = template["privacyBudgetType"]
        answer = rooms.client.update_privacy_budget_template(**rooms.ids(template), privacyBudgetType=kind)
        assert answer["privacyBudgetTemplate"]["parameters"] == template["parameters"]


def test_epsilon_goes_both_ways_until_querying_begins_and_then_only_up(rooms: Rooms) -> None:
    template = rooms.create_dp(10)
    rooms.update_dp(template, epsilon=4)
    assert rooms.spend(template, type="COUNT", count=1).status == 200
    rooms.update_dp(template, epsilon=6, usersNoisePerQuery=10)
    refused(lambda: rooms.update_dp(template, epsilon=5), rooms.client, "ValidationException")
    assert rooms.get(template)["parameters"] == {"differentialPrivacy": {"epsilon": 6, "usersNoisePerQuery": 10}}


def test_epsilon_stays_a_lower_bound_after_a_refresh(rooms: Rooms) -> None:
    template = rooms.create_dp(10, autoRefresh="CALENDAR_MONTH")
    rooms.spend(template, type="COUNT", count=1)
    rooms.clock.now += 40 * 86_400
    refused(lambda: rooms.update_dp(template, epsilon=5), rooms.client, "ValidationException")


def test_the_error_for_a_lowered_epsilon_can_be_chosen(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "LOWERED_EPSILON", ConflictException)
    template = rooms.create_dp(10)
    rooms.spend(template, type="COUNT", count=1)
    refused(lambda: rooms.update_dp(template, epsilon=5), rooms.client, "ConflictException")


def test_delete_answers_204_and_frees_the_identity(rooms: Rooms) -> None:
    template = rooms.create_dp(tags={"a": "b"})
    rooms.spend(template, type="COUNT", count=7)
    assert rooms.delete(template)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused(lambda: rooms.get(template), rooms.client, "ResourceNotFoundException")
    refused(lambda: rooms.delete(template), rooms.client, "ResourceNotFoundException")
    refused(lambda: rooms.tags(template["arn"]), rooms.client, "ResourceNotFoundException")
    successor = rooms.create_dp()
    assert successor["id"] != template["id"]
    assert rooms.tags(successor["arn"]) == {}
    assert rooms.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330


def test_an_unknown_membership_or_template_is_not_found(rooms: Rooms) -> None:
    template = rooms.create_dp()
    other = rooms.new_membership(rooms.collaboration_id)
    for call in (
        lambda: rooms.create_dp(membershipIdentifier=UNKNOWN),
        lambda: rooms.get({"id": UNKNOWN}),
        lambda: rooms.update_dp({"id": UNKNOWN}, epsilon=3),
        lambda: rooms.client.get_privacy_budget_template(membershipIdentifier=other, privacyBudgetTemplateIdentifier=template["id"]),
        lambda: rooms.client.list_privacy_budget_templates(membershipIdentifier=UNKNOWN),
        lambda: rooms.client.list_privacy_budgets(membershipIdentifier=UNKNOWN, privacyBudgetType=ACCESS_BUDGET),
        lambda: rooms.client.preview_privacy_impact(
            membershipIdentifier=UNKNOWN, parameters={"differentialPrivacy": {"epsilon": 1, "usersNoisePerQuery": 10}}
        ),
        lambda: rooms.client.list_collaboration_privacy_budget_templates(collaborationIdentifier=UNKNOWN),
        lambda: rooms.client.get_collaboration_privacy_budget_template(
            collaborationIdentifier=rooms.collaboration_id, privacyBudgetTemplateIdentifier=UNKNOWN
        ),
    ):
        response = refused(call, rooms.client, "ResourceNotFoundException")
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_another_account_sees_nothing(rooms: Rooms) -> None:
    template = rooms.create_dp()
    path = f"{rooms.templates_path}/{template['id']}"
    assert send("GET", path).status == 200
    assert send("GET", path, account="999988887777").code == "ResourceNotFoundException"


def test_a_membership_with_templates_cannot_be_deleted(rooms: Rooms) -> None:
    template = rooms.create_dp()
    deletions = (
        lambda: rooms.client.delete_membership(membershipIdentifier=rooms.membership_id),
        lambda: rooms.client.delete_collaboration(collaborationIdentifier=rooms.collaboration_id),
    )
    for delete in deletions:
        assert refused(delete, rooms.client, "ConflictException")["reason"] == "SUBRESOURCES_EXIST"
    rooms.delete(template)
    for delete in deletions:
        assert delete()["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_moto_answers_what_it_does_not_find_as_ever(rooms: Rooms) -> None:
    refused(lambda: rooms.client.delete_membership(membershipIdentifier=UNKNOWN), rooms.client, "ResourceNotFoundException")


def test_tags_are_set_replaced_and_removed(rooms: Rooms) -> None:
    arn = rooms.create_dp(tags={"a": "1", "b": "b&Action=Nope&c=d"})["arn"]
    rooms.client.tag_resource(resourceArn=arn, tags={"a": "2", "ü": ""})
    rooms.client.untag_resource(resourceArn=arn, tagKeys=["b", "never there"])
    assert rooms.tags(arn) == {"a": "2", "ü": ""}
    rooms.client.untag_resource(resourceArn=arn, tagKeys=["a", "ü"])
    assert rooms.tags(arn) == {}


def test_a_template_takes_200_tags(rooms: Rooms) -> None:
    arn = rooms.create_dp(tags={f"key-{number}": "" for number in range(199)})["arn"]
    rooms.client.tag_resource(resourceArn=arn, tags={"key-1": "again", "one more": ""})
    refused(lambda: rooms.client.tag_resource(resourceArn=arn, tags={"too many": ""}), rooms.client, "ValidationException")
    assert len(rooms.tags(arn)) == 200


def test_tags_of_an_unknown_template_are_not_found(rooms: Rooms) -> None:
    arn = rooms.create_dp()["arn"]
    for unknown in (arn[:-36] + UNKNOWN, arn.replace(ACCOUNT, "999988887777"), arn.replace(REGION, "us-east-1")):
        for call in (
            lambda unknown=unknown: rooms.tags(unknown),
            lambda unknown=unknown: rooms.client.tag_resource(resourceArn=unknown, tags={"a": "b"}),
            lambda unknown=unknown: rooms.client.untag_resource(resourceArn=unknown, tagKeys=["a"]),
        ):
            refused(call, rooms.client, "ResourceNotFoundException")


def test_other_resources_keep_their_tags(rooms: Rooms) -> None:
    arn = rooms.client.get_membership(membershipIdentifier=rooms.membership_id)["membership"]["arn"]
    rooms.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    rooms.client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert rooms.tags(arn) == {"b": "2"}


class TestIamArns:
    """The longer form of an ARN works in every operation."""

    @pytest.fixture
    def settings(self, iam_form: Settings) -> Settings:
        return iam_form

    def test_every_answer_has_it(self, rooms: Rooms) -> None:
        template = rooms.create_dp(tags={"a": "1"})
        arn = template["arn"]
        assert arn == f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{rooms.membership_id}/privacybudgettemplate/{template['id']}"
        assert len(arn) > 100
        assert rooms.get(template)["arn"] == rooms.update_dp(template, epsilon=12)["arn"] == arn
        assert rooms.budgets(DIFFERENTIAL_PRIVACY)[0]["privacyBudgetTemplateArn"] == arn
        listed = rooms.client.list_privacy_budget_templates(membershipIdentifier=rooms.membership_id)
        assert listed["privacyBudgetTemplateSummaries"][0]["arn"] == arn
        shared = rooms.client.list_collaboration_privacy_budget_templates(collaborationIdentifier=rooms.collaboration_id)
        assert shared["collaborationPrivacyBudgetTemplateSummaries"][0]["arn"] == arn

    def test_tags_are_found_by_either_form(self, rooms: Rooms) -> None:
        template = rooms.create_dp(tags={"a": "1"})
        short = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/{template['id']}"
        for arn in (template["arn"], short):
            rooms.client.tag_resource(resourceArn=arn, tags={"b": arn[-4:]})
            assert rooms.tags(arn) == {"a": "1", "b": arn[-4:]}
            rooms.client.untag_resource(resourceArn=arn, tagKeys=["b"])
        assert send("GET", tags_path(template["arn"])).body == {"tags": {"a": "1"}}

    def test_an_arn_of_another_membership_is_not_found(self, rooms: Rooms) -> None:
        arn = rooms.create_dp()["arn"].replace(rooms.membership_id, UNKNOWN)
        assert send("GET", tags_path(arn)).code == "ResourceNotFoundException"

    def test_the_default_form_is_the_service_models(self) -> None:
        assert Settings().arn_form is ArnForm.SERVICE_MODEL
