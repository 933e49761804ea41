"""The emulator's own virtual environment, which the first start installs.

The emulator pins botocore to one version. In an environment of its own it neither holds back the boto3 of the app that is tested, nor
breaks when the app moves. The environment is in the user's cache: every local AWS of the same pins and kind of Python shares it, and
needs no network once it is there.
"""

import hashlib
import logging
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import packages
from .emulator import PINNED_VERSION
from .errors import LocalAwsError
from .server_lock import only_one

REQUIREMENTS: Final = Path(__file__).with_name("emulator-requirements.txt")

_OF_THE_APP: Final = frozenset(
    {f"{tool}_{name}" for tool in ("PIP", "UV") for name in ("CONSTRAINT", "OVERRIDE", "PREFIX", "TARGET")}
    | {"PIP_ROOT", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_SYSTEM_PYTHON"}
)
"""Settings that choose the app's packages or where they go: neither is the emulator's."""
_PROGRESS: Final = ("Collecting ", "Installing ", "Downloading ", "Prepared ", "Installed ")
_LINES_OF_OUTPUT: Final = 15

_log = logging.getLogger(__name__)


def ensure_installed() -> Path:
    """The Python of the emulator's environment, which is made first where there is none. Raises LocalAwsError."""
    folder = _folder()
    if not _is_complete(folder):
        _log.info("Installing the emulator into %s, once for all later starts ...", folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with only_one(folder.with_name(f"{folder.name}.lock")) as lock:
                if not _is_complete(folder):
                    _install(folder, lock)
        except OSError as error:
            raise LocalAwsError(
                f"The emulator cannot be installed into {folder}: {error.strerror or error}."
                " Set XDG_CACHE_HOME to a folder that can be written."
            ) from error
    return _python(folder)


def _folder() -> Path:
    """Where the environment is: another place for other pins and for another kind of Python."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    except RuntimeError as error:
        raise LocalAwsError("The emulator cannot be installed: there is no home folder. Set HOME or XDG_CACHE_HOME.") from error
    python = f"{sysconfig.get_config_var('SOABI')}-{sysconfig.get_platform()}"
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return cache / "cleanrooms-local-aws" / f"ministack-{PINNED_VERSION}-{python}-{pins}"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _complete(folder: Path) -> Path:
    """Written last: an installation that was cut off has none."""
    return folder / "complete"


def _is_complete(folder: Path) -> bool:
    """Whether the environment can be used. Its Python is a link, which breaks when that Python is removed from the machine."""
    return _complete(folder).exists() and _python(folder).exists()


def _install(folder: Path, lock: int) -> None:
    """Make the environment, or leave nothing of it."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run(packages.create(folder, _environment()), lock)
        options = ["--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS)]
        _run(packages.install(_python(folder), options, _environment()), lock)
        _complete(folder).touch()
    except BaseException:  # an interruption as well
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(command: list[str], lock: int) -> None:
    """Run a step of the installation, and log how it goes. It inherits the lock: a process that outlives this one keeps others out."""
    with subprocess.Popen(  # noqa: S603
        command,
        env=_environment(),
        pass_fds=(lock,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            output = list(_followed(process))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise LocalAwsError(_failure(command, process.returncode, output))


def _followed(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The lines that a step prints, as they come; those that tell how far it is are logged."""
    for line in process.stdout or ():
        if line.startswith(_PROGRESS):
            _log.info("  %s", re.split(" \\(from |: ", line)[0].rstrip())
        yield line.rstrip()


def _environment() -> dict[str, str]:
    """The environment of a step: the user's, with all that tells the way to the index and nothing that chooses packages."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_APP}
    return {**packages.with_settings(kept), "PIP_CONSTRAINT": os.devnull}  # a constraint may stand in a configuration file as well


def _failure(command: list[str], status: int, output: list[str]) -> str:
    end = "\n".join(output[-_LINES_OF_OUTPUT:]) or "(it printed nothing)"
    return (
        f"The emulator could not be installed: `{' '.join(command)}` ended with status {status}:\n{end}\n"
        "The first start needs the package index; later ones need no network. Check the index, the proxy and the certificates that are"
        " configured (`python -m pip config list`; for uv its UV_ variables and uv.toml), then start again."
        " Without an index, download the packages where there is one, with the same kind of Python"
        f" (`python -m pip download --no-deps --require-hashes -d wheels -r {REQUIREMENTS}`),"
        " and start with PIP_NO_INDEX=1 and PIP_FIND_LINKS=<the folder wheels>."
    )
