"""Bytecode for the function's runtime: compiling the sources is half of a cold start, and Lambda has nowhere to keep what it compiled."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

RUNTIME: Final = "3.14"
"""The Python of the provider's default runtime; any other one ignores the bytecode and compiles the sources."""

_TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks the zip: the paths in tracebacks."""


def interpreter_of_the_runtime() -> Path | None:
    """The interpreter that can compile for the function's runtime, if this machine has it."""
    found = shutil.which(f"python{RUNTIME}")
    return Path(found) if found else None


def compiled(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    """The bytecode of the sources among these files, taken as it is: never compared with the sources' times, which a zip loses.

    It is the same for every folder and hash seed. Raises subprocess.CalledProcessError.
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
