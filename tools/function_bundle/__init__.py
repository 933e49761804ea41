"""The functions' deployment package: core, handler, monitor and the installed distributions they need, in one zip named by its contents.

The build of the wheel and the synth of a checkout both assemble it. By the standard library alone, as a build has nothing else.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .bytecode import compiled, interpreter_of_the_runtime
from .contents import CORE, DISTRIBUTIONS, HANDLER, MONITOR, contents

__all__ = ["CORE", "DISTRIBUTIONS", "HANDLER", "MONITOR", "assemble", "assemble_for_release"]


def assemble_for_release(checkout: Path, folder: Path) -> Path:
    """Assemble the zip as a release carries it: with bytecode, where this machine has the interpreter of the functions' runtime."""
    return assemble(checkout, folder, interpreter_of_the_runtime())


def assemble(checkout: Path, folder: Path, interpreter: Path | None = None) -> Path:
    """Write the zip of a checkout's functions and the installed distributions into a folder, unless it is there already.

    Its name ends with the digest of its contents; both are the same for every folder, installer, umask and hash seed. Other zips stay,
    since another process may be about to read them.

    :param interpreter: The Python of the functions' runtime, whose bytecode is then in the zip too.
    """
    files = contents(checkout)
    if interpreter is not None:
        files = dict(sorted({**files, **compiled(files, interpreter)}.items()))
    target = folder / f"{HANDLER}-{_digest(files)}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch) / target.name
            _write(files, unfinished)
            unfinished.replace(target)
    return target


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
