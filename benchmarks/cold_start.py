"""Cold start: from the spawn of the runtime's process to the first request to Clean Rooms, and the memory that it took."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from . import peers
from .execution import Execution, Handled
from .measure import Result, Table, in_rounds, ratio, spread
from .peers import Peer
from .service import Service, serving

VARIANTS: Final = (
    peers.bare,
    peers.botocore_alone,
    peers.ours_compiled,
    peers.ours,
    peers.aws_custom_resource,
    peers.plain_pruned,
    peers.plain,
)


def run(quick: bool = False) -> Result:
    """Start every peer in processes of their own, each for one event that creates a template."""
    made = {peer.name: peer for peer in (variant() for variant in VARIANTS)}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as service:
        handled = in_rounds("cold start", {name: partial(_start, peer, service) for name, peer in made.items()}, 1 if quick else 15)
    samples = {name: _samples(one) for name, one in handled.items()}
    plain, node = (samples[variant().name]["milliseconds"] for variant in (peers.plain, peers.aws_custom_resource))
    rows = [
        (
            name,
            spread(one["milliseconds"]),
            ratio(one["milliseconds"], plain),
            ratio(one["milliseconds"], node),
            spread(one["processor"]),
            spread(one["mebibytes"], 1),
            spread(one["mebibytes in all"], 1),
        )
        for name, one in samples.items()
    ]
    headings = ("", "ms to the first request", "of plain", "of AwsCustomResource", "ms of processor", "MiB until then", "MiB in all")
    return Result(Table("Cold start, spawn to the first request to Clean Rooms", headings, rows), samples)


def _start(peer: Peer, service: Service) -> Handled:
    with Execution(peer, service) as execution:
        return execution.handle("Create", peer.create)


def _samples(handled: list[Handled]) -> dict[str, list[float]]:
    return {
        "milliseconds": [one.first_request * 1000 for one in handled],
        "processor": [(one.start + one.processor) * 1000 for one in handled],
        "mebibytes": [one.peak_at_request for one in handled],
        "mebibytes in all": [one.peak for one in handled],
    }
