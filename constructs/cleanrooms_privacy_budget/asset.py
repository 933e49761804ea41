"""The functions' deployment package: the zip that the wheel ships or, in a checkout, one assembled from the sources."""

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HANDLER: Final = "privacy_budget_handler"
MONITOR: Final = "privacy_budget_monitor"


@dataclass(frozen=True)
class Asset:
    """A zip, and the digest of what is in it."""

    path: Path
    digest: str


@functools.cache
def handler_asset() -> Asset:
    """The zip that this installation ships; an editable install assembles it from the sources, so that edits take effect.

    Raises FileNotFoundError where the installation is incomplete, and subprocess.CalledProcessError.
    """
    package = Path(__file__).resolve().parent
    path = next(package.glob(f"{HANDLER}-*.zip"), None) or _assembled(package.parents[1])
    return Asset(path, path.stem.removeprefix(f"{HANDLER}-"))


def _assembled(checkout: Path) -> Path:
    if not (checkout / "tools" / "function_bundle").is_dir():
        raise FileNotFoundError(
            f"cleanrooms-privacy-budget has neither its function's zip nor the sources to make it from ({checkout}): reinstall the package"
        )
    # A process of its own, as the checkout's root is not on this one's path: the app may have a package of the same name.
    command = [sys.executable, "-m", "tools.function_bundle", str(checkout / "build")]
    return Path(subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())  # noqa: S603
