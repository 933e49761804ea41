"""The options that the provider's and the monitor's function share, judged before jsii takes them.

jsii says late that a value is of the wrong type, without the option's name and with constructs in the tree; a NaN kills its process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from privacy_budget_core.contract import Range

from .guardrails import PrivacyBudgetGuardrails
from .literals import is_cdk_object, outside, whole

CONCURRENCY: Final = Range(0, 2**31 - 1)
"""Executions that an account may reserve have no limit of their own."""

_TYPES: Final[Mapping[str, type]] = {
    "timeout": Duration,
    "interval": Duration,
    "runtime": lambda_.Runtime,
    "architecture": lambda_.Architecture,
    "log_retention": logs.RetentionDays,
    "vpc_subnets": ec2.SubnetSelection,
    "guardrails": PrivacyBudgetGuardrails,
}
_CONSTRUCTS: Final = ("log_group", "role", "vpc", "environment_encryption")
_LISTS: Final = ("memberships", "security_groups", "templates", "collaborations", "alarm_actions", "outside_changes", "expected_roles")
_LISTS_OF_CDK_OBJECTS: Final = ("security_groups", "templates", "alarm_actions", "outside_changes", "expected_roles")


def broken_type_rules(options: Mapping[str, Any]) -> Iterator[str]:
    """The rules of those options that have a value of another type than theirs. None stands for an option's default."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, type_ in _TYPES.items():
        if name in given and not isinstance(given[name], type_):
            yield f"{name} must be of type {type_.__name__}, got {given[name]!r}"
    for name in _CONSTRUCTS:
        if name in given and not is_cdk_object(given[name]):
            yield f"{name} must be a construct, made or imported, got {given[name]!r}"
    for name in _LISTS:
        if name in given and (isinstance(given[name], str) or not isinstance(given[name], Sequence)):
            yield f"{name} must be a list, got {given[name]!r}"
        elif name in _LISTS_OF_CDK_OBJECTS:
            for entry in given.get(name, ()):
                if not is_cdk_object(entry):
                    yield f"{name} must each be an object of the CDK, got {entry!r}"


def broken_function_rules(options: Mapping[str, Any]) -> Iterator[str]:
    """The rules that options of the right types break: the reserved concurrency's range, and what goes with a VPC."""
    concurrency = whole(options.get("reserved_concurrent_executions"))
    if concurrency is not None:
        yield from outside("reserved_concurrent_executions", concurrency, CONCURRENCY)
    if options.get("vpc") is None and (options.get("vpc_subnets") is not None or options.get("security_groups") is not None):
        yield "vpc_subnets and security_groups go with vpc, got no vpc"


def check(scope: Construct, id: str, rules: Iterable[str]) -> None:
    """Raise for the first rule that is broken, before anything is added to the tree."""
    for rule in rules:
        path = f"{scope.node.path}/{id}".lstrip("/")
        raise ValueError(f"{rule} [{path}]")
