"""An execution environment: a process that runs a handler as Lambda's runtime would, and what each of its events cost."""

import json
import os
import select
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from .peers import Peer
from .service import Service

SECONDS_TO_HANDLE: Final = 60


@dataclass(frozen=True)
class Handled:
    """What one event cost, since its process was spawned or, in one that stood already, since it was sent."""

    first_request: float
    """Seconds until Clean Rooms had its first request."""
    answered: float
    """Seconds until CloudFormation had its answer; none came where it is not a number."""
    requests: int
    """How many requests Clean Rooms had."""
    start: float
    """Seconds of processor time until the handler was imported, nought where it was already."""
    processor: float
    """Seconds of processor time after that, until the event was handled."""
    peak_at_request: float
    """Most memory that the process ever had until the first request, in MiB."""
    peak: float
    """Most memory that the process ever had, in MiB."""
    answer: dict[str, Any]
    """What CloudFormation was answered."""


class Execution:
    """A peer's process, in a ``with`` block; it is killed at the end."""

    def __init__(self, peer: Peer, service: Service) -> None:
        self._peer = peer
        self._service = service
        self._fresh = True
        self._processor = 0.0
        self._unread = b""

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile("w+")
        self._reports, reports = os.pipe()
        self._spawned = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - of a peer that this package installed
            [*self._peer.command, str(reports)],
            cwd=self._peer.asset,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(reports,),
            text=True,
        )
        os.close(reports)
        self._service.observe = self._peak
        return self

    def __exit__(self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        os.close(self._reports)
        self._log.close()

    def handle(self, request_type: str, properties: Mapping[str, Any], **more: Any) -> Handled:
        """Send one event and wait until it is handled. Raises RuntimeError where the process ends, fails or hangs."""
        self._service.forget()
        since = self._spawned if self._fresh else time.monotonic()
        event = {
            "RequestType": request_type,
            "RequestId": str(uuid.uuid4()),
            "ResponseURL": self._service.response_url,
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/shop/11111111-2222-4333-8444-555555555555",
            "LogicalResourceId": "Budget",
            "ResourceType": self._peer.resource_type,
            "ResourceProperties": {"ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provider", **properties},
            **more,
        }
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        start = self._report() if self._fresh else 0.0
        self._fresh = False
        processor = self._report()
        (first, peak_at_request), *others = self._service.requests
        answered, answer = self._service.answers[0] if self._service.answers else (float("nan"), {})
        return Handled(
            first_request=first - since,
            answered=answered - since,
            requests=1 + len(others),
            start=start,
            processor=processor,
            peak_at_request=peak_at_request,
            peak=self._peak(),
            answer=answer,
        )

    def _report(self) -> float:
        """Wait for the runtime's next report, and give the processor time since the last one."""
        trouble = ""
        while b"\n" not in self._unread and not trouble:
            ready, _, _ = select.select([self._reports], [], [], SECONDS_TO_HANDLE)
            part = os.read(self._reports, 4096) if ready else b""
            self._unread += part
            if not part:
                trouble = "it ended" if ready else f"it does not end within {SECONDS_TO_HANDLE} seconds"
        line, _, self._unread = self._unread.partition(b"\n")
        report: dict[str, Any] = {"trouble": trouble} if trouble else json.loads(line)
        if report["trouble"]:
            self._log.seek(0)
            raise RuntimeError(f"{self._peer.name} does not work: {report['trouble']}\n{self._log.read()[-4000:]}")
        before, self._processor = self._processor, float(report["processor"])
        return self._processor - before

    def _peak(self) -> float:
        """The kernel's own high-water mark; the one that ``wait4`` gives includes this process's, which spawned it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def _environment(self) -> dict[str, str]:
        """What Lambda sets, with the way to this benchmark's service; the task's folder is not written to."""
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": "/nonexistent",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            "AWS_ENDPOINT_URL": self._service.endpoint,
            "AWS_LAMBDA_FUNCTION_NAME": "provider",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "AWS_EXECUTION_ENV": self._peer.runtime,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SSL_CERT_FILE": str(self._service.certificates),
            "NODE_EXTRA_CA_CERTS": str(self._service.own_certificate),
            "RESPONSE_PORT": self._service.response_url.split("/")[2].rpartition(":")[2],
        }
