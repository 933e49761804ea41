"""What is deployed of an app, account by account: what CloudFormation last took, and what Clean Rooms holds."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .assembly import NESTED_STACK, Declared
from .dry_run import DryRun
from .errors import Problem

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_NEVER_DEPLOYED = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE")
"""States of a stack that has a template, but nothing that was made by it."""

_PATIENCE: Final = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=10)
"""Against Clean Rooms' quota of 5 calls a second."""


class NotComparable(Problem):
    """What is deployed cannot be compared with an app; the message says why, and the way out."""


@dataclass(frozen=True)
class Deployed:
    """A stack as CloudFormation holds it, and its nested stacks by their logical ids."""

    template: Mapping[str, Any] = field(default_factory=dict)
    nested: Mapping[str, "Deployed"] = field(default_factory=dict)
    stack_id: str | None = None
    """None where the stack does not exist."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Their values, for those that name an SSM parameter the value of that one."""
    physical_ids: Mapping[str, str] = field(default_factory=dict)
    """Of the resources that stand, by their logical ids."""


class Account:
    """One account in one region, read with the credentials of one session."""

    def __init__(self, session: boto3.Session, id_: str, region: str, endpoint_url: str | None = None) -> None:
        self.id = id_
        self.region = region
        self.rooms = DryRun(session.client("cleanrooms", region, endpoint_url=endpoint_url, config=_PATIENCE))
        self._cloudformation: CloudFormationClient = session.client("cloudformation", region, endpoint_url=endpoint_url)

    def deployed(self, name: str) -> Deployed:
        """What CloudFormation holds of a stack. Raises ClientError where it may not be read, and NotComparable."""
        try:
            (found,) = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return Deployed()
            raise
        status = found["StackStatus"]
        if status in _NEVER_DEPLOYED:
            return Deployed()
        if status.endswith("_IN_PROGRESS"):
            raise NotComparable(f"stack {name} is {status}: plan again once it has settled")
        template: Any = self._cloudformation.get_template(StackName=name)["TemplateBody"]
        if isinstance(template, str):
            raise NotComparable(
                f"stack {name} was deployed from YAML, which cannot be compared: deploy it once from JSON, as the CDK writes it"
            )
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        standing = [resource for page in pages for resource in page["StackResourceSummaries"] if resource.get("PhysicalResourceId")]
        return Deployed(
            template=template,
            nested={
                resource["LogicalResourceId"]: self.deployed(resource["PhysicalResourceId"])
                for resource in standing
                if resource["ResourceType"] == NESTED_STACK
            },
            stack_id=found["StackId"],
            parameters={
                one["ParameterKey"]: one.get("ResolvedValue") or one.get("ParameterValue", "") for one in found.get("Parameters", [])
            },
            physical_ids={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in standing},
        )

    @functools.cached_property
    def exports(self) -> Mapping[str, str]:
        """What the stacks of the account export, by name."""
        pages = self._cloudformation.get_paginator("list_exports").paginate()
        return {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}


class Accounts:
    """The accounts of an app's stacks, each opened once.

    :param session: Whose credentials, and the region of the stacks that name none.
    :param endpoint_url: Another address of AWS.
    """

    def __init__(self, session: boto3.Session, endpoint_url: str | None = None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url
        self._opened: dict[tuple[str | None, ...], Account] = {}

    def of(self, stack: Declared) -> Account:
        """The account and region that a stack is deployed to. Raises ClientError and BotoCoreError where they cannot be reached."""
        place = (stack.account, stack.region, stack.lookup_role)
        if place not in self._opened:
            self._opened[place] = self._open(stack)
        return self._opened[place]

    def _open(self, stack: Declared) -> Account:
        """By the lookup role of the stack's account, as the CDK CLI does; by the credentials at hand where they may not assume it."""
        client = self._session.client("sts", stack.region, endpoint_url=self._endpoint_url)
        region = client.meta.region_name
        identity = client.get_caller_identity()
        account = stack.account or identity["Account"]
        session = self._session
        if stack.lookup_role is None:
            if account != identity["Account"]:
                raise NotComparable(f"stack {stack.name} is of account {account}: use its credentials, these are of {identity['Account']}")
        else:
            partition = identity["Arn"].split(":")[1]
            role = stack.lookup_role.replace("${AWS::Partition}", partition).replace("${AWS::AccountId}", account)
            role = role.replace("${AWS::Region}", region)
            try:
                credentials = client.assume_role(RoleArn=role, RoleSessionName="privacy-budget-plan")["Credentials"]
            except ClientError:
                if account != identity["Account"]:
                    raise
            else:
                session = boto3.Session(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        return Account(session, account, region, self._endpoint_url)
