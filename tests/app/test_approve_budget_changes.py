"""The pipeline's approval: given where no budget is lost, left to a person otherwise, and never given to another execution."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from privacy_budget_cli.errors import CommandError
from privacy_budget_cli.plan.account import Accounts
from privacy_budget_cli.plan.assembly import DeclaredStack
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.plan.steps import Step
from privacy_budget_core.model import Balance
from tools import approve_budget_changes

Run = Callable[..., int]

EXECUTION = "11111111-2222-4333-8444-555555555555"
ASKED = ["--change-set", "PipelineChange", "--pipeline", "main", "--stage", "prod", "--action", "Accept", "--execution", EXECUTION]


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
    monkeypatch.setattr("tools.approve_budget_changes.boto3.client", lambda _: client)
    monkeypatch.setattr(approve_budget_changes, "SECONDS_BETWEEN", 0)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the tool on a stage whose prepared change set has this plan."""
    (tmp_path / "manifest.json").write_text("{}")

    def run(*steps: Step) -> int:
        def plan(declared: Iterable[DeclaredStack], accounts: Accounts, change_set: str) -> list[Step]:
            assert (list(declared), change_set) == ([], "PipelineChange")
            return list(steps)

        monkeypatch.setattr(approve_budget_changes, "plan", plan)
        return approve_budget_changes.main([*ASKED, str(tmp_path)])

    return run


EDITED = Step("Shop", "Budget", Effect.EDITED, balances=(Balance("COUNT", 92, 99),))


def approves(codepipeline: Stubber, token: str) -> None:
    result = {"status": "Approved", "summary": "No budget would be lost or replaced."}
    expected = {"pipelineName": "main", "stageName": "prod", "actionName": "Accept", "token": token, "result": result}
    codepipeline.add_response("put_approval_result", {}, expected)


def test_an_edit_is_accepted_once_the_approval_waits(codepipeline: Stubber, planned: Run, capsys: pytest.CaptureFixture[str]) -> None:
    codepipeline.add_response("get_pipeline_state", state("another execution", status="InProgress", token="old"))
    codepipeline.add_response("get_pipeline_state", state())
    codepipeline.add_response("get_pipeline_state", state(status="Succeeded", token="of the execution before"))
    codepipeline.add_response("get_pipeline_state", state(status="InProgress", token="waits"))
    approves(codepipeline, "waits")
    assert planned(EDITED) == 0
    assert "Shop/Budget: edited in place" in capsys.readouterr().out


def test_a_recreation_waits_for_a_person(codepipeline: Stubber, planned: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(replace(EDITED, effect=Effect.RECREATED)) == 0
    told = capsys.readouterr().out
    assert "Shop/Budget: deleted and created, which gives a fresh budget" in told
    assert "7 of 99 COUNT consumed, which is lost" in told
    assert "Accept waits for a person" in told


def test_failing_deployment_waits_for_a_person(codepipeline: Stubber, planned: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(replace(EDITED, effect=Effect.REFUSED)) == 0
    told = capsys.readouterr().out
    assert "Shop/Budget: refused" in told
    assert "Accept waits for a person" in told


def test_an_approval_that_never_begins_fails_the_check(codepipeline: Stubber, planned: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approve_budget_changes, "SECONDS_TO_WAIT", 0)
    codepipeline.add_response("get_pipeline_state", state())
    with pytest.raises(
        approve_budget_changes.ApprovalNotFoundError,
        match=r"Accept does not wait in stage prod of main.*retry the stage, or approve it by hand",
    ):
        planned(EDITED)


def test_a_person_who_was_faster_is_no_failure(
    codepipeline: Stubber, planned: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(approve_budget_changes, "SECONDS_TO_WAIT", 0)
    codepipeline.add_response("get_pipeline_state", state(status="Succeeded", token="theirs"))
    assert planned(EDITED) == 0
    assert "Accept has been accepted already" in capsys.readouterr().out


def test_unreadable_change_set_fails_the_check(
    codepipeline: Stubber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(*_: object) -> list[Step]:
        raise CommandError("stack Shop has no change set PipelineChange")

    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(approve_budget_changes, "plan", plan)
    assert approve_budget_changes.main([*ASKED, str(tmp_path)]) == 1
    assert capsys.readouterr().out == "stack Shop has no change set PipelineChange\n"
