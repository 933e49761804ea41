"""What one more privacy budget template costs at synth: the native type, this construct and AwsCustomResource, side by side.

``python benchmarks/synth.py [ROUNDS]``. Each sample is a process of its own, since jsii keeps every construct of a process alive. It
synthesizes an app with one template, to be warm, then times one app with one template and another with N: the difference, divided by
N - 1, is what one more template costs, without jsii's start, the modules, the function's zip or the stack. For N = 1 it is the time of
the whole app, stack and provider included. The CDK's own validation of templates is off: it takes about the same for each resource,
whoever declares it, and would only bring the ratios closer to 1.

The samples of a round come in random order, so that whatever else the machine does falls on all variants alike; a ratio compares two
samples of one round.
"""

import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cleanrooms as cleanrooms
from aws_cdk import custom_resources
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate

COUNTS: Final = (1, 50, 200, 490)


def native(stack: cdk.Stack, id: str, membership_id: str) -> None:
    """CloudFormation's own type."""
    cleanrooms.CfnPrivacyBudgetTemplate(
        stack,
        id,
        membership_identifier=membership_id,
        privacy_budget_type="DIFFERENTIAL_PRIVACY",
        auto_refresh="NONE",
        parameters=cleanrooms.CfnPrivacyBudgetTemplate.ParametersProperty(epsilon=3, users_noise_per_query=30),
    )


def ours(stack: cdk.Stack, id: str, membership_id: str) -> None:
    """The construct of this package."""
    PrivacyBudgetTemplate(
        stack,
        id,
        membership_id=membership_id,
        budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
    )


def aws_custom_resource(stack: cdk.Stack, id: str, membership_id: str) -> None:
    """The CDK's AwsCustomResource with a create call alone, which is the least that one can write."""
    custom_resources.AwsCustomResource(
        stack,
        id,
        on_create=custom_resources.AwsSdkCall(
            service="CleanRooms",
            action="createPrivacyBudgetTemplate",
            parameters={
                "membershipIdentifier": membership_id,
                "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
                "autoRefresh": "NONE",
                "parameters": {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
            },
            physical_resource_id=custom_resources.PhysicalResourceId.from_response("privacyBudgetTemplate.id"),
        ),
        policy=custom_resources.AwsCustomResourcePolicy.from_sdk_calls(resources=custom_resources.AwsCustomResourcePolicy.ANY_RESOURCE),
        install_latest_aws_sdk=False,
    )


VARIANTS: Final[dict[str, Callable[[cdk.Stack, str, str], None]]] = {
    declare.__name__: declare for declare in (native, ours, aws_custom_resource)
}


def seconds_of_synth(variant: str, count: int) -> float:
    """How long an app takes with so many templates in one stack, from its first construct to the files that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        # AwsCustomResource takes two resources a template, more than a stack may have.
        app = cdk.App(outdir=folder, context={"@aws-cdk/core:stackResourceLimit": 0})
        stack = cdk.Stack(app, "Stack")
        for number in range(count):
            VARIANTS[variant](stack, f"Budget{number}", f"12345678-1111-4222-8333-{number:012}")
        app.synth()
        return time.perf_counter() - began


def sample(variant: str, count: int) -> float:
    """Milliseconds for one more template, or for the whole app with the first one."""
    seconds_of_synth(variant, 1)
    one = seconds_of_synth(variant, 1)
    return one * 1000 if count == 1 else (seconds_of_synth(variant, count) - one) / (count - 1) * 1000


def measure(rounds: int) -> dict[tuple[str, int], list[float]]:
    """The samples of every variant and count, in the order of the rounds."""
    measured: dict[tuple[str, int], list[float]] = {one: [] for one in itertools.product(VARIANTS, COUNTS)}
    order = [one for _ in range(rounds) for one in random.sample([*measured], len(measured))]
    for variant, count in track(order, "synth", console=Console(stderr=True)):
        ran = subprocess.run(  # noqa: S603 - itself
            [sys.executable, __file__, variant, str(count)],
            env={**os.environ, "CDK_VALIDATION": "false"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        measured[variant, count].append(float(ran.stdout))
    return measured


def spread(samples: list[float]) -> str:
    """The median, the least and the most."""
    return f"{median(samples):.2f} ({min(samples):.2f} to {max(samples):.2f})"


def table(measured: dict[tuple[str, int], list[float]]) -> Table:
    """One row a count: the variants' milliseconds, and their ratios to the native type."""
    others = [variant for variant in VARIANTS if variant != "native"]
    shown = Table("templates", *VARIANTS, *(f"{variant} / native" for variant in others))
    shown.title = "Milliseconds of synth for one more template (for 1: the whole app), median (least to most)"
    for count in COUNTS:
        ratios = [
            [mine / native for mine, native in zip(measured[variant, count], measured["native", count], strict=True)] for variant in others
        ]
        shown.add_row(str(count), *(spread(measured[variant, count]) for variant in VARIANTS), *map(spread, ratios))
    return shown


if __name__ == "__main__":
    if len(sys.argv) == 3:
        sys.stdout.write(str(sample(sys.argv[1], int(sys.argv[2]))))
    else:
        Console().print(table(measure(rounds=int(sys.argv[1]) if len(sys.argv) == 2 else 5)))
