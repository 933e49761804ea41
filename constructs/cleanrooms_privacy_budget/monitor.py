"""Remaining privacy budgets in CloudWatch: metrics, alarms and a dashboard."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Final, cast

from aws_cdk import Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from constructs import Construct

from privacy_budget_core import __version__, contract
from privacy_budget_core.contract import AccessBudgetPeriod, AggregationType
from privacy_budget_core.metrics import NAMESPACE, Dimension, Metric
from privacy_budget_monitor.contract import Input

from .acknowledgements import (
    WHY_ALL_MEMBERSHIPS,
    WHY_ANY_CREATOR,
    WHY_VPC_POLICY,
    acknowledge_deliberate,
    acknowledge_for_checkov,
    acknowledge_managed_policy,
    acknowledge_wildcards,
)
from .asset import MONITOR, handler_asset
from .function_options import broken_function_rules, broken_type_rules, check
from .literals import is_token, whole
from .outside_changes import add_rules
from .permissions import LIST_BALANCES, LIST_COLLABORATION_BALANCES, collaboration_arn, membership_arn
from .provider import PrivacyBudgetProvider
from .template import IPrivacyBudgetTemplate

TIMEOUT: Final = Duration.minutes(15)
"""Lambda's longest, enough for thousands of calls; a run that ends earlier costs no more for it."""

LONGEST_INTERVAL: Final = Duration.days(1)
"""An alarm looks at one interval, and CloudWatch's longest period is a day."""

NAMED_MEMBERSHIPS: Final = 50
"""How many membership ARNs a policy names at most; all policies of a role may have 10,240 characters together."""

NAMED_COLLABORATIONS: Final = 10
"""How many ARNs of collaborations it names beside these: with more, the CDK may move a statement to a policy of its own."""

ROWS_PER_DASHBOARD: Final = 250
"""A row has two widgets, a dashboard at most 500."""

_DETAILS: Final = (Dimension.AGGREGATION, Dimension.PERIOD)
"""What a count is of."""

_WIDTH: Final = 12
"""Half of a dashboard's 24 columns."""

_LEAST: Final = "Minimum"
"""The statistic of the remaining-budget metrics."""


class PrivacyBudgetMonitor(Construct):
    """Publishes remaining privacy budgets to CloudWatch, which has no metrics of them otherwise.

    A schedule runs a function that asks Clean Rooms (ListPrivacyBudgets) and publishes, in the namespace ``CleanRooms/PrivacyBudget``:
    ``RemainingFraction`` for each template, ``Remaining`` and ``Maximum`` for each aggregation or limit of it. A run that could not
    read some budget publishes the others, and then fails. Of a collaboration it publishes the same for every member's budgets
    (ListCollaborationPrivacyBudgets), and ``RemainingFraction`` for the collaboration: the least of all its budgets.

    :param templates: The templates to watch, of this app or imported, of any number of memberships in the stack's account and region.
        What an import does not tell of its membership, ``from_privacy_budget_template_attributes`` takes. Default: none, which needs
        ``collaborations``.
    :param collaborations: The ids of collaborations to watch as a whole, lower-case UUIDs or tokens: the budgets of every member. The
        account is an active member of each. Default: none.
    :param interval: How often to look: a whole number of minutes, from 1 minute to 1 day. Default: 1 hour.
    :param alarm_below: Below which fraction of a budget an alarm goes off: above 0 and at most 1. There is an alarm for each
        template and each collaboration, and one for runs that failed. Default: no alarms.
    :param alarm_actions: What these alarms do, such as ``aws_cloudwatch_actions.SnsAction``. Default: nothing but change their state.
    :param dashboard: Whether to make a dashboard, with a row for each template and collaboration. Default: yes.
    :param outside_changes: Where to send successful changes of any privacy budget template of the account and region, and deletions
        of memberships, that were not made by a provider: SNS topics, which get a sentence, or targets of EventBridge, which get the
        event that CloudTrail recorded. The account needs a CloudTrail trail that records management events. Default: nowhere.
    :param expected_roles: The roles whose changes are not sent to ``outside_changes``: the role of each provider of the account and
        region. Default: the role of the stack's own provider. At least one is needed where the stack has none.
    :param log_group: The log group to write to. Default: one that goes with the stack and keeps a year.
    :param vpc: The VPC to run in; it needs a way to Clean Rooms. Default: none.
    :param vpc_subnets: Which of the VPC's subnets. Default: those with egress.
    :param security_groups: The function's security groups in the VPC. Default: a new one.
    :param environment_encryption: The KMS key for the function's environment. Default: Lambda's own.
    :param reserved_concurrent_executions: How many runs may take place at once. Default: no limit of its own.
    :raises ValueError: Where options contradict each other or break a rule, before anything is added to the tree.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        templates: Sequence[IPrivacyBudgetTemplate] = (),
        collaborations: Sequence[str] = (),
        interval: Duration | None = None,
        alarm_below: float | None = None,
        alarm_actions: Sequence[cloudwatch.IAlarmAction] = (),
        dashboard: bool = True,
        outside_changes: Sequence[events.IRuleTarget | sns.ITopic] = (),
        expected_roles: Sequence[iam.IRole] = (),
        log_group: logs.ILogGroup | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        environment_encryption: kms.IKey | None = None,
        reserved_concurrent_executions: float | None = None,
    ) -> None:
        options = {
            "templates": templates,
            "collaborations": collaborations,
            "interval": interval,
            "alarm_actions": alarm_actions,
            "outside_changes": outside_changes,
            "expected_roles": expected_roles,
            "log_group": log_group,
            "vpc": vpc,
            "vpc_subnets": vpc_subnets,
            "security_groups": security_groups,
            "environment_encryption": environment_encryption,
            "reserved_concurrent_executions": reserved_concurrent_executions,
        }
        check(scope, id, broken_type_rules(options))
        self._interval = interval or Duration.hours(1)
        own_provider = PrivacyBudgetProvider.of(scope)
        roles = expected_roles or ([own_provider.role] if own_provider else [])
        check(
            scope,
            id,
            [
                *_broken_rules(templates, collaborations, self._interval, alarm_below, alarm_actions),
                *_broken_outside_rules(outside_changes, expected_roles, roles),
                *broken_function_rules(options),
            ],
        )
        memberships = list(dict.fromkeys(template.membership_id for template in templates))
        super().__init__(scope, id)
        self._errors_alarm: cloudwatch.Alarm | None = None
        self._errors_actions: list[cloudwatch.IAlarmAction] = []
        self.log_group = log_group or logs.LogGroup(
            self, "LogGroup", retention=logs.RetentionDays.ONE_YEAR, removal_policy=RemovalPolicy.DESTROY
        )
        """Where the function writes the metrics, its warnings and one record for each run."""
        acknowledge_deliberate(self, log_group.log_group_arn if log_group else None)
        self.function = self._make_function(
            memberships,
            collaborations,
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            environment_encryption=environment_encryption,
            reserved_concurrent_executions=whole(reserved_concurrent_executions),
        )
        """The function itself."""
        acknowledge_for_checkov(self.function)
        self._make_schedule(templates, collaborations)
        self.outside_change_rules = add_rules(self, outside_changes, roles) if outside_changes else []
        """The EventBridge rules behind ``outside_changes``."""
        if alarm_below is not None:
            alarm_below = float(alarm_below)
            for template in templates:
                self.alarm(template, below=alarm_below, actions=alarm_actions)
            for number, collaboration_id in enumerate(collaborations, 1):
                self._alarm_on_collaboration(number, collaboration_id, alarm_below, alarm_actions)
        self.dashboards = self._make_dashboards(templates, collaborations, alarm_below) if dashboard else []
        """The dashboard, or several where a single one cannot hold all budgets."""

    def metric_remaining_fraction(self, template: IPrivacyBudgetTemplate) -> cloudwatch.Metric:
        """The remaining fraction of a template's budget: the minimum over its aggregations or limits, from 0 to 1.

        Its period is the monitor's interval, its statistic the minimum; ``with_`` changes these.
        """
        return self._metric(Metric.REMAINING_FRACTION, _of_template(template), _LEAST)

    def metric_collaboration_remaining_fraction(self, collaboration_id: str) -> cloudwatch.Metric:
        """The remaining fraction in a collaboration: the minimum over the budgets of all members, from 0 to 1.

        Its period is the monitor's interval, its statistic the minimum; ``with_`` changes these.

        :param collaboration_id: One of the monitor's collaborations.
        """
        return self._metric(Metric.REMAINING_FRACTION, {Dimension.COLLABORATION_ID.value: collaboration_id}, _LEAST)

    def metric_remaining(
        self,
        template: IPrivacyBudgetTemplate,
        *,
        aggregation: AggregationType | None = None,
        period: AccessBudgetPeriod | None = None,
    ) -> cloudwatch.Metric:
        """How many aggregations of a type, or uses of a table in a period, remain: a count.

        :param template: One of the monitor's templates.
        :param aggregation: The type of aggregation, of a differential-privacy budget.
        :param period: The limit's period, of an access budget.
        :raises ValueError: Where not exactly one of the two is given.
        """
        return self._metric(Metric.REMAINING, {**_of_template(template), **self._detail(aggregation, period)}, _LEAST)

    def metric_maximum(
        self,
        template: IPrivacyBudgetTemplate,
        *,
        aggregation: AggregationType | None = None,
        period: AccessBudgetPeriod | None = None,
    ) -> cloudwatch.Metric:
        """How many aggregations of a type, or uses of a table in a period, the budget allows in all: a count.

        :param template: One of the monitor's templates.
        :param aggregation: The type of aggregation, of a differential-privacy budget.
        :param period: The limit's period, of an access budget.
        :raises ValueError: Where not exactly one of the two is given.
        """
        return self._metric(Metric.MAXIMUM, {**_of_template(template), **self._detail(aggregation, period)}, "Maximum")

    def alarm(self, template: IPrivacyBudgetTemplate, *, below: float, actions: Sequence[cloudwatch.IAlarmAction] = ()) -> cloudwatch.Alarm:
        """An alarm that goes off if less than a fraction of a budget remains, or if the budget cannot be read.

        The first one makes another, for runs that failed, and the actions go to that as well.

        :param template: One of the monitor's templates; each has one such alarm at most.
        :param below: The fraction: above 0 and at most 1.
        :param actions: What the alarm does. Default: nothing but change its state.
        :raises ValueError: ``below`` is no such fraction.
        """
        for rule in _not_a_fraction("below", below):
            raise ValueError(f"{rule} [{self.node.path}]")
        below = float(below)
        return self._make_alarm(
            f"Alarm{Names.node_unique_id(_construct(template).node)}",
            self.metric_remaining_fraction(template),
            f"Less than {below:g} of the privacy budget {_construct(template).node.path} remains, or it cannot be read.",
            below,
            actions,
        )

    def _alarm_on_collaboration(self, number: int, collaboration_id: str, below: float, actions: Sequence[cloudwatch.IAlarmAction]) -> None:
        self._make_alarm(
            f"CollaborationAlarm{number}",
            self.metric_collaboration_remaining_fraction(collaboration_id),
            f"Less than {below:g} of some privacy budget of collaboration {collaboration_id} remains, or none can be read.",
            below,
            actions,
        )

    def _make_alarm(
        self, id: str, metric: cloudwatch.Metric, description: str, below: float, actions: Sequence[cloudwatch.IAlarmAction]
    ) -> cloudwatch.Alarm:
        """An alarm on a fraction, and on silence, with the one on failed runs."""
        made = metric.create_alarm(
            self,
            id,
            alarm_description=description,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=below,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        made.add_alarm_action(*actions)
        self._alarm_on_errors(actions)
        return made

    def _alarm_on_errors(self, actions: Sequence[cloudwatch.IAlarmAction]) -> None:
        """Have the alarm on failed runs, of which there is one, do these things too."""
        if self._errors_alarm is None:
            self._errors_alarm = self.function.metric_errors(period=self._interval).create_alarm(
                self,
                "FailedRuns",
                alarm_description="A run of the privacy budget monitor could not read some budget; its log names it.",
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                threshold=1,
                evaluation_periods=1,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
        new = [action for action in actions if action not in self._errors_actions]
        self._errors_actions += new
        self._errors_alarm.add_alarm_action(*new)

    def _make_function(
        self, memberships: Sequence[str], collaborations: Sequence[str], *, vpc: ec2.IVpc | None, **options: Any
    ) -> lambda_.Function:
        asset = handler_asset()
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Reads remaining Clean Rooms privacy budgets",
        )
        stack = Stack.of(self)
        arns = [membership_arn(stack, id_) for id_ in memberships]
        if len(arns) > NAMED_MEMBERSHIPS:
            arns = [membership_arn(stack, "*")]
            acknowledge_wildcards(self, arns, WHY_ALL_MEMBERSHIPS)
        if arns:
            role.add_to_principal_policy(iam.PolicyStatement(actions=[LIST_BALANCES], resources=arns))
        arns = [collaboration_arn(stack, id_) for id_ in (collaborations if len(collaborations) <= NAMED_COLLABORATIONS else "*")]
        if arns:
            acknowledge_wildcards(self, arns, WHY_ANY_CREATOR)
            role.add_to_principal_policy(iam.PolicyStatement(actions=[LIST_COLLABORATION_BALANCES], resources=arns))
        self.log_group.grant_write(role)
        if vpc is not None:
            managed = iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSLambdaVPCAccessExecutionRole")
            role.add_managed_policy(managed)
            acknowledge_managed_policy(self, managed.managed_policy_arn, WHY_VPC_POLICY)
        return lambda_.Function(
            self,
            "Function",
            description=f"Publishes remaining privacy budgets (cleanrooms-privacy-budget {__version__})",
            code=lambda_.Code.from_asset(str(asset.path), asset_hash=asset.digest),
            handler=f"{MONITOR}.function.handler",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=256,
            timeout=TIMEOUT,
            role=role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            retry_attempts=0,  # the next run comes by itself
            vpc=vpc,
            **options,
        )

    def _make_schedule(self, templates: Sequence[IPrivacyBudgetTemplate], collaborations: Sequence[str]) -> None:
        """Run the function with the lists of templates and collaborations as input, which holds far more than an environment's 4 KB."""
        stack = Stack.of(self)
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}),
            description="Runs the privacy budget monitor",
        )
        role.add_to_principal_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.function.function_arn]))
        listed = [
            {Input.MEMBERSHIP_ID.value: template.membership_id, Input.TEMPLATE_ID.value: template.privacy_budget_template_id}
            for template in templates
        ]
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Runs the privacy budget monitor",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression=scheduler.ScheduleExpression.rate(self._interval).expression_string,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.function.function_arn,
                role_arn=role.role_arn,
                input=stack.to_json_string(
                    {Input.TEMPLATES.value: listed, **({Input.COLLABORATIONS.value: list(collaborations)} if collaborations else {})}
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_event_age_in_seconds=self._interval.to_seconds()),
            ),
        )
        schedule.node.add_dependency(role)

    def _make_dashboards(
        self, templates: Sequence[IPrivacyBudgetTemplate], collaborations: Sequence[str], alarm_below: float | None
    ) -> list[cloudwatch.Dashboard]:
        rows = [self._template_row(template, alarm_below) for template in templates]
        rows += [self._collaboration_row(id_, alarm_below) for id_ in collaborations]
        made: list[cloudwatch.Dashboard] = []
        for first in range(0, len(rows), ROWS_PER_DASHBOARD):
            dashboard = cloudwatch.Dashboard(
                self,
                f"Dashboard{len(made) + 1}",
                default_interval=Duration.days(14),
                period_override=cloudwatch.PeriodOverride.INHERIT,
            )
            for row in rows[first : first + ROWS_PER_DASHBOARD]:
                dashboard.add_widgets(*row)
            made.append(dashboard)
        return made

    def _template_row(self, template: IPrivacyBudgetTemplate, alarm_below: float | None) -> tuple[cloudwatch.GraphWidget, ...]:
        """Whatever aggregations or limits there are: an import does not tell of which budget type it is."""
        schema = (Dimension.MEMBERSHIP_ID, Dimension.PRIVACY_BUDGET_TEMPLATE_ID)
        id_ = template.privacy_budget_template_id
        counts = [self._search((*schema, detail), Dimension.PRIVACY_BUDGET_TEMPLATE_ID, id_, [detail]) for detail in _DETAILS]
        return _row(_construct(template).node.path, self.metric_remaining_fraction(template), counts, alarm_below)

    def _collaboration_row(self, collaboration_id: str, alarm_below: float | None) -> tuple[cloudwatch.GraphWidget, ...]:
        """Whatever budgets its members have: their templates are not known before a run."""
        schema = (Dimension.COLLABORATION_ID, Dimension.PRIVACY_BUDGET_TEMPLATE_ID)
        shown = Dimension.PRIVACY_BUDGET_TEMPLATE_ID
        counts = [self._search((*schema, detail), Dimension.COLLABORATION_ID, collaboration_id, [shown, detail]) for detail in _DETAILS]
        return _row(
            f"Collaboration {collaboration_id}", self.metric_collaboration_remaining_fraction(collaboration_id), counts, alarm_below
        )

    def _search(self, dimensions: Sequence[Dimension], of: Dimension, value: str, shown: Sequence[Dimension]) -> cloudwatch.MathExpression:
        """A search for the remaining-count metrics with these dimensions, one of which has this value; labelled by the shown ones."""
        schema = ",".join((NAMESPACE, *dimensions))
        wanted = " ".join(f'{name}="{term}"' for name, term in (("MetricName", Metric.REMAINING), (of, value)))
        return cloudwatch.MathExpression(
            expression=f"SEARCH('{{{schema}}} {wanted}', '{_LEAST}')",
            label=" ".join(f"${{PROP('Dim.{dimension}')}}" for dimension in shown),
            period=self._interval,
        )

    def _metric(self, name: Metric, dimensions: dict[str, str], statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE, metric_name=name.value, dimensions_map=dimensions, period=self._interval, statistic=statistic
        )

    def _detail(self, aggregation: AggregationType | None, period: AccessBudgetPeriod | None) -> dict[str, str]:
        if aggregation is not None and period is None:
            return {Dimension.AGGREGATION.value: AggregationType(aggregation).value}
        if period is not None and aggregation is None:
            return {Dimension.PERIOD.value: AccessBudgetPeriod(period).value}
        raise ValueError(
            f"a metric is of one aggregation or of one period, got aggregation={aggregation} and period={period} [{self.node.path}]"
        )


def _construct(template: IPrivacyBudgetTemplate) -> Construct:
    """The template as a construct, which each is: of this app, or imported."""
    return cast(Construct, template)


def _of_template(template: IPrivacyBudgetTemplate) -> dict[str, str]:
    """The dimensions of a template's metrics."""
    return {
        Dimension.MEMBERSHIP_ID.value: template.membership_id,
        Dimension.PRIVACY_BUDGET_TEMPLATE_ID.value: template.privacy_budget_template_id,
    }


def _row(
    name: str, fraction: cloudwatch.Metric, counts: Sequence[cloudwatch.MathExpression], alarm_below: float | None
) -> tuple[cloudwatch.GraphWidget, ...]:
    """A dashboard's row: on the left the fraction, with the alarm's threshold, on the right what remains of each aggregation or limit."""
    return (
        cloudwatch.GraphWidget(
            title=f"{name}: {Metric.REMAINING_FRACTION}",
            width=_WIDTH,
            left=[fraction],
            left_y_axis=cloudwatch.YAxisProps(min=0, max=1, show_units=False),
            left_annotations=[] if alarm_below is None else [cloudwatch.HorizontalAnnotation(value=alarm_below, label="alarm")],
        ),
        cloudwatch.GraphWidget(
            title=f"{name}: {Metric.REMAINING}",
            width=_WIDTH,
            left=list(counts),
            left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        ),
    )


def _broken_rules(
    templates: Sequence[IPrivacyBudgetTemplate],
    collaborations: Sequence[str],
    interval: Duration,
    alarm_below: float | None,
    alarm_actions: Sequence[cloudwatch.IAlarmAction],
) -> Iterator[str]:
    """The rules that the options on what is watched break."""
    names = [_construct(template).node.path for template in templates]
    if not names and not collaborations:
        yield "templates and collaborations must name at least one template or collaboration, got none"
    for name in names:
        if names.count(name) > 1:
            yield f"templates must name each template once, got {name} more often"
    for id_ in collaborations:
        if not contract.is_membership_id(str(id_)) and not is_token(id_):
            yield f"collaborations must each be {contract.MEMBERSHIP_ID_RULE}, got {id_!r}"
        if list(collaborations).count(id_) > 1:
            yield f"collaborations must name each collaboration once, got {id_} more often"
    if interval.is_unresolved():
        yield "interval must be known at synth, got a token"
    elif (seconds := interval.to_seconds(integral=False)) % 60 or not 60 <= seconds <= LONGEST_INTERVAL.to_seconds():
        yield f"interval must be a whole number of minutes from 1 minute to 1 day, got {seconds:g} seconds"
    if alarm_below is None and alarm_actions:
        yield "alarm_actions go with alarm_below, got no alarm_below"
    if alarm_below is not None:
        yield from _not_a_fraction("alarm_below", alarm_below)


def _broken_outside_rules(
    outside_changes: Sequence[events.IRuleTarget | sns.ITopic], expected_roles: Sequence[iam.IRole], roles: Sequence[iam.IRole]
) -> Iterator[str]:
    """The rules that the options on outside changes break."""
    if expected_roles and not outside_changes:
        yield "expected_roles go with outside_changes, got no outside_changes"
    if outside_changes and not roles:
        yield "outside_changes needs the role of each provider as expected_roles, as the stack has no provider of its own, got none"


def _not_a_fraction(name: str, value: object) -> Iterator[str]:
    """The rule that a value breaks which is no fraction above 0. A token is none: an alarm's description names its threshold."""
    try:
        is_fraction = isinstance(value, Real | Decimal) and not isinstance(value, bool) and 0 < float(value) <= 1
    except ValueError:  # a Decimal's signaling NaN
        is_fraction = False
    if not is_fraction:
        yield f"{name} must be a fraction above 0 and at most 1, got {value!r}"
