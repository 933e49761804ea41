"""The app of the deploy tests, from a plain description of its stacks."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm

from cleanrooms_privacy_budget import (
    AccessLimit,
    AutoRefresh,
    OnBudgetReset,
    OnExisting,
    PrivacyBudget,
    PrivacyBudgetProvider,
    PrivacyBudgetTemplate,
)


def budget(declared: Mapping[str, Any]) -> PrivacyBudget:
    if "table" in declared:
        limits = [AccessLimit.per_day(declared["day"])]
        return PrivacyBudget.access_budget(resource_arn=declared["table"], limits=limits)
    return PrivacyBudget.differential_privacy(
        epsilon=declared.get("epsilon", 3),
        users_noise_per_query=declared.get("noise", 30),
        auto_refresh=AutoRefresh(declared.get("refresh", "NONE")),
    )


def declared(template: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A stack with one template."""
    return {"name": "Shop", "templates": {"Budget": template}, **more}


def build(app: cdk.App, declared: Mapping[str, Any]) -> None:
    env = cdk.Environment(account="111122223333", region="us-east-1")
    stack = cdk.Stack(app, declared["name"], env=env, tags=declared.get("tags"))
    provider = None
    if declared.get("without_grants"):
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")).without_policy_updates()
        provider = PrivacyBudgetProvider(stack, "Provider", role=role)
    made = None
    for id_, template in declared["templates"].items():
        made = PrivacyBudgetTemplate(
            stack,
            id_,
            membership_id=template["membership"],
            budget=budget(template),
            on_existing=OnExisting(template.get("on_existing", "FAIL")),
            on_budget_reset=OnBudgetReset(template.get("on_budget_reset", "REFUSE")),
            removal_policy=cdk.RemovalPolicy[template.get("removal", "DESTROY")],
            provider=provider,
        )
        cdk.CfnOutput(stack, f"{id_}Arn", value=made.privacy_budget_template_arn)
    if "fails_after" in declared and made is not None:
        broken = ssm.CfnParameter(stack, "Broken", type="String", name=declared["fails_after"], value="x")
        broken.node.add_dependency(made)


def synthesize(stacks: Iterable[Mapping[str, Any]], folder: Path) -> None:
    """Write the cloud assembly of an app with these stacks."""
    app = cdk.App(outdir=str(folder))
    for declared in stacks:
        build(app, declared)
    app.synth()
