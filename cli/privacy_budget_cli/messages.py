"""What the command tells its user aside from its output, on standard error. It imports nothing that may not be installed."""

import sys


def say(sentence: str) -> None:
    """Say one sentence."""
    print(f"privacy-budget: {sentence}", file=sys.stderr)  # noqa: T201


def interrupted() -> int:
    """Say that the user broke off, and give the exit status for that: 128 and the signal's number, as shells have it."""
    say("Interrupted.")
    return 130
