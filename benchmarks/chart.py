"""The chart of what was measured: one picture with a panel a benchmark, medians with the least and the most."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from matplotlib.figure import Figure

from .peers import ROOT
from .synth import COUNTS

CHART: Final = ROOT / "docs" / "assets" / "performance.png"
OURS: Final = "#3f51b5"
OTHERS: Final = "#b0b4c8"
LINES: Final = {"this construct": OURS, "native type": "#555555", "AwsCustomResource": OTHERS}

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Of each variant each quantity's samples."""


def draw(samples: Mapping[str, Samples], path: Path = CHART) -> None:
    """Draw the chart of all benchmarks' samples, which it takes by the benchmarks' names."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    panels = figure.subplots(2, 3).flat
    _bars(next(panels), "Cold start to the first request, ms", samples["cold-start"], "milliseconds")
    _bars(next(panels), "Memory until then, MiB", samples["cold-start"], "mebibytes")
    _bars(next(panels), "Warm event to its answer, ms", samples["warm"], "answered")
    _bars(next(panels), "Zip of the function, MB", samples["size"], "zip", 1e6)
    _lines(next(panels), "Synth of one more template, ms", samples["synth"])
    _bars(next(panels), "Deploy on the local AWS, s", samples["deploy"], "seconds", colour=OURS)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _bars(panel: Any, title: str, variants: Samples, quantity: str, unit: float = 1.0, colour: str = OTHERS) -> None:
    names = [*variants]
    scaled = [[value / unit for value in variants[name][quantity]] for name in names]
    middles = [median(values) for values in scaled]
    spread = [[middle - min(values) for middle, values in zip(middles, scaled, strict=True)]]
    spread.append([max(values) - middle for middle, values in zip(middles, scaled, strict=True)])
    colours = [OURS if name.startswith("this construct") else colour for name in names]
    drawn = panel.barh(names, middles, xerr=spread, color=colours, error_kw={"ecolor": "#555", "capsize": 2, "lw": 1})
    panel.bar_label(drawn, [f" {middle:,.1f}" if middle < 100 else f" {middle:,.0f}" for middle in middles], padding=4, fontsize=8)
    panel.margins(x=0.18)
    _finish(panel, title)
    panel.invert_yaxis()


def _lines(panel: Any, title: str, variants: Samples) -> None:
    """One line a variant over the number of templates, without the first, which brings the stack with it."""
    for variant, quantities in variants.items():
        middles = [median(quantities[f"milliseconds at {count}"]) for count in COUNTS[1:]]
        panel.plot(COUNTS[1:], middles, marker="o", label=variant, color=LINES[variant])
    panel.set_ylim(bottom=0)
    panel.set_xlabel("templates in the stack", fontsize=8)
    panel.legend(fontsize=8, frameon=False, ncols=len(variants), loc="upper center", bbox_to_anchor=(0.5, -0.16), columnspacing=1)
    _finish(panel, title)


def _finish(panel: Any, title: str) -> None:
    panel.set_title(title, fontsize=10, loc="left")
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
