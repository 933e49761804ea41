"""How fast a client may call."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient


def pace(client: "BaseClient", calls_a_second: float) -> None:
    """Have a client wait before each request, retries too, so that it never calls more often."""
    earliest = time.monotonic()

    def wait(**_: object) -> None:
        nonlocal earliest
        time.sleep(max(0.0, earliest - time.monotonic()))
        earliest = time.monotonic() + 1 / calls_a_second

    client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}", wait)
