"""The pipeline: pinned tools, a stage an environment, one asset for all, and approvals before production."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from stacks.pipeline_stack import PipelineStack
from stacks.settings import chosen_pipeline, environments

ROOT = Path(__file__).parents[2]
PIPELINE_ACCOUNT = "111122223333"
PRODUCTION_ACCOUNT = "444455556666"
MEMBERSHIP = "12345678-1111-4222-8333-444455556666"


def settings(**more: Any) -> dict[str, Any]:
    return {
        "account": PIPELINE_ACCOUNT,
        "region": "us-east-1",
        "membership": MEMBERSHIP,
        "budget": {"epsilon": 3, "usersNoisePerQuery": 30},
        **more,
    }


def synthesize(folder: Path, **environments_: Any) -> Template:
    context = {
        "environments": environments_,
        "pipeline": "main",
        "pipelines": {
            "main": {
                "repository": "example/privacy",
                "connection": f"arn:aws:codeconnections:us-east-1:{PIPELINE_ACCOUNT}:connection/x",
                "account": PIPELINE_ACCOUNT,
                "region": "us-east-1",
            }
        },
    }
    app = cdk.App(outdir=str(folder), context=context)
    chosen = chosen_pipeline(app)
    assert chosen is not None
    stack = PipelineStack(app, chosen, environments(app))
    app.synth()
    return Template.from_stack(stack)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def template(folder: Path) -> Template:
    return synthesize(
        folder,
        local=settings(),
        test=settings(),
        staging=settings(region="eu-west-1"),
        prod=settings(account=PRODUCTION_ACCOUNT, production=True),
    )


@pytest.fixture(scope="module")
def stages(template: Template) -> dict[str, list[dict[str, Any]]]:
    (pipeline,) = template.find_resources("AWS::CodePipeline::Pipeline").values()
    return {stage["Name"]: sorted(stage["Actions"], key=lambda action: action["RunOrder"]) for stage in pipeline["Properties"]["Stages"]}


def commands(template: Template) -> str:
    """Every build's commands, those of the asset's project in a file beside the template aside."""
    projects = template.find_resources("AWS::CodeBuild::Project").values()
    return "\n".join(str(project["Properties"]["Source"].get("BuildSpec")) for project in projects)


def test_each_environment_but_local_has_a_stage(stages: dict[str, list[dict[str, Any]]]) -> None:
    assert list(stages) == ["Source", "Build", "UpdatePipeline", "Assets", "test", "staging", "prod"]
    names = [
        action["Configuration"]["StackName"] for actions in stages.values() for action in actions if "StackName" in action["Configuration"]
    ]
    assert list(dict.fromkeys(names)) == ["PrivacyBudget-test", "PrivacyBudget-staging", "PrivacyBudget-prod"]


def test_the_source_comes_by_codeconnections(stages: dict[str, list[dict[str, Any]]]) -> None:
    (source,) = stages["Source"]
    assert source["ActionTypeId"]["Provider"] == "CodeStarSourceConnection"
    assert source["Configuration"]["FullRepositoryId"] == "example/privacy"


def test_commits_run_the_readmes_commands(template: Template) -> None:
    """Each commit is tested and synthesized by the commands of README.md."""
    assert '"make test"' in commands(template)
    assert '"make synth TARGET=aws PIPELINE=main"' in commands(template)
    assert "\nmake test " in (ROOT / "README.md").read_text()
    assert "$(call CONTEXT_OF,PIPELINE,pipeline)" in (ROOT / "Makefile").read_text()


def test_only_the_build_that_tests_is_privileged(template: Template) -> None:
    projects = template.find_resources("AWS::CodeBuild::Project")
    privileged = [id_ for id_, project in projects.items() if project["Properties"]["Environment"]["PrivilegedMode"]]
    assert len(privileged) == 1
    assert "Synth" in privileged[0]
    assert {project["Properties"]["Environment"]["Image"] for project in projects.values()} == {
        "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    }


def test_every_tool_is_pinned(template: Template, folder: Path) -> None:
    written = commands(template) + "".join(path.read_text() for path in folder.glob("buildspec-*"))
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    assert re.findall(r"aws-cdk@([\d.]+)", written) == [pinned]
    assert re.findall(r"cdk-assets@([\d.]+)", written)
    assert "@latest" not in written
    assert "npx" not in written


def test_it_updates_itself(template: Template) -> None:
    assert "cdk -a . deploy PrivacyBudgetPipeline-main" in commands(template)


@pytest.mark.usefixtures("template")
def test_one_asset_serves_every_stage(folder: Path) -> None:
    zips = {path.name for path in folder.rglob("*.zip")}
    assert len(zips) == 1
    keys = {
        resource["Properties"]["Code"]["S3Key"]
        for path in folder.glob("assembly-*/*.template.json")
        for resource in json.loads(path.read_text())["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    assert len(keys) == 1


def test_production_waits_for_check_and_person(stages: dict[str, list[dict[str, Any]]]) -> None:
    order = {action["Name"]: action["RunOrder"] for action in stages["prod"]}
    assert order["Prepare"] < order["AcceptBudgetChanges"] == order["CheckBudgets"] < order["Promote"] < order["Deploy"]
    manual = {action["Name"] for actions in stages.values() for action in actions if action["ActionTypeId"]["Provider"] == "Manual"}
    assert manual == {"AcceptBudgetChanges", "Promote"}
    assert [action["Name"] for action in stages["test"]] == ["Prepare", "Deploy"]


def test_check_reads_the_executed_change_set(template: Template, stages: dict[str, list[dict[str, Any]]]) -> None:
    """The check reads the change set that the pipeline prepares and executes."""
    names = {action["Configuration"]["ChangeSetName"] for action in stages["prod"] if action["Name"] in ("Prepare", "Deploy")}
    (read,) = re.findall(r"-m tools\.approve_budget_changes --change-set (\S+)", commands(template))
    assert names == {read}


def test_check_uses_its_stages_assembly_and_approval(template: Template, folder: Path, stages: dict[str, list[dict[str, Any]]]) -> None:
    (command,) = re.findall(r"-m tools\.approve_budget_changes [^\n]*", commands(template))
    asked = re.search(r"--pipeline (\S+) --stage (\S+) --action (\S+) .* assembly/([\w-]+)", command)
    assert asked is not None
    assert asked.groups() == ("PrivacyBudgetPipeline-main", "prod", "AcceptBudgetChanges", "assembly-PrivacyBudgetPipeline-main-prod")
    assert (folder / asked[4] / "manifest.json").exists()
    (pipeline,) = template.find_resources("AWS::CodePipeline::Pipeline").values()
    assert pipeline["Properties"]["Name"] == asked[1]
    (check,) = [action for action in stages["prod"] if action["Name"] == "CheckBudgets"]
    assert "#{codepipeline.PipelineExecutionId}" in check["Configuration"]["EnvironmentVariables"]


def test_check_may_only_read_and_approve(template: Template) -> None:
    """The check reads by the bootstrap's lookup role, and may accept its own approval and nothing else."""
    statements = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "Sid" in statement
    ]
    by_sid = {statement["Sid"]: statement for statement in statements}
    assert str(by_sid["Accept"]["Resource"]).count("/prod/AcceptBudgetChanges") == 1
    assert f":iam::{PRODUCTION_ACCOUNT}:role/*" in str(by_sid["ReadTheDeployedTemplates"]["Resource"])
    assert by_sid["ReadTheDeployedTemplates"]["Condition"] == {"StringEquals": {"iam:ResourceTag/aws-cdk:bootstrap-role": "lookup"}}


def test_other_accounts_use_bootstrap_roles_and_key(template: Template, stages: dict[str, list[dict[str, Any]]]) -> None:
    """The pipeline deploys to other accounts by the bootstrap's roles, and encrypts artifacts with a key of its own."""
    deploy = stages["prod"][-1]
    assert f":iam::{PRODUCTION_ACCOUNT}:role/cdk-hnb659fds-deploy-role-{PRODUCTION_ACCOUNT}" in str(deploy["RoleArn"])
    (key,) = template.find_resources("AWS::KMS::Key").values()
    assert key["Properties"]["EnableKeyRotation"] is True


def test_a_pipeline_of_one_account_needs_no_key(tmp_path: Path) -> None:
    template = synthesize(tmp_path, local=settings(account="999999999999"), prod=settings(production=True))
    template.resource_count_is("AWS::KMS::Key", 0)
