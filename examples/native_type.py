"""The native type beside this construct: what becomes of a consumed budget when its refresh changes.

Use it to see the difference on your own machine; ``make compare`` runs these commands on the embedded local AWS. Two memberships get
the same budget, one by CloudFormation's ``AWS::CleanRooms::PrivacyBudgetTemplate``, the other by this construct:

    cdk deploy --all --app "python examples/native_type.py" -c native=<membership id> -c ours=<membership id>

Partners query both. The local AWS has no queries; there, use up a part of each budget yourself:

    python -m cleanrooms_local_aws spend 20 --membership <native>
    python -m cleanrooms_local_aws spend 20 --membership <ours>

Then somebody wants another refresh. CloudFormation deletes the native template and creates it anew: the deployment succeeds, and nothing
says that a fresh budget was given to everyone:

    cdk deploy Native --app "python examples/native_type.py" -c native=<membership id> -c ours=<membership id> -c refresh=CALENDAR_MONTH

This construct refuses, and says what would be lost and which option accepts it:

    cdk deploy Ours --app "python examples/native_type.py" -c native=<membership id> -c ours=<membership id> -c refresh=CALENDAR_MONTH

Destroy both. Here the templates go with their stacks:

    cdk destroy --all --app "python examples/native_type.py" -c native=<membership id> -c ours=<membership id>
"""

import sys

import aws_cdk as cdk
from aws_cdk import aws_cleanrooms as cleanrooms

from cleanrooms_privacy_budget import AutoRefresh, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
refresh = app.node.try_get_context("refresh") or "NONE"

cleanrooms.CfnPrivacyBudgetTemplate(
    cdk.Stack(app, "Native"),
    "Budget",
    membership_identifier=app.node.try_get_context("native") or sys.exit("A value is missing: -c native=<membership id>"),
    privacy_budget_type="DIFFERENTIAL_PRIVACY",
    auto_refresh=refresh,
    parameters=cleanrooms.CfnPrivacyBudgetTemplate.ParametersProperty(epsilon=3, users_noise_per_query=30),
)

PrivacyBudgetTemplate(
    cdk.Stack(app, "Ours"),
    "Budget",
    membership_id=app.node.try_get_context("ours") or sys.exit("A value is missing: -c ours=<membership id>"),
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh(refresh)),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)

app.synth()
