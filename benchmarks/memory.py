"""The function's memory: time and price of an event by Lambda's rules, estimated from the processor time measured here.

Lambda gives a function processors in proportion to its memory, one whole at 1,769 MB ("Configure Lambda function memory" in its
developer guide). How fast it starts is not documented: users have measured a whole processor or more whatever the memory, so that the
two ends of an estimate are a start with a whole processor and one with the memory's share. The start is billed.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from . import peers
from .execution import Execution, Handled
from .measure import Result, Table, in_rounds
from .quota import drain
from .service import serving

SETTINGS: Final = (128, 256, 512, 1024, 1769)
"""MB of memory."""
MEGABYTES_OF_A_PROCESSOR: Final = 1769
USD_FOR_A_GIGABYTE_SECOND: Final = 0.0000133334
"""arm64 in us-east-1, the first 7.5 billion a month. Source: AWS Lambda's price list."""
SECONDS_OF_WAITING: Final = 0.2
"""How long an event waits for Clean Rooms and for CloudFormation to take the answer: assumed."""
AT_ONCE: Final = 100


def run(quick: bool = False) -> Result:
    """Measure a first and a second event's processor time, and estimate."""
    peer = peers.ours_compiled()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:

        def events() -> tuple[Handled, Handled]:
            with Execution(peer, service) as execution:
                first, second = (execution.handle("Create", peer.create) for _ in range(2))
                return first, second

        taken = in_rounds("memory", {peer.name: events}, 1 if quick else 15)[peer.name]
    samples = {
        "start": [first.start for first, _ in taken],
        "first event": [first.processor for first, _ in taken],
        "second event": [second.processor for _, second in taken],
        "waiting for the quota": [drain(AT_ONCE)["seconds for each"] for _ in range(1 if quick else 20)],
    }
    start, first, second, waiting = (median(one) for one in samples.values())
    rows = []
    for megabytes in SETTINGS:
        share = min(1.0, megabytes / MEGABYTES_OF_A_PROCESSOR)
        cold = [start + first / share + SECONDS_OF_WAITING, (start + first) / share + SECONDS_OF_WAITING]
        warm = second / share + SECONDS_OF_WAITING
        together = cold[1] + waiting
        gigabytes = megabytes / 1024
        rows.append(
            (
                f"{megabytes:,}",
                f"{share:.2f}",
                " to ".join(f"{seconds:.2f}" for seconds in cold),
                f"{warm:.2f}",
                " to ".join(f"{seconds * gigabytes:.2f}" for seconds in cold),
                f"{warm * gigabytes:.2f}",
                f"{cold[1] * gigabytes * USD_FOR_A_GIGABYTE_SECOND * 1e6:.2f}",
                f"{AT_ONCE * together * gigabytes:.0f}",
            )
        )
    headings = (
        "MB",
        "processors",
        "cold, s",
        "warm, s",
        "cold, GB-s",
        "warm, GB-s",
        "USD for a million cold, at most",
        f"GB-s for {AT_ONCE} creates at once",
    )
    return Result(Table("Memory settings, estimated", headings, rows), {peer.name: samples})
