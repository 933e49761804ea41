"""Stages: the same budget for test and for production, each on its own membership.

Use it where what is tried in test is to be what production gets. A stage is also what CDK Pipelines deploys: give it to
``pipeline.add_stage(...)`` as it is. With ``env=cdk.Environment(account=..., region=...)`` each goes to an account of its own.

Deploy with the ids of the two memberships, first to test and then to production:

    cdk deploy "Test/*" --app "python examples/stage.py" -c test=<membership id> -c production=<membership id>
    cdk deploy "Production/*" --app "python examples/stage.py" -c test=<membership id> -c production=<membership id>

The budget of test is deleted with its stack. That of production stays in Clean Rooms, which is the default:

    cdk destroy "*/*" --app "python examples/stage.py" -c test=<membership id> -c production=<membership id>
"""

import sys
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate


class PrivacyBudgets(cdk.Stage):
    """All that one environment needs."""

    def __init__(self, scope: Construct, id: str, *, membership_id: str, removal_policy: cdk.RemovalPolicy, **options: Any) -> None:
        super().__init__(scope, id, **options)
        stack = cdk.Stack(self, "PrivacyBudget")
        PrivacyBudgetTemplate(
            stack,
            "Budget",
            membership_id=membership_id,
            budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
            removal_policy=removal_policy,
        )
        cdk.Tags.of(self).add("environment", id.lower())


app = cdk.App()
PrivacyBudgets(
    app,
    "Test",
    membership_id=app.node.try_get_context("test") or sys.exit("A value is missing: -c test=<membership id>"),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
PrivacyBudgets(
    app,
    "Production",
    membership_id=app.node.try_get_context("production") or sys.exit("A value is missing: -c production=<membership id>"),
    removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
)
app.synth()
