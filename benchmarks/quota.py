"""How many creates at once the service's quota takes before events run out of time: simulated, in no time of the clock's.

``python benchmarks/quota.py``. Every event sends its one create call at once, as the functions of one deployment would, and again after
botocore's own backoff where the service throttles it. The service is the local AWS's quota of 5 calls a second, which AWS documents. An
event fails where the handler would give it up: after its last attempt, or 30 seconds before the function's timeout.
"""

import heapq
import importlib
import os
from statistics import median
from types import SimpleNamespace
from typing import Any, Final

from botocore.retries.standard import ExponentialBackoff
from rich.console import Console
from rich.table import Table

from cleanrooms_local_aws.clean_rooms.exceptions import ThrottlingException
from cleanrooms_local_aws.clean_rooms.quota import Quota
from cleanrooms_privacy_budget.provider import TIMEOUT
from privacy_budget_handler.protocol import SECONDS_TO_ANSWER

COUNTS: Final = (50, 200, 490, 700, 850, 1000, 1500)
REQUESTS_PER_SECOND: Final = 5
RUNS: Final = 20


def attempts_allowed() -> int:
    """How often the handler's client sends a request at most; its module makes a client, which wants a region."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    patience: Any = importlib.import_module("privacy_budget_handler.events").PATIENCE
    return int(patience.retries["total_max_attempts"])


def drain(count: int, attempts: int) -> tuple[float, float, int, int]:
    """Seconds until the last of so many creates was done, and of all their functions; how many failed; how many requests were sent."""
    backoff: Any = ExponentialBackoff()
    seconds_left = TIMEOUT.to_seconds() - SECONDS_TO_ANSWER
    now, done, waited, failed, requests = 0.0, 0.0, 0.0, 0, 0
    quota = Quota(REQUESTS_PER_SECOND, lambda: now)
    waiting = [(0.0, number, 1) for number in range(count)]
    while waiting:
        now, number, attempt = heapq.heappop(waiting)
        requests += 1
        try:
            quota.take("CreatePrivacyBudgetTemplate")
            done = now
            waited += now
        except ThrottlingException:
            again = now + backoff.delay_amount(SimpleNamespace(attempt_number=attempt))
            if attempt == attempts or again > seconds_left:
                failed += 1
                waited += now
            else:
                heapq.heappush(waiting, (again, number, attempt + 1))
    return done, waited, failed, requests


def main() -> None:
    """Print one row a count."""
    table = Table("creates at once", "at best, s", "the last done after, s", "failed", "requests for each", "seconds for each")
    table.title = f"Medians of {RUNS} runs (worst)"
    attempts = attempts_allowed()
    for count in COUNTS:
        done, waited, failed, requests = zip(*(drain(count, attempts) for _ in range(RUNS)), strict=True)
        table.add_row(
            str(count),
            f"{count / REQUESTS_PER_SECOND:.0f}",
            f"{median(done):.0f} ({max(done):.0f})",
            f"{median(failed):.0f} ({max(failed)})",
            f"{median(requests) / count:.1f}",
            f"{median(waited) / count:.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
