"""The function's world: Clean Rooms, over HTTP, and CloudFormation's response URL, over HTTPS, both on the loopback interface.

Over HTTP, since what a TLS handshake with Clean Rooms costs is the same for all, and would need a certificate that each SDK trusts in a
way of its own.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import certifi

from cleanrooms_local_aws.certificate import ensure_certificate
from cleanrooms_local_aws.folder import Folder

Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers and body."""
CleanRooms = Callable[[str, str, dict[str, str], bytes], Answer]
"""Answers a request's method, path, headers and body."""

TEMPLATE: Final = {
    "id": "11111111-1111-4111-8111-111111111111",
    "arn": "arn:aws:cleanrooms:us-east-1:111122223333:membership/m/privacybudgettemplate/11111111-1111-4111-8111-111111111111",
    "membershipId": "12345678-1111-4222-8333-444455556666",
    "membershipArn": "arn:aws:cleanrooms:us-east-1:111122223333:membership/12345678-1111-4222-8333-444455556666",
    "collaborationId": "12345678-1111-4222-8333-444455557777",
    "collaborationArn": "arn:aws:cleanrooms:us-east-1:111122223333:collaboration/12345678-1111-4222-8333-444455557777",
    "createTime": 1,
    "updateTime": 1,
    "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
    "autoRefresh": "NONE",
    "parameters": {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
}


def created(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:  # noqa: ARG001
    """A Clean Rooms that takes every request for a create, and takes no time for it."""
    return 200, {"content-type": "application/json"}, json.dumps({"privacyBudgetTemplate": TEMPLATE}).encode()


@dataclass
class Service:
    """Both ends: where they are, and what they were sent since ``forget``."""

    clean_rooms: CleanRooms
    endpoint: str = ""
    response_url: str = ""
    own_certificate: Path = Path()
    certificates: Path = Path()
    """The servers' own certificate, and a file with it and all those that a machine trusts: reading them is a part of an answer."""
    observe: Callable[[], float] = lambda: 0.0
    """What to note of the function's process when a request arrives."""
    requests: list[tuple[float, float]] = field(default_factory=list)
    """Of each request to Clean Rooms, when it came (by the monotonic clock) and what was observed."""
    answers: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Of each answer to CloudFormation, when it came and what it says."""

    def forget(self) -> None:
        """Begin anew."""
        self.requests.clear()
        self.answers.clear()


@contextmanager
def serving(folder: Path, clean_rooms: CleanRooms = created) -> Iterator[Service]:
    """Serve both until the end of the block; the certificate to trust is written to the folder."""
    service = Service(clean_rooms)

    class Requests(_Handler):
        def take(self, body: bytes) -> Answer:
            service.requests.append((time.monotonic(), service.observe()))
            return service.clean_rooms(self.command, self.path, dict(self.headers.items()), body)

    class Answers(_Handler):
        def take(self, body: bytes) -> Answer:
            service.answers.append((time.monotonic(), json.loads(body)))
            return 200, {}, b""

    made = Folder(folder)
    ensure_certificate(made)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    requests, answers = (_Server(("127.0.0.1", 0), handler) for handler in (Requests, Answers))
    answers.socket = context.wrap_socket(answers.socket, server_side=True)
    service.endpoint = f"http://127.0.0.1:{requests.server_port}"
    service.response_url = f"https://127.0.0.1:{answers.server_port}/answer?X-Amz-Signature=s"
    service.own_certificate, service.certificates = made.certificate, folder / "certificates.pem"
    service.certificates.write_bytes(Path(certifi.where()).read_bytes() + made.certificate.read_bytes())
    servers = (requests, answers)
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield service
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    """A server that is silent where a function's process ends in the middle of a connection."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def take(self, body: bytes) -> Answer:
        """Answer a request."""
        raise NotImplementedError

    def respond(self) -> None:
        """Read a request, and send what ``take`` says to it."""
        status, headers, body = self.take(self.rfile.read(int(self.headers.get("content-length") or 0)))
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - as the base class names them

    def log_message(self, *_: Any) -> None: ...
