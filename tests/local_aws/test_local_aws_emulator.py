"""The emulator beneath, in an environment of its own, is pinned: another version, or one whose inner names have moved, is refused."""

import subprocess
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from cleanrooms_local_aws import LocalAwsError, emulator
from cleanrooms_local_aws.installation import ensure_installed

SOURCES = Path(emulator.__file__).parents[1]


def test_installed_emulator_is_the_pinned_one(tmp_path: Path) -> None:
    check = "from cleanrooms_local_aws import emulator; emulator.check_pins()"
    environment = {"PYTHONPATH": str(SOURCES), "TMPDIR": str(tmp_path), "STATE_DIR": str(tmp_path)}
    subprocess.run([ensure_installed(), "-c", check], env=environment, check=True)


def test_other_version_is_refused() -> None:
    with pytest.raises(LocalAwsError, match=r"needs ministack 1\.5\.33, got 1\.6\.0\. .* delete it, .*: rm -r "):
        emulator.check_pins(version=lambda _: "1.6.0")


def test_missing_name_is_named() -> None:
    complete = MagicMock()
    with pytest.raises(LocalAwsError, match=r"ministack 1\.5\.33 lacks services\.cloudtrail\._DISPATCH, which"):
        emulator.check_pins(
            version=lambda _: emulator.PINNED_VERSION, load=lambda name: object() if name == "services.cloudtrail" else complete
        )
