"""Access budgets: how often each of two tables may be used, per day and in all.

Use them where it matters how often a table is queried rather than what the answers tell: for cost, or for data that is licensed by
use. Each table has a template of its own, and each use counts against both of its limits.

Deploy with the id of your membership, and the ARNs of its two configured table associations:

    cdk deploy --app "python examples/access_budgets.py" \
        -c membership=<membership id> -c sales=<association ARN> -c trial=<association ARN>

Deleting an access budget makes its table unlimited. So the one of ``sales`` stays when it leaves the stack, which is the default, and
the one of ``trial``, whose table is to be unlimited afterwards, goes::

    cdk destroy --app "python examples/access_budgets.py" \
        -c membership=<membership id> -c sales=<association ARN> -c trial=<association ARN>
"""

import sys

import aws_cdk as cdk

from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "AccessBudgets")
membership_id = app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>")

PrivacyBudgetTemplate(
    stack,
    "Sales",
    membership_id=membership_id,
    budget=PrivacyBudget.access_budget(
        resource_arn=app.node.try_get_context("sales") or sys.exit("A value is missing: -c sales=<association ARN>"),
        limits=[AccessLimit.per_day(100), AccessLimit.lifetime(10_000)],
    ),
)

trial = PrivacyBudgetTemplate(
    stack,
    "Trial",
    membership_id=membership_id,
    budget=PrivacyBudget.access_budget(
        resource_arn=app.node.try_get_context("trial") or sys.exit("A value is missing: -c trial=<association ARN>"),
        limits=[AccessLimit.per_day(10), AccessLimit.lifetime(50)],
    ),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
cdk.Annotations.of(trial).acknowledge_warning(
    "cleanrooms-privacy-budget:delete-uncaps-table", "the table is to be unlimited once its trial is over"
)

app.synth()
