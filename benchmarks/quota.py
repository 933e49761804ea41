"""How many creates at once the service's quota takes before events run out of time: simulated, in no time of the clock's.

Every event sends its one create call at once, as the functions of one deployment would, and again after the handler's own pauses where
the service throttles it. The service is the local AWS's quota of 5 calls a second, which AWS documents. An event fails where the
handler would give it up: 30 seconds before the function's timeout.
"""

import heapq
from statistics import median
from typing import Final

from cleanrooms_local_aws.clean_rooms.exceptions import ThrottlingException
from cleanrooms_local_aws.clean_rooms.quota import Quota
from cleanrooms_privacy_budget.provider import TIMEOUT
from privacy_budget_core.retries import Requests
from privacy_budget_handler.protocol import SECONDS_TO_ANSWER

from .measure import Result, Table, spread

COUNTS: Final = (50, 100, 200, 490, 700, 850, 1000, 1500)
REQUESTS_PER_SECOND: Final = 5
OPERATION: Final = "CreatePrivacyBudgetTemplate"


def drain(count: int) -> dict[str, float]:
    """Of so many creates at once: seconds until the last was done, the seconds and requests of each, how many failed."""
    seconds_left = TIMEOUT.to_seconds() - SECONDS_TO_ANSWER
    now, done, waited, failed, requests = 0.0, 0.0, 0.0, 0, 0
    quota = Quota(REQUESTS_PER_SECOND, lambda: now)
    waiting = [(0.0, number, 1, Requests()) for number in range(count)]
    while waiting:
        now, number, attempt, event = heapq.heappop(waiting)
        requests += 1
        try:
            quota.take(OPERATION)
            done = now
            waited += now
        except ThrottlingException as error:
            pause = event.pause(OPERATION, attempt, error.status, {"Code": error.code}, None)
            if pause is None or now + pause > seconds_left:
                failed += 1
                waited += now
            else:
                heapq.heappush(waiting, (now + pause, number, attempt + 1, event))
    return {"seconds": done, "failed": failed, "requests for each": requests / count, "seconds for each": waited / count}


def run(quick: bool = False) -> Result:
    """Drain every number of creates."""
    samples: dict[str, dict[str, list[float]]] = {}
    for count in COUNTS[:2] if quick else COUNTS:
        drained = [drain(count) for _ in range(1 if quick else 20)]
        samples[str(count)] = {quantity: [one[quantity] for one in drained] for quantity in drained[0]}
    rows = [
        (
            f"{int(count):,}",
            f"{int(count) / REQUESTS_PER_SECOND:.0f}",
            spread(one["seconds"]),
            f"{(int(count) - median(one['failed'])) / median(one['seconds']):.1f}",
            spread(one["failed"]),
            spread(one["requests for each"], 1),
            spread(one["seconds for each"]),
        )
        for count, one in samples.items()
    ]
    headings = (
        "creates at once",
        "at the quota, s",
        "the last done after, s",
        "a second",
        "failed",
        "requests for each",
        "seconds for each",
    )
    return Result(Table("Creates at once against the quota, simulated", headings, rows), samples)
