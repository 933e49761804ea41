"""The documentation site, built once for the tests of this folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cdk import ROOT

# What the pages include or are made from. Zensical writes below its configuration's folder alone, so it builds a copy.
SOURCES = ("mkdocs.yml", "docs", "examples", "constructs", "lambda", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it; any issue that Zensical reports is a failure."""
    folder = tmp_path_factory.mktemp("site")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.zip"))
        else:
            shutil.copy(source, folder)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder / "build" / "site"
