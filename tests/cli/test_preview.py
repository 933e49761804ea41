"""What ``privacy-budget preview`` asks, shows and draws."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from cleanrooms_local_aws.clean_rooms.impact import max_counts
from privacy_budget_cli import preview
from privacy_budget_cli.preview import numbers_in
from privacy_budget_core.contract import EPSILON
from tests.support.command import Command

pytest_plugins = ["tests.support.command_fixtures"]

AGGREGATIONS = ("AVG", "COUNT", "COUNT_DISTINCT", "SUM", "STDDEV")
PNG = b"\x89PNG\r\n\x1a\n"


def rows(text: str) -> list[list[str]]:
    """The table's rows of numbers."""
    return [line.split() for line in text.splitlines() if line.strip() and line.split()[0].isdecimal()]


def test_the_counts_side_by_side(command: Command, membership: str) -> None:
    ended = command("preview", membership, "--epsilon", "1,10", "--noise", "10,30")
    assert (ended.status, ended.err) == (0, "")
    assert f"What a budget would allow in membership {membership}, by noise in users per query:\n" in ended.out
    assert [line.split() for line in ended.out.splitlines() if "noise 10" in line] == [["noise", "10", "noise", "30"]]
    assert rows(ended.out) == [
        [text for noise in (10, 30) for text in (str(epsilon), *(str(max_counts(epsilon, noise)[name]) for name in AGGREGATIONS))]
        for epsilon in (1, 10)
    ]


def test_by_default_every_epsilon_and_three_noises(command: Command, membership: str) -> None:
    impacts = json.loads(command("preview", membership, "--json").out)["impacts"]
    asked = [(impact["usersNoisePerQuery"], impact["epsilon"]) for impact in impacts]
    assert asked == [(noise, epsilon) for noise in (10, 30, 100) for epsilon in range(1, 21)]


def test_json(command: Command, membership: str) -> None:
    ended = command("preview", membership, "--epsilon", "3", "--noise", "30", "--json")
    assert json.loads(ended.out) == {
        "membershipId": membership,
        "impacts": [{"epsilon": 3, "usersNoisePerQuery": 30, "maxCounts": max_counts(3, 30)}],
    }


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        pytest.param("3", [3], id="one"),
        pytest.param("1..4", [1, 2, 3, 4], id="range"),
        pytest.param("5,1,3", [1, 3, 5], id="list"),
        pytest.param("20, 1..3,2", [1, 2, 3, 20], id="both_and_twice"),
    ],
)
def test_numbers(text: str, numbers: list[int]) -> None:
    assert numbers_in(EPSILON)(text) == numbers


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        pytest.param("--epsilon", "0", "must be a whole number from 1 to 20, got 0", id="epsilon_below"),
        pytest.param("--epsilon", "1..21", "must be a whole number from 1 to 20, got 21", id="epsilon_above"),
        pytest.param("--noise", "9", "must be a whole number from 10 to 100, got 9", id="noise_below"),
        pytest.param("--noise", "10,101", "must be a whole number from 10 to 100, got 101", id="noise_above"),
        pytest.param("--epsilon", "5..1", "a range must begin with its smaller number, got '5..1'", id="backwards"),
        pytest.param("--epsilon", "1.5", "must be numbers and ranges such as 1,3,10..20, got '1.5'", id="no_whole_number"),
        pytest.param("--epsilon", "1..", "must be numbers and ranges such as 1,3,10..20, got '1..'", id="open_range"),
        pytest.param("--epsilon", "", "must be numbers and ranges such as 1,3,10..20, got ''", id="nothing"),
    ],
)
def test_numbers_out_of_range_are_refused(command: Command, membership: str, option: str, text: str, told: str) -> None:
    ended = command("preview", membership, option, text)
    assert ended.status == 2
    assert f"argument {option}: {told}\n" in ended.err


@pytest.mark.parametrize(("suffix", "magic"), [("png", PNG), ("svg", b"<?xml"), ("pdf", b"%PDF")], ids=["png", "svg", "pdf"])
def test_the_chart(command: Command, membership: str, tmp_path: Path, suffix: str, magic: bytes) -> None:
    file = tmp_path / f"impact.{suffix}"
    ended = command("preview", membership, "--epsilon", "1,5", "--noise", "10", "--plot", str(file))
    assert (ended.status, ended.err) == (0, "")
    assert file.read_bytes().startswith(magic)


def test_chart_panels_are_aggregations_and_lines_noises(
    command: Command, membership: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    command("preview", membership, "--epsilon", "1,5", "--noise", "10,30", "--plot", str(tmp_path / "impact.png"))
    (figure,) = drawn
    panels = {panel.get_title(): panel for panel in figure.axes if panel.get_title()}
    assert tuple(panels) == AGGREGATIONS
    for name, panel in panels.items():
        lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}
        assert lines == {f"{noise} users": ([1, 5], [max_counts(epsilon, noise)[name] for epsilon in (1, 5)]) for noise in (10, 30)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("impact.docx", "--plot must name a file that ends with .png, .svg, .pdf, got", id="format"),
        pytest.param("missing/impact.png", "--plot must name a file in a folder that exists, got", id="folder"),
    ],
)
def test_unwritable_chart_is_refused_first(
    command: Command, membership: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    """A chart that cannot be written is refused before Clean Rooms is called."""
    monkeypatch.setattr(preview, "CleanRooms", None)
    ended = command("preview", membership, "--plot", str(tmp_path / name))
    assert ended.status == 1
    assert f"privacy-budget: {told} {tmp_path / name}" in ended.err


def test_a_file_that_refuses_the_chart_is_told(command: Command, membership: str, tmp_path: Path) -> None:
    (tmp_path / "impact.png").mkdir()
    ended = command("preview", membership, "--epsilon", "1", "--noise", "10", "--plot", str(tmp_path / "impact.png"))
    assert ended.status == 1
    assert ended.err == f"privacy-budget: the chart could not be written to {tmp_path / 'impact.png'}: Is a directory\n"
