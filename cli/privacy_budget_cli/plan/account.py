"""The accounts and regions of an app's stacks: the credentials to use there, and what is deployed."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoRegionError

from ..errors import CommandError
from .assembly import DeclaredStack, Role
from .dry_run import DryRunCleanRooms

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_CLIENT_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=10)
"""Many attempts, because of Clean Rooms' quota of 5 calls a second."""
_ANY_REGION: Final = "us-east-1"
"""For GetCallerIdentity, where only the stacks name regions."""


@dataclass(frozen=True)
class DeployedStack:
    """A stack in CloudFormation. One without an id does not exist."""

    name: str = ""
    stack_id: str = ""
    status: str = ""
    parameters: frozenset[str] = frozenset()
    """The names of its parameters."""
    resources: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Types and physical ids of its resources, by their logical ids."""


class Account:
    """One account in one region."""

    def __init__(self, session: boto3.Session, region: str, endpoint_url: str | None = None) -> None:
        self.region = region
        self.clean_rooms = DryRunCleanRooms(session.client("cleanrooms", region, endpoint_url=endpoint_url, config=_CLIENT_CONFIG))
        self.cloudformation: CloudFormationClient = session.client("cloudformation", region, endpoint_url=endpoint_url)

    @functools.cache  # noqa: B019 - an account is used once a command
    def deployed(self, name: str) -> DeployedStack:
        """A stack by its name or id, read once. Raises ClientError."""
        try:
            (found,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return DeployedStack(name)
            raise
        stack = DeployedStack(
            found["StackName"],
            found["StackId"],
            found["StackStatus"],
            frozenset(parameter["ParameterKey"] for parameter in found.get("Parameters", [])),
        )
        if stack.status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
            return stack
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.stack_id)
        resources = {
            resource["LogicalResourceId"]: (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE"
        }
        return replace(stack, resources=resources)

    def declared(self, stack_id: str, logical_id: str) -> Mapping[str, Any]:
        """A resource as the stack's deployed template declares it; empty where the template is not JSON."""
        return dict(self._template(stack_id).get(logical_id, {}))

    def deletion_policy(self, stack_id: str, logical_id: str) -> str:
        """The DeletionPolicy of a resource in the stack's deployed template."""
        if not self._template(stack_id):
            return "of a template that is not JSON"
        return str(self.declared(stack_id, logical_id).get("DeletionPolicy", "Delete"))

    @functools.cache  # noqa: B019
    def _template(self, stack_id: str) -> Mapping[str, Any]:
        """The resources of a stack's deployed template, after its transforms."""
        body: Any = self.cloudformation.get_template(StackName=stack_id, TemplateStage="Processed")["TemplateBody"]
        if isinstance(body, str):
            try:
                body = json.loads(body)
            except ValueError:
                return {}
        resources: Mapping[str, Any] = body.get("Resources", {})
        return resources


class Accounts:
    """The accounts of an app's stacks. Each is opened once.

    :param session: The credentials, and the region of stacks that name none.
    :param endpoint_url: Another address of AWS.
    """

    def __init__(self, session: boto3.Session, endpoint_url: str | None = None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url
        self._opened: dict[tuple[str, str], Account] = {}

    def of(self, stack: DeclaredStack) -> Account:
        """The account and region of a stack, read by its lookup role. Raises CommandError, ClientError and BotoCoreError."""
        account, region = self._environment(stack)
        if (account, region) not in self._opened:
            session = self.session(stack, stack.lookup_role)
            self._opened[account, region] = Account(session, region, self._endpoint_url)
        return self._opened[account, region]

    def client(self, service: str, stack: DeclaredStack, role: Role | None) -> Any:
        """A client in a stack's account and region, by a role of the bootstrap."""
        session: Any = self.session(stack, role)
        return session.client(service, self._environment(stack)[1], endpoint_url=self._endpoint_url)

    def session(self, stack: DeclaredStack, role: Role | None) -> boto3.Session:
        """A session by a role or, as in the CDK CLI, by the given credentials where they may not assume it. Raises ClientError."""
        account, region = self._environment(stack)
        own = account == self._caller["Account"]
        if role is None:
            if not own:
                raise CommandError(
                    f"stack {stack.name} is of account {account}: use its credentials, these are of {self._caller['Account']}"
                )
            return self._session
        sts = self._session.client("sts", region, endpoint_url=self._endpoint_url)
        try:
            arn = self.resolve(role.arn, stack)
            assumed = sts.assume_role(RoleArn=arn, RoleSessionName="privacy-budget-plan", **role.options)["Credentials"]
        except ClientError:
            if not own:
                raise
            return self._session
        return boto3.Session(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])

    def resolve(self, text: str, stack: DeclaredStack) -> str:
        """A text of the manifest, its placeholders replaced by the stack's partition, account and region."""
        account, region = self._environment(stack)
        values = {"Partition": self._caller["Arn"].split(":")[1], "AccountId": account, "Region": region}
        for name, value in values.items():
            text = text.replace(f"${{AWS::{name}}}", value)
        return text

    def _environment(self, stack: DeclaredStack) -> tuple[str, str]:
        region = stack.region or self._session.region_name
        if region is None:
            raise NoRegionError
        return stack.account or self._caller["Account"], region

    @functools.cached_property
    def _caller(self) -> Mapping[str, Any]:
        sts = self._session.client("sts", self._session.region_name or _ANY_REGION, endpoint_url=self._endpoint_url)
        caller: Mapping[str, Any] = sts.get_caller_identity()
        return caller
