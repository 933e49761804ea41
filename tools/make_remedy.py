"""Name make's argument for the option that a refused deployment named: ``python -m tools.make_remedy --stack NAME``."""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stacks.overrides import OVERRIDES

PROPERTIES = {f"{override.setting[0].upper()}{override.setting[1:]}": override.argument for override in OVERRIDES}
"""Make's arguments by the properties of the resource that they set."""


def remedies(reasons: Iterator[str]) -> list[str]:
    """Make's arguments for the options that reasons name as ``(OnBudgetReset: ALLOW)``."""
    named = (match for reason in reasons for match in re.finditer(r"\((\w+): (\w+)\)", reason) if match[1] in PROPERTIES)
    return sorted({f"{PROPERTIES[match[1]]}={match[2]}" for match in named})


def latest_reasons(cloudformation: Any, stack: str) -> Iterator[str]:
    """The reasons of a stack's latest operation, the last one first."""
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
        for event in page["StackEvents"]:
            yield event.get("ResourceStatusReason", "")
            if event["PhysicalResourceId"] == event["StackId"] and event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                return


def main(arguments: list[str]) -> int:
    """Print the arguments, if there are any. A stack that cannot be read has none: the deployment's own error is on the screen."""
    parser = argparse.ArgumentParser(prog="python -m tools.make_remedy", description=main.__doc__)
    parser.add_argument("--stack", required=True)
    try:
        found = remedies(latest_reasons(boto3.client("cloudformation"), parser.parse_args(arguments).stack))
    except (BotoCoreError, ClientError):
        return 0
    if found:
        print(f"With make, the option that the reason above names is {' and '.join(found)}.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
