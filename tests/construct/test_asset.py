"""The functions' zip: complete, small, and the same wherever it is made."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from aws_cdk import aws_lambda as lambda_

from cleanrooms_privacy_budget.asset import Asset, handler_asset
from tools.function_bundle import CORE, DISTRIBUTIONS, HANDLER, MONITOR, assemble, assemble_for_the_runtime, bytecode
from tools.function_bundle.bytecode import RUNTIME, Interpreter, interpreter, interpreter_of_the_runtime

ROOT = Path(__file__).parents[2]
VERSION = ".".join(platform.python_version_tuple()[:2])
THIS = Interpreter(Path(sys.executable), platform.python_version())
UNLIKELY = "3.99"
"""A version of Python that no machine has."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Asset:
    """The zip from sources only, as it is wherever there is no interpreter of the runtime."""
    path = assemble(ROOT, tmp_path_factory.mktemp("asset"))
    return Asset(path, path.stem.rpartition("-")[2])


def command(path: Path, script: str) -> Path:
    """An executable of a name on a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


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
        made = assemble(ROOT, tmp_path / seed, THIS)
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


def test_the_zip_is_compiled_where_the_runtimes_interpreter_is_at_hand(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "RUNTIME", UNLIKELY)
    assert assemble_for_the_runtime(ROOT, tmp_path / "without").name == asset.path.name
    monkeypatch.setattr(bytecode, "RUNTIME", VERSION)
    assert assemble_for_the_runtime(ROOT, tmp_path / "with").name == assemble(ROOT, tmp_path / "compiled", THIS).name


def test_what_a_checkout_deploys_is_compiled_where_the_runtimes_interpreter_is_at_hand(asset: Asset) -> None:
    with zipfile.ZipFile(handler_asset().path) as archive:
        assert any(name.endswith(".pyc") for name in archive.namelist()) == (interpreter_of_the_runtime() is not None)


def test_a_second_synth_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = assemble(ROOT, tmp_path, THIS)
    monkeypatch.setattr("tools.function_bundle.compiled", None)
    assert assemble(ROOT, tmp_path, THIS) == first
    assert assemble(ROOT, tmp_path).name != first.name


@pytest.mark.parametrize(
    "script",
    ["exit 127", "echo cpython-311-x 3.99.1", "echo", f'exec {sys.executable} "$@"'],
    ids=["a shim that fails", "no GIL", "nothing", "another version"],
)
def test_what_makes_no_bytecode_of_the_runtime_is_not_used(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(bytecode, "RUNTIME", UNLIKELY)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    shim = command(tmp_path / f"python{UNLIKELY}", script)
    assert interpreter(shim, UNLIKELY) is None
    assert interpreter(tmp_path / "missing", UNLIKELY) is None
    assert assemble_for_the_runtime(ROOT, tmp_path / "out").name == asset.path.name


def test_an_interpreter_that_cannot_compile_leaves_sources_only(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one without compileall, which Debian has in a package of its own."""
    monkeypatch.setattr(bytecode, "RUNTIME", UNLIKELY)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    command(tmp_path / f"python{UNLIKELY}", '[ "$1" = -I ] && echo cpython-399 3.99.1')
    assert interpreter_of_the_runtime() is not None
    assert assemble_for_the_runtime(ROOT, tmp_path / "out").name == asset.path.name


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv on the PATH that notes what it is called with; nothing of it is this environment's."""
    monkeypatch.setattr(bytecode, "RUNTIME", UNLIKELY)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return command(tmp_path / "bin" / "uv", f'echo "$@" >> {tmp_path}/called\n[ "$2" = find ] && exit 1\n[ "$3" = install ] && exit 2')


def test_a_synth_asks_uv_for_what_it_has_and_downloads_nothing(uv: Path, tmp_path: Path) -> None:
    assert interpreter_of_the_runtime() is None
    assert (tmp_path / "called").read_text() == f"python find --managed-python --no-python-downloads --no-project {UNLIKELY}\n"
    managed = command(tmp_path / "managed", "echo cpython-399 3.99.1")
    command(uv, f"echo {managed}")
    assert interpreter_of_the_runtime() == Interpreter(managed, "3.99.1")


def test_make_has_uv_download_it_once_and_no_failure_is_one(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bytecode.download()
    assert f"--quiet python install --no-bin {UNLIKELY}" in (tmp_path / "called").read_text().splitlines()
    assert capfd.readouterr() == (f"Downloading Python {UNLIKELY}, which compiles the function's code ...\n", "")
    monkeypatch.setattr(bytecode, "SECONDS_TO_DOWNLOAD", 0.01)
    command(uv, '[ "$2" = find ] && exit 1\nexec sleep 60')
    bytecode.download()
    uv.unlink()
    capfd.readouterr()
    bytecode.download()
    assert capfd.readouterr().out == ""


def test_nothing_is_downloaded_where_it_is_at_hand(uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "RUNTIME", VERSION)
    bytecode.download()
    assert not (tmp_path / "called").exists()


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


def test_an_app_may_have_tools_of_its_own(tmp_path: Path) -> None:
    """An editable install assembles by the checkout's package ``tools``, not by the app's."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").touch()
    app = "import tools; from cleanrooms_privacy_budget.asset import handler_asset; print(tools.__file__, handler_asset().path)"
    finished = subprocess.run([sys.executable, "-c", app], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == [str(tmp_path / "tools" / "__init__.py"), str(handler_asset().path)]


def test_a_missing_distribution_is_named(tmp_path: Path) -> None:
    """``pip install -e`` installs what the construct needs, not what the functions do."""
    command = [sys.executable, "-S", "-m", "tools.function_bundle", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"The functions' zip needs {DISTRIBUTIONS[0]}, which is not installed here: install what ")
