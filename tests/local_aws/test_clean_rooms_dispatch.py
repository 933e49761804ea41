"""Clean Rooms without a server: the server's entry, what outlives the process, and the installation into moto."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws import clean_rooms
from cleanrooms_local_aws.clean_rooms import dispatch, state
from cleanrooms_local_aws.clean_rooms.models import backend as backend_of
from tests.local_aws.support.clean_rooms import ACCESS_BUDGET, DIFFERENTIAL_PRIVACY, Backend, day, lifetime, send

OTHER_ACCOUNT = "999988887777"
COLLABORATION = {
    "members": [],
    "name": "lab",
    "description": "for tests",
    "creatorMemberAbilities": [],
    "creatorDisplayName": "tester",
    "queryLogStatus": "DISABLED",
}


def test_the_account_is_the_gateways_to_say(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.create_dp()
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "123456789012")
    claimed = {"X-Moto-Account-Id": "123456789012", "Host": "cleanrooms.us-east-1.amazonaws.com"}
    assert send("GET", backend.templates_path, headers=claimed).status == 200
    assert send("GET", backend.templates_path, account=OTHER_ACCOUNT, headers=claimed).code == "ResourceNotFoundException"


def test_collaborations_and_memberships_are_answered_too(backend: Backend) -> None:
    created = send("POST", "/collaborations", COLLABORATION, account=OTHER_ACCOUNT)
    identifier = created.body["collaboration"]["id"]
    membership = send("POST", "/memberships", {"collaborationIdentifier": identifier, "queryLogStatus": "DISABLED"}, account=OTHER_ACCOUNT)
    assert f":{OTHER_ACCOUNT}:membership/" in membership.body["membership"]["arn"]
    assert send("DELETE", f"/collaborations/{identifier}", account=OTHER_ACCOUNT).status == 204


def test_a_url_with_scheme_and_host_is_taken(backend: Backend) -> None:
    url = f"http://127.0.0.1:4566{backend.templates_path}?maxResults=5"
    status, headers, body = dispatch.answer("GET", url, {}, b"", account_id="123456789012", region="eu-west-1")
    assert (status, headers["Content-Type"], body) == (200, "application/json", b'{"privacyBudgetTemplateSummaries": []}')


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_encoded_slash_keeps_the_operation(backend: Backend, slash: str) -> None:
    answer = send("GET", f"/memberships/{backend.membership_id}{slash}privacybudgettemplates")
    assert (answer.status, answer.code) == (400, "ValidationException")


def test_what_moto_does_not_have_is_said_so(backend: Backend) -> None:
    assert dispatch.answer("GET", "/nothing", {}, b"", account_id="123456789012", region="eu-west-1")[0] == 404
    path = f"/memberships/{backend.membership_id}/analysistemplates"
    status, _, body = dispatch.answer("GET", path, {}, b"", account_id="123456789012", region="eu-west-1")
    assert (status, body) == (501, b'{"message": "The list_analysis_templates action has not been implemented"}')


def test_a_region_without_clean_rooms_is_refused(backend: Backend) -> None:
    status, _, body = dispatch.answer("GET", "/memberships", {}, b"", account_id="123456789012", region="xx-nowhere-9")
    assert (status, b"xx-nowhere-9" in body) == (400, True)


def test_everything_outlives_the_process(backend: Backend) -> None:
    template = backend.create_dp(tags={"a": "1"}, autoRefresh="CALENDAR_MONTH")
    table = backend.create_access(day(5), lifetime(50))
    backend.spend(template, type="COUNT", count=30)
    backend.spend(table, uses=2)
    membership_arn = backend.client.get_membership(membershipIdentifier=backend.membership_id)["membership"]["arn"]
    backend.client.tag_resource(resourceArn=membership_arn, tags={"b": "2"})
    backend.client.create_configured_table(
        name="sales",
        tableReference={"glue": {"tableName": "t", "databaseName": "d"}},
        allowedColumns=["c"],
        analysisMethod="DIRECT_QUERY",
    )
    token = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id, maxResults=1)["nextToken"]
    send("POST", "/collaborations", COLLABORATION, account=OTHER_ACCOUNT)
    written = state.dump()

    cleanrooms_backends.clear()
    assert send("GET", backend.templates_path).status == 404
    state.load(written)

    assert state.dump() == written
    assert backend.get(template) == template
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 300
    assert backend.remaining(ACCESS_BUDGET) == {"CALENDAR_DAY": 3, "LIFETIME": 48}
    assert backend.tags(template["arn"]) == {"a": "1"}
    assert backend.tags(membership_arn) == {"b": "2"}
    assert len(backend.client.list_configured_tables()["configuredTableSummaries"]) == 1
    assert len(send("GET", "/collaborations", account=OTHER_ACCOUNT).body["collaborationList"]) == 1
    rest = backend.client.list_privacy_budget_templates(membershipIdentifier=backend.membership_id, nextToken=token)
    assert [entry["id"] for entry in rest["privacyBudgetTemplateSummaries"]] == [table["id"]]
    backend.clock.now += 40 * 86_400
    assert backend.remaining(DIFFERENTIAL_PRIVACY)["COUNT"] == 330


def test_a_state_of_another_format_changes_nothing(backend: Backend) -> None:
    template = backend.create_dp()
    with pytest.raises(ValueError, match="format must be 3, got 1"):
        state.load(b'{"format": 1}')
    assert backend.get(template) == template


def test_of_creates_at_the_same_time_one_succeeds(backend: Backend) -> None:
    request = {
        "privacyBudgetType": DIFFERENTIAL_PRIVACY,
        "parameters": {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    }
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: send("POST", backend.templates_path, request).status, range(16)))
    assert sorted(statuses) == [200] + [409] * 15


def test_install_fails_once_clean_rooms_is_in_use(backend: Backend) -> None:
    with pytest.raises(
        RuntimeError, match="must be called before moto's Clean Rooms is first used, got it in use by accounts 123456789012"
    ):
        clean_rooms.install()


def test_motos_own_backend_is_refused(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    cleanrooms_backends.clear()
    monkeypatch.setattr(cleanrooms_backends, "backend", type(backend_of("123456789012", "eu-west-1")).__base__)
    with pytest.raises(TypeError, match="install"):
        backend_of(OTHER_ACCOUNT, "eu-west-1")


def test_the_ledger_needs_neither_moto_nor_botocore() -> None:
    program = "import sys, cleanrooms_local_aws.clean_rooms.ledger; sys.exit(bool({'moto', 'botocore'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0
