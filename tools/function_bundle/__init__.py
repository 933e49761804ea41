"""The functions' deployment package: core, handler, monitor and the installed distributions they need, in one zip named by its contents.

The build of the wheel and the synth of a checkout both assemble it. By the standard library alone, as a build has nothing else.
"""

import hashlib
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .bytecode import Interpreter, compiled, interpreter_of_the_runtime
from .contents import CORE, DISTRIBUTIONS, HANDLER, MONITOR, contents

__all__ = ["CORE", "DISTRIBUTIONS", "HANDLER", "MONITOR", "assemble", "assemble_for_the_runtime"]


def assemble_for_the_runtime(checkout: Path, folder: Path) -> Path:
    """Assemble the zip with bytecode, where this machine has the interpreter of the functions' runtime; elsewhere from sources only."""
    interpreter = interpreter_of_the_runtime()
    if interpreter is None:
        return assemble(checkout, folder)
    try:
        return assemble(checkout, folder, interpreter)
    except subprocess.CalledProcessError:
        return assemble(checkout, folder)


def assemble(checkout: Path, folder: Path, interpreter: Interpreter | None = None) -> Path:
    """Write the zip of a checkout's functions and the installed distributions into a folder, unless it is there already.

    Its name ends with the digest of its contents; both are the same for every folder, installer, umask and hash seed. Other zips stay,
    since another process may be about to read them.

    :param interpreter: The Python of the functions' runtime, whose bytecode is then in the zip too.
    """
    files = contents(checkout)
    target = folder / f"{HANDLER}-{_digest(files, interpreter)}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if interpreter is not None:
            files = dict(sorted({**files, **compiled(files, interpreter)}.items()))
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = Path(scratch) / target.name
            _write(files, unfinished)
            unfinished.replace(target)
    return target


def _digest(files: Mapping[str, bytes], interpreter: Interpreter | None) -> str:
    """The digest of the files and of the version that compiles them, by which their bytecode need not be made to be known."""
    total = hashlib.sha256(f"bytecode of {interpreter.version}\n".encode() if interpreter else b"")
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
