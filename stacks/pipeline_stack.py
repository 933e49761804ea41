"""The pipeline: it tests and synthesizes each commit, updates itself, and deploys to every environment of cdk.json in order."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines
from constructs import Construct

from .budget_stack import PrivacyBudgetStack
from .settings import LOCAL, Environment, Pipeline

CDK_ASSETS_VERSION: Final = "4.7.3"
"""The version of the tool that publishes the assets."""

RUNTIMES: Final = {"python": "3.12", "nodejs": "22"}
"""The runtimes of CodeBuild's image: Python for this repository, Node.js for the CDK CLI."""

ACCEPT: Final = "AcceptBudgetChanges"
"""The approval that CheckBudgets gives where no budget would be lost or replaced."""

CHANGE_SET: Final = "PipelineChange"
"""The name that CDK Pipelines gives the change set which it prepares and executes."""

_ROOT: Final = Path(__file__).parents[1]


class PrivacyBudgetStage(cdk.Stage):
    """One environment, as a stage of the pipeline."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, environment.name, env=environment.env)
        self.stack = PrivacyBudgetStack(self, environment)


class PipelineStack(cdk.Stack):
    """A self-mutating pipeline of CDK Pipelines, from a repository by CodeConnections.

    Accounts other than the pipeline's own must trust it: ``cdk bootstrap --trust <account of the pipeline>``.
    """

    def __init__(self, scope: Construct, pipeline: Pipeline, environments: Sequence[Environment]) -> None:
        name = f"PrivacyBudgetPipeline-{pipeline.name}"
        super().__init__(scope, name, env=pipeline.env, description="Deploys Clean Rooms privacy budget templates")
        targets = [environment for environment in environments if environment.name != LOCAL]
        cross_account = any(environment.env.account != pipeline.env.account for environment in targets)
        source = pipelines.CodePipelineSource.connection(pipeline.repository, pipeline.branch, connection_arn=pipeline.connection)
        synth = pipelines.ShellStep(
            "Synth",
            input=source,
            commands=["make test", f"make synth TARGET=aws PIPELINE={pipeline.name}"],
        )
        self.pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            synth=synth,
            cli_version=_cdk_version(),
            cdk_assets_cli_version=CDK_ASSETS_VERSION,
            cross_account_keys=cross_account,
            enable_key_rotation=cross_account,
            publish_assets_in_parallel=False,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(
                    build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5, compute_type=codebuild.ComputeType.MEDIUM
                ),
                partial_build_spec=codebuild.BuildSpec.from_object({"phases": {"install": {"runtime-versions": RUNTIMES}}}),
            ),
            # A test takes the network away from the app that it synthesizes, which only a privileged container may do.
            synth_code_build_defaults=pipelines.CodeBuildOptions(build_environment=codebuild.BuildEnvironment(privileged=True)),
        )
        for environment in targets:
            stage = PrivacyBudgetStage(self, environment)
            steps = self._approval_steps(name, stage, source, synth) if environment.production else []
            self.pipeline.add_stage(stage, stack_steps=[pipelines.StackSteps(stack=stage.stack, change_set=steps)])

    def _approval_steps(
        self, pipeline_name: str, stage: cdk.Stage, source: pipelines.IFileSetProducer, synth: pipelines.ShellStep
    ) -> list[pipelines.Step]:
        """The steps between a prepared change set and its execution: the check of budgets, its approval, and the promotion by a person."""
        accept = pipelines.ManualApprovalStep(
            ACCEPT, comment="Waits for a person only where a budget would be lost or replaced: the log of CheckBudgets says which."
        )
        pipeline_arn = self.format_arn(service="codepipeline", resource=pipeline_name)
        check = pipelines.CodeBuildStep(
            "CheckBudgets",
            input=source,
            additional_inputs={"assembly": synth},
            env={"EXECUTION": "#{codepipeline.PipelineExecutionId}"},
            commands=[
                "make setup",
                f".venv/bin/python -m tools.approve_budget_changes --change-set {CHANGE_SET} --pipeline {pipeline_name}"
                f' --stage {stage.stage_name} --action {ACCEPT} --execution "$EXECUTION" assembly/{stage.artifact_id}',
            ],
            role_policy_statements=[
                iam.PolicyStatement(
                    sid="ReadTheDeployedTemplates",
                    actions=["sts:AssumeRole"],
                    resources=[f"arn:{self.partition}:iam::{stage.account or self.account}:role/*"],
                    conditions={"StringEquals": {"iam:ResourceTag/aws-cdk:bootstrap-role": "lookup"}},
                ),
                iam.PolicyStatement(sid="SeeWhatWaits", actions=["codepipeline:GetPipelineState"], resources=[pipeline_arn]),
                iam.PolicyStatement(
                    sid="Accept",
                    actions=["codepipeline:PutApprovalResult"],
                    resources=[f"{pipeline_arn}/{stage.stage_name}/{ACCEPT}"],
                ),
            ],
        )
        promote = pipelines.ManualApprovalStep("Promote", comment=f"Deploy the privacy budgets of {stage.stage_name}?")
        promote.add_step_dependency(accept)
        promote.add_step_dependency(check)
        return [check, accept, promote]


def _cdk_version() -> str:
    """The version of the CDK CLI that package.json pins: the pipeline deploys with the version that was tested."""
    version: str = json.loads((_ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["aws-cdk"]
    return version
