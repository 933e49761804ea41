"""Check make's arguments before anything is started: ``python -m tools.check_arguments EPSILON=5 ENVIRONMENT= -- EPSILON TARGET``.

After the arguments and their values come the names of all that the command line sets.
"""

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stacks.overrides import OVERRIDES, SettingError

CONTEXT = Path(__file__).parents[1] / "cdk.json"
SECTIONS = {"ENVIRONMENT": "environments", "PIPELINE": "pipelines"}
"""Arguments that name a part of a section of cdk.json."""
KNOWN = ["TARGET", *SECTIONS, *(override.argument for override in OVERRIDES), "COUNT", "TEMPLATE"]


def check(arguments: Sequence[str], given: Sequence[str] = ()) -> None:
    """Check each NAME=VALUE that has a value, and the names that are given. Raises SettingError, which names the argument."""
    values = dict(argument.split("=", 1) for argument in arguments)
    for name in (one.rstrip(":?+!") for one in given):
        if name not in KNOWN and (meant := _meant(name.upper())):
            raise SettingError(f"{name} is not an argument, and would change nothing: did you mean {meant}?")
    for override in OVERRIDES:
        if value := values.get(override.argument):
            override.check(value, override.argument)
    context: dict[str, Any] = json.loads(CONTEXT.read_text(encoding="utf-8"))["context"]
    for argument, section in SECTIONS.items():
        value, known = values.get(argument), context.get(section, {})
        if value and value not in known:
            raise SettingError(f"{argument} must be one of {', '.join(known)} ({section} of cdk.json), got {value!r}")
    count = values.get("COUNT") or "1"
    if not count.isdecimal() or int(count) < 1:
        raise SettingError(f"COUNT must be a whole number of at least 1, got {count!r}")


def _meant(name: str) -> str | None:
    """The argument that a name resembles or has a word of; None where it may be meant for another makefile."""
    close = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.85)
    return next(iter([*close, *(one for one in KNOWN if one in name.split("_") or name in one.split("_"))]), None)


def main(arguments: Sequence[str]) -> int:
    """Give 0 where make may go on; otherwise print why not, and give 1."""
    end = arguments.index("--")
    try:
        check(arguments[:end], arguments[end + 1 :])
    except SettingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
