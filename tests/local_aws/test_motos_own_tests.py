"""moto's own tests of Clean Rooms, from its source distribution: what the plugin adds takes nothing away.

The distribution is downloaded once, of the version that is installed, and kept in ``build``.
"""

import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

ROOT = Path(__file__).parents[2]
SDIST = "391857257d5dac144334013c2c10e599def5f0562f553e979160140bd7bd9cf6"
"""Its SHA-256, of moto 5.2.5."""

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "motos_tests", "-c", os.devnull]


@pytest.fixture(scope="module")
def motos_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of moto's tests of Clean Rooms."""
    name = f"moto-{version('moto')}"
    kept = ROOT / "build" / "moto"
    if not (kept / f"{name}.tar.gz").exists():
        wanted = tmp_path_factory.mktemp("wanted") / "requirements.txt"
        wanted.write_text(f"moto=={version('moto')} --hash=sha256:{SDIST}\n")
        download = ["download", "--quiet", "--no-deps", "--no-binary", "moto", "--dest", str(kept), "--requirement", str(wanted)]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
    folder = tmp_path_factory.mktemp("moto")
    with tarfile.open(kept / f"{name}.tar.gz") as archive:
        wanted_members = [one for one in archive.getmembers() if re.fullmatch(rf"{name}/tests/(__init__\.py|test_cleanrooms/.+)", one.name)]
        archive.extractall(folder, wanted_members, filter="data")
    return folder / name


def run(folder: Path, against: str, **environment: str) -> str:
    """Run them against something, and give how they ended."""
    # What calls the application of moto's server itself says nothing of another server.
    ignored = ["--ignore=tests/test_cleanrooms/test_server.py"] if against == "local-aws" else []
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "motos_tests",
            "-c",
            os.devnull,
            f"--rootdir={folder}",
            "tests/test_cleanrooms",
            *ignored,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).with_name("support")), "MOTO_TESTS_AGAINST": against, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("against", ["plugin", "server"], ids=["in moto's process", "by HTTP"])
def test_they_pass_with_the_plugin(motos_tests: Path, against: str) -> None:
    assert re.match(r"2\d passed", run(motos_tests, against))


def test_they_pass_on_the_local_aws(motos_tests: Path, local_aws: LocalAws) -> None:
    environment = {
        **{name: value for name, value in local_aws.environment.items() if name.startswith("AWS_") and name != "AWS_ENDPOINT_URL"},
        "TEST_SERVER_MODE": "true",
        "TEST_SERVER_MODE_ENDPOINT": local_aws.endpoint,
        "MOTO_ACCOUNT_ID": local_aws.account_id,
    }
    assert re.match(r"2\d passed", run(motos_tests, "local-aws", **environment))
