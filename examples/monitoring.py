"""Watching remaining budgets before a query fails: metrics, a dashboard, and alarms that send an e-mail.

Use it to see how fast a budget is consumed: CloudWatch has no metrics of budgets by itself. The alarms go off if less
than a fifth of a budget remains, and if the remaining budget cannot be read. A template that another stack made is watched as well: import
it, and put it on the list. A change that somebody makes outside the stack is mailed as well; this needs a CloudTrail trail.

Deploy with the id of your membership, the ARN of one of its configured table associations, and an address, which gets a mail that asks
whether it wants these:

    cdk deploy --app "python examples/monitoring.py" -c membership=<membership id> -c sales=<association ARN> -c mail=<address>

With the id of a collaboration besides, as -c collaboration, it watches the budgets of every member of that collaboration as well.

The dashboard is in CloudWatch's console, under the name that the output gives. The templates stay when the monitor goes with its
stack:

    cdk destroy --app "python examples/monitoring.py" -c membership=<membership id> -c sales=<association ARN> -c mail=<address>
"""

import sys

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetMonitor, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "Monitoring")
membership_id = app.node.try_get_context("membership") or sys.exit("A value is missing: -c membership=<membership id>")

privacy = PrivacyBudgetTemplate(
    stack,
    "Privacy",
    membership_id=membership_id,
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
)
sales = PrivacyBudgetTemplate(
    stack,
    "Sales",
    membership_id=membership_id,
    budget=PrivacyBudget.access_budget(
        resource_arn=app.node.try_get_context("sales") or sys.exit("A value is missing: -c sales=<association ARN>"),
        limits=[AccessLimit.per_day(100), AccessLimit.lifetime(1000)],
    ),
)

topic = sns.Topic(stack, "LittleIsLeft", enforce_ssl=True)
topic.add_subscription(
    subscriptions.EmailSubscription(app.node.try_get_context("mail") or sys.exit("A value is missing: -c mail=<address>"))
)

collaboration_id = app.node.try_get_context("collaboration")
monitor = PrivacyBudgetMonitor(
    stack,
    "Monitor",
    templates=[privacy, sales],
    collaborations=[collaboration_id] if collaboration_id else [],
    interval=cdk.Duration.minutes(30),
    alarm_below=0.2,
    alarm_actions=[actions.SnsAction(topic)],
    outside_changes=[topic],
)

cdk.CfnOutput(stack, "Dashboard", value=monitor.dashboards[0].dashboard_name)

app.synth()
