"""Clients as the user's AWS configuration has them; each keeps within its service's quota by itself."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config

CALLS_A_SECOND: Final = 5
"""The service's quota for each operation. Source: the Clean Rooms user guide, "Quotas for AWS Clean Rooms"."""
LOOKUPS_A_SECOND: Final = 2
"""CloudTrail's quota for LookupEvents. Source: the CloudTrail API reference."""
_CONFIG: Final = Config(connect_timeout=10)


class Pace:
    """Spreads the requests of each operation evenly, at most so many a second."""

    def __init__(
        self, calls_a_second: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._interval = 1 / calls_a_second
        self._clock = clock
        self._sleep = sleep
        self._next: dict[str, float] = {}
        """By operation, when its next request may be sent."""

    def wait(self, operation: str) -> None:
        """Return when the operation may be called."""
        early = self._next.get(operation, 0) - self._clock()
        if early > 0:
            self._sleep(early)
        self._next[operation] = self._clock() + self._interval


def session(profile: str | None, region: str | None) -> boto3.Session:
    """The session for what the user chose. boto3 itself knows AWS_DEFAULT_REGION only. Raises BotoCoreError."""
    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)


def clean_rooms(session: boto3.Session, endpoint_url: str | None = None) -> Any:
    """A client of Clean Rooms. Raises BotoCoreError where the configuration is incomplete or wrong."""
    return _paced(session.client("cleanrooms", endpoint_url=endpoint_url, config=_CONFIG), CALLS_A_SECOND)


def cloud_trail(session: boto3.Session, endpoint_url: str | None = None) -> Any:
    """A client of CloudTrail for LookupEvents. Raises BotoCoreError where the configuration is incomplete or wrong."""
    return _paced(session.client("cloudtrail", endpoint_url=endpoint_url, config=_CONFIG), LOOKUPS_A_SECOND)


def _paced(client: Any, calls_a_second: float) -> Any:
    pace = Pace(calls_a_second)

    def before_send(event_name: str, **_: object) -> None:
        pace.wait(event_name)

    client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}", before_send)
    return client
