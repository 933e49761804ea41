"""Keeps a client within its service's quota. By the standard library alone."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient


def throttle(
    client: "BaseClient",
    calls_per_second: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Delay each request, retries too, so that no operation exceeds its quota; operations do not wait for each other."""
    interval = 1 / calls_per_second
    earliest: dict[str, float] = {}

    def wait(event_name: str, **_: object) -> None:
        early = earliest.get(event_name, 0) - clock()
        if early > 0:
            sleep(early)
        earliest[event_name] = clock() + interval

    client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}", wait)
