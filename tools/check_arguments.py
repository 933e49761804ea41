"""Check make's arguments before anything is started: ``python -m tools.check_arguments EPSILON=5 ENVIRONMENT=dev``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stacks.overrides import OVERRIDES, SettingError

CONTEXT = Path(__file__).parents[1] / "cdk.json"


def check(arguments: Sequence[str]) -> None:
    """Check each NAME=VALUE that has a value. Raises SettingError, which names the argument."""
    values = dict(argument.split("=", 1) for argument in arguments)
    for override in OVERRIDES:
        if value := values.get(override.argument):
            override.check(value, override.argument)
    context: dict[str, Any] = json.loads(CONTEXT.read_text(encoding="utf-8"))["context"]
    for argument in ("ENVIRONMENT", "PIPELINE"):
        section = f"{argument.lower()}s"
        value, known = values.get(argument), context.get(section, {})
        if value and value not in known:
            raise SettingError(f"{argument} must be one of {', '.join(known)} ({section} of cdk.json), got {value!r}")


def main(arguments: Sequence[str]) -> int:
    """Give 0 where make may go on; otherwise print why not, and give 1."""
    try:
        check(arguments)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
