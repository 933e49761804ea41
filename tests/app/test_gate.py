"""The pipeline's gate: accepts by itself where nothing is lost, leaves the rest to a person, and accepts nothing else's approval."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import boto3
import pytest
from botocore.stub import Stubber

from cleanrooms_privacy_budget import AutoRefresh, OnBudgetReset, PrivacyBudget, PrivacyBudgetTemplate
from planned_account import PlannedAccount
from stacks import gate

EXECUTION = "11111111-2222-4333-8444-555555555555"
MEMBERSHIP = "12345678-1111-4222-8333-444455556666"
ASKED = ["--pipeline", "main", "--stage", "prod", "--action", "Accept", "--execution", EXECUTION]


def assembly(folder: Path, on_budget_reset: OnBudgetReset = OnBudgetReset.REFUSE, **budget: Any) -> str:
    app = cdk.App(outdir=str(folder))
    declared = PrivacyBudget.differential_privacy(**{"epsilon": 3, "users_noise_per_query": 30, **budget})
    shop = cdk.Stack(app, "Shop")
    PrivacyBudgetTemplate(shop, "Budget", membership_id=MEMBERSHIP, budget=declared, on_budget_reset=on_budget_reset)
    app.synth()
    return str(folder)


def state(execution: str = EXECUTION, **latest: str) -> dict[str, Any]:
    action = {"actionName": "Accept", **({"latestExecution": latest} if latest else {})}
    return {
        "stageStates": [
            {"stageName": "dev", "actionStates": [{"actionName": "Accept", "latestExecution": {"status": "InProgress", "token": "dev"}}]},
            {
                "stageName": "prod",
                "latestExecution": {"pipelineExecutionId": execution, "status": "InProgress"},
                "actionStates": [{"actionName": "Promote"}, action],
            },
        ]
    }


@pytest.fixture
def codepipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """CodePipeline as the service model has it: each request and response is checked by its shapes."""
    client = boto3.client("codepipeline", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    monkeypatch.setattr("stacks.gate.boto3.client", lambda _: client)
    monkeypatch.setattr(gate, "SECONDS_BETWEEN", 0)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedAccount:
    """A stack with epsilon 3 stands, of which something is spent."""
    account = PlannedAccount((MEMBERSHIP,))
    account.deploy(Path(assembly(tmp_path / "deployed")))
    account.spend(account.only(), 7)
    monkeypatch.setattr(gate, "Accounts", account.of_session)
    return account


def approves(codepipeline: Stubber, token: str) -> None:
    result = {"status": "Approved", "summary": "No budget would be lost or replaced."}
    expected = {"pipelineName": "main", "stageName": "prod", "actionName": "Accept", "token": token, "result": result}
    codepipeline.add_response("put_approval_result", {}, expected)


@pytest.mark.usefixtures("deployed")
def test_an_edit_is_accepted_once_the_approval_waits(codepipeline: Stubber, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codepipeline.add_response("get_pipeline_state", state("another execution", status="InProgress", token="old"))
    codepipeline.add_response("get_pipeline_state", state())
    codepipeline.add_response("get_pipeline_state", state(status="Succeeded", token="of the execution before"))
    codepipeline.add_response("get_pipeline_state", state(status="InProgress", token="waits"))
    approves(codepipeline, "waits")
    assert gate.main([*ASKED, assembly(tmp_path / "new", epsilon=5)]) == 0
    assert "Shop/Budget: edited in place" in capsys.readouterr().out


@pytest.mark.usefixtures("deployed")
def test_a_swap_waits_for_a_person(codepipeline: Stubber, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate.main([*ASKED, assembly(tmp_path / "new", OnBudgetReset.ALLOW, auto_refresh=AutoRefresh.CALENDAR_MONTH)]) == 0
    told = capsys.readouterr().out
    assert "Shop/Budget: deleted and created, which gives a fresh budget" in told
    assert "7 of 99 COUNT spent, which is lost" in told
    assert "Accept waits for a person" in told


@pytest.mark.usefixtures("deployed")
def test_a_deployment_that_would_fail_waits_for_a_person(codepipeline: Stubber, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate.main([*ASKED, assembly(tmp_path / "new", epsilon=2)]) == 0
    told = capsys.readouterr().out
    assert "Shop/Budget: refused" in told
    assert "Accept waits for a person" in told


@pytest.mark.usefixtures("deployed")
def test_an_approval_that_never_begins_fails_the_check(codepipeline: Stubber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SECONDS_TO_WAIT", 0)
    codepipeline.add_response("get_pipeline_state", state())
    with pytest.raises(gate.ApprovalNotFound, match=r"Accept does not wait in stage prod of main.*retry the stage, or approve it by hand"):
        gate.main([*ASKED, assembly(tmp_path / "new", epsilon=5)])


@pytest.mark.usefixtures("deployed")
def test_a_person_who_was_faster_is_no_failure(
    codepipeline: Stubber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "SECONDS_TO_WAIT", 0)
    codepipeline.add_response("get_pipeline_state", state(status="Succeeded", token="theirs"))
    assert gate.main([*ASKED, assembly(tmp_path / "new", epsilon=5)]) == 0
    assert "Accept has been accepted already" in capsys.readouterr().out
