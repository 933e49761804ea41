"""A change set as CloudFormation describes it: what it will do to each resource, with the values before and after."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ..errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import DescribeChangeSetOutputTypeDef, ResourceChangeTypeDef

NESTED_STACK: Final = "AWS::CloudFormation::Stack"

_NOT_SHOWN: Final = ("{{changeSet:", "{{resolve:", "****")
"""Placeholders for values that are known only during the deployment, or that CloudFormation does not show."""

_NO_CHANGES: Final = ("The submitted information didn't contain changes", "No updates are to be performed")
"""The beginning of the reason of a change set without changes. Its status is FAILED; only the reason tells."""

_SECONDS_BETWEEN: Final = 0.5
_SECONDS_TO_WAIT: Final = 600


@dataclass(frozen=True)
class Change:
    """What a change set does to one resource."""

    logical_id: str
    type: str
    action: str
    physical_id: str = ""
    replacement: str = ""
    """Of a modified resource: True, False or Conditional."""
    policy_action: str = ""
    """What happens to a removed or replaced resource; empty where CloudFormation does not say."""
    before: Mapping[str, Any] | None = None
    """The declaration before: properties, policies and more; None where CloudFormation does not show it."""
    after: Mapping[str, Any] | None = None
    edits_properties: bool = False
    """Whether the template or a parameter changes a property, even if only a number becomes the same text."""
    nested: "ChangeSet | None" = None
    """Of a nested stack: its own change set."""

    @property
    def retains(self) -> bool:
        """Whether a removed or replaced resource is retained."""
        if self.action == "Remove" and not self.policy_action:
            return str((self.before or {}).get("DeletionPolicy", "Delete")).startswith("Retain")
        return self.policy_action.endswith("Retain")


@dataclass(frozen=True)
class ChangeSet:
    """What a deployment does to one stack."""

    stack_name: str
    stack_id: str
    changes: tuple[Change, ...] = ()
    refusal: str = ""
    """Why CloudFormation refuses the deployment, in its own words; empty where it does not."""
    is_executable: bool = False
    """Whether there is anything to deploy, even if only an output."""
    includes_nested: bool = False
    """Whether each nested stack that changes has a change set of its own."""
    parameters: frozenset[str] = frozenset()
    """The names of the template's parameters."""

    def all_changes(self) -> Iterator[Change]:
        """The changes, those in nested stacks included."""
        for change in self.changes:
            yield change
            if change.nested is not None:
                yield from change.nested.all_changes()


def unknown_in(value: Any, path: str = "") -> Iterator[str]:
    """The paths in a value to what CloudFormation does not know yet or does not show."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from unknown_in(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from unknown_in(member, f"{path}[{index}]")
    elif any(mark in str(value) for mark in _NOT_SHOWN):
        yield path


def read(client: "CloudFormationClient", stack: str, name: str) -> ChangeSet:
    """A stack's change set, once it is complete. Raises ClientError, and CommandError where no such change set can be executed."""
    described = _settled(client, stack, name)
    if described["Status"] == "FAILED":
        reason = described.get("StatusReason", "")
        refusal = "" if reason.startswith(_NO_CHANGES) else reason or "the change set failed"
        return ChangeSet(described["StackName"], described["StackId"], refusal=refusal, parameters=_parameters(described))
    if described["ExecutionStatus"] != "AVAILABLE":
        raise CommandError(
            f"change set {name} of stack {stack} is out of date ({described['ExecutionStatus']}): the stack has changed since it was"
            f" made; {_prepare(name)}"
        )
    return _read(client, described)


def _prepare(name: str) -> str:
    return f"prepare it by cdk deploy --method=prepare-change-set --change-set-name {name}, then plan"


def _settled(client: "CloudFormationClient", stack: str, name: str) -> "DescribeChangeSetOutputTypeDef":
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            described = client.describe_change_set(StackName=stack, ChangeSetName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ChangeSetNotFound", "ChangeSetNotFoundException") or "does not exist" in str(error):
                raise CommandError(f"stack {stack} has no change set {name}, or has changed since it was made; {_prepare(name)}") from None
            raise
        if not described["Status"].endswith(("PENDING", "IN_PROGRESS")):
            return described
        if time.monotonic() > deadline:
            raise CommandError(
                f"change set {name} of stack {stack} is still {described['Status']} after {_SECONDS_TO_WAIT} seconds; try again"
            )
        time.sleep(_SECONDS_BETWEEN)


def _read(client: "CloudFormationClient", described: "DescribeChangeSetOutputTypeDef") -> ChangeSet:
    name, stack_id, id_ = described["StackName"], described["StackId"], described["ChangeSetId"]
    pages = client.get_paginator("describe_change_set").paginate(ChangeSetName=id_, StackName=stack_id, IncludePropertyValues=True)
    changes = [change["ResourceChange"] for page in pages for change in page.get("Changes", []) if "ResourceChange" in change]
    read_ = tuple(_change(client, change) for change in changes)
    includes_nested = bool(described.get("IncludeNestedStacks"))
    return ChangeSet(name, stack_id, read_, is_executable=True, includes_nested=includes_nested, parameters=_parameters(described))


def _parameters(described: "DescribeChangeSetOutputTypeDef") -> frozenset[str]:
    return frozenset(parameter["ParameterKey"] for parameter in described.get("Parameters", []))


def _change(client: "CloudFormationClient", told: "ResourceChangeTypeDef") -> Change:
    nested = None
    if "ChangeSetId" in told:
        nested = _read(client, client.describe_change_set(ChangeSetName=told["ChangeSetId"]))
    return Change(
        logical_id=told["LogicalResourceId"],
        type=told["ResourceType"],
        action=told["Action"],
        physical_id=told.get("PhysicalResourceId", ""),
        replacement=told.get("Replacement", ""),
        policy_action=told.get("PolicyAction", ""),
        before=_context(told.get("BeforeContext")),
        after=_context(told.get("AfterContext")),
        edits_properties=any(
            detail.get("Evaluation") == "Static" and detail.get("Target", {}).get("Attribute") == "Properties"
            for detail in told.get("Details", [])
        ),
        nested=nested,
    )


def _context(text: str | None) -> Mapping[str, Any] | None:
    """A declaration, always with its properties; None where CloudFormation shows nothing readable."""
    if not text:
        return None
    try:
        read_ = json.loads(text)
    except ValueError:
        return None
    return {"Properties": {}, **read_} if isinstance(read_, dict) else None
