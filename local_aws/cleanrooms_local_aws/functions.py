"""Lambda functions run as in Lambda: with their own code and the SDK, and with nothing of the server's or of its installation.

The emulator starts a function's process from its own environment and with its own packages.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from . import emulator
from .folder import Folder

_SDK: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""The packages that Lambda's Python runtimes hold."""

_own_variables: ContextVar[Mapping[str, str]] = ContextVar("_own_variables")
"""The environment variables that the function whose process is being started shall have whatever the server's are."""

_END_WITH_SERVER: Final = """
import os, threading
threading.Thread(target=lambda: (os.read({}, 1), os._exit(1)), daemon=True).start()
"""
"""Ends a function's process when the server's ends, be it by a crash: the pipe's other end is then closed."""


class _Subprocess:
    """Stands in for the module ``subprocess`` where the emulator starts a function's process."""

    PIPE = subprocess.PIPE
    STDOUT = subprocess.STDOUT
    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self._open_while_server_lives, self._server_lives = os.pipe()

    def Popen(self, command: list[str], *, env: Mapping[str, str], **options: Any) -> "subprocess.Popen[str]":  # noqa: N802
        """Start it without the server's variables and, where it is a Python, without the packages installed for the server."""
        own = _own_variables.get({})
        environment = {name: value for name, value in env.items() if name in own or name not in os.environ}
        if command[0] == sys.executable:
            script = Path(command[1])
            script.write_text(_END_WITH_SERVER.format(self._open_while_server_lives) + script.read_text())
            _share_bytecode(script.parent)
            command = [sys.executable, "-s", "-S", "-P", *command[1:]]
            options["pass_fds"] = (self._open_while_server_lives,)
        return subprocess.Popen(command, env=environment, **options)  # noqa: S603


def install(folder: Folder) -> None:
    """Have the emulator start functions this way."""
    _link_sdk(folder.runtime)
    lambda_runtime = emulator.module("core.lambda_runtime")
    spawn: Callable[..., Any] = lambda_runtime.Worker._spawn

    def isolated_spawn(worker: Any, *arguments: Any) -> Any:
        variables = {**_variables(folder, worker.config), **worker.config.get("Environment", {}).get("Variables", {})}
        worker.config = {**worker.config, "Environment": {"Variables": variables}}
        token = _own_variables.set(variables)
        try:
            return spawn(worker, *arguments)
        finally:
            _own_variables.reset(token)

    lambda_runtime.Worker._spawn = isolated_spawn
    lambda_runtime.subprocess = _Subprocess()


def _share_bytecode(worker: Path) -> None:
    """Have the processes of one code share its folder: only the first one compiles the sources."""
    code = worker / "code"
    shared = worker.parent / f"code-{hashlib.sha256((worker / 'code.zip').read_bytes()).hexdigest()}"
    with suppress(OSError):  # another process has just done so
        code.rename(shared)
    if code.exists():
        shutil.rmtree(code)
    code.symlink_to(shared)


def _link_sdk(runtime: Path) -> None:
    for name in _SDK:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"{name} is not installed, but the local AWS gives it to functions as Lambda does")
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = runtime / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)


def _variables(folder: Folder, configuration: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables that Lambda sets and the emulator does not, and those that direct the SDK to this server."""
    name = configuration.get("FunctionName", "")
    runtime = configuration.get("Runtime", "")
    logging = configuration.get("LoggingConfig") or {}
    variables = {
        "_HANDLER": configuration.get("Handler", ""),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{name}",
        "LAMBDA_RUNTIME_DIR": str(folder.runtime),
        "LANG": "en_US.UTF-8",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder.runtime),
        "TZ": ":UTC",
        "HOME": str(folder.home),
        "TMPDIR": str(folder.temporary),
        **dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(folder.certificate)),
    }
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel") or "INFO"
    return variables
