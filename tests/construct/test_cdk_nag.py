"""cdk-nag's packs and checkov: no finding that is not acknowledged one by one, with a reason that README or docs print."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks

from cleanrooms_privacy_budget import PrivacyBudgetMonitor, PrivacyBudgetProvider, PrivacyBudgetTemplate
from cleanrooms_privacy_budget.acknowledgements import (
    SKIPPED_BY_CHECKOV,
    WHY_ALL_MEMBERSHIPS,
    WHY_ALL_STACKS,
    WHY_ALL_TEMPLATES,
    WHY_ANY_CREATOR,
    WHY_INLINE_POLICIES,
    WHY_LOG_STREAMS,
    WHY_NO_DEAD_LETTER_QUEUE,
    WHY_VPC_POLICY,
)
from tests.support.synth import ACCESS_BUDGET, MEMBERSHIP, add, new_stack

ROOT = Path(__file__).parents[2]


def findings(stack: cdk.Stack, folder: Path, pack: Any = AwsSolutionsChecks) -> list[str]:
    """The findings in a stack, as cdk-nag reports them."""
    app: Any = stack.node.root
    cdk.Validations.of(app).add_plugins(pack(app))
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)
    report = json.loads((folder / "validation-report.json").read_text())
    violations = [violation for plugin in report["pluginReports"] for violation in plugin["violations"]]
    return [violation["ruleName"] for violation in violations if violation["severity"] == "error"]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> cdk.Stack:
    monkeypatch.setenv("CDK_VALIDATION", "true")
    return cdk.Stack(cdk.App(outdir=str(tmp_path)), "Shop")


@pytest.mark.parametrize("env", [None, cdk.Environment(account="111122223333", region="us-east-1")])
def test_no_finding_with_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: cdk.Environment | None) -> None:
    monkeypatch.setenv("CDK_VALIDATION", "true")
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path)), "Shop", env=env)
    add(stack)
    add(stack, "Access", budget=ACCESS_BUDGET)
    assert findings(stack, tmp_path) == []


@pytest.mark.parametrize(
    "membership", [MEMBERSHIP, cdk.Fn.import_value("membership"), cdk.Fn.ref("Membership")], ids=["literal", "import", "reference"]
)
def test_no_finding_for_a_narrowed_policy(stack: cdk.Stack, tmp_path: Path, membership: str) -> None:
    PrivacyBudgetProvider(stack, "Provider", memberships=[membership])
    assert findings(stack, tmp_path) == []


def test_no_finding_of_the_providers_in_a_vpc(stack: cdk.Stack, tmp_path: Path) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(stack, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], private_subnet_ids=["subnet-1"])
    PrivacyBudgetProvider(stack, "Provider", vpc=vpc)
    assert findings(stack, tmp_path) == []


@pytest.mark.parametrize("env", [None, cdk.Environment(account="111122223333", region="us-east-1")], ids=["any", "literal"])
@pytest.mark.parametrize("memberships", [1, 51], ids=["named_memberships", "all_memberships"])
def test_no_finding_of_the_monitors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: cdk.Environment | None, memberships: int) -> None:
    monkeypatch.setenv("CDK_VALIDATION", "true")
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path)), "Shop", env=env)
    arn = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/12345678-1111-4222-8333-{{:012}}/privacybudgettemplate/{MEMBERSHIP}"
    templates = [
        PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, f"Imported{number}", arn.format(number))
        for number in range(memberships)
    ]
    collaborations = [f"12345678-1111-4222-8333-{number:012}" for number in range(memberships)]
    PrivacyBudgetMonitor(stack, "Monitor", templates=templates, collaborations=collaborations, alarm_below=0.2)
    assert findings(stack, tmp_path) == []


@pytest.mark.parametrize(
    "pack",
    [AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks],
    ids=["aws_solutions", "hipaa", "nist_800_53", "pci_dss"],
)
def test_no_finding_of_any_pack_with_every_option(stack: cdk.Stack, tmp_path: Path, pack: Any) -> None:
    """Provider and monitor in a VPC, with a key, a log group and reserved concurrency; the key and the log group are the user's."""
    options: dict[str, Any] = {
        "vpc": ec2.Vpc.from_vpc_attributes(
            stack, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], private_subnet_ids=["subnet-1"]
        ),
        "environment_encryption": kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:us-east-1:111122223333:key/{MEMBERSHIP}"),
        "log_group": logs.LogGroup.from_log_group_name(stack, "Log", "audited"),
        "reserved_concurrent_executions": 10,
    }
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:us-east-1:111122223333:topic")
    PrivacyBudgetProvider.get_or_create(stack, **options)
    template = add(stack)
    PrivacyBudgetMonitor(
        stack,
        "Monitor",
        templates=[template],
        alarm_below=0.2,
        alarm_actions=[actions.SnsAction(topic)],
        outside_changes=[topic],
        **options,
    )
    assert findings(stack, tmp_path, pack) == []


def test_what_is_not_acknowledged_is_found(stack: cdk.Stack, tmp_path: Path) -> None:
    provider = PrivacyBudgetProvider(stack, "Provider")
    provider.role.add_to_principal_policy(cdk.aws_iam.PolicyStatement(actions=["cleanrooms:*"], resources=["*"]))
    assert findings(stack, tmp_path) == ["AwsSolutions-IAM5[Action::cleanrooms:*]", "AwsSolutions-IAM5[Resource::*]"]


@pytest.mark.parametrize(
    ("page", "reasons"),
    [
        ("README.md", [WHY_ALL_TEMPLATES, WHY_ALL_STACKS, WHY_VPC_POLICY]),
        ("docs/monitoring.md", [WHY_ALL_MEMBERSHIPS, WHY_ANY_CREATOR]),
        ("docs/security.md", [WHY_INLINE_POLICIES, WHY_LOG_STREAMS, WHY_NO_DEAD_LETTER_QUEUE]),
    ],
    ids=["provider", "monitor", "packs"],
)
def test_each_reason_is_printed(page: str, reasons: list[str]) -> None:
    printed = re.sub(r"\s+", " ", (ROOT / page).read_text())
    for reason in reasons:
        assert reason in printed


def test_checkov_skips_match_the_table() -> None:
    """checkov's dependencies do not go with this project's, so no test runs it: docs/security.md says how to."""
    stack = new_stack()
    PrivacyBudgetMonitor(stack, "Monitor", templates=[add(stack)])
    skips = [
        (resource["Type"], {skip["id"]: skip["comment"] for skip in resource["Metadata"]["checkov"]["skip"]})
        for resource in Template.from_stack(stack).to_json()["Resources"].values()
        if "checkov" in resource.get("Metadata", {})
    ]
    assert skips == [("AWS::Lambda::Function", SKIPPED_BY_CHECKOV)] * 2
    (table,) = (block for block in (ROOT / "docs/security.md").read_text().split("\n\n") if block.startswith("| rule |"))
    cells = [row.split("|") for row in table.splitlines()]
    assert {id_: why.strip() for _, rules, why, _ in cells for id_ in re.findall(r"CKV\w+", rules)} == SKIPPED_BY_CHECKOV
