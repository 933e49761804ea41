"""How a stack grows with its templates: counted, never timed. benchmarks/synth.py measures the time; docs/scale.md has the figures."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cleanrooms as cleanrooms

from tests.support.synth import TYPE, add

RESOURCES_OF_A_STACK = 500
"""Source: "CloudFormation quotas" in its user guide."""
MANY = 490

Declare = Callable[[cdk.Stack, str, str], object]
"""Adds a template with differential privacy: to a stack, by a construct id, for a membership."""


def ours(stack: cdk.Stack, id: str, membership_id: str) -> object:
    return add(stack, id, membership_id=membership_id)


def native(stack: cdk.Stack, id: str, membership_id: str) -> object:
    return cleanrooms.CfnPrivacyBudgetTemplate(
        stack,
        id,
        membership_identifier=membership_id,
        privacy_budget_type="DIFFERENTIAL_PRIVACY",
        auto_refresh="NONE",
        parameters=cleanrooms.CfnPrivacyBudgetTemplate.ParametersProperty(epsilon=3, users_noise_per_query=30),
    )


def written(folder: Path, declare: Declare, count: int) -> str:
    """The template of a stack with so many budgets and two tags, as the CDK writes it to disk."""
    app = cdk.App(outdir=str(folder / f"{declare.__name__}-{count}"))
    stack = cdk.Stack(app, "Shop")
    for number in range(count):
        declare(stack, f"Budget{number:03}", f"12345678-1111-4222-8333-{number:012}")
    cdk.Tags.of(stack).add("team", "privacy")
    cdk.Tags.of(stack).add("environment", "prod")
    app.synth()
    return (Path(app.outdir) / stack.template_file).read_text()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("one"), ours, 1)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("many"), ours, MANY)


def types(template: str) -> Counter[str]:
    """How many resources of each type a template has."""
    return Counter(resource["Type"] for resource in json.loads(template)["Resources"].values())


def policy(template: str) -> str:
    """The one policy document in a template, as it is written."""
    (document,) = (
        resource["Properties"]["PolicyDocument"]
        for resource in json.loads(template)["Resources"].values()
        if resource["Type"] == "AWS::IAM::Policy"
    )
    return json.dumps(document)


def test_a_template_is_one_resource(one: str, many: str) -> None:
    assert types(many) - types(one) == {TYPE: MANY - 1}


def test_490_templates_fit_into_one_stack(many: str) -> None:
    assert types(many)[TYPE] == MANY
    assert types(many).total() <= RESOURCES_OF_A_STACK


def test_policy_does_not_grow_with_templates(one: str, many: str) -> None:
    """The provider's policy has the same bytes for 1 and for 490 templates."""
    assert policy(one) == policy(many)


def test_template_bytes_at_most_double_native(tmp_path: Path) -> None:
    """A template takes at most twice the bytes of the native type."""
    few, more = 10, 60
    grown = [len(written(tmp_path, declare, more)) - len(written(tmp_path, declare, few)) for declare in (ours, native)]
    assert grown[0] <= 2 * grown[1]
