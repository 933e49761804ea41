"""The function behind the templates: one for all of a stack, or one that a stack of its own shares."""

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

import aws_cdk as cdk
from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from privacy_budget_core import __version__, contract
from privacy_budget_core.contract import Range

from .acknowledgements import (
    WHY_ALL_STACKS,
    WHY_ALL_TEMPLATES,
    WHY_VPC_POLICY,
    acknowledge_managed_policy,
    acknowledge_wildcards,
)
from .asset import HANDLER, handler_asset
from .permissions import CHANGE, CREATE_AND_FIND, READ, membership_arn, template_arns

SINGLETON_ID: Final = "PrivacyBudgetProvider"
"""Construct id of a stack's own provider; part of logical ids, so it never changes."""

TIMEOUT: Final = Duration.minutes(5)
TIMEOUT_SECONDS: Final = Range(90, 900)
"""An event is answered 30 seconds before the timeout, which must leave it twice as long to be handled; Lambda ends at 900."""
_PARAMETER_NAME: Final = re.compile(r"(/[\w.-]+)+", re.ASCII)
MAXIMUM_EVENT_AGE: Final = Duration.minutes(10)
MARGIN: Final = Duration.minutes(1)


def service_timeout(function_timeout: Duration) -> Duration:
    """How long CloudFormation waits for an answer: until the last retry that Lambda may still start has ended.

    An event waits at most MAXIMUM_EVENT_AGE for its last delivery, which runs for at most the function's timeout. So no retried
    event acts after CloudFormation has given up on it.
    """
    return Duration.seconds(MAXIMUM_EVENT_AGE.to_seconds() + function_timeout.to_seconds() + MARGIN.to_seconds())


class IPrivacyBudgetProvider(Protocol):
    """A function that makes privacy budget templates: of this app, or imported."""

    @property
    def service_token(self) -> str:
        """The function's ARN, which CloudFormation sends the templates' events to."""
        ...

    @property
    def service_timeout(self) -> Duration:
        """How long CloudFormation waits for the function's answer."""
        ...


class PrivacyBudgetProvider(Construct):
    """A Lambda function, its role and its log group, which make any number of privacy budget templates.

    Templates use their stack's own provider, made with the defaults, unless they are given one. For other options call
    ``get_or_create`` before the stack's first template, or make a provider and pass it to the templates.

    CloudFormation refuses to change the function of a template that stands. So a provider that others use keeps its stack, its
    construct path and its function for good; a new version of this package updates it in place.

    :param memory_size: The function's memory in MiB. Default: 512.
    :param timeout: How long one event may take, from 90 seconds to 15 minutes. Default: 5 minutes, which covers the service's quota of
        5 calls a second with hundreds of templates deployed at once.
    :param runtime: The function's runtime, Python 3.11 or later. Default: Python 3.14.
    :param architecture: The function's architecture. Default: ARM_64.
    :param log_retention: How long the function's log is kept. Default: one year. Not with ``log_group``.
    :param log_group: The log group to write to. Default: one that goes with the stack.
    :param role: The function's role; what it needs is added to it. Default: a new role. A permissions boundary comes from CDK's own
        ``iam.PermissionsBoundary.of(scope)``.
    :param memberships: The membership ids that the role may work on (policies can name them where templates' ARNs hold a
        membership). Default: all of the account's memberships in the region. Leave a membership in while one of its templates is
        still to be deleted: CloudFormation updates the policy first.
    :param vpc: The VPC to run in; it needs a way to Clean Rooms, CloudFormation and the latter's S3 bucket. Default: none.
    :param vpc_subnets: Which of the VPC's subnets. Default: those with egress.
    :param security_groups: The function's security groups in the VPC. Default: a new one.
    :param environment_encryption: The KMS key for the function's environment. Default: Lambda's own.
    :param reserved_concurrent_executions: How many events may be handled at once. Default: no limit of its own.
    :param parameter_name: The SSM parameter to publish the function's ARN under, for stacks that share this provider by
        ``from_parameter_name``; a path that begins with a slash. Default: it is not published.
    :raises ValueError: Where options contradict each other or break a rule, before anything is added to the tree.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        memory_size: float = 512,
        timeout: Duration | None = None,
        runtime: lambda_.Runtime | None = None,
        architecture: lambda_.Architecture | None = None,
        log_retention: logs.RetentionDays | None = None,
        log_group: logs.ILogGroup | None = None,
        role: iam.IRole | None = None,
        memberships: Sequence[str] | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        environment_encryption: kms.IKey | None = None,
        reserved_concurrent_executions: float | None = None,
        parameter_name: str | None = None,
    ) -> None:
        _check_options(scope, id, timeout, log_group, log_retention, vpc, vpc_subnets, security_groups, memberships)
        if parameter_name is not None:
            _check_parameter_name(scope, id, parameter_name)
        super().__init__(scope, id)
        timeout = timeout or TIMEOUT
        asset = handler_asset()
        self._options: dict[str, Any] = {}
        self.log_group = log_group or logs.LogGroup(
            self, "LogGroup", retention=log_retention or logs.RetentionDays.ONE_YEAR, removal_policy=RemovalPolicy.DESTROY
        )
        """Where the function writes one JSON record for each event."""
        self.role = role or iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Manages Clean Rooms privacy budget templates for CloudFormation",
        )
        """The function's role."""
        self._grant(memberships, in_vpc=vpc is not None)
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Makes the privacy budget templates that stacks declare (cleanrooms-privacy-budget {__version__})",
            code=lambda_.Code.from_asset(str(asset.path), asset_hash=asset.digest),
            handler=f"{HANDLER}.function.handler",
            runtime=runtime or lambda_.Runtime.PYTHON_3_14,
            architecture=architecture or lambda_.Architecture.ARM_64,
            memory_size=memory_size,
            timeout=timeout,
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            environment_encryption=environment_encryption,
            reserved_concurrent_executions=reserved_concurrent_executions,
            max_event_age=MAXIMUM_EVENT_AGE,
            retry_attempts=2,
        )
        """The function itself, for alarms and the like."""
        self._service_token = self.function.function_arn
        self._service_timeout = service_timeout(timeout)
        if parameter_name is not None:
            ssm.StringParameter(
                self,
                "Parameter",
                parameter_name=parameter_name,
                simple_name=False,
                string_value=self._service_token,
                description="ARN of the function that makes Clean Rooms privacy budget templates",
            )

    @staticmethod
    def get_or_create(scope: Construct, **options: Any) -> "PrivacyBudgetProvider":
        """The provider of the stack that ``scope`` is in, made with these options where there is none yet.

        Without options it takes whichever there is.

        :param options: Those of ``PrivacyBudgetProvider``.
        :raises ValueError: Where the stack's provider was made with other options.
        """
        stack = stack_of(scope)
        provider = _OF_STACKS.get(stack)
        if provider is None:
            taken = stack.node.try_find_child(SINGLETON_ID)
            if taken is not None:
                raise ValueError(f"the id {SINGLETON_ID} is kept for the stack's own provider, got another construct [{taken.node.path}]")
            provider = _OF_STACKS[stack] = PrivacyBudgetProvider(stack, SINGLETON_ID, **options)
            provider._options = options
        elif options and options != provider._options:
            names = sorted(name for name in {**options, **provider._options} if options.get(name) != provider._options.get(name))
            raise ValueError(
                f"a stack has one provider of its own, and this one was made with another {', '.join(names)} [{provider.node.path}]:"
                " call PrivacyBudgetProvider.get_or_create with its options before the stack's first template,"
                " or make a second PrivacyBudgetProvider and pass it as provider="
            )
        return provider

    @staticmethod
    def from_function_arn(
        scope: Construct,  # noqa: ARG004 - CDK's imports take the scope first
        id: str,  # noqa: ARG004
        function_arn: str,
        *,
        timeout: Duration | None = None,
    ) -> IPrivacyBudgetProvider:
        """A provider of another stack, by its function's ARN; a stack that uses it has no function of its own.

        :param function_arn: The ARN, of the account and region that the templates are in.
        :param timeout: The imported function's timeout. Default: the provider's default, 5 minutes.
        """
        return _ImportedProvider(function_arn, service_timeout(timeout or TIMEOUT))

    @staticmethod
    def from_parameter_name(
        scope: Construct,
        id: str,  # noqa: ARG004 - CDK's imports take an id
        parameter_name: str,
        *,
        timeout: Duration | None = None,
    ) -> IPrivacyBudgetProvider:
        """A provider of another stack, by the SSM parameter that it is published under; read anew by each deployment.

        :param parameter_name: The provider's ``parameter_name``, in the account and region that the templates are in.
        :param timeout: The imported function's timeout. Default: the provider's default, 5 minutes.
        """
        function_arn = ssm.StringParameter.value_for_string_parameter(scope, parameter_name)
        return _ImportedProvider(function_arn, service_timeout(timeout or TIMEOUT))

    @property
    def service_token(self) -> str:
        """The function's ARN, which CloudFormation sends the templates' events to."""
        return self._service_token

    @property
    def service_timeout(self) -> Duration:
        """How long CloudFormation waits for the function's answer."""
        return self._service_timeout

    def _grant(self, memberships: Sequence[str] | None, *, in_vpc: bool) -> None:
        """Allow the role what the handler calls, and nothing that depends on which templates a stack declares.

        CloudFormation updates a policy before it deletes what the policy was for: one that named only the present memberships
        would orphan the templates of those that left.
        """
        stack = Stack.of(self)
        ids = memberships or ("*",)
        on_memberships = [membership_arn(stack, id_) for id_ in ids]
        on_templates = list(dict.fromkeys(arn for id_ in ids for arn in template_arns(stack, id_, "*")))
        on_stacks = [stack.format_arn(service="cloudformation", resource="stack", resource_name="*/*")]
        for sid, actions, resources in (
            ("CreateAndFind", CREATE_AND_FIND, [*on_memberships, *on_templates]),
            ("Manage", (*READ, *CHANGE), on_templates),
            ("TellARollback", ("cloudformation:DescribeStacks",), on_stacks),
        ):
            self.role.add_to_principal_policy(iam.PolicyStatement(sid=sid, actions=sorted(actions), resources=resources))
        acknowledge_wildcards(self, [*on_memberships, *on_templates], WHY_ALL_TEMPLATES)
        acknowledge_wildcards(self, on_stacks, WHY_ALL_STACKS)
        self.log_group.grant_write(self.role)
        if in_vpc:
            policy = iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSLambdaVPCAccessExecutionRole")
            self.role.add_managed_policy(policy)
            acknowledge_managed_policy(self, policy.managed_policy_arn, WHY_VPC_POLICY)


_OF_STACKS: Final[dict[Stack, PrivacyBudgetProvider]] = {}
"""The stacks' own providers. jsii keeps every construct alive for the life of the process anyway."""


def stack_of(scope: Construct) -> Stack:
    """The stack that a construct is in; a stack is not asked, since every question to the CDK takes time."""
    return scope if isinstance(scope, Stack) else Stack.of(scope)


class _ImportedProvider:
    def __init__(self, service_token: str, service_timeout: Duration) -> None:
        self.service_token = service_token
        self.service_timeout = service_timeout


def _check_parameter_name(scope: Construct, id: str, parameter_name: str) -> None:
    if not cdk.Token.is_unresolved(parameter_name) and not _PARAMETER_NAME.fullmatch(parameter_name):
        raise ValueError(
            "parameter_name must be a path of letters, digits, dots, dashes and underscores that begins with a slash,"
            f" got {parameter_name!r} [{scope.node.path}/{id}]"
        )


def _check_options(
    scope: Construct,
    id: str,
    timeout: Duration | None,
    log_group: logs.ILogGroup | None,
    log_retention: logs.RetentionDays | None,
    vpc: ec2.IVpc | None,
    vpc_subnets: ec2.SubnetSelection | None,
    security_groups: Sequence[ec2.ISecurityGroup] | None,
    memberships: Sequence[str] | None,
) -> None:
    rule = None
    if timeout is not None and not timeout.is_unresolved() and int(timeout.to_seconds()) not in TIMEOUT_SECONDS:
        rule = f"timeout must be {TIMEOUT_SECONDS} of seconds, got {timeout.to_seconds():g}"
    elif log_group is not None and log_retention is not None:
        rule = "log_retention goes without log_group, which has a retention of its own"
    elif vpc is None and (vpc_subnets is not None or security_groups is not None):
        rule = "vpc_subnets and security_groups go with vpc, got no vpc"
    elif memberships is not None and not memberships:
        rule = "memberships must name at least one membership, or be left out for all of the account's, got none"
    else:
        for membership in memberships or ():
            if not cdk.Token.is_unresolved(membership) and not contract.is_membership_id(membership):
                rule = f"memberships must each be {contract.MEMBERSHIP_ID_RULE}, got {membership!r}"
    if rule is not None:
        raise ValueError(f"{rule} [{scope.node.path}/{id}]")
