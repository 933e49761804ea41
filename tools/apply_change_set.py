"""``make apply``: execute the change set that ``make plan`` prepared and showed, or say why it cannot be executed."""

import argparse
import subprocess
import sys
from pathlib import Path

import boto3

from privacy_budget_cli.errors import CommandError
from privacy_budget_cli.plan.account import Accounts
from privacy_budget_cli.plan.assembly import stacks
from privacy_budget_cli.plan.change_set import read


def main(arguments: list[str]) -> int:
    """Execute a stack's change set by a command. Exit status: the command's, 0 where nothing changes, 4 where it cannot be executed."""
    parser = argparse.ArgumentParser(prog="python -m tools.apply_change_set", description=main.__doc__)
    parser.add_argument("assembly", type=Path, help="the synthesized app that the change set was prepared from")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--change-set", required=True)
    parser.add_argument("execute", nargs="+", metavar="COMMAND", help="the command that executes it, put after --")
    options = parser.parse_args(arguments)
    try:
        declared = next((one for one in stacks(options.assembly) if one.name == options.stack), None)
        if declared is None:
            raise CommandError(f"{options.assembly} is of another app or environment, it has no stack {options.stack}")
        change_set = read(Accounts(boto3.Session()).of(declared).cloudformation, options.stack, options.change_set)
        if change_set.refusal:
            raise CommandError(f"CloudFormation made no change set that can be executed: {change_set.refusal}")
    except CommandError as problem:
        _say(f"Nothing is deployed: {problem} (make plan does both)")
        return 4
    if not change_set.is_executable:
        _say(f"There is nothing to deploy: change set {options.change_set} of stack {options.stack} has no changes.")
        return 0
    return subprocess.run(options.execute, check=False).returncode


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
