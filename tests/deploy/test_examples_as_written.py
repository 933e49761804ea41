"""Every example, deployed and destroyed by the commands of its docstring, on the demo's memberships and tables."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT, Engine
from tests.support.deployed_clean_rooms import held, made_by_hand, new_membership, spent
from tests.support.example_apps import APPS, Step, follows, performs
from tests.support.plain_template import write_plain_template

NOT_HERE = {"organization": "Unrecognized resource types: [AWS::CloudFormation::StackSet]"}
"""Examples that the local AWS cannot deploy, and what their docstrings say that it answers."""

SHOWN_BY_MAKE = ["native_type"]
"""Run by ``make compare``, whose output test_repository.py holds to the page that shows it."""

KEPT = {
    "access_budgets": 1,
    "adoption": 1,
    "differential_privacy": 1,
    "guardrails": 1,
    "memberships": 0,
    "migration": 2,
    "monitoring": 2,
    "nested_stack": 2,
    "reset_on_purpose": 1,
    "shared_provider": 2,
    "stage": 1,
}
"""How many templates are to stay in the demo's memberships when an example is destroyed."""


@pytest.fixture
def values(bootstrapped: LocalAws) -> dict[str, str]:
    """What stands for the words in angle brackets."""
    demo = bootstrapped.demo
    return {
        "membership": demo.membership_id,
        "sales": demo.table_association_arn,
        "trial": demo.second_table_association_arn,
        "mail": "privacy@example.com",
        "partner": "444455556666",
        "database": "demo",
        "table": "sales",
        "columns": "customer,amount",
        "role": "arn:aws:iam::111122223333:role/demo-sales",
        "test": demo.membership_id,
        "production": demo.second_membership_id,
        "native": demo.membership_id,
        "ours": demo.second_membership_id,
    }


@pytest.fixture
def templates(bootstrapped: LocalAws) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Lists what is in the demo's memberships, and leaves none of it for the next example."""
    clean_rooms = bootstrapped.client("cleanrooms")
    memberships = (bootstrapped.demo.membership_id, bootstrapped.demo.second_membership_id)

    def listed() -> list[dict[str, Any]]:
        return [template for membership in memberships for template in held(clean_rooms, membership)]

    yield listed
    for template in listed():
        clean_rooms.delete_privacy_budget_template(
            membershipIdentifier=template["membershipId"], privacyBudgetTemplateIdentifier=template["id"]
        )


def stacks(local_aws: LocalAws) -> set[str]:
    listed = local_aws.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in listed if stack["StackStatus"] != "DELETE_COMPLETE"}


def succeeds(step: Step) -> None:
    assert step.ran.status == 0, f"{step.command}\n{step.ran.text}"
    assert "[WARNING]" not in step.ran.text


def test_each_example_is_here() -> None:
    assert sorted([*KEPT, *NOT_HERE, *SHOWN_BY_MAKE]) == APPS


def goes_as_written(steps: Iterator[Step], local_aws: LocalAws) -> None:
    """Each command succeeds; they deploy something, and leave no stack."""
    before, deployed = stacks(local_aws), False
    for step in steps:  # each command is run when it is asked for
        succeeds(step)
        deployed = deployed or bool(stacks(local_aws) - before)
    assert deployed
    assert stacks(local_aws) <= before  # an earlier test's may be gone by now


@pytest.mark.parametrize("name", ["differential_privacy", "guardrails", "stage"])
def test_it_deploys_and_goes_as_its_docstring_says(
    bootstrapped: LocalAws, values: dict[str, str], templates: Callable[[], list[dict[str, Any]]], tmp_path: Path, name: str
) -> None:
    """By the CLI: one stack, two of which one needs the other, and stages."""
    goes_as_written(follows(bootstrapped, name, values, tmp_path), bootstrapped)
    assert len(templates()) == KEPT[name]


@pytest.mark.parametrize("name", ["access_budgets", "memberships", "monitoring"])
def test_it_deploys_and_goes_without_the_cli(
    engine: Engine, values: dict[str, str], templates: Callable[[], list[dict[str, Any]]], name: str
) -> None:
    """The commands are those of the first example above, for another app of one stack."""
    goes_as_written(performs(engine, name, values), engine.local_aws)
    assert len(templates()) == KEPT[name]


def types(local_aws: LocalAws, stack: str) -> list[str]:
    """The types of a stack's resources."""
    found = local_aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return [resource["ResourceType"] for resource in found]


def test_shared_provider(engine: Engine, clean_rooms: Any) -> None:
    """A second deployment moves one budget to another membership, by a function that its stack does not hold."""
    local_aws = engine.local_aws
    sales, research, moved_to = (new_membership(clean_rooms) for _ in range(3))
    succeeds(next(performs(engine, "shared_provider", {"sales": sales, "research": research})))
    assert types(local_aws, "SharedProvider").count("AWS::Lambda::Function") == 1
    arns = []
    for stack, membership, epsilon in (("SalesBudget", sales, 3), ("ResearchBudget", research, 5)):
        assert types(local_aws, stack) == ["Custom::CleanRoomsPrivacyBudgetTemplate"]
        (template,) = held(clean_rooms, membership)
        assert template["parameters"]["differentialPrivacy"]["epsilon"] == epsilon
        arns.append(template["arn"])

    for step in performs(engine, "shared_provider", {"sales": moved_to, "research": research}):
        succeeds(step)
    assert not {"SharedProvider", "SalesBudget", "ResearchBudget"} & stacks(local_aws)
    assert [template["arn"] for membership in (sales, research) for template in held(clean_rooms, membership)] == arns
    assert len(held(clean_rooms, moved_to)) == 1


def test_nested_stack(bootstrapped: LocalAws, tmp_path: Path) -> None:
    clean_rooms = bootstrapped.client("cleanrooms")
    sales, research = new_membership(clean_rooms), new_membership(clean_rooms)
    steps = follows(bootstrapped, "nested_stack", {"sales": sales, "research": research}, tmp_path)
    deploy = next(steps)
    succeeds(deploy)
    parent = types(bootstrapped, "NestedBudgets")
    assert (parent.count("AWS::Lambda::Function"), parent.count("AWS::CloudFormation::Stack")) == (1, 2)
    (of_sales,), (of_research,) = held(clean_rooms, sales), held(clean_rooms, research)
    assert f"NestedBudgets.SalesTemplateArn = {of_sales['arn']}" in deploy.ran.text
    assert f"NestedBudgets.ResearchTemplateArn = {of_research['arn']}" in deploy.ran.text
    succeeds(next(steps))
    assert "NestedBudgets" not in stacks(bootstrapped)
    assert (held(clean_rooms, sales), held(clean_rooms, research)) == ([of_sales], [of_research])


def test_template_made_by_hand_is_adopted(
    engine: Engine, clean_rooms: Any, values: dict[str, str], templates: Callable[[], list[dict[str, Any]]]
) -> None:
    """Its ARN, its foreign tags and what was consumed of it stay as they are."""
    arn = made_by_hand(clean_rooms, values["membership"], team="legal")["arn"]
    engine.local_aws.spend(values["membership"], None, 5)
    steps = performs(engine, "adoption", values)
    succeeds(next(steps))
    (adopted,) = templates()
    assert (adopted["arn"], adopted["tags"]["team"], spent(clean_rooms, adopted)) == (arn, "legal", 5)
    assert "stack/Adoption/" in adopted["tags"]["cleanrooms-privacy-budget:owner"]
    succeeds(next(steps))
    assert templates() == [adopted]
    assert spent(clean_rooms, adopted) == 5


def test_native_templates_migrate_with_their_ledgers(
    engine: Engine, clean_rooms: Any, values: dict[str, str], templates: Callable[[], list[dict[str, Any]]]
) -> None:
    """Both budget types keep their ARNs and what is consumed of them, from the native type to the destroyed stack."""
    steps = performs(engine, "migration", values)
    succeeds(next(steps))
    native = {template["arn"] for template in templates()}
    for template in templates():
        engine.local_aws.spend(values["membership"], template["id"], 20)
    for step in steps:
        succeeds(step)
        assert {template["arn"] for template in templates()} == native
        assert [spent(clean_rooms, template) for template in templates()] == [20, 20]
    assert all("stack/Migration/" in template["tags"]["cleanrooms-privacy-budget:owner"] for template in templates())
    assert not any("cleanrooms-privacy-budget:adopted-from" in template["tags"] for template in templates())


def test_a_reset_is_refused_accepted_and_refused_again(
    engine: Engine, clean_rooms: Any, values: dict[str, str], templates: Callable[[], list[dict[str, Any]]]
) -> None:
    deploy, spend, refused, accepted, again, destroy = performs(engine, "reset_on_purpose", values)
    for step in (deploy, spend, accepted, again, destroy):
        succeeds(step)
    assert refused.ran.status != 0
    assert "(7 of 99 COUNT) would be forgotten" in refused.ran.text
    (template,) = templates()
    assert template["autoRefresh"] == "CALENDAR_MONTH"


@pytest.mark.parametrize("name", NOT_HERE)
def test_what_cannot_be_deployed_here_says_so(bootstrapped: LocalAws, tmp_path: Path, name: str) -> None:
    docstring = (ROOT / "examples" / f"{name}.py").read_text().split('"""')[1]
    assert NOT_HERE[name] in " ".join(docstring.split())
    folder = write_plain_template(tmp_path / "template").parent
    (step,) = follows(bootstrapped, name, {}, tmp_path, f"folder={folder}", "regions=us-east-1")
    assert step.ran.status != 0
    assert NOT_HERE[name] in step.ran.text
