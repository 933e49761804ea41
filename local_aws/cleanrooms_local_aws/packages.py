"""A virtual environment with packages, from the index that the user has configured: uv where it can, pip where only pip knows the way.

``make setup`` runs this file before anything is installed, so it needs the standard library only.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PIP_SETTINGS: Final = frozenset(
    {"cert", "client-cert", "extra-index-url", "find-links", "index-url", "keyring-provider", "no-index", "proxy", "trusted-host"}
)
"""Where pip fetches from, and how. uv does not read them."""
_PIP_ONLY_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OUTSIDE_PROJECTS: Final = ("--project", "/")
"""Without the settings of the project around the working directory, such as its constraints."""


def create(folder: Path, environment: Mapping[str, str], python: str = sys.executable) -> list[str]:
    """The command that creates a virtual environment of a Python."""
    if _uses_uv(Path(sys.executable), environment):
        return [*_uv(), "venv", *_OUTSIDE_PROJECTS, "--python", python, str(folder)]
    return [python, "-P", "-m", "venv", str(folder)]


def install(python: Path, options: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command, to be run with ``environment``, that installs what pip's options name for a Python.

    uv takes a tenth of pip's time.
    """
    if _uses_uv(python, environment):
        return [*_uv(), "pip", "install", *_OUTSIDE_PROJECTS, "--color", "never", "--no-progress", "--python", str(python), *options]
    pip = [str(python), "-P", "-u", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    return [*pip, "--no-user", "--no-compile", "--progress-bar", "off", *options]


def with_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which pip and uv find the user's settings.

    pip reads the settings of the environment that it runs in, so it is told of those of this one. uv is told to trust the machine's own
    certificates, as current versions of pip do.
    """
    found = dict(environment)
    settings = Path(sys.prefix) / "pip.conf"
    if settings.exists():
        found.setdefault("PIP_CONFIG_FILE", str(settings))
    found.setdefault("UV_SYSTEM_CERTS", "true")
    return found


def _uses_uv(python: Path, environment: Mapping[str, str]) -> bool:
    """Whether uv fetches packages for a Python: where uv is at hand and pip has no settings of its own."""
    return bool(_uv()) and not _pip_is_configured(python, environment)


def _uv() -> list[str]:
    """The command for uv; empty where there is none."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


def _pip_is_configured(python: Path, environment: Mapping[str, str]) -> bool:
    """Whether the pip of an environment has been told of an index, a proxy or a certificate. One without pip was made by uv."""
    if any(environment.get(name) for name in _PIP_ONLY_VARIABLES):
        return True
    listed = subprocess.run(  # noqa: S603
        [python, "-P", "-m", "pip", "config", "list"], env=environment, capture_output=True, text=True, check=False
    )
    return any(line.partition("=")[0].rpartition(".")[2] in _PIP_SETTINGS for line in listed.stdout.splitlines())


def main(arguments: Sequence[str]) -> int:
    """Install what pip's options name for the Python that comes first; give the exit status."""
    environment = with_settings(os.environ)
    command = install(Path(arguments[0]), arguments[1:], environment)
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
