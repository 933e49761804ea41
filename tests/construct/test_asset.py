"""The functions' zip: complete, small, and the same wherever it is made."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from aws_cdk import aws_lambda as lambda_

from cleanrooms_privacy_budget.asset import Asset, handler_asset
from tools.function_bundle import CORE, DISTRIBUTIONS, HANDLER, MONITOR, assemble, assemble_for_release
from tools.function_bundle.bytecode import RUNTIME

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asset() -> Asset:
    return handler_asset()


def checkout(folder: Path) -> Path:
    """A copy of what the zip has of a checkout."""
    folder.mkdir(exist_ok=True)
    (folder / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    for package in (CORE, HANDLER, MONITOR):
        (folder / "lambda" / package).mkdir(parents=True)
        for source in (ROOT / "lambda" / package).glob("*.py"):
            (folder / "lambda" / package / source.name).write_bytes(source.read_bytes())
    return folder


def test_digest_is_reproducible(asset: Asset, tmp_path: Path) -> None:
    """The digest is the same for two folders, umasks and hash seeds."""
    script = (
        "import os, sys, pathlib; os.umask(int(sys.argv[2], 8));"
        "from tools.function_bundle import assemble;"
        "made = assemble(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1]) / 'out');"
        "print(made.name)"
    )
    names = set()
    zips = set()
    for seed, umask in (("1", "077"), ("2", "002")):
        folder = checkout(tmp_path / seed)
        compiled = folder / "lambda" / HANDLER / "__pycache__"
        compiled.mkdir()
        (compiled / f"x{seed}.pyc").write_text(seed)
        finished = subprocess.run(
            [sys.executable, "-c", script, str(folder), umask],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        names.add(finished.stdout.strip())
        zips.add(next((folder / "out").glob("*.zip")).read_bytes())
    assert names == {asset.path.name}
    assert zips == {asset.path.read_bytes()}


def test_bytecode_is_reproducible(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode is the same for two folders and hash seeds, and comes beside the sources."""
    zips = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        made = assemble(ROOT, tmp_path / seed, Path(sys.executable))
        zips.append(made.read_bytes())
        assert made.name != asset.path.name
    assert zips[0] == zips[1]
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(asset.path) as sources:
        added = set(archive.namelist()) - set(sources.namelist())
        assert {Path(name).suffix for name in added} == {".pyc"}
        assert len(added) == len([name for name in sources.namelist() if name.endswith(".py")])
        assert all(archive.read(name) == sources.read(name) for name in sources.namelist())


def test_the_runtimes_interpreter_is_the_providers_default() -> None:
    assert f"python{RUNTIME}" == lambda_.Runtime.PYTHON_3_14.name


def test_release_bytecode_needs_an_installed_interpreter(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is compiled by the interpreter of the Lambda runtime, where that is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert assemble_for_release(ROOT, tmp_path / "without").name == asset.path.name
    (tmp_path / f"python{RUNTIME}").symlink_to(sys.executable)
    assert assemble_for_release(ROOT, tmp_path / "with").name == assemble(ROOT, tmp_path / "compiled", Path(sys.executable)).name


@pytest.mark.parametrize("source", [f"{CORE}/lifecycle.py", f"{HANDLER}/events.py", f"{MONITOR}/readings.py"])
def test_a_changed_source_is_another_digest(asset: Asset, tmp_path: Path, source: str) -> None:
    copied = checkout(tmp_path)
    (copied / "lambda" / source).write_text((copied / "lambda" / source).read_text() + "# edited\n")
    assert assemble(copied, tmp_path / "out").name != asset.path.name


def test_another_zip_is_left(asset: Asset, tmp_path: Path) -> None:
    """Another process may be about to read it: the sources were edited while that one synthesized."""
    earlier = tmp_path / f"{HANDLER}-0.zip"
    earlier.touch()
    assert assemble(ROOT, tmp_path).name == asset.path.name
    assert earlier.exists()


def test_zip_is_small_without_other_services_data(asset: Asset) -> None:
    assert asset.path.stat().st_size < 1_500_000
    with zipfile.ZipFile(asset.path) as archive:
        services = {name.split("/")[2] for name in archive.namelist() if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == {"cleanrooms", "cloudformation"}


HANDLER_STARTS = """
import privacy_budget_handler.function as function, privacy_budget_handler.events as events, boto3, botocore.session
assert function.handle is events.handle, 'the function could not start'
boto3.client('cloudformation', config=events.ONE_ATTEMPT)
print(events.client.meta.endpoint_url)
"""
MONITOR_STARTS = """
import privacy_budget_monitor.function as function, privacy_budget_monitor.readings as readings, sys
from privacy_budget_core.model import Balance
from privacy_budget_core.contract import PrivacyBudgetType
readings.Reading({}, PrivacyBudgetType.ACCESS_BUDGET, [Balance('LIFETIME', 1, 2)]).publish()
assert 'crhelper' not in sys.modules, 'only the handler needs it'
print(function.client.meta.endpoint_url)
"""


@pytest.mark.parametrize("script", [HANDLER_STARTS, MONITOR_STARTS], ids=["handler", "monitor"])
def test_the_zip_runs_alone(asset: Asset, tmp_path: Path, script: str) -> None:
    """Everything that the functions import is in the zip: nothing else is on the path but the standard library."""
    with zipfile.ZipFile(asset.path) as archive:
        archive.extractall(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"],
        env={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == "https://cleanrooms.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_zip_has_each_licence_and_notice(asset: Asset, name: str) -> None:
    notices = [file for file in importlib.metadata.files(name) or () if file.name.startswith(("LICEN", "NOTICE"))]
    with zipfile.ZipFile(asset.path) as archive:
        for notice in notices:
            assert archive.read(notice.as_posix()) == notice.read_binary()
    assert any(notice.name.startswith("LICEN") for notice in notices), f"{name} was installed without its licence"


def test_this_projects_licence_is_in_the_zip(asset: Asset) -> None:
    with zipfile.ZipFile(asset.path) as archive:
        assert archive.read(f"{HANDLER}/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_an_app_may_have_tools_of_its_own(asset: Asset, tmp_path: Path) -> None:
    """An editable install assembles by the checkout's package ``tools``, not by the app's."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").touch()
    app = "import tools; from cleanrooms_privacy_budget.asset import handler_asset; print(tools.__file__, handler_asset().path)"
    finished = subprocess.run([sys.executable, "-c", app], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == [str(tmp_path / "tools" / "__init__.py"), str(asset.path)]


def test_a_missing_distribution_is_named(tmp_path: Path) -> None:
    """``pip install -e`` installs what the construct needs, not what the functions do."""
    command = [sys.executable, "-S", "-m", "tools.function_bundle", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"The functions' zip needs {DISTRIBUTIONS[0]}, which is not installed here: install what ")
