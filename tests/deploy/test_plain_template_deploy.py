"""Without Python: the plain templates on the local AWS, by the real AWS CLI, as docs/without-python.md shows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT
from tests.support.deployed_clean_rooms import held, new_membership, spent, table
from tests.support.plain_template import write_plain_template

BUCKET = "my-code"
OWNER = "cleanrooms-privacy-budget:owner"

IMPATIENT_AWS = f"""#!{sys.executable}
import sys, time
sleep = time.sleep
sleep(1 - time.time() % 1)
time.sleep = lambda seconds: sleep(min(seconds, 0.2))
from awscli.clidriver import main
sys.exit(main())
"""
"""The real AWS CLI, which would look every 30 seconds only whether a stack is finished.

It begins with a second: it names a change set by the second, and two of a stack must not have one name.
"""


@dataclass
class Shell:
    """Runs the script that the documentation shows."""

    local_aws: LocalAws
    tools: Path

    def deploy(self, **variables: str) -> None:
        environment = {**self.local_aws.environment, "CODE_BUCKET": BUCKET, **variables}
        environment["PATH"] = f"{self.tools}{os.pathsep}{environment['PATH']}"
        subprocess.run(["sh", str(ROOT / "examples" / "without_python" / "deploy.sh")], env=environment, check=True)

    def plan(self, stack: str, template: Path, *parameters: str) -> str:
        """What the command prints of a deployment that it would not advise."""
        command = [sys.executable, "-m", "privacy_budget_cli", "plan", str(template), "--stack", stack, "--parameters", *parameters]
        ran = subprocess.run(command, env=self.local_aws.environment, stdout=subprocess.PIPE, text=True, check=False)
        assert ran.returncode == 3, ran.stdout
        return " ".join(ran.stdout.split())

    def update(self, stack: str, template: Path, **parameters: str) -> None:
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        command = [str(self.tools / "aws"), "cloudformation", "deploy", "--stack-name", stack, "--template-file", str(template)]
        subprocess.run([*command, "--parameter-overrides", *overrides], env=self.local_aws.environment, check=True)

    def deletes(self) -> None:
        """Delete the stacks, the provider last: the others need its function, and other tests' providers its parameter's name."""
        cloudformation = self.local_aws.client("cloudformation")
        for name in ("migration", "privacy-budgets", "privacy-budget-provider"):
            cloudformation.delete_stack(StackName=name)
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


@pytest.fixture
def shell(local_aws: LocalAws, tmp_path: Path) -> Iterator[Shell]:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(IMPATIENT_AWS)
    (tools / "aws").chmod(0o755)
    made = Shell(local_aws, tools)
    yield made
    made.deletes()


def test_life_of_a_stack_without_python(local_aws: LocalAws, shell: Shell, tmp_path: Path) -> None:
    clean_rooms, cloudformation = local_aws.client("cleanrooms"), local_aws.client("cloudformation")
    membership = new_membership(clean_rooms)
    template_folder = write_plain_template(tmp_path / "template").parent
    local_aws.client("s3").create_bucket(Bucket=BUCKET)
    inputs = {"TEMPLATE_FOLDER": str(template_folder), "MEMBERSHIP": membership, "SALES_TABLE": table(membership)}

    shell.deploy(**inputs)
    made = {template["privacyBudgetType"]: template for template in held(clean_rooms, membership)}
    privacy, access = made["DIFFERENTIAL_PRIVACY"], made["ACCESS_BUDGET"]
    assert privacy["parameters"]["differentialPrivacy"] == {"epsilon": 3, "usersNoisePerQuery": 30}
    assert privacy["tags"]["team"] == "privacy"
    assert access["parameters"]["accessBudget"]["budgetParameters"] == [
        {"type": "CALENDAR_DAY", "budget": 100, "autoRefresh": "ENABLED"},
        {"type": "LIFETIME", "budget": 1000},
    ]
    (stack,) = cloudformation.describe_stacks(StackName="privacy-budgets")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"PrivacyArn": privacy["arn"], "SalesAccessArn": access["arn"]}

    shell.deploy(**inputs, EPSILON="5")
    edited = {template["arn"]: template["parameters"] for template in held(clean_rooms, membership)}
    assert edited.keys() == {privacy["arn"], access["arn"]}
    assert edited[privacy["arn"]]["differentialPrivacy"]["epsilon"] == 5

    with pytest.raises(subprocess.CalledProcessError):
        shell.deploy(**inputs, MAX_EPSILON="4", EPSILON="6")
    (stack,) = cloudformation.describe_stacks(StackName="privacy-budgets")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", "what exists beyond the guardrail is kept"
    events = cloudformation.describe_stack_events(StackName="privacy-budgets")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events if event["ResourceStatus"] == "UPDATE_FAILED"]
    beyond = "epsilon must be at most 4, got 6: the provider's guardrail MaxEpsilon."
    assert any(beyond in reason for reason in reasons), reasons
    assert beyond in shell.plan("privacy-budgets", ROOT / "examples" / "without_python" / "budget.yaml", "Epsilon=6")
    kept = {template["arn"]: template["parameters"] for template in held(clean_rooms, membership)}
    assert kept[privacy["arn"]]["differentialPrivacy"]["epsilon"] == 5
    shell.deploy(**inputs, MAX_EPSILON="4", EPSILON="4")

    shell.deletes()
    assert {template["arn"] for template in held(clean_rooms, membership)} == edited.keys()


def test_migration_from_the_native_type(local_aws: LocalAws, shell: Shell, tmp_path: Path) -> None:
    """Each template of examples/without_python/migration in turn: both budgets keep their ARNs and what is consumed of them."""
    clean_rooms = local_aws.client("cleanrooms")
    membership, elsewhere = new_membership(clean_rooms), new_membership(clean_rooms)
    template_folder = write_plain_template(tmp_path / "template").parent
    local_aws.client("s3").create_bucket(Bucket=BUCKET)
    shell.deploy(TEMPLATE_FOLDER=str(template_folder), MEMBERSHIP=elsewhere, SALES_TABLE=table(elsewhere))

    first, *others = sorted((ROOT / "examples" / "without_python" / "migration").glob("*.yaml"))
    shell.update("migration", first, Membership=membership, SalesTable=table(membership))
    native = {template["arn"]: template["privacyBudgetType"] for template in held(clean_rooms, membership)}
    assert sorted(native.values()) == ["ACCESS_BUDGET", "DIFFERENTIAL_PRIVACY"]
    for template in held(clean_rooms, membership):
        local_aws.spend(membership, template["id"], 20)

    for step in others:
        shell.update("migration", step, Membership=membership, SalesTable=table(membership))
        assert {template["arn"]: template["privacyBudgetType"] for template in held(clean_rooms, membership)} == native
        assert {spent(clean_rooms, template) for template in held(clean_rooms, membership)} == {20}
    assert all("stack/migration/" in template["tags"][OWNER] for template in held(clean_rooms, membership))
    assert not any("cleanrooms-privacy-budget:adopted-from" in template["tags"] for template in held(clean_rooms, membership))
