"""A shared provider: one function per account and region, and stacks that hold nothing but their templates.

Use it where several stacks or teams declare budgets: one function to watch and to update, and whoever deploys a budget needs no
right to make functions and roles. The provider's stack publishes the function's ARN under an SSM parameter, which each deployment of
the other stacks reads; so these may as well belong to other apps.

Deploy with the ids of two memberships; the provider goes first:

    cdk deploy --all --app "python examples/shared_provider.py" -c sales=<membership id> -c research=<membership id>

The provider must outlive the budgets: without its function they can be neither changed nor deleted. So it is destroyed last:

    cdk destroy --all --app "python examples/shared_provider.py" -c sales=<membership id> -c research=<membership id>
"""

import sys

import aws_cdk as cdk

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetProvider, PrivacyBudgetTemplate

PARAMETER_NAME = "/cleanrooms-privacy-budget/provider"

app = cdk.App()

provider_stack = cdk.Stack(app, "SharedProvider")
PrivacyBudgetProvider(provider_stack, "Provider", parameter_name=PARAMETER_NAME)

for name, epsilon in (("Sales", 3), ("Research", 5)):
    stack = cdk.Stack(app, f"{name}Budget")
    stack.node.add_dependency(provider_stack)
    template = PrivacyBudgetTemplate(
        stack,
        "Budget",
        membership_id=app.node.try_get_context(name.lower()) or sys.exit(f"A value is missing: -c {name.lower()}=<membership id>"),
        budget=PrivacyBudget.differential_privacy(epsilon=epsilon, users_noise_per_query=30),
        provider=PrivacyBudgetProvider.from_parameter_name(stack, "Provider", parameter_name=PARAMETER_NAME),
    )
    cdk.CfnOutput(stack, "TemplateArn", value=template.privacy_budget_template_arn)

app.synth()
