"""Deploying with the real CDK CLI to the embedded local AWS, whose Clean Rooms keeps to the service's quota.

Each deployment makes stacks that did not stand before, with a provider each. The apps are synthesized beforehand: what that costs is
another benchmark's.
"""

import itertools
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk

from cleanrooms_local_aws import LocalAws
from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate
from privacy_budget_core import contract

from .measure import Result, Table, in_rounds, spread
from .peers import ROOT

CDK: Final = ROOT / "node_modules" / ".bin" / "cdk"
REQUESTS_PER_SECOND: Final = 5
SHAPES: Final = ((1, 1), (1, 20), (1, 100), (5, 20))
"""How many stacks, and how many templates in each."""


@dataclass
class Deployments:
    """Deploys apps, each with stacks and memberships of its own."""

    aws: LocalAws
    folder: Path
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def deploy(self, stacks: int, templates: int) -> dict[str, float]:
        """Seconds of the CLI, and templates a second from the first create's beginning to the last one's end."""
        number = next(self.numbers)
        out = self.folder / f"cdk.out.{number}"
        names = self._synthesize(number, out, stacks, templates)
        began = time.monotonic()
        ran = subprocess.run(  # noqa: S603
            [CDK, "deploy", "--app", out, "--all", "--require-approval", "never", "--concurrency", str(stacks), "--no-notices"],
            cwd=self.folder,
            env=self.aws.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        if ran.returncode != 0:
            raise RuntimeError(f"the deployment failed:\n{ran.stdout[-4000:]}")
        times = sorted(itertools.chain.from_iterable(map(self._times, names)))
        return {"seconds": seconds, "templates a second": stacks * templates / (times[-1] - times[0]).total_seconds()}

    def _synthesize(self, number: int, out: Path, stacks: int, templates: int) -> list[str]:
        app = cdk.App(outdir=str(out))
        clean_rooms = self.aws.client("cleanrooms")
        for stack_number in range(stacks):
            env = cdk.Environment(account=self.aws.account_id, region=self.aws.region)
            stack = cdk.Stack(app, f"Shop{number}-{stack_number}", env=env)
            for template in range(templates):
                PrivacyBudgetTemplate(
                    stack,
                    f"Budget{template}",
                    membership_id=self._membership(clean_rooms),
                    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
                )
        return [stack.stack_name for stack in app.synth().stacks]

    def _membership(self, clean_rooms: Any) -> str:
        """A membership without a template, in the demo's collaboration."""
        made = clean_rooms.create_membership(collaborationIdentifier=self.aws.demo.collaboration_id, queryLogStatus="DISABLED")
        return str(made["membership"]["id"])

    def _times(self, stack: str) -> list[datetime]:
        """When the templates of a stack began and were done."""
        pages: Any = self.aws.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        events = [event for page in pages for event in page["StackEvents"]]
        return [event["Timestamp"] for event in events if event["ResourceType"] == contract.RESOURCE_TYPE]


def run(quick: bool = False) -> Result:
    """Deploy every shape to one local AWS."""
    with tempfile.TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws", requests_per_second=REQUESTS_PER_SECOND) as aws:
        aws.bootstrap([str(CDK)])
        deployments = Deployments(aws, Path(folder))
        shapes = SHAPES[:1] if quick else SHAPES
        variants = {_name(*shape): partial(deployments.deploy, *shape) for shape in shapes}
        taken = in_rounds("deploy", variants, 1 if quick else 3)
    samples = {name: {quantity: [one[quantity] for one in found] for quantity in found[0]} for name, found in taken.items()}
    rows = []
    for stacks, templates in shapes:
        one, count = samples[_name(stacks, templates)], stacks * templates
        rows.append(
            (
                str(count),
                str(stacks),
                spread(one["seconds"], 1),
                spread(one["templates a second"], 1) if count > 1 else "-",
                f"{count / REQUESTS_PER_SECOND:.1f}",
            )
        )
    headings = ("templates", "stacks", "seconds of `cdk deploy`", "templates a second", "seconds by the quota alone")
    return Result(Table("Deploy on the embedded local AWS", headings, rows), samples)


def _name(stacks: int, templates: int) -> str:
    count = "1 template" if stacks * templates == 1 else f"{stacks * templates} templates"
    return count if stacks == 1 else f"{count}, {stacks} stacks"
