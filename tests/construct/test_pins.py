"""The pins of a checkout: complete, and those of the wheel's build, where what the function's zip carries is pinned once more."""

import importlib.metadata
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.function_bundle import DISTRIBUTIONS

ROOT = Path(__file__).parents[2]
DEPLOYMENT = (ROOT / "requirements.txt").read_text().splitlines()
TOOLS = (ROOT / "requirements-dev.txt").read_text().splitlines()
PRESCRIBED = ["aws-cdk-lib", "constructs", "crhelper", "boto3", "pytest", "aws-lambda-powertools"]


def pins(lines: list[str]) -> dict[str, str]:
    return {line.split("==")[0].replace("_", "-"): line.split("==")[1].strip() for line in lines if "==" in line}


def needs(requirements: Iterable[str]) -> Iterator[str]:
    """What of these is needed here, by its name."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def test_the_prescribed_packages_come_first() -> None:
    assert list(pins(DEPLOYMENT))[: len(PRESCRIBED)] == PRESCRIBED


@pytest.mark.parametrize("lines", [DEPLOYMENT, DEPLOYMENT + TOOLS], ids=["deployment", "tools"])
def test_everything_that_is_installed_is_pinned(lines: list[str]) -> None:
    """What a pinned package needs in turn is pinned as well, in the same file or in requirements.txt."""
    here = set(needs(line for line in lines if "==" in line))
    for name in here:
        for needed in needs(importlib.metadata.requires(name) or ()):
            assert needed in here, f"{name} needs {needed}"


def test_no_package_is_pinned_twice() -> None:
    assert not pins(DEPLOYMENT).keys() & pins(TOOLS).keys()


def test_the_wheel_is_built_with_the_checkouts_pins() -> None:
    checkout = pins(DEPLOYMENT + TOOLS)
    build = pins(tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"])
    assert set(build) == {"hatchling", *DISTRIBUTIONS}
    assert build == {name: checkout[name] for name in build}


def test_zip_has_every_needed_distribution() -> None:
    for name in DISTRIBUTIONS:
        for needed in needs(importlib.metadata.requires(name) or ()):
            assert needed in DISTRIBUTIONS, f"{name} needs {needed}"
