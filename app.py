"""The CDK app of this repository: one stack with a privacy budget template, for the environment that the context names."""

import os
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from cleanrooms_privacy_budget import (
    AccessLimit,
    AutoRefresh,
    OnBudgetReset,
    OnExisting,
    PrivacyBudget,
    PrivacyBudgetTemplate,
)

SAMPLE_MEMBERSHIP = "00000000-0000-0000-0000-000000000000"


class PrivacyBudgetStack(cdk.Stack):
    """A privacy budget template and the function that makes it."""

    def __init__(self, scope: Construct, id: str, *, environment: dict[str, Any], **stack_options: Any) -> None:
        super().__init__(scope, id, **stack_options)
        template = PrivacyBudgetTemplate(
            self,
            "Budget",
            membership_id=environment["membership"],
            budget=budget_of(environment["budget"]),
            on_existing=OnExisting(environment.get("onExisting", OnExisting.FAIL)),
            on_budget_reset=OnBudgetReset(environment.get("onBudgetReset", OnBudgetReset.REFUSE)),
            removal_policy=(
                cdk.RemovalPolicy.DESTROY if environment.get("destroyWithStack") else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            ),
        )
        if environment["membership"] == SAMPLE_MEMBERSHIP:
            cdk.Annotations.of(self).add_warning_v2(
                "cleanrooms-privacy-budget:sample-membership",
                "This environment still names the sample membership: put yours into cdk.json, or give -c membership=<id>.",
            )
        cdk.CfnOutput(self, "TemplateArn", value=template.privacy_budget_template_arn)
        cdk.CfnOutput(self, "MembershipId", value=environment["membership"])


def budget_of(declared: dict[str, Any]) -> PrivacyBudget:
    """The budget that an environment in cdk.json declares: by ``epsilon``, or by ``resourceArn`` and ``limits``."""
    if "resourceArn" in declared:
        kinds = {
            "perDay": AccessLimit.per_day,
            "perWeek": AccessLimit.per_week,
            "perMonth": AccessLimit.per_month,
            "lifetime": AccessLimit.lifetime,
        }
        limits = [kinds[name](budget) for name, budget in declared["limits"].items()]
        return PrivacyBudget.access_budget(resource_arn=declared["resourceArn"], limits=limits)
    return PrivacyBudget.differential_privacy(
        epsilon=declared["epsilon"],
        users_noise_per_query=declared["usersNoisePerQuery"],
        auto_refresh=AutoRefresh(declared.get("autoRefresh", AutoRefresh.NONE)),
    )


def chosen_environment(app: cdk.App) -> tuple[str, dict[str, Any]]:
    """Name and settings of the environment that the context chooses, with what the command line overrides (-c epsilon=5)."""
    name = app.node.try_get_context("environment")
    environments = app.node.try_get_context("environments")
    if name not in environments:
        raise SystemExit(f"environment must be one of {', '.join(sorted(environments))} (context of cdk.json), got {name!r}")
    environment = dict(environments[name])
    for key in ("membership", "onExisting", "onBudgetReset"):
        environment[key] = app.node.try_get_context(key) or environment.get(key)
    environment = {key: value for key, value in environment.items() if value is not None}
    budget = dict(environment["budget"])
    for key in ("epsilon", "usersNoisePerQuery"):
        if value := app.node.try_get_context(key):
            budget[key] = int(value) if str(value).lstrip("-").isdecimal() else value
    if refresh := app.node.try_get_context("autoRefresh"):
        budget["autoRefresh"] = refresh
    environment["budget"] = budget
    return name, environment


app = cdk.App()
name, environment = chosen_environment(app)
PrivacyBudgetStack(
    app,
    f"PrivacyBudget-{name}",
    environment=environment,
    description="Clean Rooms privacy budget template",
    env=cdk.Environment(
        account=environment.get("account", os.environ.get("CDK_DEFAULT_ACCOUNT")),
        region=environment.get("region", os.environ.get("CDK_DEFAULT_REGION")),
    ),
    tags=environment.get("tags"),
)
app.synth()
