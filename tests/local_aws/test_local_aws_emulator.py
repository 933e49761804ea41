"""The emulator beneath is pinned: another version, or one whose inner names have moved, is refused."""

import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from cleanrooms_local_aws import LocalAwsError, emulator


def test_installed_emulator_is_the_pinned_one(tmp_path: Path) -> None:
    check = "from cleanrooms_local_aws import emulator; emulator.check_pins()"
    subprocess.run([sys.executable, "-c", check], env={"TMPDIR": str(tmp_path), "STATE_DIR": str(tmp_path)}, check=True)


def test_other_version_is_refused() -> None:
    with pytest.raises(LocalAwsError, match=r"needs ministack 1\.5\.33, got 1\.6\.0\. .* pip install ministack==1\.5\.33"):
        emulator.check_pins(version=lambda _: "1.6.0")


def test_missing_name_is_named() -> None:
    complete = MagicMock()
    with pytest.raises(LocalAwsError, match=r"ministack 1\.5\.33 lacks services\.cloudtrail\._DISPATCH, which"):
        emulator.check_pins(load=lambda name: object() if name == "services.cloudtrail" else complete)
