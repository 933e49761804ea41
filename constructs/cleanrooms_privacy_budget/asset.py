"""The functions' deployment package: the zip that the wheel ships or, in a checkout, one assembled from the sources."""

import functools
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
    """The zip that this installation ships; an editable install assembles it anew, so that edits show."""
    package = Path(__file__).resolve().parent
    path = next(package.glob(f"{HANDLER}-*.zip"), None) or _assembled(package.parents[1])
    return Asset(path, path.stem.removeprefix(f"{HANDLER}-"))


def _assembled(checkout: Path) -> Path:
    try:
        from tools.function_bundle import assemble  # noqa: PLC0415 - the wheel ships the zip, not what assembles it
    except ModuleNotFoundError:
        raise FileNotFoundError(
            f"cleanrooms-privacy-budget has neither its function's zip nor the sources to make it from ({checkout}): reinstall the package"
        ) from None
    return assemble(checkout, checkout / "build")
