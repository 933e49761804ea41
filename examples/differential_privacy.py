"""Differential privacy on a membership: what all queries together can tell about any one person is limited.

Use it where partners query your tables and no answer may single out a person. The template, an output with its ARN, tags, and a role
that may read the remaining budget, and nothing else.

Clean Rooms has one such template per membership. If yours has one already, see adoption.py. Deploy with the id of your membership:

    cdk deploy --app "python examples/differential_privacy.py" -c membership=<membership id>

The template stays in Clean Rooms, with what was consumed of it, when the stack is destroyed:

    cdk destroy --app "python examples/differential_privacy.py" -c membership=<membership id>
"""

import sys

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "DifferentialPrivacy")

template = PrivacyBudgetTemplate(
    stack,
    "Budget",
    membership_id=app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>"),
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
)
cdk.Tags.of(template).add("team", "privacy")

auditor = iam.Role(stack, "Auditor", assumed_by=iam.AccountRootPrincipal(), description="Reads the remaining privacy budget")
template.grant_read(auditor)

cdk.CfnOutput(stack, "TemplateArn", value=template.privacy_budget_template_arn)
cdk.CfnOutput(stack, "AuditorArn", value=auditor.role_arn)

app.synth()
