"""The server's process, which ``LocalAws.start`` starts.

One port for all services, on the loopback interface, with HTTPS. It ends when it is asked to (SIGTERM) or when its folder is
deleted.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote

from hypercorn.asyncio import serve
from hypercorn.config import Config

from . import (
    clean_rooms,
    clean_rooms_service,
    cloud_trail,
    cloudformation,
    demo,
    emulator,
    event_bus,
    functions,
    principal_arn,
    resource_tags,
    seed,
)
from .account import ACCOUNT_ID, REGION, endpoint
from .certificate import ensure_certificate
from .clean_rooms.settings import Settings
from .cloudformation import custom_resources, role_boundaries, stack_events, stack_roles
from .errors import LocalAwsError
from .folder import Folder
from .native_types import replacements, resources
from .server_lock import ServerLock
from .state import State

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_READ_ONLY: Final = frozenset({"GET", "HEAD"})

_log = logging.getLogger(__name__)


class ServerProcess:
    """The emulator, with what it lacks around it."""

    def __init__(self, folder: Folder, lock: ServerLock, listening: socket.socket) -> None:
        self._folder = folder
        self._lock = lock
        self._listening = listening
        self._port: int = listening.getsockname()[1]
        self._state = State(folder)
        self._custom_resources = custom_resources.CustomResources(endpoint(self._port))

    def install(self, settings: Settings) -> None:
        """Close the emulator's gaps against the live services. Where two replace one function, the later one calls the earlier one's."""
        emulator.check_pins()
        clean_rooms.install(settings)  # it has no privacy budgets
        trail = cloud_trail.CloudTrail(self._folder.cloud_trail, publish=event_bus.publish)  # its rules see no call that CloudTrail records
        trail.load()
        cloud_trail.install(trail)  # its history of events has neither sessions of roles nor answers
        service = clean_rooms_service.CleanRoomsService(trail)
        service.install()  # it does not know Clean Rooms, nor its permissions
        resource_tags.install()  # its tagging API does not list what is in Clean Rooms
        stack_roles.install()  # stacks would forget whose role they act by
        replacements.install(resources.install(service))  # it has no types of Clean Rooms, and creates before it deletes
        custom_resources.install(self._custom_resources)  # it takes any answer, and deletes nothing after a failed create
        functions.install(self._folder)  # functions would see the server's environment and packages
        cloudformation.install()  # it evaluates conditions, nested stacks and change sets by less than templates hold
        principal_arn.install()  # conditions on aws:PrincipalArn would compare with a session
        role_boundaries.install()  # stacks would lose the permissions boundaries of their roles
        stack_events.install()  # stack events of one moment would have no order

    async def run(self) -> None:
        """Serve until the process is asked to end."""
        config = Config()
        config.bind = [f"fd://{self._listening.detach()}"]
        config.certfile, config.keyfile = str(self._folder.certificate), str(self._folder.key)
        config.keep_alive_timeout = 75
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        tasks = [asyncio.create_task(self._state.keep_saving()), asyncio.create_task(self._watch_folder())]
        await serve(self._answer, config, shutdown_trigger=asyncio.Event().wait)  # type: ignore[arg-type]
        await asyncio.gather(*tasks)

    async def _answer(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer a request, as an ASGI application."""
        if scope["type"] == "lifespan":
            await emulator.module("app").app(scope, receive, self._once_started(send))
            return
        if scope["type"] == "http":
            raw = scope.get("raw_path") or quote(scope["path"]).encode()
            target = raw.decode("latin-1") + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
            if scope["method"] == "PUT" and target.startswith(custom_resources.PATH):
                await self._take_answer(scope, target, receive, send)
                return
            clean_rooms_service.request_target.set(target)
        try:
            await emulator.module("app").app(scope, receive, send)
        finally:
            if scope.get("method") not in _READ_ONLY:
                self._state.change()

    async def _take_answer(self, scope: _Message, target: str, receive: _Receive, send: _Send) -> None:
        """Take what a custom resource's function answers."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        status = self._custom_resources.put(target, content_type, body)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def _once_started(self, send: _Send) -> _Send:
        """Restore the state and say that the server is ready once the emulator has started."""

        async def forward(message: _Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                try:
                    self._restore()
                except Exception:  # hypercorn would go on without what could not be restored
                    _log.exception("The state in %s could not be restored.", self._folder.state)
                    os._exit(1)
                self._lock.write(self._port)
            await send(message)

        return forward

    def _restore(self) -> None:
        self._state.load()
        if not self._folder.demo.exists():
            created = seed.create_demo(ACCOUNT_ID, REGION)
            self._state.save()
            demo.write(self._folder, created)

    async def _watch_folder(self) -> None:
        """End when somebody has deleted the folder, as nobody could find this server any more."""
        while self._lock.is_held():
            await asyncio.sleep(1)
        emulator.module("core.lambda_runtime").reset()
        os._exit(0)

    def _end(self) -> NoReturn:
        """End at once. Waiting for the open requests may take an hour, where a custom resource does not answer."""
        try:
            self._state.save()
            emulator.module("core.lambda_runtime").reset()
            self._folder.empty_temporary()
        finally:
            os._exit(0)


def set_environment(folder: Folder, port: int) -> None:
    """Replace this process's environment by the emulator's settings, which it reads while it is imported."""
    settings = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(folder.home),
        "TMPDIR": str(folder.temporary),
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        "MINISTACK_SSL_CERT": str(folder.certificate),
        "MINISTACK_SSL_KEY": str(folder.key),
        "USE_SSL": "1",
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder.state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder.objects),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder.path}/no-docker",  # it would remove containers that are not ours
    }
    os.environ.clear()
    os.environ.update(settings)


def main(path: str, starting: int, requests_per_second: float | None = None) -> int:
    """Run the server of a folder; ``starting`` is a descriptor to close once it is this server's. Returns only where it cannot run."""
    folder = Folder(Path(path))
    lock = ServerLock(folder.server)
    if not lock.take():
        print(f"Another server runs in {folder.path} already.", file=sys.stderr)  # noqa: T201
        return 1
    os.close(starting)
    listening = socket.create_server(("127.0.0.1", 0))
    ensure_certificate(folder)
    folder.empty_temporary()
    set_environment(folder, listening.getsockname()[1])
    process = ServerProcess(folder, lock, listening)
    try:
        process.install(Settings(requests_per_second=requests_per_second))
    except LocalAwsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    asyncio.run(process.run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:])))
