"""The bill of materials of the function's zip: true to the specification, to the zip and to the licence texts in it."""

import hashlib
import importlib.metadata
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from license_expression import get_spdx_licensing  # type: ignore[import-untyped]

from cleanrooms_privacy_budget.asset import handler_asset
from tools.function_bundle import DISTRIBUTIONS
from tools.release.sbom import LICENCES, sbom

PHRASES = {
    "Apache-2.0": "Apache License",
    "BSD-3-Clause": "Neither the name of the copyright holder",
    "MIT": "The above copyright notice and this permission notice shall be included",
    "MIT-0": "MIT No Attribution",
    "MPL-2.0": "Mozilla Public License, v. 2.0",
    "PSF-2.0": "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",
}
"""What only that licence's text says."""


@pytest.fixture(scope="module")
def archive() -> Path:
    return handler_asset().path


@pytest.fixture(scope="module")
def bill(archive: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(sbom(archive, "1.2.3", DISTRIBUTIONS))
    return made


def test_reference_library_round_trip(bill: dict[str, Any]) -> None:
    """Its JSON schema would need jsonschema, which nothing else here does; its model knows the same members and their types."""
    model = Bom.from_json(bill)  # type: ignore[attr-defined]  # added by a decorator
    assert model.validate()
    written = json.loads(JsonV1Dot6(model).output_as_string())
    assert written["metadata"].pop("timestamp")
    assert normal(written) == normal(bill)


def normal(bill: dict[str, Any]) -> dict[str, Any]:
    """Without the order of components, and without those that depend on nothing."""
    dependencies = {entry["ref"]: sorted(entry["dependsOn"]) for entry in bill["dependencies"] if "dependsOn" in entry}
    return {**bill, "components": sorted(bill["components"], key=lambda one: str(one["purl"])), "dependencies": dependencies}


def test_sbom_names_every_distribution_and_version(bill: dict[str, Any], archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        folders = {name.split("/")[0].removesuffix(".dist-info") for name in opened.namelist() if ".dist-info/" in name}
    assert {f"{component['name'].replace('-', '_')}-{component['version']}" for component in bill["components"]} == folders


def test_it_names_the_zip_and_its_hash(bill: dict[str, Any], archive: Path) -> None:
    described = bill["metadata"]["component"]
    assert (described["name"], described["version"]) == ("privacy_budget_handler", "1.2.3")
    assert described["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]


def test_it_is_the_same_twice(archive: Path) -> None:
    assert sbom(archive, "1.2.3", DISTRIBUTIONS) == sbom(archive, "1.2.3", DISTRIBUTIONS)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_licences_named_are_those_of_the_texts(name: str) -> None:
    expression = get_spdx_licensing().parse(LICENCES[name], validate=True)
    files = [file for file in importlib.metadata.files(name) or () if file.name.startswith(("LICEN", "NOTICE"))]
    text = re.sub(r"\s+", " ", " ".join(file.read_text() for file in files))
    assert {licence for licence, phrase in PHRASES.items() if phrase in text} == set(map(str, expression.symbols))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_licences_match_metadata_expressions(name: str) -> None:
    metadata = importlib.metadata.metadata(name)
    assert "License-Expression" not in metadata or metadata["License-Expression"] == LICENCES[name]
