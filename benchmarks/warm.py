"""Warm invocation: the second event of a process and those after it."""

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from . import peers
from .execution import Execution, Handled
from .measure import Result, Table, in_rounds, ratio, spread
from .peers import Peer
from .service import Service, serving

VARIANTS: Final = (peers.ours_compiled, peers.aws_custom_resource, peers.plain)


def run(quick: bool = False) -> Result:
    """Send every peer a first event, which is not counted, and then more of them; a sample is the median of a process's events."""
    made = {peer.name: peer for peer in (variant() for variant in VARIANTS)}
    rounds, events = (1, 1) if quick else (9, 20)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:
        handled = in_rounds("warm", {name: partial(_handle, peer, service, events) for name, peer in made.items()}, rounds)
    samples = {name: _samples(one) for name, one in handled.items()}
    plain, node = (samples[variant().name]["answered"] for variant in (peers.plain, peers.aws_custom_resource))
    rows = [
        (
            name,
            spread(one["first request"], 1),
            spread(one["answered"], 1),
            ratio(one["answered"], plain),
            ratio(one["answered"], node),
            spread(one["processor"], 1),
        )
        for name, one in samples.items()
    ]
    headings = ("", "ms to the first request", "ms to the answer", "of plain", "of AwsCustomResource", "ms of processor")
    return Result(Table("Warm invocation, event to answer", headings, rows), samples)


def _handle(peer: Peer, service: Service, events: int) -> list[Handled]:
    with Execution(peer, service) as execution:
        execution.handle("Create", peer.create)
        return [execution.handle("Create", peer.create) for _ in range(events)]


def _samples(processes: list[list[Handled]]) -> dict[str, list[float]]:
    return {
        "first request": [median(one.first_request for one in events) * 1000 for events in processes],
        "answered": [median(one.answered for one in events) * 1000 for events in processes],
        "processor": [median(one.processor for one in events) * 1000 for events in processes],
    }
