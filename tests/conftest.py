"""What every test starts from: no credentials of the user's, no CDK validation where it is not asked for.

A live run (``pytest -m live``) is the exception: it has the user's own environment, and collects nothing but ``tests/live``.
"""

import functools
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

LIVE = Path(__file__).parent / "live"

LONGEST = ("wheel", "setup", "deploy", "lifecycle")

_SET = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "CDK_VALIDATION": "false",
    # Less work of the CDK CLI and of jsii: fewer collections of garbage, and what is compiled is kept.
    "NODE_OPTIONS": f"--max-semi-space-size=64 --require {Path(__file__).parent / 'support' / 'impatient.cjs'}",
    "NODE_COMPILE_CACHE": str(Path(__file__).parents[1] / "build" / "node"),
    # What jsii unpacks is unpacked once, also for tests whose home is empty.
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path(__file__).parents[1] / "build" / "jsii"),
}
_REMOVED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE")

_OF_THE_USER = {name: os.environ.get(name) for name in (*_SET, *_REMOVED)}

# At import, as the conftests below make clients when they are imported.
for _name in _REMOVED:
    os.environ.pop(_name, None)
os.environ.update(_SET)


_load_file = JSONFileLoader.load_file


@functools.cache
def _loaded(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


# Each of the hundreds of sessions in the tests would read botocore's data anew, which is a third of what the command's tests take.
JSONFileLoader.load_file = lambda _, path: _loaded(path)  # type: ignore[assignment, method-assign]


def pytest_configure(config: pytest.Config) -> None:
    """Put the user's environment back for a live run."""
    if _is_live(config):
        for name, value in _OF_THE_USER.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep everything else out of a live run: it would meet the user's account."""
    if _is_live(config) and LIVE not in (collection_path, *collection_path.parents) and collection_path not in LIVE.parents:
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no worker begins one of them when the others are done."""
    items.sort(key=lambda item: LONGEST.index(item.path.parent.name) if item.path.parent.name in LONGEST else len(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests want to have told of a run, such as how many histories it tried."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


def _is_live(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "live")
