"""The function behind the templates: one for each stack, or one that several stacks share."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypedDict, Unpack

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
from privacy_budget_core.guardrails import ENVIRONMENT_VARIABLE

from .acknowledgements import (
    WHY_ALL_STACKS,
    WHY_ALL_TEMPLATES,
    WHY_VPC_POLICY,
    acknowledge_deliberate,
    acknowledge_for_checkov,
    acknowledge_managed_policy,
    acknowledge_wildcards,
)
from .asset import HANDLER, handler_asset
from .function_options import broken_function_rules, broken_type_rules, check
from .guardrails import PrivacyBudgetGuardrails
from .literals import is_token, outside, whole
from .permissions import CHANGE, CREATE_AND_FIND, READ, membership_arn, template_arns

SINGLETON_ID: Final = "PrivacyBudgetProvider"
"""Construct id of a stack's own provider; part of logical ids, so it never changes."""

TIMEOUT: Final = Duration.minutes(5)
TIMEOUT_SECONDS: Final = Range(90, 900)
"""An event is answered 30 seconds before the timeout, which must leave it twice as long to be handled; Lambda ends at 900."""
MEMORY_SIZE: Final = Range(128, 10_240)
"""MiB that Lambda gives a function. Source: "Lambda quotas" in its developer guide."""
OLDEST_PYTHON: Final = 11
"""The oldest Python 3 that the function runs on."""
_PYTHON: Final = re.compile(r"python3\.(\d+)", re.ASCII)
_PARAMETER_NAME: Final = re.compile(r"(/[\w.-]+)+", re.ASCII)
_FUNCTION_ARN: Final = re.compile(r"arn:[\w-]+:lambda:(?P<region>[\w-]+):\d{12}:function:[\w-]+(:[\w$-]+)?", re.ASCII)
MAXIMUM_EVENT_AGE: Final = Duration.minutes(10)
MARGIN: Final = Duration.minutes(1)


def service_timeout(function_timeout: Duration) -> Duration:
    """How long CloudFormation waits for an answer: until the last retry that Lambda may still start has ended.

    An event waits at most MAXIMUM_EVENT_AGE for its last delivery, which runs for at most the function's timeout. So no retried
    event acts after CloudFormation has given up on it. A token's timeout is taken for the longest, as CloudFormation adds no numbers.
    """
    seconds = TIMEOUT_SECONDS.maximum if function_timeout.is_unresolved() else function_timeout.to_seconds()
    return Duration.seconds(MAXIMUM_EVENT_AGE.to_seconds() + seconds + MARGIN.to_seconds())


class IPrivacyBudgetProvider(Protocol):
    """A function that manages privacy budget templates: of this app, or imported."""

    @property
    def service_token(self) -> str:
        """The function's ARN, which CloudFormation sends the templates' events to."""
        ...

    @property
    def service_timeout(self) -> Duration:
        """How long CloudFormation waits for the function's answer."""
        ...


class ProviderOptions(TypedDict, total=False):
    """The options of a ``PrivacyBudgetProvider``, which documents them."""

    memory_size: float
    timeout: Duration | None
    runtime: lambda_.Runtime | None
    architecture: lambda_.Architecture | None
    log_retention: logs.RetentionDays | None
    log_group: logs.ILogGroup | None
    role: iam.IRole | None
    memberships: Sequence[str] | None
    vpc: ec2.IVpc | None
    vpc_subnets: ec2.SubnetSelection | None
    security_groups: Sequence[ec2.ISecurityGroup] | None
    environment_encryption: kms.IKey | None
    reserved_concurrent_executions: float | None
    parameter_name: str | None
    guardrails: PrivacyBudgetGuardrails | None


class PrivacyBudgetProvider(Construct):
    """A Lambda function with its role and log group, which manages any number of privacy budget templates.

    Templates use their stack's own provider, made with the defaults, unless they are given one. For other options call
    ``get_or_create`` before the stack's first template, or make a provider and pass it to the templates.

    CloudFormation does not let the function of an existing template change. So a provider in use must keep its stack, its construct
    path and its function; a new version of this package updates it in place.

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
    :param guardrails: The limits for every template of this provider, in any stack. Default: none.
    :raises ValueError: Options contradict each other or break a rule. Nothing is added to the tree.
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
        guardrails: PrivacyBudgetGuardrails | None = None,
    ) -> None:
        options = ProviderOptions(
            memory_size=memory_size,
            timeout=timeout,
            runtime=runtime,
            architecture=architecture,
            log_retention=log_retention,
            log_group=log_group,
            role=role,
            memberships=memberships,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            environment_encryption=environment_encryption,
            reserved_concurrent_executions=reserved_concurrent_executions,
            parameter_name=parameter_name,
            guardrails=guardrails,
        )
        check(scope, id, _broken_rules(options))
        super().__init__(scope, id)
        timeout = timeout or TIMEOUT
        asset = handler_asset()
        self._options = ProviderOptions()
        self._memberships = tuple(memberships or ())
        self.guardrails: Final = guardrails or PrivacyBudgetGuardrails()
        """The limits for the provider's templates."""
        self.log_group = log_group or logs.LogGroup(
            self, "LogGroup", retention=log_retention or _DEFAULTS["log_retention"], removal_policy=RemovalPolicy.DESTROY
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
        acknowledge_deliberate(self, log_group.log_group_arn if log_group else None)
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Makes the privacy budget templates that stacks declare (cleanrooms-privacy-budget {__version__})",
            code=lambda_.Code.from_asset(str(asset.path), asset_hash=asset.digest),
            handler=f"{HANDLER}.function.handler",
            runtime=runtime or _DEFAULTS["runtime"],
            architecture=architecture or _DEFAULTS["architecture"],
            memory_size=whole(memory_size),
            timeout=timeout,
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            environment_encryption=environment_encryption,
            reserved_concurrent_executions=whole(reserved_concurrent_executions),
            environment=None if guardrails is None else {ENVIRONMENT_VARIABLE: guardrails.to_json()},
            max_event_age=MAXIMUM_EVENT_AGE,
            retry_attempts=2,
        )
        """The function itself, for alarms and the like."""
        acknowledge_for_checkov(self.function)
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
    def of(scope: Construct) -> "PrivacyBudgetProvider | None":
        """The own provider of the stack that ``scope`` is in, if it was made already."""
        return _OF_STACKS.get(stack_of(scope))

    @staticmethod
    def get_or_create(scope: Construct, **options: Unpack[ProviderOptions]) -> "PrivacyBudgetProvider":
        """The provider of the stack that ``scope`` is in, made with these options if there is none yet.

        Without options it returns an existing provider whatever its options are.

        :param options: Those of ``PrivacyBudgetProvider``, compared by value. One that is left out has its default.
        :raises ValueError: The stack's provider was made with other options.
        """
        stack = stack_of(scope)
        provider = _OF_STACKS.get(stack)
        if provider is None:
            taken = stack.node.try_find_child(SINGLETON_ID)
            if taken is not None:
                raise ValueError(f"the id {SINGLETON_ID} is kept for the stack's own provider, got another construct [{taken.node.path}]")
            provider = _OF_STACKS[stack] = PrivacyBudgetProvider(stack, SINGLETON_ID, **options)
            provider._options = options
        elif options and (names := _differing(options, provider._options)):
            raise ValueError(
                f"a stack has one provider of its own, and this one was made with another {', '.join(names)} [{provider.node.path}]:"
                " call PrivacyBudgetProvider.get_or_create with its options before the stack's first template,"
                " or make a second PrivacyBudgetProvider and pass it as provider="
            )
        return provider

    @staticmethod
    def from_function_arn(
        scope: Construct,
        id: str,
        function_arn: str,
        *,
        timeout: Duration | None = None,
    ) -> IPrivacyBudgetProvider:
        """A provider of another stack, by its function's ARN; a stack that uses it has no function of its own.

        :param function_arn: The ARN, of the account and region that the templates are in.
        :param timeout: The imported function's timeout. Default: the provider's default, 5 minutes.
        :raises ValueError: A literal is no ARN of a function, or of another region than the stack; or the timeout is no Duration.
        """
        check(scope, id, [*_broken_arn_rules(function_arn, stack_of(scope)), *broken_type_rules({"timeout": timeout})])
        return _ImportedProvider(function_arn, service_timeout(timeout or TIMEOUT))

    @staticmethod
    def from_parameter_name(
        scope: Construct,
        id: str,
        parameter_name: str,
        *,
        timeout: Duration | None = None,
    ) -> IPrivacyBudgetProvider:
        """A provider of another stack, by the SSM parameter that it is published under, which each deployment reads.

        :param parameter_name: The provider's ``parameter_name``, in the account and region that the templates are in.
        :param timeout: The imported function's timeout. Default: the provider's default, 5 minutes.
        :raises ValueError: The timeout is no Duration.
        """
        check(scope, id, broken_type_rules({"timeout": timeout}))
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

    def broken_rules(self, membership_id: str) -> Iterator[str]:
        """The rule that a template's membership breaks, where both it and the provider's memberships are literals."""
        known = self._memberships
        if known and membership_id not in known and not is_token(membership_id) and not any(map(is_token, known)):
            yield f"membership_id must be among the provider's memberships ({', '.join(known)}), got {membership_id!r}"

    def _grant(self, memberships: Sequence[str] | None, *, in_vpc: bool) -> None:
        """Allow the role what the handler calls, and nothing that depends on which templates a stack declares.

        CloudFormation updates a policy before it deletes what the policy was for: one that named only the present memberships
        would orphan the templates of those that were removed.
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


_DEFAULTS: Final[Mapping[str, Any]] = {
    "memory_size": 512,
    "timeout": TIMEOUT,
    "runtime": lambda_.Runtime.PYTHON_3_14,
    "architecture": lambda_.Architecture.ARM_64,
    "log_retention": logs.RetentionDays.ONE_YEAR,
}
"""The options that are not None where they are left out."""


def _differing(options: ProviderOptions, others: ProviderOptions) -> list[str]:
    """The names of the options that have another value."""

    def value(of: Mapping[str, Any], name: str) -> Any:
        return _by_value(_DEFAULTS.get(name) if of.get(name) is None else of[name])

    return sorted(name for name in {**options, **others} if value(options, name) != value(others, name))


_OF_STACKS: Final[dict[Stack, PrivacyBudgetProvider]] = {}
"""The stacks' own providers. jsii keeps every construct alive for the life of the process anyway."""


def stack_of(scope: Construct) -> Stack:
    """The stack that a construct is in; a stack is not asked, since every question to the CDK takes time."""
    return scope if isinstance(scope, Stack) else Stack.of(scope)


class _ImportedProvider:
    def __init__(self, service_token: str, service_timeout: Duration) -> None:
        self.service_token = service_token
        self.service_timeout = service_timeout


def _broken_rules(options: ProviderOptions) -> Iterator[str]:
    """The rules that the options of a provider break."""
    if wrong_types := [*broken_type_rules(options)]:
        yield from wrong_types
        return
    yield from outside("memory_size", whole(options.get("memory_size")), MEMORY_SIZE)
    yield from _broken_timeout_rules(options.get("timeout"))
    yield from _broken_runtime_rules(options.get("runtime"))
    yield from broken_function_rules(options)
    if options.get("log_group") is not None and options.get("log_retention") is not None:
        yield "log_retention goes without log_group, which has a retention of its own"
    yield from _broken_membership_rules(options.get("memberships"))
    parameter_name = options.get("parameter_name")
    if parameter_name is not None and not _PARAMETER_NAME.fullmatch(str(parameter_name)) and not is_token(parameter_name):
        yield (
            "parameter_name must be a path of letters, digits, dots, dashes and underscores that begins with a slash,"
            f" got {parameter_name!r}"
        )


def _broken_timeout_rules(timeout: Duration | None) -> Iterator[str]:
    if timeout is not None and not timeout.is_unresolved():
        yield from outside("timeout in seconds", whole(timeout.to_seconds(integral=False)), TIMEOUT_SECONDS)


def _broken_runtime_rules(runtime: lambda_.Runtime | None) -> Iterator[str]:
    python = _PYTHON.fullmatch(runtime.name) if runtime else None
    if runtime and not (python and int(python[1]) >= OLDEST_PYTHON):
        yield f"runtime must be Python 3.{OLDEST_PYTHON} or later, got {runtime.name!r}"


def _broken_membership_rules(memberships: Sequence[str] | None) -> Iterator[str]:
    if memberships is not None and not memberships:
        yield "memberships must name at least one membership, or be left out for all of the account's, got none"
    for membership in memberships or ():
        if not contract.is_membership_id(str(membership)) and not is_token(membership):
            yield f"memberships must each be {contract.MEMBERSHIP_ID_RULE}, got {membership!r}"


def _broken_arn_rules(function_arn: str, stack: Stack) -> Iterator[str]:
    """The rules that the ARN of another stack's function breaks: CloudFormation calls a function of the stack's own region alone."""
    if is_token(function_arn):
        return
    found = _FUNCTION_ARN.fullmatch(str(function_arn))
    if found is None:
        yield f"function_arn must be the ARN of a Lambda function, got {function_arn!r}"
    elif not is_token(stack.region) and found["region"] != stack.region:
        yield f"function_arn must be of the stack's region, {stack.region}, got {function_arn!r}"


def _by_value(option: Any) -> Any:
    """An option as it can be compared: two CDK objects of one value are not equal."""
    match option:
        case Duration():
            return option if option.is_unresolved() else option.to_milliseconds()
        case lambda_.Runtime() | lambda_.Architecture():
            return option.name
        case list() | tuple():
            return [_by_value(entry) for entry in option]
    return option
