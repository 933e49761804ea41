"""What a cold start does, counted: modules, files and bytes. Time is for benchmarks; these only grow when somebody makes them."""

import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.function_bundle import assemble
from tools.function_bundle.bytecode import Interpreter

ROOT = Path(__file__).parents[2]
THIS = Interpreter(Path(sys.executable), platform.python_version())

pytestmark = pytest.mark.slow

COUNTING = """
import json, sys
folder = sys.argv[1]
before = set(sys.modules)
opened, compiled = [], []

def audit(event, arguments):
    if event == "open" and str(arguments[0]).startswith(folder):
        opened.append(str(arguments[0])[len(folder) + 1:])
    if event == "compile" and str(arguments[1]).startswith((folder, "/var/task")):
        compiled.append(str(arguments[1]))

sys.addaudithook(audit)
sys.path.insert(0, folder)
import gc
import privacy_budget_handler.function as function
import privacy_budget_handler.events as events
assert function.handle is events.handle, "the function could not start"
from privacy_budget_handler.deferred import _Deferred
print(json.dumps({
    "modules": sorted(name for name, module in sys.modules.items() if name not in before and not isinstance(module, _Deferred)),
    "opened": opened,
    "compiled": compiled,
    "collecting": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
    "standing": len(gc.get_objects()),
}))
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The function, loaded from its zip with the bytecode in it, as Lambda does."""
    folder = tmp_path_factory.mktemp("cold")
    with zipfile.ZipFile(assemble(ROOT, folder / "zip", THIS)) as archive:
        archive.extractall(folder / "task")
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", COUNTING, str(folder / "task")],
        env={"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_nothing_is_compiled(counted: dict[str, Any]) -> None:
    assert counted["compiled"] == []
    assert not [name for name in counted["opened"] if name.endswith(".py")]


def test_few_modules_are_loaded(counted: dict[str, Any]) -> None:
    assert len(counted["modules"]) < 270


def test_unused_modules_are_not_loaded(counted: dict[str, Any]) -> None:
    unused = {"boto3", "s3transfer", "multiprocessing", "asyncio", "unittest", "sqlite3", "pydantic", "aws_xray_sdk"}
    deferred = {"botocore.docs.service", "html.parser", "importlib.metadata", "zipfile", "jmespath", "dateutil.parser", "_strptime"}
    assert (unused | deferred) & set(counted["modules"]) == set()


def test_few_files_are_opened(counted: dict[str, Any], tmp_path: Path) -> None:
    data = [name for name in counted["opened"] if not name.endswith(".pyc")]
    assert len(counted["opened"]) < 150
    assert all(name.startswith("botocore/data/") for name in data), data
    assert len(data) <= 6


def test_the_collector_leaves_what_was_loaded_alone(counted: dict[str, Any]) -> None:
    assert counted["collecting"]
    assert counted["frozen"] > 10 * counted["standing"]
