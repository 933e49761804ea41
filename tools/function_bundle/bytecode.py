"""Bytecode for the functions' runtime. Compiling the sources is half of a cold start, and Lambda's file system is read-only.

``make TARGET=aws`` runs this file to have uv download the runtime's interpreter, where there is none yet and uv can. A synth downloads
nothing.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUNTIME: Final = "3.14"
"""The Python version of the provider's default runtime. Any other one ignores the bytecode and compiles the sources."""

SECONDS_TO_DOWNLOAD: Final = 60
"""How long uv may take; without the interpreter the zip holds sources only."""

_TASK_ROOT: Final = "/var/task"
"""Where Lambda unpacks the zip: the paths in tracebacks."""
_ASK: Final = "import platform, sys; print(sys.implementation.cache_tag, platform.python_version())"


@dataclass(frozen=True)
class Interpreter:
    """An interpreter whose bytecode the runtime takes, and its version: what it compiles may differ from that of another one."""

    path: Path
    version: str


def interpreter_of_the_runtime() -> Interpreter | None:
    """The interpreter of the functions' runtime; None where this machine has none. Asks no network."""
    return next((found for path in _candidates() if (found := interpreter(path, RUNTIME))), None)


def interpreter(path: Path, runtime: str) -> Interpreter | None:
    """An interpreter; None where it does not start or makes no bytecode of this runtime, as one without the GIL."""
    try:
        asked = subprocess.run([path, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=False)
    except OSError:
        return None
    tag, _, version = asked.stdout.strip().partition(" ")
    return Interpreter(path, version) if tag == f"cpython-{runtime.replace('.', '')}" else None


def compiled(files: Mapping[str, bytes], interpreter: Interpreter) -> dict[str, bytes]:
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
            [interpreter.path, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", folder, "-p", _TASK_ROOT, folder],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            check=True,
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.pyc")}


def download() -> None:
    """Have uv download the runtime's interpreter, where there is none; whatever goes wrong is no failure, but takes a minute at most."""
    uv = _uv()
    if uv and interpreter_of_the_runtime() is None:
        print(f"Downloading Python {RUNTIME}, which compiles the function's code ...", flush=True)
        # The machine's own certificates, as for packages; a host that does not answer is no reason to wait.
        environment = {"UV_SYSTEM_CERTS": "true", "UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "5", **os.environ}
        install = [*uv, "--quiet", "python", "install", "--no-bin", RUNTIME]
        try:
            subprocess.run(install, env=environment, capture_output=True, check=False, timeout=SECONDS_TO_DOWNLOAD)
        except (OSError, subprocess.TimeoutExpired):
            return


def _candidates() -> Iterator[Path]:
    """Interpreters that may be the runtime's: this one, the PATH's, and uv's."""
    yield Path(sys.executable)
    if found := shutil.which(f"python{RUNTIME}"):
        yield Path(found)
    if uv := _uv():
        find = [*uv, "python", "find", "--managed-python", "--no-python-downloads", "--no-project", RUNTIME]
        listed = subprocess.run(find, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            yield Path(listed.stdout.strip())


def _uv() -> list[str]:
    """The command for uv; empty where there is none."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


if __name__ == "__main__":
    download()
