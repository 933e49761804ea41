"""What the function's zip carries is pinned twice, for a checkout and for the wheel's build: the two must agree."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tools.function_bundle import DISTRIBUTIONS

ROOT = Path(__file__).parents[2]


def pins(lines: list[str]) -> dict[str, str]:
    return {line.split("==")[0].replace("_", "-"): line.split("==")[1].strip() for line in lines if "==" in line}


def test_the_wheel_is_built_with_the_checkouts_pins() -> None:
    checkout = pins((ROOT / "requirements.txt").read_text().splitlines())
    build = pins(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
    assert set(build) == {"hatchling", *DISTRIBUTIONS}
    assert build == {name: checkout[name] for name in build}


def test_the_zip_carries_every_distribution_that_its_own_need() -> None:
    for name in DISTRIBUTIONS:
        for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert requirement.name.replace("_", "-") in DISTRIBUTIONS, f"{name} needs {requirement.name}"
