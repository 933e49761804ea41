"""What one more privacy budget template costs at synth: the native type, this construct and AwsCustomResource, side by side.

Each sample is a process of its own, since jsii keeps every construct of a process alive. It synthesizes an app with one template, to be
warm, then times one app with one template and another with N: the difference, divided by N - 1, is what one more template costs, without
jsii's start, the modules, the function's zip or the stack. For N = 1 it is the whole app, stack and provider included. The CDK's own
validation of templates is off: it takes about the same for each resource, whoever declares it, and would only bring the ratios closer
to 1.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cleanrooms as cleanrooms
from aws_cdk import custom_resources

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate

from .measure import Result, Table, in_rounds, ratio, spread

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


Declare = Callable[[cdk.Stack, str, str], None]
QUANTITIES: Final = ("milliseconds", "bytes", "resources")
VARIANTS: Final[dict[str, Declare]] = {"native type": native, "this construct": ours, "AwsCustomResource": aws_custom_resource}


def synthesize(declare: Declare, count: int) -> tuple[float, float, float]:
    """An app with so many templates in one stack: seconds until its files are written, the template's bytes and resources."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        # AwsCustomResource takes two resources a template, more than a stack may have.
        app = cdk.App(outdir=folder, context={"@aws-cdk/core:stackResourceLimit": 0})
        stack = cdk.Stack(app, "Stack")
        for number in range(count):
            declare(stack, f"Budget{number}", f"12345678-1111-4222-8333-{number:012}")
        app.synth()
        seconds = time.perf_counter() - began
        template = (Path(folder) / stack.template_file).read_text()
        return seconds, len(template), len(json.loads(template)["Resources"])


def sample(variant: str, count: int) -> dict[str, float]:
    """What one more template costs, or the whole app with the first one."""
    declare = VARIANTS[variant]
    synthesize(declare, 1)
    seconds, size, resources = synthesize(declare, 1)
    if count > 1:
        one = (seconds, size, resources)
        seconds, size, resources = ((of_all - of_one) / (count - 1) for of_all, of_one in zip(synthesize(declare, count), one, strict=True))
    return dict(zip(QUANTITIES, (seconds * 1000, size, resources), strict=True))


def run(quick: bool = False) -> Result:
    """Synthesize every variant with every number of templates."""
    counts = COUNTS[1:2] if quick else COUNTS
    pairs = list(itertools.product(counts, VARIANTS))
    taken = in_rounds(
        "synth", {f"{variant} {count}": partial(_in_a_process, variant, count) for count, variant in pairs}, 1 if quick else 5
    )
    samples: dict[str, dict[str, list[float]]] = {variant: {} for variant in VARIANTS}
    for count, variant in pairs:
        for quantity in QUANTITIES:
            samples[variant][f"{quantity} at {count}"] = [one[quantity] for one in taken[f"{variant} {count}"]]
    rows = []
    for count, variant in pairs:
        (ms, native_ms), (size, native_size), (resources, _) = (
            [samples[one][f"{quantity} at {count}"] for one in (variant, "native type")] for quantity in QUANTITIES
        )
        rows.append(
            (
                str(count),
                variant,
                spread(ms, 2 if count > 1 else 0),
                ratio(ms, native_ms),
                spread(size),
                ratio(size, native_size),
                spread(resources),
            )
        )
    headings = ("templates", "", "ms each", "of native", "bytes each", "of native", "resources each")
    return Result(Table("Synth, for one more template (for 1: the whole app)", headings, rows), samples)


def _in_a_process(variant: str, count: int) -> dict[str, float]:
    ran = subprocess.run(  # noqa: S603 - itself
        [sys.executable, "-m", __name__, variant, str(count)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "CDK_VALIDATION": "false"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    taken: dict[str, float] = json.loads(ran.stdout)
    return taken


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sample(sys.argv[1], int(sys.argv[2]))))
