"""More than two thousand histories of stacks, faults and queries, each of which keeps the promises of docs/lifecycle.md.

``LIFECYCLE_HISTORIES`` and ``LIFECYCLE_SEED`` scale the run and choose another one; hypothesis shrinks what it finds.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import Phase

from tests.lifecycle.model.harness import Counts
from tests.lifecycle.model.state_machine import LifecycleMachine, run

HISTORIES: Final = int(os.environ.get("LIFECYCLE_HISTORIES", "700"))
SEEDS: Final = [int(seed) for seed in os.environ.get("LIFECYCLE_SEED", "1,2,3").split(",")]

COUNTS_OF_A_SHORT_RUN: Final = """
import sys
sys.path[:0] = {path!r}
import {modules}
from hypothesis import Phase
from tests.lifecycle.model.state_machine import LifecycleMachine, run
run(LifecycleMachine, seed=1, histories=5, phases=[Phase.generate])
print(LifecycleMachine.counts)
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_no_history_breaks_a_promise(seed: int, record_property: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LifecycleMachine, "counts", Counts())
    run(LifecycleMachine, seed, HISTORIES, [Phase.generate, Phase.shrink])
    counts = LifecycleMachine.counts
    assert counts.histories >= HISTORIES
    record_property(
        "lifecycle model",
        f"{counts.histories} histories, {counts.steps} steps, {counts.operations} stack operations, {counts.events} events,"
        f" {counts.requests} requests, seed {seed}: no promise broken",
    )


def test_the_seed_alone_draws_the_histories() -> None:
    """Whatever other modules are loaded."""

    def counts(modules: str) -> str:
        script = COUNTS_OF_A_SHORT_RUN.format(path=[entry for entry in sys.path if entry], modules=modules)
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return ended.stdout.splitlines()[-1]

    assert counts("logging") == counts(
        "tests.support.service_facts, tests.support.synth, cleanrooms_privacy_budget, privacy_budget_cli.command, moto.s3.models"
    )
