"""The plan as text for a terminal, as Markdown for a pull request, and as JSON."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .prediction import Effect
from .steps import Step


def summary(steps: Iterable[Step]) -> str:
    """The plan in a sentence."""
    all_steps = list(steps)
    if not all_steps:
        return "There is no privacy budget template, neither in the app nor in what is deployed of it."
    if any(step.effect.fails for step in all_steps):
        return "Review required: the deployment would fail and be rolled back."
    if any(step.needs_review for step in all_steps):
        return "Review required: a budget would be lost or replaced, or the outcome cannot be determined."
    return "No budget would be lost or replaced."


def show(steps: Sequence[Step], console: Console) -> None:
    """Print the steps by their stacks, and the summary."""
    for name, of_stack in groupby(steps, lambda step: step.stack):
        console.print(Text(f"Stack {name}", style="bold"))
        for step in of_stack:
            _indented(console, 2, Text.assemble((f"{step.logical_id or 'the stack'}: ", "bold"), (step.action, _style(step))))
            for told in (step.detail, step.exposure, step.conflict, step.drift):
                if told:
                    _indented(console, 4, Text(told))
            if step.ledger:
                _indented(console, 4, Text(step.ledger, style="red" if step.loses and step.consumed else ""))
    console.print(summary(steps))


def markdown(steps: Sequence[Step]) -> str:
    """A Markdown table for a comment on a pull request."""
    lines = ["### Privacy budgets", "", summary(steps)]
    if steps:
        lines += ["", "| | template | what the deployment does | what is consumed |", "|---|---|---|---|"]
    for step in steps:
        does = "<br>".join(_escaped(told) for told in (step.action, step.detail, step.exposure, step.conflict, step.drift) if told)
        mark = "⚠️" if step.needs_review else "✅"
        lines.append(f"| {mark} | `{step.name}` | {does} | {_escaped(step.ledger)} |")
    return "\n".join(lines)


def as_json(steps: Iterable[Step]) -> dict[str, Any]:
    """The plan as JSON."""
    return {"templates": [_step_as_json(step) for step in steps]}


def _step_as_json(step: Step) -> dict[str, Any]:
    return {
        "stack": step.stack,
        "logicalId": step.logical_id,
        "effect": step.effect.name,
        "old": step.old.name if step.old else None,
        "needsReview": step.needs_review,
        "loses": step.loses,
        "consumed": [{"name": one.name, "consumed": one.maximum - one.remaining, "maximum": one.maximum} for one in step.consumed],
        "action": step.action,
        "detail": step.detail,
        "exposure": step.exposure,
        "conflict": step.conflict,
        "drift": step.drift,
        "ledger": step.ledger,
    }


def _indented(console: Console, columns: int, text: Text) -> None:
    """Print a text, indented also where it is folded."""
    console.print(Padding(text, (0, 0, 0, columns), expand=False))


def _style(step: Step) -> str:
    if step.needs_review:
        return "bold red"
    return "dim" if step.effect is Effect.UNCHANGED else "yellow" if step.effect is Effect.DRIFTED else "green"


def _escaped(text: str) -> str:
    """A text without markup, for a cell of a table."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
