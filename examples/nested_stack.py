"""Nested stacks: many templates in one deployment, and one function for all of them.

Use them where a stack outgrows CloudFormation's limit of 500 resources, or where each membership's budgets are to be read and
changed on their own. A nested stack is a stack: left to itself, each would have a provider of its own. Here all take the parent's,
by ``provider=``, so that there is one function, and each nested stack holds its templates alone.

Deploy with the ids of two memberships:

    cdk deploy --app "python examples/nested_stack.py" -c sales=<membership id> -c research=<membership id>

The templates stay when the stacks are destroyed:

    cdk destroy --app "python examples/nested_stack.py" -c sales=<membership id> -c research=<membership id>
"""

import sys

import aws_cdk as cdk
from constructs import Construct

from cleanrooms_privacy_budget import IPrivacyBudgetProvider, PrivacyBudget, PrivacyBudgetProvider, PrivacyBudgetTemplate


class MembershipBudgets(cdk.NestedStack):
    """The budgets of one membership."""

    def __init__(self, scope: Construct, id: str, *, membership_id: str, provider: IPrivacyBudgetProvider) -> None:
        super().__init__(scope, id)
        self.template = PrivacyBudgetTemplate(
            self,
            "Budget",
            membership_id=membership_id,
            budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
            provider=provider,
        )


app = cdk.App()
stack = cdk.Stack(app, "NestedBudgets")
provider = PrivacyBudgetProvider.get_or_create(stack)

for name in ("Sales", "Research"):
    budgets = MembershipBudgets(
        stack,
        name,
        membership_id=app.node.try_get_context(name.lower()) or sys.exit(f"A value is missing: -c {name.lower()}=<membership id>"),
        provider=provider,
    )
    cdk.CfnOutput(stack, f"{name}TemplateArn", value=budgets.template.privacy_budget_template_arn)

app.synth()
