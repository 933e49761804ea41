"""Migration: two templates of the native type become this construct's, with their ARNs and with what is consumed of them.

Use it where a stack declares ``AWS::CleanRooms::PrivacyBudgetTemplate`` today. Each step is one deployment:

1. The app as it is today, on the native type:

       cdk deploy --app "python examples/migration.py" -c step=native -c membership=<membership id> -c table=<sales>

2. Retain. CloudFormation keeps the native templates when they leave the stack. The output changes with the policies, since CloudFormation
   may treat a change of policies alone as no change:

       cdk deploy --app "python examples/migration.py" -c step=retain -c membership=<membership id> -c table=<sales>

3. Adopt. The native resources leave the stack, and the construct takes over their templates:

       cdk deploy --app "python examples/migration.py" -c step=adopt -c membership=<membership id> -c table=<sales>

4. Finish. Without ``OnExisting.ADOPT``. This update makes the adoption final:

       cdk deploy --app "python examples/migration.py" -c step=finish -c membership=<membership id> -c table=<sales>

A template stays in Clean Rooms when its stack is destroyed, which is the default:

       cdk destroy --app "python examples/migration.py" -c step=finish -c membership=<membership id> -c table=<sales>
"""

import sys

import aws_cdk as cdk
from aws_cdk import aws_cleanrooms as cleanrooms

from cleanrooms_privacy_budget import AccessLimit, OnExisting, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
step = app.node.try_get_context("step") or "native"
membership = app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>")
table = app.node.try_get_context("table") or sys.exit("A value is missing: -c table=<association ARN>")
stack = cdk.Stack(app, "Migration")
cdk.CfnOutput(stack, "Step", value=step)

if step in ("native", "retain"):
    Parameters = cleanrooms.CfnPrivacyBudgetTemplate.ParametersProperty
    Limit = cleanrooms.CfnPrivacyBudgetTemplate.BudgetParameterProperty
    policy = cdk.RemovalPolicy.RETAIN if step == "retain" else cdk.RemovalPolicy.DESTROY
    cleanrooms.CfnPrivacyBudgetTemplate(
        stack,
        "NativePrivacy",
        membership_identifier=membership,
        privacy_budget_type="DIFFERENTIAL_PRIVACY",
        auto_refresh="NONE",
        parameters=Parameters(epsilon=3, users_noise_per_query=30),
    ).apply_removal_policy(policy)
    cleanrooms.CfnPrivacyBudgetTemplate(
        stack,
        "NativeAccess",
        membership_identifier=membership,
        privacy_budget_type="ACCESS_BUDGET",
        auto_refresh="NONE",
        parameters=Parameters(resource_arn=table, budget_parameters=[Limit(type="LIFETIME", budget=1000)]),
    ).apply_removal_policy(policy)
else:
    on_existing = OnExisting.ADOPT if step == "adopt" else OnExisting.FAIL
    PrivacyBudgetTemplate(
        stack,
        "Privacy",
        membership_id=membership,
        budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
        on_existing=on_existing,
    )
    PrivacyBudgetTemplate(
        stack,
        "Access",
        membership_id=membership,
        budget=PrivacyBudget.access_budget(resource_arn=table, limits=[AccessLimit.lifetime(1000)]),
        on_existing=on_existing,
    )

app.synth()
