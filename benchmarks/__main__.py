"""Measure everything and write it to docs/performance.md, its chart, and build/bench/figures.json: ``python -m benchmarks``.

``python -m benchmarks NAME …`` measures these alone and only prints them, as does ``--quick``, which takes one sample of the smallest.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import Final

from privacy_budget_core import __version__
from tools.function_bundle.bytecode import RUNTIME

from . import app, calls, chart, cold_start, deploy, memory, page, peers, quota, size, synth, warm
from .measure import Result

BENCHMARKS: Final[dict[str, Callable[[bool], Result]]] = {
    "cold-start": cold_start.run,
    "warm": warm.run,
    "size": size.run,
    "synth": synth.run,
    "app": app.run,
    "deploy": deploy.run,
    "quota": quota.run,
    "calls": calls.run,
    "memory": memory.run,
}


def main(arguments: list[str]) -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure this construct beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all where there is none")
    parser.add_argument("--quick", action="store_true", help="one sample of the smallest, to see that everything works")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    before = os.getloadavg()[0]
    results = {}
    for name in chosen.names or BENCHMARKS:
        results[name] = BENCHMARKS[name](chosen.quick)
        results[name].table.show()
    if not chosen.names and not chosen.quick:
        samples = {name: result.samples for name, result in results.items()}
        conditions = _conditions(before)
        figures = {"conditions": conditions, "samples": samples}
        (peers.BUILD / "figures.json").write_text(json.dumps(figures, indent=1))
        page.write({"conditions": conditions, **{name: result.table.markdown() for name, result in results.items()}})
        chart.draw(samples)


def _conditions(load: float) -> str:
    """What was measured, with what, and how busy the machine was."""
    version = importlib.metadata.version
    return (
        f"cleanrooms-privacy-budget {__version__} with Python {peers.python().version} (Lambda's is {RUNTIME}), boto3"
        f" {version('boto3')};\naws-cdk-lib {version('aws-cdk-lib')}, its AwsCustomResource with Node.js {peers.node().version}.\n"
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors, with a load of {load:.1f} at the beginning and"
        f" {os.getloadavg()[0]:.1f} at the end."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
