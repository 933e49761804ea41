"""The benchmarks' own logic, and that each runs once: counted, never timed."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from moto.cleanrooms.models import cleanrooms_backends
from PIL import Image

from benchmarks import calls, chart, page, peers, synth
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.execution import Execution
from benchmarks.measure import Result, Table, in_rounds, ratio, spread
from benchmarks.peers import Peer
from benchmarks.service import serving

QUICK_ROWS = {"cold-start": 7, "warm": 3, "size": 5, "synth": 3, "app": 2, "deploy": 1, "quota": 2, "memory": 5}


@pytest.fixture
def clean_rooms() -> Iterator[None]:
    """A moto that nobody used before, nor uses after."""
    cleanrooms_backends.clear()
    yield
    cleanrooms_backends.clear()


def test_every_round_takes_each_variant_once() -> None:
    taken: list[str] = []

    def take(name: str) -> int:
        taken.append(name)
        return len(taken)

    samples = in_rounds("test", {name: partial(take, name) for name in "abc"}, rounds=20)
    rounds = [taken[start : start + 3] for start in range(0, 60, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1, "each round has an order of its own"
    assert samples["b"] == [number * 3 + one.index("b") + 1 for number, one in enumerate(rounds)]


def test_a_ratio_compares_samples_of_one_round() -> None:
    assert ratio([10, 200, 3000], [20, 100, 1000]) == "2.00 (0.50 to 3.00)"


def test_spread_of_equal_samples_is_one_figure() -> None:
    assert spread([1234, 1234.4]) == "1,234"
    assert spread([1, 3, 2], 1) == "2.0 (1.0 to 3.0)"


def test_a_table_is_markdown() -> None:
    assert Table("t", ("", "ms"), [("a", "1"), ("b", "2")]).markdown() == "|  | ms |\n| --- | --- |\n| a | 1 |\n| b | 2 |"


def test_figures_take_the_place_of_the_former_ones() -> None:
    text = f"before\n\n{page.begin('a')}\n\nold\n\n{page.END}\n\nafter {page.begin('b')}{page.END}"
    filled = page.fill(text, "a", "new")
    assert filled == text.replace("old", "new")
    assert page.fill(filled, "a", "new") == filled


@pytest.mark.parametrize(
    "text", ["nothing", page.begin("a"), f"{page.begin('a')} {page.begin('b')}{page.END}"], ids=["no_mark", "no_end", "another_mark_first"]
)
def test_page_without_place_for_figures_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the page must have one <!-- figures: a --> with its <!-- end -->"):
        page.fill(text, "a", "new")


def test_the_page_has_a_place_for_every_benchmark(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_text(page.PAGE.read_text())
    page.write({name: f"figures of {name}" for name in ("conditions", *BENCHMARKS)}, copy)
    assert all(f"figures of {name}\n" in copy.read_text() for name in ("conditions", *BENCHMARKS))


def test_the_chart_is_a_picture_of_all_panels(tmp_path: Path) -> None:
    bars = {name: {quantity: [1.0, 2.0, 4.0] for quantity in ("milliseconds", "mebibytes", "answered", "zip", "seconds")} for name in "ab"}
    lines = {variant: {f"milliseconds at {count}": [1.0] for count in synth.COUNTS} for variant in synth.VARIANTS}
    drawn = tmp_path / "new" / "chart.png"
    chart.draw({**dict.fromkeys(("cold-start", "warm", "size", "deploy"), bars), "synth": lines}, drawn)
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_the_legend_is_off_the_data() -> None:
    figure = Figure(figsize=(4, 3.5), layout="constrained")
    panel = figure.subplots()
    chart._lines(panel, "title", {name: {f"milliseconds at {count}": [1.0] for count in synth.COUNTS} for name in synth.VARIANTS})
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    legend = panel.get_legend()
    assert legend is not None
    assert not legend.get_window_extent().overlaps(panel.get_window_extent())


def test_the_chart_is_opaque() -> None:
    """So that its black text is legible on the site's dark background too. The picture's first pixel is of the background."""
    with Image.open(chart.CHART) as drawn:
        assert drawn.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_no_benchmark_is_left_out() -> None:
    assert {*QUICK_ROWS, "calls"} == {*BENCHMARKS}


@pytest.mark.parametrize("name", QUICK_ROWS)
def test_each_benchmark_runs_once(name: str) -> None:
    """A sample may be below zero: the difference of two times, which a busy machine stretches as it likes."""
    result: Result = BENCHMARKS[name](True)
    assert len(result.table.rows) == QUICK_ROWS[name]
    assert all(len(row) == len(result.table.headings) for row in result.table.rows)
    samples = [value for quantities in result.samples.values() for values in quantities.values() for value in values]
    assert samples
    assert all(map(math.isfinite, samples))


def test_the_calls_are_those_that_the_lifecycle_promises(clean_rooms: None) -> None:
    table = calls.run().table
    counted = {event: (ours, theirs) for event, ours, theirs in table.rows}
    assert [*counted] == [*calls.EVENTS]
    assert counted["create"] == ("1", "1")
    assert counted["edit epsilon"] == ("3", "1")
    assert counted["change a tag"] == ("3", "1")
    assert counted["change an option alone"] == ("2", "-")
    assert counted["delete"] == ("2", "1")
    assert table.markdown() in page.PAGE.read_text(), "docs/performance.md has other figures: python -m benchmarks writes them"


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        ("import nothing_of_this_name", "it ended"),
        ("def handler(event, context): raise ValueError('no')", "ValueError('no')"),
    ],
    ids=["cannot_start", "fails"],
)
def test_broken_peer_is_an_error(handler: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(handler)
    working = peers.bare()
    command = (*working.command[:4], str(tmp_path), working.command[5])
    broken = Peer("the broken one", tmp_path, command, working.runtime)
    with serving(tmp_path) as service, Execution(broken, service) as execution, pytest.raises(RuntimeError) as caught:
        execution.handle("Create", broken.create)
    assert "the broken one does not work" in str(caught.value)
    assert fault in str(caught.value)


def test_a_benchmark_alone_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = page.PAGE.read_text()
    main(["--quick", "quota"])
    assert "simulated" in capsys.readouterr().out
    assert page.PAGE.read_text() == before


def test_unknown_benchmark_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["coldstart"])
    assert "there is no benchmark coldstart; there are cold-start, warm" in capsys.readouterr().err
