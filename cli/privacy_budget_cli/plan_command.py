"""``privacy-budget plan``: what a deployment would do to each privacy budget template, and what it costs the ledger."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .assembly import Declared, NotAnAssembly, stack, stacks
from .deployed import Accounts
from .dry_run import Unreadable
from .errors import Problem
from .plan import plan
from .plan_effect import Effect, Step

DESCRIPTION: Final = "Show what a deployment would do to each privacy budget template, and what it costs the ledger."

FINE, LOOK = 0, 3
"""Exit statuses: nobody needs to look; a budget would be lost, replaced or refused, or that cannot be told."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the command's own arguments."""
    parser.add_argument(
        "app",
        nargs="?",
        type=Path,
        default=Path("cdk.out"),
        metavar="cdk.out|template.json",
        help="what cdk synth wrote, a stage's folder in it, or one stack's template (default: %(default)s)",
    )
    parser.add_argument("--stack", metavar="NAME", help="the stack that a template is for; of an app, only this stack")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--markdown", action="store_true", help="print Markdown, for a comment on a pull request")
    output.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace, console: Console) -> int:
    """Print the plan, and give the exit status. Raises Problem, ServiceError, ClientError and BotoCoreError."""
    declared = _declared(options.app, options.stack)
    try:
        steps = list(plan(declared, Accounts(options.session, options.endpoint_url)))
    except Unreadable as error:
        raise error.error from error.error.__cause__
    if options.json:
        console.out(json.dumps({"templates": [_as_json(step) for step in steps]}, indent=2))
    elif options.markdown:
        console.out(_markdown(steps))
    else:
        _show(steps, console)
    return LOOK if any(step.effect.needs_a_person for step in steps) else FINE


def _declared(app: Path, name: str | None) -> list[Declared]:
    if not app.exists():
        raise Problem(f"{app} does not exist; write it by cdk synth, or name what it was written to")
    if app.is_file():
        if name is None:
            raise Problem(f"{app} is one stack's template, which does not tell the stack's name; give it by --stack")
        return [stack(app, name)]
    declared = list(stacks(app))
    if name is None:
        return declared
    names = [one.name for one in declared]
    if name not in names:
        raise NotAnAssembly(f"{app} has no stack {name}; it has {', '.join(names) or 'none'}")
    return [one for one in declared if one.name == name]


def summary(steps: Iterable[Step]) -> str:
    """The plan in a sentence."""
    effects = [step.effect for step in steps]
    if not effects:
        return "There is no privacy budget template, neither in the app nor in what is deployed of it."
    if any(effect.fails for effect in effects):
        return "The deployment would fail and be rolled back."
    if any(effect.needs_a_person for effect in effects):
        return "Somebody should look before the deployment: a budget would be lost or replaced, or that cannot be told."
    return "No budget would be lost or replaced."


def _show(steps: list[Step], console: Console) -> None:
    for name, of_stack in groupby(steps, lambda step: step.stack):
        console.print(Text(f"Stack {name}", style="bold"))
        for step in of_stack:
            _indented(console, 2, Text.assemble((f"{step.logical_id}: ", "bold"), (step.action, _style(step))))
            for told in (step.detail, step.drift):
                if told:
                    _indented(console, 4, Text(told))
            if step.ledger:
                _indented(console, 4, Text(step.ledger, style="red" if step.loses and step.spent else ""))
    console.print(summary(steps))


def _indented(console: Console, columns: int, text: Text) -> None:
    """Print a text that stays indented where it is folded."""
    console.print(Padding(text, (0, 0, 0, columns), expand=False))


def _style(step: Step) -> str:
    if step.effect.needs_a_person:
        return "bold red"
    return "dim" if step.effect is Effect.UNCHANGED else "yellow" if step.effect is Effect.DRIFTED else "green"


def _markdown(steps: list[Step]) -> str:
    lines = ["### Privacy budgets", "", summary(steps)]
    if steps:
        lines += ["", "| | template | what the deployment does | what was spent |", "|---|---|---|---|"]
    for step in steps:
        does = "<br>".join(_escaped(told) for told in (step.action, step.detail, step.drift) if told)
        mark = "⚠️" if step.effect.needs_a_person else "✅"
        lines.append(f"| {mark} | `{step.stack}/{step.logical_id}` | {does} | {_escaped(step.ledger)} |")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text that is no markup of a table's cell."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")


def _as_json(step: Step) -> dict[str, Any]:
    spent = [{"name": one.name, "spent": one.maximum - one.remaining, "maximum": one.maximum} for one in step.spent]
    return {
        "stack": step.stack,
        "logicalId": step.logical_id,
        "effect": step.effect.name,
        "old": step.old.name if step.old else None,
        "needsAPerson": step.effect.needs_a_person,
        "loses": step.loses,
        "spent": spent,
        "action": step.action,
        "detail": step.detail,
        "drift": step.drift,
        "ledger": step.ledger,
    }
