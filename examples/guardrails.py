"""Guardrails: a shared provider whose owner caps what every stack may declare.

Use it where product teams declare budgets and a privacy officer sets the limits. The provider's app refuses a template beyond them at
synth; the function refuses it for every other stack, whatever language or tool declared it. docs/guide/guardrails.md tells how a
service control policy keeps everybody from going round the provider.

Deploy with the id of a membership:

    cdk deploy --all --app "python examples/guardrails.py" -c membership=<membership id>

The provider must outlive the budget, so it is destroyed last:

    cdk destroy --all --app "python examples/guardrails.py" -c membership=<membership id>
"""

import sys

import aws_cdk as cdk

from cleanrooms_privacy_budget import (
    AccessBudgetPeriod,
    PrivacyBudget,
    PrivacyBudgetGuardrails,
    PrivacyBudgetProvider,
    PrivacyBudgetTemplate,
)

app = cdk.App()

provider_stack = cdk.Stack(app, "GuardedProvider")
provider = PrivacyBudgetProvider(
    provider_stack,
    "Provider",
    parameter_name="/cleanrooms-privacy-budget/guarded-provider",
    guardrails=PrivacyBudgetGuardrails(
        max_epsilon=5,
        min_users_noise_per_query=20,
        allow_monthly_refresh=False,
        max_uses={AccessBudgetPeriod.CALENDAR_DAY: 100, AccessBudgetPeriod.LIFETIME: 10_000},
        allow_budget_reset=False,
        allow_adoption=False,
    ),
)

stack = cdk.Stack(app, "GuardedBudget")
template = PrivacyBudgetTemplate(
    stack,
    "Budget",
    membership_id=app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>"),
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
    provider=provider,
)
cdk.CfnOutput(stack, "TemplateArn", value=template.privacy_budget_template_arn)

app.synth()
