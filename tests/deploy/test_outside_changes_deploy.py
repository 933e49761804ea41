"""Changes outside the stack on the local AWS: a person's reach the queue behind the monitor's topic, the provider's do not."""

import re
import shutil
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetMonitor, PrivacyBudgetTemplate
from tests.support.cdk import Engine
from tests.support.deployed_clean_rooms import as_user, edit_by_hand, held

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
WHERE = r"in account 111122223333, us-east-1, outside the privacy budget provider"
ANN = "arn:aws:iam::111122223333:user/ann"


def deploys(used: Engine, membership: str, epsilon: int) -> str:
    """Deploy a budget that is watched, and give the URL of the queue that gets the messages."""
    shutil.rmtree(used.folder / "cdk.out", ignore_errors=True)
    app = cdk.App(outdir=str(used.folder / "cdk.out"), analytics_reporting=False)
    stack = cdk.Stack(app, "Watched", env=cdk.Environment(account="111122223333", region="us-east-1"))
    budget = PrivacyBudget.differential_privacy(epsilon=epsilon, users_noise_per_query=30)
    template = PrivacyBudgetTemplate(stack, "Budget", membership_id=membership, budget=budget, removal_policy=cdk.RemovalPolicy.DESTROY)
    queue, topic = sqs.Queue(stack, "Queue"), sns.Topic(stack, "Topic")
    topic.add_subscription(subscriptions.SqsSubscription(queue, raw_message_delivery=True))
    PrivacyBudgetMonitor(stack, "Monitor", templates=[template], outside_changes=[topic])
    cdk.CfnOutput(stack, "Messages", value=queue.queue_url)
    app.synth()
    return used.deploys_assembly()["Watched"]["Messages"]


def next_message(client: Any, url: str) -> str:
    (message,) = client.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return str(message["Body"])


def test_changes_by_hand_alone_are_reported(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """After the provider's own change, the next message is of the next change by hand: events are delivered in their order."""
    membership, _ = memberships
    messages = engine.local_aws.client("sqs")
    url = deploys(engine, membership, epsilon=3)
    (template,) = held(clean_rooms, membership)
    ann = as_user(engine.local_aws, "ann")
    edit_by_hand(ann, template, epsilon=5)
    told = next_message(messages, url)
    subject = f"privacy budget template {template['id']} of membership {membership}"
    assert re.fullmatch(
        rf'"{ANN} called UpdatePrivacyBudgetTemplate on {subject} at {TIME} {WHERE}\. CloudTrail event: [-0-9a-f]{{36}}"', told
    )
    deploys(engine, membership, epsilon=6)
    (updated,) = held(clean_rooms, membership)
    assert updated["parameters"]["differentialPrivacy"]["epsilon"] == 6
    assert updated["id"] == template["id"]
    ann.tag_resource(resourceArn=template["arn"], tags={"reviewed": "yes"})
    told = next_message(messages, url)
    assert re.fullmatch(rf'"{ANN} called TagResource on {template["arn"]} at {TIME} {WHERE}\. CloudTrail event: [-0-9a-f]{{36}}"', told)
    assert "Messages" not in messages.receive_message(QueueUrl=url)
