"""The handler that one would write first: boto3, crhelper and powertools' Logger as they come."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from crhelper import CfnResource

logger = Logger(service="plain")
helper = CfnResource(sleep_on_delete=0)
client: Any = boto3.client("cleanrooms")


def parameters(event: dict[str, Any]) -> dict[str, Any]:
    """The budget that the event declares."""
    declared = event["ResourceProperties"]["Parameters"]
    return {"differentialPrivacy": {"epsilon": int(declared["Epsilon"]), "usersNoisePerQuery": int(declared["UsersNoisePerQuery"])}}


@helper.create
def create(event: dict[str, Any], _: Any) -> str:
    """Create the template."""
    template = client.create_privacy_budget_template(
        membershipIdentifier=event["ResourceProperties"]["MembershipIdentifier"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh=event["ResourceProperties"]["AutoRefresh"],
        parameters=parameters(event),
        tags={tag["Key"]: tag["Value"] for tag in event["ResourceProperties"].get("Tags", [])},
    )["privacyBudgetTemplate"]
    helper.Data["Arn"] = template["arn"]
    logger.info("created", template=template["arn"])
    return str(template["id"])


@helper.update
def update(event: dict[str, Any], _: Any) -> None:
    """Edit the template."""
    client.update_privacy_budget_template(
        membershipIdentifier=event["ResourceProperties"]["MembershipIdentifier"],
        privacyBudgetTemplateIdentifier=event["PhysicalResourceId"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters=parameters(event),
    )


@helper.delete
def delete(event: dict[str, Any], _: Any) -> None:
    """Delete the template."""
    client.delete_privacy_budget_template(
        membershipIdentifier=event["ResourceProperties"]["MembershipIdentifier"],
        privacyBudgetTemplateIdentifier=event["PhysicalResourceId"],
    )


def handler(event: dict[str, Any], context: Any) -> None:
    """Handle one custom-resource event."""
    helper(event, context)
