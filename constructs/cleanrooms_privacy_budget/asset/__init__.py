"""The functions' deployment package: handler, monitor and the installed distributions they need, in one zip named by its contents.

The build hook of the wheel and the synth of a checkout both call ``assemble``; an installed wheel ships the zip ready-made. Nothing
here imports anything outside the standard library, since the build hook loads it by its path.
"""

import functools
import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .bytecode import compiled, interpreter_of_the_runtime
from .contents import CORE, DISTRIBUTIONS, HANDLER, MONITOR, contents

__all__ = ["CORE", "DISTRIBUTIONS", "HANDLER", "MONITOR", "Asset", "assemble", "handler_asset", "released_asset"]


@dataclass(frozen=True)
class Asset:
    """A zip, and the digest of what is in it: the same for every folder, installer, umask and hash seed."""

    path: Path
    digest: str


@functools.cache
def handler_asset() -> Asset:
    """The zip that this installation ships or, in a checkout, the one assembled from its sources."""
    package = Path(__file__).resolve().parents[1]
    shipped = sorted(package.glob(f"{HANDLER}-*.zip"))
    if shipped:
        return Asset(shipped[0], shipped[0].stem.removeprefix(f"{HANDLER}-"))
    checkout = package.parents[1]
    if not (checkout / "lambda" / HANDLER).is_dir():
        raise FileNotFoundError(
            "cleanrooms-privacy-budget has neither its function's zip nor the sources to make it from "
            f"({checkout / 'lambda' / HANDLER}): reinstall the package"
        )
    return assemble(checkout, checkout / "build")


def released_asset(checkout: Path, folder: Path) -> Asset:
    """The zip of a checkout as a release carries it: with bytecode, where the interpreter of the function's runtime is at hand."""
    return assemble(checkout, folder, interpreter_of_the_runtime())


def assemble(checkout: Path, folder: Path, interpreter: Path | None = None) -> Asset:
    """Write the zip of a checkout's handler and the installed distributions into a folder, unless it is there already.

    With the interpreter of the function's runtime, the bytecode is in it too.
    """
    files = contents(checkout)
    if interpreter is not None:
        files = dict(sorted({**files, **compiled(files, interpreter)}.items()))
    digest = _digest(files)
    target = folder / f"{HANDLER}-{digest}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch) / target.name
            _write(files, unfinished)
            unfinished.replace(target)
        for outdated in folder.glob(f"{HANDLER}-*.zip"):
            if outdated != target:
                outdated.unlink(missing_ok=True)
    return Asset(target, digest)


def _digest(files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, content in files.items():
        total.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def _write(files: Mapping[str, bytes], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
