"""``privacy-budget plan``: what a deployment would do to each privacy budget template and to the consumed part of its budget."""

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from ..errors import CommandError
from . import report
from .account import Account, Accounts
from .assembly import DeclaredStack, stacks
from .change_set import NESTED_STACK, ChangeSet, read
from .dry_run import UnreadableError
from .prediction import Effect
from .resources import TYPES, resources
from .steps import Step, steps, with_conflicts
from .temporary_change_set import ended_by_sigterm, read_temporary

FINE, REVIEW = 0, 3
"""Exit statuses: no review is required; a budget would be lost, replaced or refused, or the outcome cannot be determined."""

_APP: Final = Path("cdk.out")
_STORED: Final = "AWS::SSM::Parameter"
_SIGNS_OF_BUDGETS: Final = (*TYPES, NESTED_STACK, f'"{_STORED}"', "Transform")
"""A template that may declare a privacy budget template, or a stored value for one, mentions one of these."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the subcommand's arguments."""
    parser.add_argument(
        "app",
        nargs="?",
        type=Path,
        metavar="cdk.out|template",
        help=f"what cdk synth wrote, a stage's folder in it, or one stack's template in JSON or YAML (default: {_APP})",
    )
    parser.add_argument("--stack", metavar="NAME", help="the stack that a template is for; of an app, only this stack")
    parser.add_argument(
        "--change-set", metavar="NAME", help="read this change set, made by cdk deploy --method=prepare-change-set, instead of making one"
    )
    parser.add_argument(
        "--parameters",
        nargs="+",
        action="extend",
        default=[],
        type=_parameter,
        metavar="KEY=VALUE",
        help="values of the templates' parameters; others stay as they are deployed",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--markdown", action="store_true", help="print Markdown, for a comment on a pull request")
    output.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace, console: Console) -> int:
    """Print the plan. Returns the exit status. Raises CommandError, ServiceError, ClientError and BotoCoreError."""
    if options.change_set and options.parameters:
        raise CommandError("--parameters goes with a template, not with --change-set: a change set has its values already")
    planned = plan(
        _declared(options.app, options.stack, with_change_set=options.change_set is not None),
        Accounts(options.session, options.endpoint_url),
        options.change_set,
        dict(options.parameters),
    )
    if options.json:
        console.out(json.dumps(report.as_json(planned), indent=2))
    elif options.markdown:
        console.out(report.markdown(planned))
    else:
        report.show(planned, console)
    return REVIEW if any(step.needs_review for step in planned) else FINE


def plan(
    declared: Iterable[DeclaredStack], accounts: Accounts, change_set: str | None = None, parameters: Mapping[str, str] | None = None
) -> list[Step]:
    """The plan of a deployment of stacks. Raises CommandError, ServiceError, ClientError and BotoCoreError.

    :param change_set: The name of the change sets to read. Default: each is made, read and deleted.
    :param parameters: Values of parameters for change sets that are made.
    """
    given, stacks_of_app = parameters or {}, list(declared)
    planned: list[Step] = []
    change_sets: list[ChangeSet] = []
    try:
        with ended_by_sigterm():
            for stack in stacks_of_app:
                account = accounts.of(stack)
                if len(stacks_of_app) > 1 and not _concerns_budgets(stack, account, stacks_of_app):
                    continue
                if change_set is not None:
                    found = read(account.cloudformation, stack.name, change_set)
                else:
                    found = read_temporary(stack, account, accounts, given)
                planned += _as_far_as_known(_steps_of_stack(found, account), stack, change_sets)
                change_sets.append(found)
    except UnreadableError as error:
        raise error.error from error.error.__cause__
    _check_parameters(given, change_sets)
    return with_conflicts(planned)


def _check_parameters(given: Mapping[str, str], change_sets: Iterable[ChangeSet]) -> None:
    """Raise CommandError where a parameter is given that no template has."""
    unknown = given.keys() - {name for change_set in change_sets for name in change_set.parameters}
    if unknown and not any(change_set.refusal for change_set in change_sets):
        raise CommandError(f"--parameters: there is no parameter {', '.join(sorted(unknown))} in what was planned; check the spelling")


def _concerns_budgets(stack: DeclaredStack, account: Account, stacks_of_app: Iterable[DeclaredStack]) -> bool:
    """Whether a stack may have a template, or a value that another stack takes. No other stack needs a change set."""
    if any(map(stack.mentions, _SIGNS_OF_BUDGETS)):
        return True
    if any(other.mentions("Fn::GetStackOutput", stack.name) for other in stacks_of_app):
        return True
    return any(type_ in (*TYPES, NESTED_STACK) for type_, _ in account.deployed(stack.name).resources.values())


def _steps_of_stack(change_set: ChangeSet, account: Account) -> list[Step]:
    if change_set.refusal:
        return [Step(change_set.stack_name, "", Effect.REFUSED, f"by CloudFormation: {change_set.refusal}")]
    return steps(resources(change_set, account.deployed(change_set.stack_name), account), account)


def _as_far_as_known(planned: list[Step], stack: DeclaredStack, changed: Iterable[ChangeSet]) -> list[Step]:
    """The steps, their effects unknown where the stack takes a value that an earlier stack changes: a change set has the present value."""
    taken = next((value for change_set in changed if (value := _taken(stack, change_set))), "")
    if not taken:
        return planned
    reason = f"it may take {taken}, which is deployed before and changes: deploy that one first, then plan again"
    return [
        step if step.needs_review or step.effect is Effect.KEPT else replace(step, effect=Effect.UNKNOWN, detail=reason) for step in planned
    ]


def _taken(stack: DeclaredStack, earlier: ChangeSet) -> str:
    """The changed value that a stack takes from an earlier one, in words; empty where it takes none."""
    if earlier.is_executable and stack.mentions("Fn::GetStackOutput", earlier.stack_name):
        return f"an output of stack {earlier.stack_name}"
    for change in earlier.all_changes():
        if change.type == _STORED and change.after and change.after["Properties"] != (change.before or {}).get("Properties"):
            name = str(change.after["Properties"].get("Name", change.physical_id))
            if name and stack.mentions(name):
                return f"the stored parameter {name} of stack {earlier.stack_name}"
    return ""


def _declared(app: Path | None, name: str | None, *, with_change_set: bool) -> list[DeclaredStack]:
    """The stacks to plan. Raises CommandError."""
    folder = app or _APP
    if folder.is_file():
        return [_stack_of_template(folder, name)]
    found = list(stacks(folder)) if folder.exists() else []
    if name is None and folder.exists():
        return found
    chosen = [one for one in found if one.name == name]
    if chosen:
        return chosen
    if name is not None and app is None and with_change_set:
        return [DeclaredStack(name)]  # a stack and its change set need no app
    raise _nothing_declared(folder, name, found)


def _nothing_declared(folder: Path, name: str | None, found: Iterable[DeclaredStack]) -> CommandError:
    if not folder.exists():
        return CommandError(f"{folder} does not exist; write it by cdk synth, or name what it was written to")
    return CommandError(f"{folder} has no stack {name}; it has {', '.join(one.name for one in found) or 'none'}")


def _stack_of_template(template: Path, name: str | None) -> DeclaredStack:
    if name is None:
        raise CommandError(f"{template} is one stack's template, which does not tell the stack's name; give it by --stack")
    return DeclaredStack(name, template)


def _parameter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    return key, value
