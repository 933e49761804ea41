"""A reset on purpose: a change that resets a consumed budget, accepted for one deployment.

Use it where a budget must get another refresh (or an access budget other limits) although something of it is consumed. Such a change is
refused by default. Here the command line accepts it, so that the code never does: the deployment after the next cannot lose anything
by an oversight.

1. The budget is there, and partners query:

       cdk deploy --app "python examples/reset_on_purpose.py" -c membership=<membership id>

   The local AWS has no queries; there, use up a part of the budget yourself:

       python -m cleanrooms_local_aws spend 7 --membership <membership id>

2. Another refresh is refused. The error says how much is consumed and would be forgotten:

       cdk deploy --app "python examples/reset_on_purpose.py" -c membership=<membership id> -c refresh=CALENDAR_MONTH

3. If that is what you want, accept it. The template is deleted and created anew, with a fresh budget:

       cdk deploy --app "python examples/reset_on_purpose.py" -c membership=<membership id> -c refresh=CALENDAR_MONTH -c reset=ALLOW

4. Deploy once more as in step 2. Nothing happens to the budget, and the next reset is refused again:

       cdk deploy --app "python examples/reset_on_purpose.py" -c membership=<membership id> -c refresh=CALENDAR_MONTH

The template stays when the stack is destroyed:

    cdk destroy --app "python examples/reset_on_purpose.py" -c membership=<membership id>
"""

import sys

import aws_cdk as cdk

from cleanrooms_privacy_budget import AutoRefresh, OnBudgetReset, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "ResetOnPurpose")

PrivacyBudgetTemplate(
    stack,
    "Budget",
    membership_id=app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>"),
    budget=PrivacyBudget.differential_privacy(
        epsilon=3,
        users_noise_per_query=30,
        auto_refresh=AutoRefresh(app.node.try_get_context("refresh") or AutoRefresh.NONE),
    ),
    on_budget_reset=OnBudgetReset(app.node.try_get_context("reset") or OnBudgetReset.REFUSE),
)

app.synth()
