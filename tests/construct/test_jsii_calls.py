"""How many requests to jsii one more template takes, construction and synth together. Each crosses to Node.js and waits for it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from jsii._kernel.providers import process

from cleanrooms_privacy_budget import PrivacyBudgetGuardrails, PrivacyBudgetProvider

from .test_scale import native, ours

Declare = Callable[[cdk.Stack, str, str], object]


TOKEN = cdk.Aws.ACCOUNT_ID


def with_token(stack: cdk.Stack, id: str, _membership_id: str) -> object:
    return ours(stack, id, f"{TOKEN}{id}")


def with_guardrails(stack: cdk.Stack, id: str, membership_id: str) -> object:
    PrivacyBudgetProvider.get_or_create(stack, guardrails=PrivacyBudgetGuardrails(max_epsilon=10))
    return ours(stack, id, membership_id)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests that went to jsii, by type; the answer to a callback is one too."""
    counted: Counter[str] = Counter()
    send = process._NodeProcess.send

    def count(self: process._NodeProcess, request: object, *args: object) -> object:
        counted[type(request).__name__] += 1
        return send(self, request, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(process._NodeProcess, "send", count)
    return counted


def of_one_more(folder: Path, sent: Counter[str], declare: Declare, tagged: bool) -> dict[str, float]:
    """The requests of one more template."""
    few, more = 2, 12
    counts = []
    for count in (few, more):
        sent.clear()
        app = cdk.App(outdir=str(folder / str(count)))
        stack = cdk.Stack(app, "Shop")
        for number in range(count):
            declare(stack, f"Budget{number}", f"12345678-1111-4222-8333-{number:012}")
        if tagged:
            cdk.Tags.of(stack).add("team", "privacy")
        app.synth()
        counts.append(Counter(sent))
    return {name: (counts[1][name] - counts[0][name]) / (more - few) for name in counts[1] if counts[1][name] != counts[0][name]}


RESOURCE = {"CreateRequest": 1}
TAGGED = {"CreateRequest": 2, "GetRequest": 3, "InvokeRequest": 1, "_CompleteRequest": 2}
"""The resource and, asked twice by the CDK, its tag manager: its rendered tags, put into the resource."""


@pytest.mark.parametrize(
    ("declare", "tagged", "expected"),
    [
        pytest.param(native, False, RESOURCE, id="native type"),
        pytest.param(native, True, RESOURCE, id="native type, tags"),
        pytest.param(ours, False, RESOURCE, id="literals"),
        pytest.param(ours, True, TAGGED, id="tags"),
        pytest.param(with_token, False, {**RESOURCE, "StaticInvokeRequest": 1}, id="token, which jsii alone can tell"),
        pytest.param(with_guardrails, False, RESOURCE, id="guardrails"),
    ],
)
def test_requests_of_one_more(tmp_path: Path, sent: Counter[str], declare: Declare, tagged: bool, expected: dict[str, float]) -> None:
    assert of_one_more(tmp_path, sent, declare, tagged) == expected
