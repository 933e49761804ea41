"""What the constructs do on purpose, told to cdk-nag finding by finding, and to checkov check by check."""

from collections.abc import Iterable
from typing import Any, Final, cast

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

WHY_ALL_TEMPLATES: Final = (
    "CloudFormation updates a policy before it deletes what the policy was for, so one that named only the present memberships and"
    " templates would orphan those that left; PrivacyBudgetProvider(memberships=[...]) narrows it. The handler deletes a template only"
    " if its ownership tags name the resource that CloudFormation sent the event for."
)
WHY_ALL_STACKS: Final = (
    "Any stack of the account may use the provider, and DescribeStacks, which reads only, tells whether that stack is rolling back."
)
WHY_ALL_MEMBERSHIPS: Final = (
    "A role's policies may have 10,240 characters together, too few to name so many memberships; the one action allowed on all of them"
    " reads their remaining budgets."
)
WHY_ANY_CREATOR: Final = (
    "The ARN of a collaboration has the account that created it, which may be another member's; the one action allowed on it reads"
    " remaining budgets that every member may see."
)
WHY_VPC_POLICY: Final = "AWS maintains the actions that a function in a VPC needs on its network interfaces, which have no name before."
WHY_LOG_STREAMS: Final = "The function creates log streams in this log group alone; Lambda chooses their names."
WHY_NO_DEAD_LETTER_QUEUE: Final = (
    "A dead-letter queue of the provider would hold response URLs, which are secrets; CloudFormation reports an event that was not"
    " answered. A failed run of the monitor raises its alarm, and the next run repeats it."
)
WHY_INLINE_POLICIES: Final = (
    "Each policy belongs to one role alone and goes with it, so that nothing else can come to share its permissions."
)

SKIPPED_BY_CHECKOV: Final = {"CKV_AWS_116": WHY_NO_DEAD_LETTER_QUEUE}
"""checkov's checks that a function breaks on purpose, and why."""

PACKS: Final = ("HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321")


def acknowledge_deliberate(scope: Construct, log_group_arn: str | None) -> None:
    """Acknowledge what a function and its roles do on purpose; the ARN is that of a log group from elsewhere."""
    for pack in PACKS:
        _acknowledge(scope, f"{pack}-IAMNoInlinePolicy", WHY_INLINE_POLICIES)
    for pack in PACKS[:2]:  # PCI DSS has no such rule
        _acknowledge(scope, f"{pack}-LambdaDLQ", WHY_NO_DEAD_LETTER_QUEUE)
    if log_group_arn is not None:
        acknowledge_wildcards(scope, [log_group_arn], WHY_LOG_STREAMS)


def acknowledge_for_checkov(function: lambda_.Function) -> None:
    """Have checkov skip what a function does on purpose: it reads the skips from the resource's metadata."""
    skips = [{"id": id_, "comment": reason} for id_, reason in SKIPPED_BY_CHECKOV.items()]
    cast(cdk.CfnResource, function.node.default_child).add_metadata("checkov", {"skip": skips})


def acknowledge_wildcards(scope: Construct, arns: Iterable[str], reason: str) -> None:
    """Acknowledge cdk-nag's AwsSolutions-IAM5 for each of these resources."""
    for arn in arns:
        _acknowledge(scope, f"AwsSolutions-IAM5[Resource::{_written(cdk.Stack.of(scope).resolve(arn))}]", reason)


def acknowledge_managed_policy(scope: Construct, arn: str, reason: str) -> None:
    """Acknowledge cdk-nag's AwsSolutions-IAM4 for an AWS managed policy."""
    _acknowledge(scope, f"AwsSolutions-IAM4[Policy::{_written(cdk.Stack.of(scope).resolve(arn))}]", reason)


def _acknowledge(scope: Construct, finding: str, reason: str) -> None:
    """Acknowledge a finding, where the CDK at hand knows how to."""
    if hasattr(cdk, "Validations"):
        cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def _written(resolved: Any) -> str:
    """A resolved ARN as cdk-nag writes it in a finding: references in angle brackets, an import by the name of its export."""
    if isinstance(resolved, str):
        return resolved
    ((function, value),) = resolved.items()
    if function == "Fn::Join":
        return "".join(_written(part) for part in value[1])
    if function == "Fn::GetAtt":
        return f"<{'.'.join(value)}>"
    return f"<{value}>" if function == "Ref" else str(value)
