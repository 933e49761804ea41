"""The chart of ``preview``: a panel for each type of aggregation, a line for each noise."""

from collections.abc import Sequence
from pathlib import Path

from .errors import CommandError
from .impact import Impact

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise CommandError("--plot needs matplotlib, which is not installed; pip install 'cleanrooms-privacy-budget[plot]'") from None

_COLUMNS = 3
_FORMATS = (".png", ".svg", ".pdf")


def check(file: Path) -> None:
    """Check that a chart can be written to the file, before any request is sent. Raises CommandError."""
    if file.suffix.lower() not in _FORMATS:
        raise CommandError(f"--plot must name a file that ends with {', '.join(_FORMATS)}, got {file}")
    if not file.absolute().parent.is_dir():
        raise CommandError(f"--plot must name a file in a folder that exists, got {file}; make the folder first")


def draw(impacts: Sequence[Impact], membership_id: str, file: Path) -> None:
    """Write the chart. Raises CommandError where the file cannot be written."""
    aggregations = list(impacts[0].max_counts)
    noises = sorted({impact.users_noise_per_query for impact in impacts})
    rows = -(-len(aggregations) // _COLUMNS)
    figure = Figure(figsize=(10, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for aggregation, panel in zip(aggregations, panels, strict=False):
        for noise in noises:
            line = [impact for impact in impacts if impact.users_noise_per_query == noise]
            epsilons = [impact.epsilon for impact in line]
            panel.plot(epsilons, [impact.max_counts[aggregation] for impact in line], marker="o", markersize=3, label=f"{noise} users")
        panel.set_title(aggregation, fontsize="medium")
        panel.set_xlabel("epsilon")
        panel.set_ylim(bottom=0)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
    for spare in panels[len(aggregations) :]:
        spare.set_axis_off()
    figure.suptitle(f"Aggregations that a budget would allow, membership {membership_id}", fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="noise per query", loc="lower right", frameon=False)
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise CommandError(f"the chart could not be written to {file}: {error.strerror}") from None
