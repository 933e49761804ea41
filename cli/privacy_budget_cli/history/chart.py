"""The chart of a history: the epsilon granted so far, a step for each budget and each raise, a line for each membership."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..errors import CommandError
from .report import History


def draw(histories: Sequence[History], file: Path) -> None:
    """Write the chart. Raises CommandError where there is nothing to draw, or the file cannot be written."""
    granted = [history for history in histories if history.exposure.privacy]
    if not granted:
        raise CommandError("--plot: there is no differential privacy budget whose epsilon could be drawn")
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panel = figure.subplots()
    for history in granted:
        steps = sorted(step for grant in history.exposure.privacy for step in _increments(grant.raises))
        times: Any = [datetime.fromtimestamp(at, UTC) for at, _ in steps] + [datetime.fromtimestamp(history.now, UTC)]
        totals = list(accumulate(increment for _, increment in steps))
        panel.step(times, [*totals, totals[-1]], where="post", marker="o", markersize=3, label=history.membership_id)
    panel.set_ylabel("epsilon")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    panel.tick_params(axis="x", labelrotation=30)
    figure.suptitle("Epsilon granted, by sequential composition", fontsize="medium")
    figure.legend(title="membership", loc="outside lower center", frameon=False)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise CommandError(f"the chart could not be written to {file}: {error.strerror}") from None


def _increments(raises: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """When epsilon rose, by how much."""
    values = [0, *(epsilon for _, epsilon in raises)]
    return [(at, epsilon - before) for (at, epsilon), before in zip(raises, values, strict=False)]
