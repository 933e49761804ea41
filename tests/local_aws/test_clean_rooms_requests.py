"""Requests that the service model does not allow, sent past botocore's own checks, and how the local service behaves under load."""

from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms import exceptions, request_validation
from cleanrooms_local_aws.clean_rooms.exceptions import CleanRoomsError, InternalServerException
from cleanrooms_local_aws.clean_rooms.operations import OPERATIONS
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from tests.local_aws.support.clean_rooms import Backend, Clock, Faults, refused, send, tags_path

PARAMETERS = {"differentialPrivacy": {"epsilon": 10, "usersNoisePerQuery": 30}}
REQUEST: dict[str, Any] = {"privacyBudgetType": "DIFFERENTIAL_PRIVACY", "parameters": PARAMETERS}


def dp(**parameters: object) -> dict[str, Any]:
    return {**REQUEST, "parameters": {"differentialPrivacy": {**PARAMETERS["differentialPrivacy"], **parameters}}}


def access(**budget: object) -> dict[str, Any]:
    limits = [{"type": "CALENDAR_DAY", "budget": 1}]
    arn = "arn:aws:cleanrooms:eu-west-1:123456789012:membership/m/configuredtableassociation/t"
    whole = {"budgetParameters": limits, "resourceArn": arn, **budget}
    return {"privacyBudgetType": "ACCESS_BUDGET", "parameters": {"accessBudget": whole}}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (dp(epsilon=21), "parameters.differentialPrivacy.epsilon", "must be at most 20, got 21"),
    (dp(epsilon=0), "parameters.differentialPrivacy.epsilon", "must be at least 1, got 0"),
    (dp(epsilon="5"), "parameters.differentialPrivacy.epsilon", "must be a whole number, got '5'"),
    (dp(epsilon=5.0), "parameters.differentialPrivacy.epsilon", "must be a whole number, got 5.0"),
    (dp(epsilon=True), "parameters.differentialPrivacy.epsilon", "must be a whole number, got True"),
    (dp(usersNoisePerQuery=101), "parameters.differentialPrivacy.usersNoisePerQuery", "must be at most 100, got 101"),
    (dp(usersNoisePerQuery=9), "parameters.differentialPrivacy.usersNoisePerQuery", "must be at least 10, got 9"),
    (dp(delta=1), "parameters.differentialPrivacy.delta", "must be one of epsilon, usersNoisePerQuery"),
    ({**REQUEST, "privacyBudgetType": "X"}, "privacyBudgetType", "must be one of DIFFERENTIAL_PRIVACY, ACCESS_BUDGET, got 'X'"),
    ({**REQUEST, "autoRefresh": "DAILY"}, "autoRefresh", "must be one of CALENDAR_MONTH, NONE, got 'DAILY'"),
    ({**REQUEST, "colour": "red"}, "colour", "must be one of"),
    ({**REQUEST, "membershipIdentifier": "m"}, "membershipIdentifier", "must not be in the body"),
    ({"privacyBudgetType": "DIFFERENTIAL_PRIVACY"}, "parameters", "must be given"),
    ({**REQUEST, "parameters": {}}, "parameters", "must hold exactly one of differentialPrivacy, accessBudget, got none"),
    ({**REQUEST, "parameters": []}, "parameters", "must be an object, got []"),
    ({**REQUEST, "tags": {f"{n}": "" for n in range(201)}}, "tags", "must be at most 200 entries, got 201"),
    ({**REQUEST, "tags": {"": ""}}, "tags key ''", "must be at least 1 characters, got 0"),
    ({**REQUEST, "tags": {"k" * 129: ""}}, f"tags key {'k' * 129!r}", "must be at most 128 characters, got 129"),
    ({**REQUEST, "tags": {"a": "v" * 257}}, "tags['a']", "must be at most 256 characters, got 257"),
    ({**REQUEST, "tags": {"a": None}}, "tags['a']", "must be a string, got None"),
    (access(budgetParameters=[]), "parameters.accessBudget.budgetParameters", "must be at least 1 entries, got 0"),
    (
        access(budgetParameters=[{"type": "LIFETIME", "budget": 1_000_001}]),
        "parameters.accessBudget.budgetParameters[0].budget",
        "must be at most 1000000, got 1000001",
    ),
    (access(resourceArn="arn:aws:s3:::bucket"), "parameters.accessBudget.resourceArn", "must match arn:aws:"),
    (
        access(resourceArn=access()["parameters"]["accessBudget"]["resourceArn"] + "t" * 200),
        "parameters.accessBudget.resourceArn",
        "must be at most 200 characters",
    ),
]


@pytest.mark.parametrize(("request_", "name", "message"), WRONG, ids=[f"{name} {message}"[:60] for _, name, message in WRONG])
def test_request_outside_the_model_is_refused(backend: Backend, request_: dict[str, Any], name: str, message: str) -> None:
    answer = send("POST", backend.templates_path, request_)
    assert (answer.status, answer.code, answer.body["reason"]) == (400, "ValidationException", "FIELD_VALIDATION_FAILED")
    (field,) = answer.body["fieldList"]
    assert field["name"] == name
    assert field["message"].startswith(message)
    assert answer.body["message"] == f"{field['name']} {field['message']}"


def test_the_request_that_these_spoil_is_taken(backend: Backend) -> None:
    assert send("POST", backend.templates_path, REQUEST).status == 200
    assert send("POST", backend.templates_path, access()).status == 200


def test_everything_that_is_wrong_is_named_at_once(backend: Backend) -> None:
    answer = send("POST", backend.templates_path, dp(epsilon=21, usersNoisePerQuery=1))
    assert len(answer.body["fieldList"]) == 2


def test_both_members_of_a_union_are_refused(backend: Backend) -> None:
    both = {**PARAMETERS, **access()["parameters"]}
    (field,) = send("POST", backend.templates_path, {**REQUEST, "parameters": both}).body["fieldList"]
    assert field["message"] == "must hold exactly one of differentialPrivacy, accessBudget, got differentialPrivacy, accessBudget"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff"])
def test_body_must_be_a_json_object(backend: Backend, body: bytes) -> None:
    assert send("POST", backend.templates_path, body).code == "ValidationException"


@pytest.mark.parametrize("identifier", ["x", "AAAAAAAA-0000-4000-8000-000000000000", "00000000-0000-4000-8000-0000000000000"])
def test_identifier_must_be_a_lower_case_uuid(backend: Backend, identifier: str) -> None:
    (field, *_) = send("GET", f"{backend.templates_path}/{identifier}").body["fieldList"]
    assert field["name"] == "privacyBudgetTemplateIdentifier"
    assert send("GET", f"/memberships/{identifier}/privacybudgettemplates").code == "ValidationException"
    assert send("GET", f"/collaborations/{identifier}/privacybudgettemplates").code == "ValidationException"


@pytest.mark.parametrize("query", ["maxResults=0", "maxResults=101", "maxResults=many", "nextToken=" + "t" * 10_241, "page=2"])
def test_query_string_outside_the_model_is_refused(backend: Backend, query: str) -> None:
    assert send("GET", f"{backend.templates_path}?{query}").body["reason"] == "FIELD_VALIDATION_FAILED"


def test_what_a_query_string_must_have_is_missed(backend: Backend) -> None:
    arn = backend.create_dp()["arn"]
    (field,) = send("GET", f"/memberships/{backend.membership_id}/privacybudgets").body["fieldList"]
    assert field == {"name": "privacyBudgetType", "message": "must be given"}
    (field,) = send("DELETE", tags_path(arn)).body["fieldList"]
    assert field == {"name": "tagKeys", "message": "must be given"}


def test_foreign_arn_has_no_tags(backend: Backend) -> None:
    for wrong in ("x", "arn:aws:s3:::bucket", "arn:aws:cleanrooms:eu-west-1:123456789012:" + "m" * 80):
        assert send("GET", tags_path(wrong)).code == "ValidationException"


def test_action_parameter_changes_nothing(backend: Backend) -> None:
    """``Action`` in a query string or a body does not choose the operation."""
    tagged = {**REQUEST, "tags": {"a": "b&Action=DeleteMembership&c=d"}}
    assert send("POST", backend.templates_path, tagged, headers={"X-Amz-Target": "X.DeleteMembership"}).status == 200
    assert send("GET", f"{backend.templates_path}?Action=DeleteMembership").code == "ValidationException"


def test_an_update_is_checked_as_well(backend: Backend) -> None:
    template = backend.create_dp()
    path = f"{backend.templates_path}/{template['id']}"
    for wrong in ({}, {**dp(epsilon=21)}, {**REQUEST, "autoRefresh": "NONE"}, {**REQUEST, "tags": {}}):
        assert send("PATCH", path, wrong).body["reason"] == "FIELD_VALIDATION_FAILED"
    assert backend.get(template) == template


def test_a_preview_is_checked_as_well(backend: Backend) -> None:
    answer = send("POST", f"/memberships/{backend.membership_id}/previewprivacyimpact", {"parameters": dp(epsilon=21)["parameters"]})
    assert answer.code == "ValidationException"


def test_every_operation_of_the_model_is_served() -> None:
    assert set(OPERATIONS) == set(request_validation.OPERATIONS)


def test_errors_match_the_service_model() -> None:
    errors: list[CleanRoomsError] = [
        exceptions.ConflictException("m", "ALREADY_EXISTS", resourceId="r", resourceType="MEMBERSHIP"),
        exceptions.ResourceNotFoundException("m", "r", "MEMBERSHIP"),
        exceptions.ValidationException("m", "INVALID_QUERY", [("a", "b")]),
        exceptions.ServiceQuotaExceededException("m", "q", 25),
        exceptions.ThrottlingException("m"),
        exceptions.AccessDeniedException("m"),
        exceptions.InternalServerException("m"),
    ]
    for error in errors:
        assert request_validation.error_faults(error.code, error.status, error.body) == []


def test_the_answer_check_finds_what_does_not_conform() -> None:
    assert request_validation.answer_faults("ListTagsForResource", {}) == [("tags", "must be given")]
    assert request_validation.answer_faults("ListTagsForResource", {"tags": {}, "more": 1}) == [("more", "must be one of tags")]
    assert request_validation.error_faults("ThrottlingException", 400, {"message": "m"}) == [("status", "must be 429, got 400")]


def test_a_fault_before_the_effect_prevents_it(backend: Backend) -> None:
    backend.faults.operation = "CreatePrivacyBudgetTemplate"
    backend.faults.error = InternalServerException("out of order")
    answer = send("POST", backend.templates_path, REQUEST)
    assert (answer.status, answer.code) == (500, "InternalServerException")
    assert backend.create_dp()


def test_a_fault_after_the_effect_loses_the_answer(backend: Backend) -> None:
    backend.faults.operation = "CreatePrivacyBudgetTemplate"
    backend.faults.moment = Moment.AFTER_EFFECT
    backend.faults.error = InternalServerException("out of order")
    assert refused(backend.create_dp, backend.client, "ConflictException")["reason"] == "ALREADY_EXISTS"


class TestQuota:
    """The documented quota, where it is asked for."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(clock=Clock(), faults=Faults(), requests_per_second=5)

    def test_each_operation_has_a_rate_limit(self, backend: Backend) -> None:
        for _ in range(5):
            assert send("GET", backend.templates_path).status == 200
        assert (send("GET", backend.templates_path).status, send("GET", backend.templates_path).code) == (429, "ThrottlingException")
        assert send("GET", f"{backend.templates_path}/x").code == "ValidationException"
        backend.clock.now += 0.2
        assert send("GET", backend.templates_path).status == 200
        assert send("GET", backend.templates_path).status == 429
        backend.clock.now += 60
        assert [send("GET", backend.templates_path).status for _ in range(6)] == [200] * 5 + [429]


def test_there_is_no_quota_by_default(backend: Backend) -> None:
    assert {send("GET", backend.templates_path).status for _ in range(30)} == {200}
