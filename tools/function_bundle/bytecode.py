"""Bytecode for the functions' runtime. Compiling the sources is half of a cold start, and Lambda's file system is read-only."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

RUNTIME: Final = "3.14"
"""The Python version of the provider's default runtime. Any other one ignores the bytecode and compiles the sources."""

_TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks the zip: the paths in tracebacks."""


def interpreter_of_the_runtime() -> Path | None:
    """The interpreter of the functions' runtime; None where this machine has none."""
    found = shutil.which(f"python{RUNTIME}")
    return Path(found) if found else None


def compiled(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    """The bytecode of the sources among these files, the same for every folder and hash seed. Raises subprocess.CalledProcessError.

    It is unchecked: Python would compare it with the sources' times, which a zip loses.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            if file.endswith(".py"):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(content)
        subprocess.run(
            [interpreter, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", folder, "-p", _TASK_ROOT, folder],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            check=True,
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.pyc")}
