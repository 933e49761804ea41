"""Deferred imports: a library gets all of a module where it uses it, and its loading costs nothing where it does not."""

import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from privacy_budget_handler import deferred
from privacy_budget_handler.deferred import DEFERRED, deferring

LAZY = """
import time
executed = globals().get("executed", 0) + 1
time.sleep(0.05)
value = 7
class Exported: ...
def function(number, *, more=0):
    return number + more
"""


@pytest.fixture
def lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in a package, imported as a deferred one."""
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent" / "__init__.py").touch()
    (tmp_path / "parent" / "lazy.py").write_text(LAZY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(deferred, "DEFERRED", {"parent.lazy": ("function", "Exported")})
    importlib.invalidate_caches()
    with deferring():
        yield "parent.lazy"
    for name in ("parent.lazy", "parent"):
        sys.modules.pop(name, None)


def executed(module: ModuleType) -> bool:
    return "executed" in vars(module)


def test_an_import_executes_nothing(lazy: str) -> None:
    module = importlib.import_module(lazy)
    from parent.lazy import function  # type: ignore[import-not-found] # noqa: PLC0415

    assert not executed(module)
    assert sys.modules["parent"].lazy is module, "import parent.lazy; parent.lazy.value"
    assert function(1, more=2) == 3
    assert executed(module)
    assert type(module) is ModuleType


def test_asking_for_anything_executes_the_module_itself(lazy: str) -> None:
    module = importlib.import_module(lazy)
    assert module.value == 7
    assert module.function.__name__ == "function", "the stand-in is gone"
    assert importlib.import_module(lazy) is module
    assert module.__spec__ is not None
    assert module.__spec__.loader is module.__loader__


def test_a_missing_name_is_an_attribute_error(lazy: str) -> None:
    module = importlib.import_module(lazy)
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing
    assert not hasattr(module, "__path__")


def test_two_threads_execute_it_once_and_both_wait(lazy: str) -> None:
    module, seen = importlib.import_module(lazy), list[int]()
    threads = [threading.Thread(target=lambda: seen.append(module.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [7] * 4
    assert module.executed == 1


def test_after_the_block_a_class_is_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_class.py").write_text(LAZY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(deferred, "DEFERRED", {"lazy_class": ("Exported",)})
    with deferring():
        module = importlib.import_module("lazy_class")
    assert not executed(module)
    assert isinstance(module.Exported, type)
    assert not any(isinstance(finder, deferred._Finder) for finder in sys.meta_path)


def test_a_module_that_fails_fails_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_failure.py").write_text("raise ValueError('broken')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(deferred, "DEFERRED", {"lazy_failure": ()})
    with deferring():
        module = importlib.import_module("lazy_failure")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            _ = module.value


STILL_DEFERRED = """
import json, sys
import privacy_budget_handler.function as function, privacy_budget_handler.events as events
from privacy_budget_handler import deferred
assert function.handle is events.handle, "the function could not start"
modules = {name: sys.modules.get(name) for name in deferred.DEFERRED}
executed = [name for name, module in modules.items() if type(module) is not deferred._Deferred]
for name, names in deferred.DEFERRED.items():
    assert all(callable(getattr(modules[name], one)) for one in names), name
    deferred._execute(modules[name])
help(events.client.create_privacy_budget_template)
print(json.dumps(executed))
"""


def test_deferred_modules_run_on_first_use() -> None:
    """In an interpreter of its own, as this one has imported them all. What botocore documents is still there."""
    finished = subprocess.run(
        [sys.executable, "-c", STILL_DEFERRED],
        env={"PATH": "/usr/bin:/bin", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    documentation, _, executed = finished.stdout.strip().rpartition("\n")
    assert "UsersNoisePerQuery".lower() in documentation.lower()
    # a start script of the environment (coverage, editable installs) may have imported some of the standard library before
    assert {name for name in json.loads(executed) if name in DEFERRED and name.partition(".")[0] not in sys.stdlib_module_names} == set()
