"""Changes outside the stacks: the rules' patterns by EventBridge's own matching on the local AWS, and what reaches a topic."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns

from cleanrooms_local_aws import LocalAws
from cleanrooms_privacy_budget import PrivacyBudgetMonitor, PrivacyBudgetProvider, PrivacyBudgetTemplate
from tests.support.synth import MEMBERSHIP, add, new_stack, resources

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

ACCOUNT = "111122223333"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:role/Provider"
TEMPLATE = "aaaaaaaa-1111-4222-8333-444455556666"
TEMPLATE_ARN = f"arn:aws:cleanrooms:us-east-1:{ACCOUNT}:membership/{MEMBERSHIP}/privacybudgettemplate/{TEMPLATE}"
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}
USER = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/ann"}
PARAMETERS = {"membershipIdentifier": MEMBERSHIP, "privacyBudgetTemplateIdentifier": TEMPLATE}
CHANGES = {
    "CreatePrivacyBudgetTemplate": {"membershipIdentifier": MEMBERSHIP},
    "UpdatePrivacyBudgetTemplate": PARAMETERS,
    "DeletePrivacyBudgetTemplate": PARAMETERS,
    "DeleteMembership": {"membershipIdentifier": MEMBERSHIP},
    "TagResource": {"resourceArn": TEMPLATE_ARN},
    "UntagResource": {"resourceArn": TEMPLATE_ARN.replace(":", "%3A").replace("/", "%2F")},
}


def session(role: str) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}},
    }


def monitor(stack: cdk.Stack, *actions: Any, **options: Any) -> PrivacyBudgetMonitor:
    options.setdefault("expected_roles", [iam.Role.from_role_arn(stack, "Provider", PROVIDER)])
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, "Imported", TEMPLATE_ARN)
    return PrivacyBudgetMonitor(stack, "Monitor", templates=[imported], outside_changes=actions, **options)


def topic(stack: cdk.Stack) -> sns.ITopic:
    return sns.Topic(stack, "Topic")


def rules(stack: cdk.Stack) -> list[Any]:
    return [rule["Properties"] for rule in resources(stack, "AWS::Events::Rule").values()]


@pytest.fixture(scope="module")
def patterns() -> list[str]:
    stack = new_stack()
    monitor(stack, topic(stack))
    return [json.dumps(rule["EventPattern"]) for rule in rules(stack)]


def matches(local_aws: LocalAws, patterns: list[str], name: str, who: dict[str, Any], **detail: Any) -> int:
    """How many rules match a call."""
    event = {
        "id": "1",
        "account": ACCOUNT,
        "source": "aws.cleanrooms",
        "time": "2026-11-26T10:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "cleanrooms.amazonaws.com",
            "eventName": name,
            "userIdentity": who,
            "requestParameters": CHANGES.get(name, {}),
            **detail,
        },
    }
    client = local_aws.client("events")
    return sum(client.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"] for pattern in patterns)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("who", [ROOT, USER, session("Admin")], ids=["root", "user", "role"])
def test_a_change_matches_one_rule(local_aws: LocalAws, patterns: list[str], name: str, who: dict[str, Any]) -> None:
    assert matches(local_aws, patterns, name, who) == 1


@pytest.mark.parametrize("name", CHANGES)
def test_the_providers_changes_match_none(local_aws: LocalAws, patterns: list[str], name: str) -> None:
    assert matches(local_aws, patterns, name, session("Provider")) == 0


def test_other_calls_match_none(local_aws: LocalAws, patterns: list[str]) -> None:
    assert matches(local_aws, patterns, "ListPrivacyBudgets", ROOT) == 0
    assert matches(local_aws, patterns, "DeleteMembership", ROOT, errorCode="AccessDeniedException") == 0
    of_another = {"resourceArn": f"arn:aws:cleanrooms:us-east-1:{ACCOUNT}:membership/{MEMBERSHIP}"}
    assert matches(local_aws, patterns, "TagResource", ROOT, requestParameters=of_another) == 0


def test_a_topic_gets_a_sentence() -> None:
    stack = new_stack()
    monitor(stack, topic(stack))
    (transformer,) = (
        rule["Targets"][0]["InputTransformer"]
        for rule in rules(stack)
        if "DeletePrivacyBudgetTemplate" in rule["EventPattern"]["detail"]["eventName"]
    )
    sentence = json.loads(transformer["InputTemplate"])
    for name, path in transformer["InputPathsMap"].items():
        sentence = sentence.replace(f"<{name}>", path.rpartition(".")[2].upper())
    assert sentence == (
        "ARN called EVENTNAME on privacy budget template PRIVACYBUDGETTEMPLATEIDENTIFIER of membership MEMBERSHIPIDENTIFIER"
        " at EVENTTIME in account $.ACCOUNT".replace("$.", "")
        + ", REGION, outside the privacy budget provider. CloudTrail event: EVENTID"
    )


def test_another_target_gets_the_event() -> None:
    stack = new_stack()
    function = lambda_.Function.from_function_arn(stack, "Function", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f")
    monitor(stack, targets.LambdaFunction(function))
    assert [len(rule["Targets"]) for rule in rules(stack)] == [1, 1, 1]
    assert not any("InputTransformer" in rule["Targets"][0] for rule in rules(stack))


def test_the_stacks_own_provider_is_expected() -> None:
    stack = new_stack()
    template = add(stack)
    PrivacyBudgetMonitor(stack, "Monitor", templates=[template], outside_changes=[topic(stack)])
    provider = PrivacyBudgetProvider.of(stack)
    assert provider is not None
    issuers = [rule["EventPattern"]["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] for rule in rules(stack)]
    assert issuers == [[{"anything-but": [stack.resolve(provider.role.role_arn)]}, {"exists": False}]] * 3


def test_no_known_provider_is_refused() -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match=r"^outside_changes needs the role of each provider as expected_roles, .* got none \[.*Monitor\]$"):
        monitor(stack, topic(stack), expected_roles=[])


def test_expected_roles_alone_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected_roles go with outside_changes, got no outside_changes \["):
        monitor(new_stack())
