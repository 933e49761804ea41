"""Asset size: what is uploaded once for each version, and unzipped at each cold start."""

from typing import Final

from . import peers
from .measure import Result, Table

VARIANTS: Final = (peers.ours, peers.ours_compiled, peers.aws_custom_resource, peers.plain_pruned, peers.plain)


def run(quick: bool = False) -> Result:  # noqa: ARG001 - there is nothing to be quicker with
    """Weigh every peer's folder."""
    samples = {}
    for variant in VARIANTS:
        peer = variant()
        found = peers.files(peer.asset)
        unzipped = sum(path.stat().st_size for path in found)
        samples[peer.name] = {"zip": [float(peers.zipped(peer.asset))], "unzipped": [float(unzipped)], "files": [float(len(found))]}
    rows = [
        (name, f"{one['zip'][0] / 1e6:.2f}", f"{one['unzipped'][0] / 1e6:.2f}", f"{one['files'][0]:,.0f}") for name, one in samples.items()
    ]
    return Result(Table("Asset size", ("", "zip, MB", "unzipped, MB", "files"), rows), samples)
