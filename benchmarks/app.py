"""What ``cdk synth`` waits for: a whole app in a process of its own, with and without the CDK's validation of the templates.

Unlike the benchmark synth, a sample has everything: Python's start, jsii's, the modules, the app, and the function's zip.
"""

import itertools
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

from . import synth
from .measure import Result, Table, in_rounds, spread

COUNTS: Final = (1, 50, 490)
VARIANTS: Final = ("native type", "this construct")
VALIDATION: Final = {"with validation": "true", "without": "false"}


def run(quick: bool = False) -> Result:
    """Synthesize an app of each size, as its user does."""
    counts = COUNTS[:1] if quick else COUNTS
    samples = in_rounds(
        "app",
        {
            f"{variant} {count} {setting}": partial(_seconds, variant, count, VALIDATION[setting])
            for count, variant, setting in itertools.product(counts, VARIANTS, VALIDATION)
        },
        1 if quick else 3,
    )
    rows = [
        (str(count), variant, *(spread(samples[f"{variant} {count} {setting}"], 1) for setting in VALIDATION))
        for count, variant in itertools.product(counts, VARIANTS)
    ]
    headings = ("templates", "", *(f"seconds {setting}" for setting in VALIDATION))
    return Result(Table("A whole app", headings, rows), {name: {"seconds": taken} for name, taken in samples.items()})


def _seconds(variant: str, count: int, validation: str) -> float:
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - itself
        [sys.executable, "-m", __name__, variant, str(count)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "CDK_VALIDATION": validation},
        check=True,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    synth.synthesize(synth.VARIANTS[sys.argv[1]], int(sys.argv[2]))
