"""What Clean Rooms on the local AWS holds, as an operator sees it."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from cleanrooms_local_aws import LocalAws


def as_user(local_aws: LocalAws, name: str) -> Any:
    """A Clean Rooms client of a user who may do everything there."""
    iam = local_aws.client("iam")
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cleanrooms:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "cleanrooms",
        endpoint_url=local_aws.endpoint,
        verify=local_aws.environment["AWS_CA_BUNDLE"],
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(proxies={}),
    )


def new_membership(clean_rooms: Any) -> str:
    """A membership of a collaboration of its own, by its id."""
    collaboration = clean_rooms.create_collaboration(
        members=[],
        name="lab",
        description="for tests",
        creatorMemberAbilities=["CAN_QUERY"],
        creatorDisplayName="tester",
        queryLogStatus="DISABLED",
    )["collaboration"]["id"]
    return str(clean_rooms.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")["membership"]["id"])


def table(membership: str, name: str = "sales") -> str:
    """The ARN of a configured table association."""
    return f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{membership}/configuredtableassociation/{name}"


def made_by_hand(clean_rooms: Any, membership: str, **tags: str) -> dict[str, Any]:
    """A differential-privacy template that no stack made."""
    made: dict[str, Any] = clean_rooms.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh="NONE",
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
        tags=tags,
    )["privacyBudgetTemplate"]
    return made


def edit_by_hand(clean_rooms: Any, template: Mapping[str, Any], epsilon: int) -> None:
    """Change the epsilon of a differential-privacy template past its stack."""
    clean_rooms.update_privacy_budget_template(
        membershipIdentifier=template["membershipId"],
        privacyBudgetTemplateIdentifier=template["id"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": epsilon}},
    )


def held(clean_rooms: Any, membership: str) -> list[dict[str, Any]]:
    """The membership's templates, each with parameters and tags."""
    found = []
    for summary in clean_rooms.list_privacy_budget_templates(membershipIdentifier=membership)["privacyBudgetTemplateSummaries"]:
        template = clean_rooms.get_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=summary["id"])[
            "privacyBudgetTemplate"
        ]
        template["tags"] = clean_rooms.list_tags_for_resource(resourceArn=template["arn"])["tags"]
        found.append(template)
    return found


def spent(clean_rooms: Any, template: dict[str, Any]) -> int:
    """How much of a template's budget was used: aggregations of every type, or uses of the table."""
    budgets = clean_rooms.list_privacy_budgets(
        membershipIdentifier=template["membershipId"], privacyBudgetType=template["privacyBudgetType"]
    )
    (budget,) = (one["budget"] for one in budgets["privacyBudgetSummaries"] if one["privacyBudgetTemplateId"] == template["id"])
    if "accessBudget" in budget:
        return sum(detail["budget"] - detail["remainingBudget"] for detail in budget["accessBudget"]["details"])
    return sum(entry["maxCount"] - entry["remainingCount"] for entry in budget["differentialPrivacy"]["aggregations"])
