"""Adoption: a stack takes over a template that was made by hand, with its tags and with what was consumed of it.

Use it where Clean Rooms holds the template already, made in the console or kept from another stack. Without ``OnExisting.ADOPT`` such
a deployment fails, and names the template that is in the way.

1. Write down here the values that the template has now: adoption edits it where they differ. The refresh must be the same, since
   another one cannot be had without a reset.
2. Deploy. The stack's outputs show the same ARN as before:

       cdk deploy --app "python examples/adoption.py" -c membership=<membership id>

3. The next update, such as another epsilon, makes the adoption final. Until then a stack that deletes the template hands it back
   instead, as it was tagged before. Here it stays when the stack is destroyed, which is the default:

       cdk destroy --app "python examples/adoption.py" -c membership=<membership id>

``OnExisting.ADOPT`` may stay: it does nothing about a template that is the stack's own.
"""

import sys

import aws_cdk as cdk

from cleanrooms_privacy_budget import AutoRefresh, OnExisting, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "Adoption")

template = PrivacyBudgetTemplate(
    stack,
    "Budget",
    membership_id=app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>"),
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.NONE),
    on_existing=OnExisting.ADOPT,
)
cdk.CfnOutput(stack, "TemplateArn", value=template.privacy_budget_template_arn)

app.synth()
