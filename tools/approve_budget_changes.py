"""Approve a deployment of the pipeline where no budget would be lost or replaced; any other deployment waits for a person.

CheckBudgets runs this beside the approval AcceptBudgetChanges, once the pipeline has prepared the stack's change set. It reads the change
set that the pipeline then executes.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from privacy_budget_cli.errors import CommandError
from privacy_budget_cli.plan.account import Accounts
from privacy_budget_cli.plan.assembly import stacks
from privacy_budget_cli.plan.command import plan

SECONDS_TO_WAIT: Final = 60
"""The approval may begin later than this check: CodePipeline starts both at the same time."""
SECONDS_BETWEEN: Final = 5


class ApprovalNotFoundError(Exception):
    """The approval did not begin in time, or belongs to another execution."""


def main(arguments: list[str]) -> int:
    """Plan the stage's prepared deployment, print the plan, and approve the deployment where nobody has to review it.

    Raises ApprovalNotFoundError and what ``plan`` raises.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.approve_budget_changes", description=main.__doc__)
    parser.add_argument("assembly", type=Path, help="the stage's folder in the synthesized app")
    for name in ("change-set", "pipeline", "stage", "action", "execution"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(arguments)
    try:
        planned = plan(stacks(options.assembly), Accounts(boto3.Session()), options.change_set)
    except CommandError as problem:
        _say(str(problem))
        return 1
    for step in planned:
        _say(str(step))
    if any(step.needs_review for step in planned):
        _say(f"Review required: {options.action} waits for a person.")
        return 0
    approval = Approval(boto3.client("codepipeline"), options.pipeline, options.stage, options.action, options.execution)
    approval.approve("No budget would be lost or replaced.")
    return 0


@dataclass(frozen=True)
class Approval:
    """A manual approval of one execution of a pipeline."""

    client: Any
    pipeline: str
    stage: str
    action: str
    execution: str

    def approve(self, summary: str) -> None:
        """Approve as soon as the approval waits. Raises ApprovalNotFoundError and ClientError."""
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while "token" not in (found := self._latest()) or found["status"] != "InProgress":
            if time.monotonic() >= deadline and found.get("status") == "Succeeded":
                _say(f"{self.action} has been accepted already.")
                return
            if time.monotonic() >= deadline:
                raise ApprovalNotFoundError(
                    f"{self.action} does not wait in stage {self.stage} of {self.pipeline}, execution {self.execution}, for"
                    f" {SECONDS_TO_WAIT} seconds: retry the stage, or approve it by hand if the plan above is what you want"
                )
            time.sleep(SECONDS_BETWEEN)
        self.client.put_approval_result(
            pipelineName=self.pipeline,
            stageName=self.stage,
            actionName=self.action,
            token=found["token"],
            result={"status": "Approved", "summary": summary},
        )
        _say(f"{self.action} is accepted: {summary}")

    def _latest(self) -> Mapping[str, Any]:
        """The state of the approval in this execution; empty where it has not begun."""
        for stage in self.client.get_pipeline_state(name=self.pipeline)["stageStates"]:
            if stage["stageName"] == self.stage and stage.get("latestExecution", {}).get("pipelineExecutionId") == self.execution:
                for action in stage["actionStates"]:
                    if action["actionName"] == self.action:
                        latest: Mapping[str, Any] = action.get("latestExecution", {})
                        return latest
        return {}


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
