"""What CloudFormation has deployed of a stack: the template that it last took, by the credentials that may read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from .assembly import Declared

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_NEVER_DEPLOYED = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
"""States of a stack that has a template, but nothing that was made by it."""


class NotComparable(Exception):
    """What is deployed cannot be compared with an app; the message says why, and the way out."""


@dataclass(frozen=True)
class Deployed:
    """A stack's template as CloudFormation holds it, and its nested stacks by their logical ids."""

    template: Mapping[str, Any]
    nested: Mapping[str, "Deployed"]

    @classmethod
    def nothing(cls) -> "Deployed":
        """A stack that does not exist."""
        return cls({}, {})


def deployed(stack: Declared) -> Deployed:
    """What CloudFormation holds of a stack. Raises ClientError where it may not be read, and NotComparable."""
    return _read(_session(stack).client("cloudformation"), stack.name)


def _session(stack: Declared) -> boto3.Session:
    """The lookup role of the stack's account, as the CDK CLI takes it; the credentials at hand where these may not assume it."""
    here = boto3.Session(region_name=stack.region)
    if stack.lookup_role is None:
        return here
    client = here.client("sts")
    identity = client.get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    role = stack.lookup_role.replace("${AWS::Partition}", partition).replace("${AWS::AccountId}", identity["Account"])
    role = role.replace("${AWS::Region}", here.region_name)
    try:
        credentials = client.assume_role(RoleArn=role, RoleSessionName="privacy-budget-plan")["Credentials"]
    except ClientError:
        if stack.account not in (None, identity["Account"]):
            raise
        return here
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=here.region_name,
    )


def _read(client: "CloudFormationClient", name: str) -> Deployed:
    try:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return Deployed.nothing()
        raise
    if found["StackStatus"] in _NEVER_DEPLOYED:
        return Deployed.nothing()
    template: Any = client.get_template(StackName=name)["TemplateBody"]
    if isinstance(template, str):
        raise NotComparable(f"stack {name} was deployed from YAML, which cannot be compared: deploy it once by the CDK, which writes JSON")
    nested = {
        resource["LogicalResourceId"]: _read(client, resource["PhysicalResourceId"])
        for resource in client.describe_stack_resources(StackName=name)["StackResources"]
        if resource["ResourceType"] == "AWS::CloudFormation::Stack" and "PhysicalResourceId" in resource
    }
    return Deployed(template, nested)
