"""Somebody else's app, as the wheel's users write it: templates in a stack, a nested stack, a stage and a pipeline's stage."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import pipelines
from constructs import Construct

from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetTemplate

REPOSITORY = "example/privacy"
CONNECTION = "arn:aws:codeconnections:us-east-1:111122223333:connection/12345678-aaaa-4bbb-8ccc-123456789012"
TABLE = "arn:aws:cleanrooms:us-east-1:111122223333:membership/{0}/configuredtableassociation/12345678-9999-4222-8333-444455556666"


def membership(number: int) -> str:
    return f"12345678-1111-4222-8333-44445555666{number}"


def declare(scope: Construct, number: int) -> None:
    """Both budget types, in one membership."""
    PrivacyBudgetTemplate(
        scope,
        f"Privacy{number}",
        membership_id=membership(number),
        budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
    )
    PrivacyBudgetTemplate(
        scope,
        f"Access{number}",
        membership_id=membership(number),
        budget=PrivacyBudget.access_budget(
            resource_arn=TABLE.format(membership(number)), limits=[AccessLimit.per_day(100), AccessLimit.lifetime(1000)]
        ),
    )


class Budgets(cdk.Stage):
    def __init__(self, scope: Construct, id: str, **options: Any) -> None:
        super().__init__(scope, id, **options)
        declare(cdk.Stack(self, "Stack"), 1)


class Pipeline(cdk.Stack):
    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            synth=pipelines.ShellStep(
                "Synth",
                input=pipelines.CodePipelineSource.connection(REPOSITORY, "main", connection_arn=CONNECTION),
                commands=["pip install -r requirements.txt", "npx cdk synth"],
            ),
        )
        pipeline.add_stage(Budgets(self, "Production"))


app = cdk.App()
stack = cdk.Stack(app, "Plain")
declare(stack, 1)
declare(stack, 2)
declare(cdk.NestedStack(cdk.Stack(app, "Outer"), "Nested"), 1)
Budgets(app, "Alone")
Pipeline(app, "Delivery")
app.synth()
