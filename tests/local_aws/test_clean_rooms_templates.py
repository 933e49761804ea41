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
    Backend,
    day,
    lifetime,
    month,
    refused,
    send,
    tags_path,
)

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_created_template_is_as_declared(backend: Backend) -> None:
    template = backend.create_dp(3, 40, autoRefresh="CALENDAR_MONTH", tags={"team": "ads"})
    assert backend.get(template) == template
    assert template["parameters"] == {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 40}}
    assert template["autoRefresh"] == "CALENDAR_MONTH"
    assert template["arn"] == f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/{template['id']}"
    assert template["membershipId"] == backend.membership_id
    assert template["collaborationId"] == backend.collaboration_id
    assert template["createTime"].timestamp() == backend.clock.now
    assert backend.tags(template["arn"]) == {"team": "ads"}


def test_auto_refresh_defaults_to_none(backend: Backend) -> None:
    assert backend.create_dp()["autoRefresh"] == "NONE"
    assert backend.create_access()["autoRefresh"] == "NONE"


def test_limits_refresh_defaults(backend: Backend) -> None:
    """A calendar limit refreshes by default, a lifetime limit has no refresh."""
    budget = backend.create_access(day(5), lifetime(50))["parameters"]["accessBudget"]
    assert budget["budgetParameters"] == [day(5, autoRefresh="ENABLED"), lifetime(50)]
    (summary,) = backend.budgets(ACCESS_BUDGET)
    calendar, whole_life = summary["budget"]["accessBudget"]["details"]
    assert calendar["autoRefresh"] == "ENABLED"
    assert "autoRefresh" not in whole_life


def test_second_differential_privacy_template_conflicts(backend: Backend) -> None:
    first = backend.create_dp()
    response = refused(backend.create_dp, backend.client, "ConflictException")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert response["reason"] == "ALREADY_EXISTS"
    assert response["resourceId"] == first["id"]


def test_memberships_have_separate_differential_privacy_templates(backend: Backend) -> None:
    backend.create_dp()
    backend.create_dp(membershipIdentifier=backend.new_membership(backend.new_collaboration()))


def test_second_access_budget_of_a_table_conflicts(backend: Backend) -> None:
    """One of another table does not."""
    backend.create_access(table="sales")
    backend.create_access(table="visits")
    backend.create_dp()
    response = refused(lambda: backend.create_access(day(7), table="sales"), backend.client, "ConflictException")
    assert response["reason"] == "ALREADY_EXISTS"


def test_a_collaboration_takes_25_access_budgets(backend: Backend) -> None:
    for number in range(25):
        backend.create_access(table=f"table-{number}")
    response = refused(lambda: backend.create_access(table="one-more"), backend.client, "ServiceQuotaExceededException")
    assert response["quotaValue"] == 25
    backend.create_dp()


@pytest.mark.parametrize(
    "limits", [[day(1)], [month(1)], [lifetime(1)], [{"type": "CALENDAR_WEEK", "budget": 1}, lifetime(2)], [lifetime(2), day(0)]]
)
def test_accepted_combinations_of_limits(backend: Backend, limits: list[dict[str, Any]]) -> None:
    """One calendar period, a lifetime, or one of each is accepted."""
    backend.create_access(*limits)


@pytest.mark.parametrize("limits", [[day(1), month(9)], [day(1), day(2)], [lifetime(1), lifetime(2)], [lifetime(1, autoRefresh="ENABLED")]])
def test_other_limits_are_refused(backend: Backend, limits: list[dict[str, Any]]) -> None:
    refused(lambda: backend.create_access(*limits), backend.client, "ValidationException")
    template = backend.create_access()
    refused(lambda: backend.update_access(template, *limits), backend.client, "ValidationException")


def test_parameters_of_another_kind_are_refused(backend: Backend) -> None:
    template = backend.create_dp()
    limits = {"accessBudget": {"budgetParameters": [day(1)]}}
    for kind, parameters in (
        (DIFFERENTIAL_PRIVACY, limits),
        (ACCESS_BUDGET, limits),
        (ACCESS_BUDGET, {"differentialPrivacy": {"epsilon": 1}}),
    ):
        answer = send("PATCH", f"{backend.templates_path}/{template['id']}", {"privacyBudgetType": kind, "parameters": parameters})
        assert answer.code == "ValidationException"
    answer = send("POST", backend.templates_path, {"privacyBudgetType": ACCESS_BUDGET, "parameters": template["parameters"]})
    assert answer.code == "ValidationException"


def test_an_update_changes_the_parameters_and_nothing_else(backend: Backend) -> None:
    template = backend.create_dp(3, 30, tags={"a": "b"})
    backend.clock.now += 60
    updated = backend.update_dp(template, epsilon=5)
    assert updated.pop("parameters") == {"differentialPrivacy": {"epsilon": 5, "usersNoisePerQuery": 30}}
    assert updated.pop("updateTime").timestamp() == backend.clock.now
    assert updated == {name: value for name, value in template.items() if name not in ("parameters", "updateTime")}
    assert backend.tags(template["arn"]) == {"a": "b"}


def test_an_update_without_parameters_changes_none(backend: Backend) -> None:
    for template in (backend.create_dp(), backend.create_access()):
        kind = template["privacyBudgetType"]
        answer = backend.client.update_privacy_budget_template(**backend.ids(template), privacyBudgetType=kind)
        assert answer["privacyBudgetTemplate"]["parameters"] == template["parameters"]


def test_epsilon_only_rises_after_querying(backend: Backend) -> None:
    """Before the first query it may also be lowered."""
    template = backend.create_dp(10)
    backend.update_dp(template, epsilon=4)
    assert backend.spend(template, type="COUNT", count=1).status == 200
    backend.update_dp(template, epsilon=6, usersNoisePerQuery=10)
    refused(lambda: backend.update_dp(template, epsilon=5), backend.client, "ValidationException")
    assert backend.get(template)["parameters"] == {"differentialPrivacy": {"epsilon": 6, "usersNoisePerQuery": 10}}


def test_epsilon_stays_a_lower_bound_after_a_refresh(backend: Backend) -> None:
    template = backend.create_dp(10, autoRefresh="CALENDAR_MONTH")
    backend.spend(template, type="COUNT", count=1)
    backend.clock.now += 40 * 86_400
    refused(lambda: backend.update_dp(template, epsilon=5), backend.client, "ValidationException")


def test_error_for_lowered_epsilon_is_configurable(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "LOWERED_EPSILON", ConflictException)
    template = backend.create_dp(10)
    backend.spend(template, type="COUNT", count=1)
    refused(lambda: backend.update_dp(template, epsilon=5), backend.client, "ConflictException")


def test_delete_answers_204_and_frees_the_identity(backend: Backend) -> None:
    template = backend.create_dp(tags={"a": "b"})
    backend.spend(template, type="COUNT", count=7)
    assert backend.delete(template)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused(lambda: backend.get(template), backend.client, "ResourceNotFoundException")
    refused(lambda: backend.delete(template), backend.client, "ResourceNotFoundException")
    refused(lambda: backend.tags(template["arn"]), backend.client, "ResourceNotFoundException")
    successor = backend.create_dp()
    assert successor["id"] != template["id"]
    assert backend.tags(successor["arn"]) == {}
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330


def test_an_unknown_membership_or_template_is_not_found(backend: Backend) -> None:
    template = backend.create_dp()
    other = backend.new_membership(backend.collaboration_id)
    for call in (
        lambda: backend.create_dp(membershipIdentifier=UNKNOWN),
        lambda: backend.get({"id": UNKNOWN}),
        lambda: backend.update_dp({"id": UNKNOWN}, epsilon=3),
        lambda: backend.client.get_privacy_budget_template(membershipIdentifier=other, privacyBudgetTemplateIdentifier=template["id"]),
        lambda: backend.client.list_privacy_budget_templates(membershipIdentifier=UNKNOWN),
        lambda: backend.client.list_privacy_budgets(membershipIdentifier=UNKNOWN, privacyBudgetType=ACCESS_BUDGET),
        lambda: backend.client.preview_privacy_impact(
            membershipIdentifier=UNKNOWN, parameters={"differentialPrivacy": {"epsilon": 1, "usersNoisePerQuery": 10}}
        ),
        lambda: backend.client.list_collaboration_privacy_budget_templates(collaborationIdentifier=UNKNOWN),
        lambda: backend.client.get_collaboration_privacy_budget_template(
            collaborationIdentifier=backend.collaboration_id, privacyBudgetTemplateIdentifier=UNKNOWN
        ),
    ):
        response = refused(call, backend.client, "ResourceNotFoundException")
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_another_account_sees_nothing(backend: Backend) -> None:
    template = backend.create_dp()
    path = f"{backend.templates_path}/{template['id']}"
    assert send("GET", path).status == 200
    assert send("GET", path, account="999988887777").code == "ResourceNotFoundException"


def test_a_membership_with_templates_cannot_be_deleted(backend: Backend) -> None:
    template = backend.create_dp()
    deletions = (
        lambda: backend.client.delete_membership(membershipIdentifier=backend.membership_id),
        lambda: backend.client.delete_collaboration(collaborationIdentifier=backend.collaboration_id),
    )
    for delete in deletions:
        assert refused(delete, backend.client, "ConflictException")["reason"] == "SUBRESOURCES_EXIST"
    backend.delete(template)
    for delete in deletions:
        assert delete()["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_motos_not_found_answers_are_unchanged(backend: Backend) -> None:
    refused(lambda: backend.client.delete_membership(membershipIdentifier=UNKNOWN), backend.client, "ResourceNotFoundException")


def test_tags_are_set_replaced_and_removed(backend: Backend) -> None:
    arn = backend.create_dp(tags={"a": "1", "b": "b&Action=Nope&c=d"})["arn"]
    backend.client.tag_resource(resourceArn=arn, tags={"a": "2", "ü": ""})
    backend.client.untag_resource(resourceArn=arn, tagKeys=["b", "never there"])
    assert backend.tags(arn) == {"a": "2", "ü": ""}
    backend.client.untag_resource(resourceArn=arn, tagKeys=["a", "ü"])
    assert backend.tags(arn) == {}


def test_a_template_takes_200_tags(backend: Backend) -> None:
    arn = backend.create_dp(tags={f"key-{number}": "" for number in range(199)})["arn"]
    backend.client.tag_resource(resourceArn=arn, tags={"key-1": "again", "one more": ""})
    refused(lambda: backend.client.tag_resource(resourceArn=arn, tags={"too many": ""}), backend.client, "ValidationException")
    assert len(backend.tags(arn)) == 200


def test_tags_of_an_unknown_template_are_not_found(backend: Backend) -> None:
    arn = backend.create_dp()["arn"]
    for unknown in (arn[:-36] + UNKNOWN, arn.replace(ACCOUNT, "999988887777"), arn.replace(REGION, "us-east-1")):
        for call in (
            lambda unknown=unknown: backend.tags(unknown),
            lambda unknown=unknown: backend.client.tag_resource(resourceArn=unknown, tags={"a": "b"}),
            lambda unknown=unknown: backend.client.untag_resource(resourceArn=unknown, tagKeys=["a"]),
        ):
            refused(call, backend.client, "ResourceNotFoundException")


def test_other_resources_keep_their_tags(backend: Backend) -> None:
    arn = backend.client.get_membership(membershipIdentifier=backend.membership_id)["membership"]["arn"]
    backend.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    backend.client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert backend.tags(arn) == {"b": "2"}


class TestIamArns:
    """The longer form of an ARN works in every operation."""

    @pytest.fixture
    def settings(self, iam_form: Settings) -> Settings:
        return iam_form

    def test_every_answer_has_it(self, backend: Backend) -> None:
        template = backend.create_dp(tags={"a": "1"})
        arn = template["arn"]
        assert arn == f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{backend.membership_id}/privacybudgettemplate/{template['id']}"
        assert len(arn) > 100
        assert backend.get(template)["arn"] == backend.update_dp(template, epsilon=12)["arn"] == arn
        assert backend.budgets(DIFFERENTIAL_PRIVACY)[0]["privacyBudgetTemplateArn"] == arn
        listed = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id)
        assert listed["privacyBudgetTemplateSummaries"][0]["arn"] == arn
        shared = backend.client.list_collaboration_privacy_budget_templates(collaborationIdentifier=backend.collaboration_id)
        assert shared["collaborationPrivacyBudgetTemplateSummaries"][0]["arn"] == arn

    def test_tags_are_found_by_either_form(self, backend: Backend) -> None:
        template = backend.create_dp(tags={"a": "1"})
        short = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:privacybudgettemplate/{template['id']}"
        for arn in (template["arn"], short):
            backend.client.tag_resource(resourceArn=arn, tags={"b": arn[-4:]})
            assert backend.tags(arn) == {"a": "1", "b": arn[-4:]}
            backend.client.untag_resource(resourceArn=arn, tagKeys=["b"])
        assert send("GET", tags_path(template["arn"])).body == {"tags": {"a": "1"}}

    def test_an_arn_of_another_membership_is_not_found(self, backend: Backend) -> None:
        arn = backend.create_dp()["arn"].replace(backend.membership_id, UNKNOWN)
        assert send("GET", tags_path(arn)).code == "ResourceNotFoundException"

    def test_the_default_form_is_the_service_models(self) -> None:
        assert Settings().arn_form is ArnForm.SERVICE_MODEL
