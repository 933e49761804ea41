"""More than a thousand histories of stacks, faults and queries, each of which keeps the promises of docs/lifecycle.md.

``LIFECYCLE_HISTORIES`` and ``LIFECYCLE_SEED`` scale the run and choose another one; hypothesis shrinks what it finds.
"""

import os
from collections.abc import Callable
from typing import Final

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from histories import Histories
from world import Counts

HISTORIES: Final = int(os.environ.get("LIFECYCLE_HISTORIES", "1250"))
SEED: Final = int(os.environ.get("LIFECYCLE_SEED", "1"))
STEPS: Final = 25


def test_no_history_breaks_a_promise(record_property: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Histories, "counts", Counts())
    run_state_machine_as_test(
        hypothesis.seed(SEED)(Histories),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    counts = Histories.counts
    assert counts.histories >= HISTORIES
    record_property(
        "lifecycle model",
        f"{counts.histories} histories, {counts.steps} steps, {counts.operations} stack operations, {counts.events} events,"
        f" {counts.requests} requests, seed {SEED}: no promise broken",
    )
