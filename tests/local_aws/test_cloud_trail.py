"""CloudTrail's event history: who called Clean Rooms, when, with what request and answer, and how it is looked up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from cleanrooms_local_aws import LocalAws
from cleanrooms_local_aws.cloud_trail import DAYS_KEPT, Caller, CloudTrail
from cleanrooms_local_aws.errors import EventLookupError
from tests.local_aws.support.clean_rooms import Clock, epoch
from tests.local_aws.support.stacks import Stack, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

ACCOUNT, REGION = "111122223333", "us-east-1"
ROOT = {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
PARAMETERS = {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}}

Event = dict[str, Any]


def looked_up(local_aws: LocalAws, key: str, value: str) -> list[Event]:
    """The events of an attribute, the oldest first, as CloudTrail's records."""
    client = local_aws.client("cloudtrail")
    pages = client.get_paginator("lookup_events").paginate(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]][::-1]


def new_membership(local_aws: LocalAws) -> str:
    backend = local_aws.client("cleanrooms")
    collaboration = backend.create_collaboration(
        members=[], name="lab", description="d", creatorMemberAbilities=[], creatorDisplayName="me", queryLogStatus="DISABLED"
    )["collaboration"]["id"]
    return str(backend.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")["membership"]["id"])


def arn(membership: str) -> str:
    return f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:membership/{membership}"


def function_that(do: str) -> str:
    return f"client = boto3.client('cleanrooms')\nput(event, answer(event, Data={{'Result': attempt(lambda: {do})}}))"


def test_a_change_is_recorded_with_request_and_answer(local_aws: LocalAws) -> None:
    membership = new_membership(local_aws)
    backend = local_aws.client("cleanrooms")
    made = backend.create_privacy_budget_template(
        membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY", parameters=PARAMETERS, tags={"team": "privacy"}
    )["privacyBudgetTemplate"]
    backend.update_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetTemplateIdentifier=made["id"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": 5}},
    )
    backend.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=made["id"])

    created, updated, deleted = looked_up(local_aws, "ResourceName", made["arn"])
    assert [event["eventName"].removesuffix("PrivacyBudgetTemplate") for event in (created, updated, deleted)] == [
        "Create",
        "Update",
        "Delete",
    ]
    assert created["requestParameters"] == {
        "membershipIdentifier": membership,
        "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
        "parameters": PARAMETERS,
        "tags": {"team": "privacy"},
    }
    assert created["responseElements"]["privacyBudgetTemplate"]["arn"] == made["arn"]
    assert updated["responseElements"]["privacyBudgetTemplate"]["parameters"]["differentialPrivacy"]["epsilon"] == 5
    assert deleted["requestParameters"] == {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": made["id"]}
    assert deleted["responseElements"] is None
    for event in (created, updated, deleted):
        assert event["userIdentity"] == {**ROOT, "accessKeyId": "test"}
        assert (event["eventSource"], event["awsRegion"], event["recipientAccountId"]) == ("cleanrooms.amazonaws.com", REGION, ACCOUNT)
        assert (event["readOnly"], event["managementEvent"], event["eventCategory"]) == (False, True, "Management")
        assert "errorCode" not in event
        assert event["sourceIPAddress"] == "127.0.0.1"
        assert event["userAgent"].startswith("Boto3/")
        assert {resource["type"] for resource in event["resources"]} == {
            "AWS::CleanRooms::Membership",
            "AWS::CleanRooms::PrivacyBudgetTemplate",
        }


def test_a_read_is_recorded_without_its_answer(local_aws: LocalAws) -> None:
    membership = new_membership(local_aws)
    backend = local_aws.client("cleanrooms")
    backend.list_privacy_budgets(membershipIdentifier=membership, privacyBudgetType="ACCESS_BUDGET", maxResults=7)
    backend.preview_privacy_impact(membershipIdentifier=membership, parameters=PARAMETERS)
    _, listed, previewed = looked_up(local_aws, "ResourceName", arn(membership))
    assert (listed["eventName"], listed["readOnly"], listed["responseElements"]) == ("ListPrivacyBudgets", True, None)
    assert listed["requestParameters"] == {"membershipIdentifier": membership, "privacyBudgetType": "ACCESS_BUDGET", "maxResults": "7"}
    assert (previewed["eventName"], previewed["readOnly"], previewed["responseElements"]) == ("PreviewPrivacyImpact", True, None)
    assert previewed["requestParameters"]["parameters"] == PARAMETERS


def test_a_refusal_is_recorded_with_its_error(local_aws: LocalAws) -> None:
    membership = new_membership(local_aws)
    backend = local_aws.client("cleanrooms")
    with pytest.raises(backend.exceptions.ConflictException):
        for _ in range(2):
            backend.create_privacy_budget_template(
                membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY", parameters=PARAMETERS
            )
    refused = looked_up(local_aws, "ResourceName", arn(membership))[-1]
    assert (refused["errorCode"], refused["responseElements"]) == ("ConflictException", None)
    assert "must have only one privacy budget template" in refused["errorMessage"]


def test_function_is_recorded_as_role_session(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    membership = new_membership(local_aws)
    grant = {"Effect": "Allow", "Action": "cleanrooms:ListPrivacyBudgetTemplates", "Resource": "*"}
    do = function_that(f"client.list_privacy_budget_templates(membershipIdentifier={membership!r})")
    assert stack.deploy(template(record, do, [grant])) == "CREATE_COMPLETE"
    role = local_aws.client("iam").get_role(RoleName=stack.physical_id("Role"))["Role"]
    function = stack.physical_id("Function")
    event = looked_up(local_aws, "Username", function)[-1]
    identity = event["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/{function}"
    assert identity["principalId"] == f"{role['RoleId']}:{function}"
    assert identity["sessionContext"]["sessionIssuer"] == {
        "type": "Role",
        "principalId": role["RoleId"],
        "arn": role["Arn"],
        "accountId": ACCOUNT,
        "userName": role["RoleName"],
    }
    assert identity["sessionContext"]["attributes"]["creationDate"] <= event["eventTime"]
    assert looked_up(local_aws, "AccessKeyId", identity["accessKeyId"])[-1] == event


def test_a_denied_call_is_recorded(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    membership = new_membership(local_aws)
    do = function_that(f"client.list_privacy_budget_templates(membershipIdentifier={membership!r})")
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"
    (_, denied) = looked_up(local_aws, "ResourceName", arn(membership))
    assert (denied["eventName"], denied["errorCode"]) == ("ListPrivacyBudgetTemplates", "AccessDeniedException")
    assert "is not authorized to perform: cleanrooms:ListPrivacyBudgetTemplates" in denied["errorMessage"]


def test_a_user_is_recorded_by_name(local_aws: LocalAws) -> None:
    iam = local_aws.client("iam")
    user = iam.create_user(UserName="carol")["User"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cleanrooms:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="carol", PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="carol")["AccessKey"]
    backend = boto3.client(
        "cleanrooms",
        endpoint_url=local_aws.endpoint,
        verify=local_aws.environment["AWS_CA_BUNDLE"],
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(proxies={}),
    )
    backend.list_memberships()
    event = looked_up(local_aws, "Username", "carol")[-1]
    assert event["eventName"] == "ListMemberships"
    assert event["requestParameters"] is None
    assert event["userIdentity"] == {
        "type": "IAMUser",
        "principalId": user["UserId"],
        "arn": user["Arn"],
        "accountId": ACCOUNT,
        "userName": "carol",
        "accessKeyId": key["AccessKeyId"],
    }


@pytest.mark.parametrize("role_name", [None, "deployer"], ids=["caller", "role"])
def test_stack_calls_as_role_or_caller(local_aws: LocalAws, stack: Stack, role_name: str | None) -> None:
    """A stack keeps the role that it was once given."""
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = role_name and local_aws.client("iam").create_role(RoleName=role_name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    properties = {
        "Name": "n",
        "Description": "d",
        "CreatorDisplayName": "me",
        "CreatorMemberAbilities": [],
        "Members": [],
        "QueryLogStatus": "DISABLED",
    }
    made = {"Resources": {"Collaboration": {"Type": "AWS::CleanRooms::Collaboration", "Properties": properties}}}
    given = {"RoleARN": role["Arn"]} if role else {}
    stack.id = stack.client.create_stack(StackName=stack.name, TemplateBody=json.dumps(made), **given)["StackId"]
    assert stack.wait() == "CREATE_COMPLETE"
    collaboration = stack.physical_id("Collaboration")
    assert stack.delete() == "DELETE_COMPLETE"
    created, deleted = looked_up(local_aws, "ResourceName", f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}:collaboration/{collaboration}")
    for event in (created, deleted):
        assert event["userIdentity"]["invokedBy"] == event["sourceIPAddress"] == event["userAgent"] == "cloudformation.amazonaws.com"
        if role:
            assert event["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/AWSCloudFormation"
            assert event["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == role["Arn"]
        else:
            assert event["userIdentity"]["arn"] == ROOT["arn"]


def test_spending_is_no_call_of_the_services(local_aws: LocalAws) -> None:
    membership = new_membership(local_aws)
    made = local_aws.client("cleanrooms").create_privacy_budget_template(
        membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY", parameters=PARAMETERS
    )["privacyBudgetTemplate"]
    local_aws.spend(membership, made["id"], 1, "COUNT")
    assert [event["eventName"] for event in looked_up(local_aws, "ResourceName", made["arn"])] == ["CreatePrivacyBudgetTemplate"]


def test_rules_get_writes_and_refusals_only(local_aws: LocalAws) -> None:
    membership = new_membership(local_aws)
    events, sqs, clean_rooms = local_aws.client("events"), local_aws.client("sqs"), local_aws.client("cleanrooms")
    url = sqs.create_queue(QueueName="calls")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    detail = {"requestParameters": {"membershipIdentifier": [membership]}}
    pattern = {"source": ["aws.cleanrooms"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}
    events.put_rule(Name="calls", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="calls", Targets=[{"Id": "queue", "Arn": queue}])
    try:
        clean_rooms.get_membership(membershipIdentifier=membership)
        with pytest.raises(clean_rooms.exceptions.ValidationException):
            clean_rooms.create_privacy_budget_template(
                membershipIdentifier=membership,
                privacyBudgetType="DIFFERENTIAL_PRIVACY",
                parameters={"differentialPrivacy": {"epsilon": 99, "usersNoisePerQuery": 30}},
            )
        clean_rooms.delete_membership(membershipIdentifier=membership)
        bodies = [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    finally:
        events.remove_targets(Rule="calls", Ids=["queue"])
        events.delete_rule(Name="calls")
        sqs.delete_queue(QueueUrl=url)
    refused, deleted = sorted(bodies, key=lambda body: str(body["detail"]["eventName"]))
    assert (refused["account"], refused["region"]) == (ACCOUNT, REGION)
    assert refused["detail"]["errorCode"] == "ValidationException"
    assert deleted["detail"] == looked_up(local_aws, "EventId", deleted["detail"]["eventID"])[0]
    assert deleted["detail"]["eventName"] == "DeleteMembership"


def test_the_history_outlives_the_server(tmp_path: Path) -> None:
    stopped = LocalAws(tmp_path / "aws")
    try:
        with stopped:
            membership = new_membership(stopped)
        with stopped:
            (created,) = looked_up(stopped, "ResourceName", arn(membership))
        assert created["eventName"] == "CreateMembership"
    finally:
        stopped.destroy()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(tmp_path: Path, clock: Clock) -> CloudTrail:
    return CloudTrail(tmp_path / "events", clock)


def happens(trail: CloudTrail, name: str, *, region: str = REGION, account: str = ACCOUNT, **more: Any) -> None:
    caller = Caller({**ROOT, "accessKeyId": "test"}, "127.0.0.1", "me")
    known: dict[str, Any] = {"read_only": False, "request": None, "answer": None, "error": None, "resources": [], **more}
    trail.record(caller, account_id=account, region=region, source="cleanrooms.amazonaws.com", name=name, **known)


def names(trail: CloudTrail, **request: Any) -> list[str]:
    return [event["EventName"] for event in trail.lookup(ACCOUNT, REGION, request)["Events"]]


def by(key: str, value: str) -> list[Mapping[str, str]]:
    return [{"AttributeKey": key, "AttributeValue": value}]


def test_pages_begin_with_the_newest_event(trail: CloudTrail) -> None:
    for number in range(7):
        happens(trail, f"E{number}")
    first = trail.lookup(ACCOUNT, REGION, {"MaxResults": 3})
    happens(trail, "Later")
    second = trail.lookup(ACCOUNT, REGION, {"MaxResults": 3, "NextToken": first["NextToken"]})
    third = trail.lookup(ACCOUNT, REGION, {"MaxResults": 3, "NextToken": second["NextToken"]})
    found = [event["EventName"] for page in (first, second, third) for event in page["Events"]]
    assert found == ["E6", "E5", "E4", "E3", "E2", "E1", "E0"]
    assert "NextToken" not in third


def test_a_page_has_fifty_events_unless_told_otherwise(trail: CloudTrail) -> None:
    for number in range(60):
        happens(trail, f"E{number}")
    assert len(names(trail)) == 50


def test_events_of_a_time_are_found(trail: CloudTrail, clock: Clock) -> None:
    for minute in range(5):
        clock.now = epoch(2026, 5, 20, 10, minute)
        happens(trail, f"E{minute}")
    assert names(trail, StartTime=epoch(2026, 5, 20, 10, 1), EndTime=epoch(2026, 5, 20, 10, 3)) == ["E3", "E2", "E1"]
    assert names(trail, StartTime=epoch(2026, 5, 20, 10, 4)) == ["E4"]
    assert names(trail, EndTime=epoch(2026, 5, 20, 9)) == []


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("EventName", "Read", ["Read"]),
        ("ReadOnly", "true", ["Read"]),
        ("ReadOnly", "false", ["Write"]),
        ("Username", "root", ["Write", "Read"]),
        ("ResourceType", "AWS::CleanRooms::Membership", ["Write"]),
        ("ResourceName", "arn:m", ["Write"]),
        ("EventSource", "cleanrooms.amazonaws.com", ["Write", "Read"]),
        ("EventSource", "s3.amazonaws.com", []),
        ("AccessKeyId", "test", ["Write", "Read"]),
        ("EventId", "none", []),
    ],
)
def test_events_are_found_by_each_attribute(trail: CloudTrail, key: str, value: str, found: list[str]) -> None:
    happens(trail, "Read", read_only=True)
    happens(trail, "Write", resources=[{"accountId": ACCOUNT, "type": "AWS::CleanRooms::Membership", "ARN": "arn:m"}])
    assert names(trail, LookupAttributes=by(key, value)) == found


def test_accounts_and_regions_have_histories_of_their_own(trail: CloudTrail) -> None:
    happens(trail, "Elsewhere", region="eu-west-1")
    happens(trail, "Another", account="999988887777")
    happens(trail, "Here")
    assert names(trail) == ["Here"]
    assert names(trail, EventCategory="insight") == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"LookupAttributes": [*by("EventName", "a"), *by("Username", "b")]}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": by("Color", "red")}, "InvalidLookupAttributesException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"NextToken": "nonsense"}, "InvalidNextTokenException"),
        ({"EventCategory": "data"}, "InvalidEventCategoryException"),
    ],
)
def test_a_wrong_question_is_refused(trail: CloudTrail, request_: Mapping[str, Any], code: str) -> None:
    with pytest.raises(EventLookupError) as refused:
        trail.lookup(ACCOUNT, REGION, request_)
    assert refused.value.code == code


def test_page_token_belongs_to_its_query(trail: CloudTrail) -> None:
    for _ in range(3):
        happens(trail, "E")
    token = trail.lookup(ACCOUNT, REGION, {"MaxResults": 1})["NextToken"]
    with pytest.raises(EventLookupError, match="for the same parameters"):
        trail.lookup(ACCOUNT, REGION, {"LookupAttributes": by("EventName", "E"), "NextToken": token})


def test_old_events_and_partial_lines_are_dropped(trail: CloudTrail, clock: Clock, tmp_path: Path) -> None:
    happens(trail, "Old")
    clock.now += DAYS_KEPT * 86_400 + 1
    happens(trail, "New")
    with (tmp_path / "events").open("a") as file:
        file.write('{"eventName": "Cut')
    again = CloudTrail(tmp_path / "events", clock)
    again.load()
    assert names(again) == ["New"]
    assert len((tmp_path / "events").read_text().splitlines()) == 1


def test_a_refusal_reaches_the_caller_under_its_name(local_aws: LocalAws) -> None:
    client = local_aws.client("cloudtrail")
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.lookup_events(NextToken="nonsense")
