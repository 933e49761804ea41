"""Starting, stopping and using a local AWS.

boto3 is imported only by those who ask for it, as it takes longer than all the rest.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from . import demo
from .account import ACCOUNT_ID, REGION, endpoint
from .environment import environment
from .errors import LocalAwsError
from .folder import Folder
from .installation import ensure_installed
from .server_lock import Server, find, only_one

_SECONDS_TO_START: Final = 60.0
_SECONDS_TO_STOP: Final = 10.0
_SECONDS_TO_DIE: Final = 5.0
_LINES_OF_LOG: Final = 30


class LocalAws:
    """The local AWS of one folder: a server in the background that keeps its state there, also while it is stopped.

    As a context manager it runs within the block and is stopped, not destroyed, at its end.
    """

    account_id: Final = ACCOUNT_ID
    region: Final = REGION

    def __init__(self, folder: Path, *, requests_per_second: float | None = None) -> None:
        """``folder`` is one of its own: not there yet, empty, or made by an earlier local AWS.

        ``requests_per_second`` is how often Clean Rooms lets each operation be called, 5 in the service's documentation; None is
        no limit. It counts for the servers that this object starts.
        """
        self._folder = Folder(folder.absolute())
        self._requests_per_second = requests_per_second
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """Where everything is."""
        return self._folder.path

    @property
    def running(self) -> bool:
        """Whether the server runs and is ready."""
        server = find(self._folder.server)
        return server is not None and server.port is not None

    @property
    def process_id(self) -> int:
        """The server's process id. Raises LocalAwsError where it does not run."""
        return self._server().process_id

    @property
    def endpoint(self) -> str:
        """The URL of every service; another one after each start. Raises LocalAwsError where the server does not run."""
        port = self._server().port
        if port is None:
            raise LocalAwsError(f"The local AWS in {self.folder} is still starting. Try again in a moment.")
        return endpoint(port)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a command: this process's, with the local AWS in place of every account of the user's."""
        return environment(os.environ, self._folder, self.endpoint)

    @property
    def demo(self) -> demo.Demo:
        """The memberships and tables that exist from the first start; their ids stay the same until ``destroy``."""
        self._server()
        return demo.read(self._folder)

    def start(self) -> None:
        """Start the server where it does not run, and wait until it is ready. Raises LocalAwsError.

        The first start on a machine installs the emulator (module ``installation``), which needs the package index.
        """
        self._folder.check()
        python = ensure_installed()
        self.folder.mkdir(parents=True, exist_ok=True)
        with only_one(self._folder.starting) as starting:
            self._folder.prepare()
            if find(self._folder.server) is None:
                self._spawn(python, starting)
            self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server where it runs; what it holds is kept. Raises LocalAwsError."""
        if self._folder.exists():
            with only_one(self._folder.starting):
                server = find(self._folder.server)
                if server is not None:
                    self._end(server)
        self._reap()

    def destroy(self) -> None:
        """Stop the server and delete the folder with everything in it. Raises LocalAwsError."""
        self.stop()
        self._folder.remove()

    def client(self, service: str) -> Any:
        """Make a boto3 client of a service, whatever this process's environment and the user's configuration say."""
        from .clients import client  # noqa: PLC0415

        return client(service, self.endpoint, self._folder.certificate)

    def bootstrap(self, cdk: Sequence[str]) -> None:
        """Run ``cdk bootstrap`` where that has not been done yet; ``cdk`` is the command for the CDK CLI. Raises LocalAwsError."""
        if self._is_bootstrapped():
            return
        command = [*cdk, "bootstrap", f"aws://{ACCOUNT_ID}/{REGION}", "--no-notices"]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=self._folder.empty,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        except OSError as error:
            raise LocalAwsError(f"The CDK CLI could not be run as {' '.join(cdk)!r}: {error.strerror}.") from error
        if done.returncode != 0:
            raise LocalAwsError(f"`{' '.join(command)}` failed with status {done.returncode}:\n{done.stdout.rstrip()}")

    def spend(self, membership_id: str | None, template_id: str | None, count: int, aggregation: str | None = None) -> dict[str, Any]:
        """Use up a part of a template's budget, as queries would, and give what ListPrivacyBudgets then says of it.

        ``template_id`` is an id or an ARN; None is the membership's only template. Without ``membership_id`` the template is looked for
        in every membership. ``count`` is a number of uses of the table or, for differential privacy, of aggregations of the given
        type, ``COUNT`` by default. Raises LocalAwsError where that is not to be had.
        """
        from .clients import find_template, spend  # noqa: PLC0415

        template = find_template(self.client("cleanrooms"), membership_id, template_id)
        if template["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY":
            aggregation = aggregation or "COUNT"
        return spend(self.endpoint, self._folder.certificate, template["membershipId"], template["id"], count, aggregation)

    def _server(self) -> Server:
        server = find(self._folder.server)
        if server is None:
            raise LocalAwsError(
                f"No local AWS runs in {self.folder}."
                f" Start it: `python -m cleanrooms_local_aws start --folder {self.folder}`, or LocalAws.start()."
            )
        return server

    def _spawn(self, python: Path, starting: int) -> None:
        """Start the server in a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it.

        It inherits the lock of those who start, until it has its own: were this process interrupted, another start would not
        see it yet.
        """
        self._reap()
        self._folder.server.unlink(missing_ok=True)  # it names the server before, and would until the new one has written to it
        if self._folder.log.exists():
            self._folder.log.replace(self._folder.previous_log)
        quota = [] if self._requests_per_second is None else [str(self._requests_per_second)]
        with self._folder.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(python), "-P", "-s", "-m", "cleanrooms_local_aws.server_process", str(self.folder), str(starting), *quota],
                pass_fds=(starting,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._server_environment(),
                start_new_session=True,
            )

    def _server_environment(self) -> dict[str, str]:
        """The import path for the emulator's Python: this package, and nothing else of this environment."""
        link = self._folder.code / Path(__file__).parent.name
        link.unlink(missing_ok=True)
        link.symlink_to(Path(__file__).parent)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # functions may run its Node.js
        return {**inherited, "PYTHONPATH": str(self._folder.code), "PATH": path}

    def _reap(self) -> None:
        """Take note of the end of the server that this object started."""
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.running:
            ended = self._process is not None and self._process.poll() is not None
            if ended and find(self._folder.server) is None:
                raise LocalAwsError(f"The local AWS did not start. The end of its log, {self._folder.log}:\n{self._end_of_log()}")
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"The local AWS is not ready after {_SECONDS_TO_START:.0f} seconds."
                    f" The end of its log, {self._folder.log}:\n{self._end_of_log()}"
                )
            time.sleep(0.02)

    def _end_of_log(self) -> str:
        lines = self._folder.log.read_text(errors="replace").splitlines() if self._folder.log.exists() else []
        return "\n".join(lines[-_LINES_OF_LOG:]) or "(it is empty)"

    def _end(self, server: Server) -> None:
        _signal(server, signal.SIGTERM)
        if not self._ends_within(server, _SECONDS_TO_STOP):
            _signal(server, signal.SIGKILL)
            if not self._ends_within(server, _SECONDS_TO_DIE):
                raise LocalAwsError(f"Process {server.process_id} does not end, although it was killed. See what holds it.")

    def _ends_within(self, server: Server, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (found := find(self._folder.server)) is not None and found.process_id == server.process_id:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _is_bootstrapped(self) -> bool:
        stacks = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return any(
            stack["StackName"] == "CDKToolkit" and stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            for page in stacks
            for stack in page["Stacks"]
        )


def _signal(server: Server, number: signal.Signals) -> None:
    try:
        os.kill(server.process_id, number)
    except ProcessLookupError:
        return
