"""What the plan prints, and the status that it ends with."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from privacy_budget_cli.command import run
from privacy_budget_cli.plan import command as plan_command
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.plan.steps import Step
from privacy_budget_core.model import Balance

FINE = Step("Shop", "Budget", Effect.EDITED, "epsilon 3 to epsilon 5", balances=(Balance("COUNT", 92, 99), Balance("SUM", 9, 9)))
LOST = replace(FINE, effect=Effect.RECREATED, detail="from | to <b>\nnext")
REFUSED = Step("Shop", "Other", Effect.REFUSED, "why")
TWICE = replace(FINE, conflict="Shop/Other declares it as well")


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The status and the output of the command where the plan is this."""
    (tmp_path / "manifest.json").write_text("{}")

    def command(steps: list[Step], *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(plan_command, "plan", lambda *_: steps)
        return run(["plan", *arguments, str(tmp_path)]), capsys.readouterr().out

    return command


@pytest.mark.parametrize(
    ("steps", "status", "summary"),
    [
        ([], 0, "There is no privacy budget template, neither in the app nor in what is deployed of it."),
        ([FINE], 0, "No budget would be lost or replaced."),
        ([FINE, LOST], 3, "Review required: a budget would be lost or replaced, or the outcome cannot be determined."),
        ([TWICE], 3, "Review required: a budget would be lost or replaced, or the outcome cannot be determined."),
        ([LOST, REFUSED], 3, "Review required: the deployment would fail and be rolled back."),
    ],
    ids=["nothing", "fine", "lost", "conflict", "refused"],
)
def test_the_status_and_the_summary(planned: Any, steps: list[Step], status: int, summary: str) -> None:
    ended, printed = planned(steps)
    assert (ended, printed.splitlines()[-1]) == (status, summary)


def test_a_stack_that_cloudformation_refuses_is_named(planned: Any) -> None:
    _, printed = planned([replace(REFUSED, logical_id="")])
    assert printed.splitlines()[:3] == ["Stack Shop", "  the stack: refused", "    why"]


def test_markdown_has_escaped_rows(planned: Any) -> None:
    """Markdown has a row for each template, and no text of a template is taken for markup."""
    status, printed = planned([FINE, LOST], "--markdown")
    assert status == 3
    assert printed.splitlines()[-2:] == [
        "| ✅ | `Shop/Budget` | edited in place<br>epsilon 3 to epsilon 5 | 7 of 99 COUNT consumed, which stays consumed |",
        "| ⚠️ | `Shop/Budget` | deleted and created, which gives a fresh budget<br>from \\| to &lt;b> next"
        " | 7 of 99 COUNT consumed, which is lost |",
    ]


def test_json_has_what_a_program_needs(planned: Any) -> None:
    _, printed = planned([replace(FINE, effect=Effect.REPLACED, old=Effect.DELETED)], "--json")
    (step,) = json.loads(printed)["templates"]
    assert (step["effect"], step["old"], step["loses"], step["needsReview"]) == ("REPLACED", "DELETED", True, True)
    assert step["consumed"] == [{"name": "COUNT", "consumed": 7, "maximum": 99}]


LEDGERS: dict[str, tuple[Step, str]] = {
    "nothing exists": (REFUSED, ""),
    "nothing consumed": (replace(FINE, balances=(Balance("COUNT", 99, 99),)), "nothing is consumed yet"),
    "stays": (FINE, "7 of 99 COUNT consumed, which stays consumed"),
    "lost": (LOST, "7 of 99 COUNT consumed, which is lost"),
    "not known": (replace(FINE, effect=Effect.UNKNOWN), "7 of 99 COUNT consumed, which may be lost"),
    "not told": (replace(LOST, balances=()), "what is consumed is lost, and how much is unknown: Clean Rooms lists no balance"),
    "the old one's": (replace(FINE, effect=Effect.REPLACED, old=Effect.KEPT), "7 of 99 COUNT consumed, which stays consumed"),
}


@pytest.mark.parametrize(("step", "told"), LEDGERS.values(), ids=LEDGERS.keys())
def test_what_becomes_of_what_is_consumed(step: Step, told: str) -> None:
    assert step.ledger == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--parameters", "A"], "must be KEY=VALUE, got 'A'"),
        (["--change-set", "x", "--parameters", "A=B"], "--parameters goes with a template, not with --change-set"),
    ],
)
def test_wrong_arguments(planned: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    try:
        status = run(["plan", *arguments])
    except SystemExit as error:
        status = int(str(error.code))
    assert status in (1, 2)
    assert told in capsys.readouterr().err
