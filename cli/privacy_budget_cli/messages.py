"""The command's messages on standard error. This module imports nothing of the extras, which may not be installed."""

import sys


def say(sentence: str) -> None:
    """Print one sentence."""
    print(f"privacy-budget: {sentence}", file=sys.stderr)  # noqa: T201


def interrupted() -> int:
    """Tell that the command was interrupted. Returns the exit status that shells use for it: 128 and the number of SIGINT."""
    say("Interrupted.")
    return 130
