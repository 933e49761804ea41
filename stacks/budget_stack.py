"""The stack of one environment, which ``cdk deploy`` and a pipeline's stage deploy alike."""

import aws_cdk as cdk
from constructs import Construct

from cleanrooms_privacy_budget import PrivacyBudgetTemplate

from .settings import SAMPLE_MEMBERSHIP, Environment


class PrivacyBudgetStack(cdk.Stack):
    """A privacy budget template and the function that makes it.

    Its name does not depend on who deploys it: an environment that moves from ``cdk deploy`` to a pipeline keeps its stack.
    """

    def __init__(self, scope: Construct, environment: Environment) -> None:
        name = f"PrivacyBudget-{environment.name}"
        super().__init__(
            scope,
            name,
            stack_name=name,
            env=environment.env,
            tags=environment.tags,
            description="Clean Rooms privacy budget template",
        )
        template = PrivacyBudgetTemplate(
            self,
            "Budget",
            membership_id=environment.membership,
            budget=environment.budget,
            on_existing=environment.on_existing,
            on_budget_reset=environment.on_budget_reset,
            removal_policy=(cdk.RemovalPolicy.DESTROY if environment.destroy_with_stack else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE),
        )
        if environment.membership == SAMPLE_MEMBERSHIP:
            cdk.Annotations.of(self).add_warning_v2(
                "cleanrooms-privacy-budget:sample-membership",
                "This environment still names the sample membership: put yours into cdk.json, or give -c membership=<id>.",
            )
        cdk.CfnOutput(self, "TemplateArn", value=template.privacy_budget_template_arn)
        cdk.CfnOutput(self, "MembershipId", value=environment.membership)
