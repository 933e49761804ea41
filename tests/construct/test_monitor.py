"""The budget monitor's template: metrics, alarms, dashboards, the schedule's input, and what may be done."""

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import aws_cdk as cdk
import numpy
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match

from cleanrooms_privacy_budget import AccessBudgetPeriod, AggregationType, PrivacyBudgetMonitor, PrivacyBudgetTemplate
from cleanrooms_privacy_budget.template import IPrivacyBudgetTemplate
from tests.fakes.cloudwatch import resolved, rows
from tests.support.synth import ACCESS_BUDGET, MEMBERSHIP, add, new_stack, only, resources

ACCOUNT_ARN = "arn:aws:cleanrooms:us-east-1:111122223333"
MEMBERSHIPS = "arn:AWS::Partition:cleanrooms:AWS::Region:AWS::AccountId:membership"
COLLABORATION = "abcdef12-1111-4222-8333-444455556666"
COLLABORATIONS = "arn:AWS::Partition:cleanrooms:AWS::Region:*:collaboration"
OTHER_MEMBERSHIP = "87654321-1111-4222-8333-444455556666"
ACTION = actions.Ec2Action(actions.Ec2InstanceAction.STOP)
"""An action that needs no construct."""
TEMPLATE = "aaaaaaaa-1111-4222-8333-444455556666"


class Attributes(dict[tuple[str, str], str]):
    """What ``Fn::GetAtt`` and ``Fn::ImportValue`` give: an id or ARN that is made of what was asked for."""

    def __missing__(self, key: tuple[str, str]) -> str:
        name, attribute = key
        return f"{ACCOUNT_ARN}:membership/{MEMBERSHIP}" if name == "import" else f"{attribute} of {name}"


def id_of(template: str) -> str:
    return f"PrivacyBudgetTemplateIdentifier of {template}"


def imported(stack: cdk.Stack, id: str = "Imported", membership: str = OTHER_MEMBERSHIP) -> IPrivacyBudgetTemplate:
    arn = f"{ACCOUNT_ARN}:membership/{membership}/privacybudgettemplate/{TEMPLATE}"
    return PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, id, arn)


def monitor(stack: cdk.Stack, *templates: IPrivacyBudgetTemplate, **options: Any) -> PrivacyBudgetMonitor:
    return PrivacyBudgetMonitor(stack, "Monitor", templates=templates or [add(stack)], **options)


def topic(stack: cdk.Stack, id: str = "Topic") -> actions.SnsAction:
    return actions.SnsAction(sns.Topic.from_topic_arn(stack, id, f"arn:aws:sns:us-east-1:111122223333:{id}"))


def properties(stack: cdk.Stack, type_: str, part_of_id: str = "") -> Any:
    """The properties of the one resource of a type, as CloudFormation would hand them to the service."""
    (found,) = (resource for id_, resource in resources(stack, type_).items() if part_of_id in id_)
    return resolved(found["Properties"], Attributes())


def policy(stack: cdk.Stack, part_of_id: str) -> list[Any]:
    statements: list[Any] = properties(stack, "AWS::IAM::Policy", part_of_id)["PolicyDocument"]["Statement"]
    return statements


def alarms(stack: cdk.Stack) -> list[Any]:
    return [resolved(alarm["Properties"], Attributes()) for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()]


def failed_runs(stack: cdk.Stack) -> Any:
    (alarm,) = (alarm for alarm in alarms(stack) if alarm["Namespace"] == "AWS/Lambda")
    return alarm


def test_schedule_passes_templates_of_all_memberships() -> None:
    stack = new_stack()
    attributes = PrivacyBudgetTemplate.from_privacy_budget_template_attributes(
        stack,
        "ByAttributes",
        privacy_budget_template_arn=f"{ACCOUNT_ARN}:privacybudgettemplate/{TEMPLATE}",
        membership_arn=cdk.Fn.import_value("membership"),
    )
    monitor(stack, add(stack), add(stack, "Access", budget=ACCESS_BUDGET), imported(stack), attributes)
    assert json.loads(properties(stack, "AWS::Scheduler::Schedule")["Target"]["Input"]) == {
        "templates": [
            {"membershipId": MEMBERSHIP, "templateId": id_of("Budget")},
            {"membershipId": MEMBERSHIP, "templateId": id_of("Access")},
            {"membershipId": OTHER_MEMBERSHIP, "templateId": TEMPLATE},
            {"membershipId": MEMBERSHIP, "templateId": TEMPLATE},
        ]
    }


@pytest.mark.parametrize(
    ("interval", "expression", "seconds"),
    [
        pytest.param(None, "rate(1 hour)", 3600, id="default"),
        pytest.param(cdk.Duration.minutes(1), "rate(1 minute)", 60, id="minute"),
        pytest.param(cdk.Duration.minutes(90), "rate(90 minutes)", 5400, id="minutes"),
        pytest.param(cdk.Duration.days(1), "rate(1 day)", 86400, id="day"),
    ],
)
def test_the_interval_is_the_schedules_and_the_alarms(interval: cdk.Duration | None, expression: str, seconds: int) -> None:
    stack = new_stack()
    monitor(stack, interval=interval, alarm_below=0.2)
    schedule = properties(stack, "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == expression
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": seconds}
    assert [alarm["Period"] for alarm in alarms(stack)] == [seconds, seconds]


def test_function_is_in_the_zip_without_retries() -> None:
    """The monitor's function is in the provider's zip, and does not run again after a failure."""
    stack = new_stack()
    monitor(stack)
    found = {id_: one["Properties"] for id_, one in resources(stack, "AWS::Lambda::Function").items()}
    (mine,) = (one for id_, one in found.items() if id_.startswith("Monitor"))
    (providers,) = (one for id_, one in found.items() if not id_.startswith("Monitor"))
    assert mine["Code"] == providers["Code"]
    assert (mine["Handler"], mine["Runtime"], mine["Architectures"]) == ("privacy_budget_monitor.function.handler", "python3.14", ["arm64"])
    assert mine["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties(stack, "AWS::Lambda::EventInvokeConfig", "Monitor")["MaximumRetryAttempts"] == 0
    assert properties(stack, "AWS::Logs::LogGroup", "Monitor")["RetentionInDays"] == 365


def test_permissions_are_minimal() -> None:
    """The function may read balances of these memberships alone, and the schedule may run this function alone."""
    stack = new_stack()
    monitor(stack, add(stack), imported(stack), imported(stack, "Second"))
    balances, log = policy(stack, "MonitorRole")
    assert (balances["Action"], balances["Resource"]) == (
        "cleanrooms:ListPrivacyBudgets",
        [f"{MEMBERSHIPS}/{MEMBERSHIP}", f"{MEMBERSHIPS}/{OTHER_MEMBERSHIP}"],
    )
    assert log["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    (run,) = policy(stack, "MonitorScheduleRole")
    (function,) = (id_ for id_ in resources(stack, "AWS::Lambda::Function") if id_.startswith("Monitor"))
    assert (run["Action"], run["Resource"]) == ("lambda:InvokeFunction", f"Arn of {function}")
    trust = properties(stack, "AWS::IAM::Role", "MonitorScheduleRole")["AssumeRolePolicyDocument"]["Statement"]
    assert [(one["Principal"], one["Condition"]) for one in trust] == [
        ({"Service": "scheduler.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": "AWS::AccountId"}})
    ]


@pytest.mark.parametrize(("memberships", "named"), [(50, True), (51, False)], ids=["few", "many"])
def test_oversized_policy_names_all_memberships(memberships: int, named: bool) -> None:
    """A policy that would exceed its size limit names all of the account's memberships."""
    stack = new_stack()
    ids = [f"12345678-1111-4222-8333-{number:012}" for number in range(memberships)]
    monitor(stack, *(imported(stack, f"Imported{id_}", id_) for id_ in ids), dashboard=False)
    arns = policy(stack, "MonitorRole")[0]["Resource"]
    assert arns == ([f"{MEMBERSHIPS}/{id_}" for id_ in ids] if named else f"{MEMBERSHIPS}/*")
    assert len(json.dumps(policy(stack, "MonitorRole"))) < 10_240


def test_without_alarm_below_there_is_no_alarm() -> None:
    stack = new_stack()
    monitor(stack)
    assert alarms(stack) == []


def test_alarm_below_makes_all_alarms() -> None:
    """``alarm_below`` makes an alarm for each template and one for failed runs."""
    stack = new_stack()
    monitor(stack, add(stack), imported(stack), alarm_below=0.2, alarm_actions=[topic(stack)])
    of_templates = [alarm for alarm in alarms(stack) if alarm["Namespace"] == "CleanRooms/PrivacyBudget"]
    assert [{one["Name"]: one["Value"] for one in alarm["Dimensions"]} for alarm in of_templates] == [
        {"MembershipId": MEMBERSHIP, "PrivacyBudgetTemplateId": id_of("Budget")},
        {"MembershipId": OTHER_MEMBERSHIP, "PrivacyBudgetTemplateId": TEMPLATE},
    ]
    for alarm, name in zip(of_templates, ("Shop/Budget", "Shop/Imported"), strict=True):
        assert alarm["AlarmDescription"] == f"Less than 0.2 of the privacy budget {name} remains, or it cannot be read."
        assert (alarm["MetricName"], alarm["Statistic"], alarm["ComparisonOperator"]) == (
            "RemainingFraction",
            "Minimum",
            "LessThanThreshold",
        )
        assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (0.2, 1, "breaching")
    errors = failed_runs(stack)
    assert (errors["MetricName"], errors["Statistic"], errors["Threshold"]) == ("Errors", "Sum", 1)
    assert errors["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert errors["TreatMissingData"] == "notBreaching"
    assert {tuple(alarm["AlarmActions"]) for alarm in alarms(stack)} == {("arn:aws:sns:us-east-1:111122223333:Topic",)}


def test_own_alarms_share_one_for_failed_runs() -> None:
    """An alarm of one's own adds the alarm on failed runs, which has the actions of all of them."""
    stack = new_stack()
    first, second = add(stack), add(stack, "Access", budget=ACCESS_BUDGET)
    made = monitor(stack, first, second)
    shared = topic(stack)
    made.alarm(first, below=0.5, actions=[shared])
    made.alarm(second, below=1, actions=[shared, topic(stack, "Pager")])
    assert sorted(alarm.get("Threshold") for alarm in alarms(stack)) == [0.5, 1, 1]
    assert [arn.rpartition(":")[2] for arn in failed_runs(stack)["AlarmActions"]] == ["Topic", "Pager"]


def described(stack: cdk.Stack, metric: cloudwatch.Metric) -> tuple[str, dict[str, str]]:
    config = metric.to_metric_config().metric_stat
    assert config is not None
    assert config.namespace == "CleanRooms/PrivacyBudget"
    dimensions = {one.name: resolved(stack.resolve(one.value), Attributes()) for one in config.dimensions or []}
    return config.metric_name, dimensions


def test_metrics() -> None:
    stack = new_stack()
    template = add(stack)
    made = monitor(stack, template)
    of_template = {"MembershipId": MEMBERSHIP, "PrivacyBudgetTemplateId": id_of("Budget")}
    assert described(stack, made.metric_remaining_fraction(template)) == ("RemainingFraction", of_template)
    assert described(stack, made.metric_remaining(template, aggregation=AggregationType.COUNT)) == (
        "Remaining",
        {**of_template, "Aggregation": "COUNT"},
    )
    assert described(stack, made.metric_maximum(template, period=AccessBudgetPeriod.LIFETIME)) == (
        "Maximum",
        {**of_template, "Period": "LIFETIME"},
    )
    assert made.metric_maximum(template, period=AccessBudgetPeriod.LIFETIME).statistic == "Maximum"
    assert made.metric_remaining_fraction(template).statistic == "Minimum"


@pytest.mark.parametrize(
    "detail",
    [{}, {"aggregation": AggregationType.COUNT, "period": AccessBudgetPeriod.LIFETIME}],
    ids=["neither", "both"],
)
def test_count_has_an_aggregation_or_a_period(detail: dict[str, Any]) -> None:
    stack = new_stack()
    template = add(stack)
    made = monitor(stack, template)
    for metric in (made.metric_remaining, made.metric_maximum):
        with pytest.raises(ValueError, match=r"^a metric is of one aggregation or of one period, got aggregation=.* \[Shop/Monitor\]$"):
            metric(template, **detail)


def test_the_dashboard_has_a_row_for_each_budget() -> None:
    stack = new_stack()
    monitor(stack, add(stack), imported(stack), alarm_below=0.2)
    found = rows(properties(stack, "AWS::CloudWatch::Dashboard")["DashboardBody"])
    for row, (name, membership, template) in zip(
        found, [("Shop/Budget", MEMBERSHIP, id_of("Budget")), ("Shop/Imported", OTHER_MEMBERSHIP, TEMPLATE)], strict=True
    ):
        fraction, counts = (widget["properties"] for widget in row)
        assert (fraction["title"], counts["title"]) == (f"{name}: RemainingFraction", f"{name}: Remaining")
        ((*metric, _),) = fraction["metrics"]
        assert metric == [
            "CleanRooms/PrivacyBudget",
            "RemainingFraction",
            *("MembershipId", membership),
            *("PrivacyBudgetTemplateId", template),
        ]
        assert [annotation["value"] for annotation in fraction["annotations"]["horizontal"]] == [0.2]
        assert fraction["yAxis"]["left"] == {"min": 0, "max": 1, "showUnits": False}
        searched = [options["expression"] for (options,) in counts["metrics"]]
        assert searched == [
            f"SEARCH('{{CleanRooms/PrivacyBudget,MembershipId,PrivacyBudgetTemplateId,{detail}}}"
            f' MetricName="Remaining" PrivacyBudgetTemplateId="{template}"\', \'Minimum\')'
            for detail in ("Aggregation", "Period")
        ]


@pytest.mark.slow
def test_full_dashboard_is_continued_by_another() -> None:
    stack = new_stack()
    made = monitor(stack, *(imported(stack, f"Imported{number}") for number in range(251)))
    bodies = [resolved(one["Properties"], Attributes())["DashboardBody"] for one in resources(stack, "AWS::CloudWatch::Dashboard").values()]
    assert [len(rows(body)) for body in bodies] == [250, 1]
    assert len(made.dashboards) == 2


def test_no_dashboard_where_none_is_wanted() -> None:
    stack = new_stack()
    assert monitor(stack, dashboard=False).dashboards == []
    assert resources(stack, "AWS::CloudWatch::Dashboard") == {}


def watching(stack: cdk.Stack, *collaborations: str, **options: Any) -> PrivacyBudgetMonitor:
    """A monitor of collaborations alone."""
    return PrivacyBudgetMonitor(stack, "Monitor", collaborations=collaborations, **options)


def test_collaboration_needs_no_membership_permission() -> None:
    """The collaboration's ARN has the account of its creator, whichever member that is."""
    stack = new_stack()
    watching(stack, COLLABORATION)
    assert json.loads(properties(stack, "AWS::Scheduler::Schedule")["Target"]["Input"]) == {
        "templates": [],
        "collaborations": [COLLABORATION],
    }
    balances, _ = policy(stack, "MonitorRole")
    assert (balances["Action"], balances["Resource"]) == ("cleanrooms:ListCollaborationPrivacyBudgets", f"{COLLABORATIONS}/{COLLABORATION}")


def test_a_collaboration_that_is_a_token() -> None:
    stack = new_stack()
    watching(stack, cdk.Fn.ref("Lab"), alarm_below=0.2)
    assert json.loads(properties(stack, "AWS::Scheduler::Schedule")["Target"]["Input"])["collaborations"] == ["Lab"]
    assert policy(stack, "MonitorRole")[0]["Resource"] == f"{COLLABORATIONS}/Lab"


def test_named_resources_fit_into_the_policy() -> None:
    """Memberships and collaborations that a policy names stay within its size limit."""
    stack = new_stack()
    ids = [f"12345678-1111-4222-8333-{number:012}" for number in range(51)]
    templates = [imported(stack, f"Imported{id_}", id_) for id_ in ids[:50]]
    monitor(stack, *templates, collaborations=ids[:10], dashboard=False)
    assert [len(statement["Resource"]) for statement in policy(stack, "MonitorRole")[:2]] == [50, 10]
    text = json.dumps(policy(stack, "MonitorRole"), separators=(",", ":"))
    longest = text.replace("AWS::Region", "ap-northeast-1").replace("AWS::Partition", "aws").replace("AWS::AccountId", "111122223333")
    assert len(longest) < 10_240
    other = new_stack()
    watching(other, *ids[:11])
    assert policy(other, "MonitorRole")[0]["Resource"] == f"{COLLABORATIONS}/*"


def test_collaboration_has_own_alarm_and_row() -> None:
    stack = new_stack()
    made = monitor(stack, add(stack), collaborations=[COLLABORATION], alarm_below=0.2, alarm_actions=[topic(stack)])
    _, alarm = (alarm for alarm in alarms(stack) if alarm["Namespace"] == "CleanRooms/PrivacyBudget")
    assert alarm["Dimensions"] == [{"Name": "CollaborationId", "Value": COLLABORATION}]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["TreatMissingData"]) == ("RemainingFraction", 0.2, "breaching")
    assert alarm["AlarmDescription"] == (
        f"Less than 0.2 of some privacy budget of collaboration {COLLABORATION} remains, or none can be read."
    )
    assert alarm["AlarmActions"] == failed_runs(stack)["AlarmActions"]
    metric = made.metric_collaboration_remaining_fraction(COLLABORATION)
    assert described(stack, metric) == ("RemainingFraction", {"CollaborationId": COLLABORATION})
    _, row = rows(properties(stack, "AWS::CloudWatch::Dashboard")["DashboardBody"])
    fraction, counts = (widget["properties"] for widget in row)
    assert fraction["title"] == f"Collaboration {COLLABORATION}: RemainingFraction"
    ((*metric_of_row, _),) = fraction["metrics"]
    assert metric_of_row == ["CleanRooms/PrivacyBudget", "RemainingFraction", "CollaborationId", COLLABORATION]
    assert [options["expression"] for (options,) in counts["metrics"]] == [
        f"SEARCH('{{CleanRooms/PrivacyBudget,CollaborationId,PrivacyBudgetTemplateId,{detail}}}"
        f' MetricName="Remaining" CollaborationId="{COLLABORATION}"\', \'Minimum\')'
        for detail in ("Aggregation", "Period")
    ]


def test_templates_of_another_stack() -> None:
    app = cdk.App()
    env = cdk.Environment(account="111122223333", region="us-east-1")
    budgets, watching = cdk.Stack(app, "Budgets", env=env), cdk.Stack(app, "Watching", env=env)
    monitor(watching, add(budgets), alarm_below=0.2)
    (alarm,) = (one for id_, one in resources(watching, "AWS::CloudWatch::Alarm").items() if id_.startswith("MonitorAlarm"))
    assert "Fn::ImportValue" in json.dumps(alarm)


@pytest.mark.slow
def test_full_stack_fits_input_and_template() -> None:
    """With Lambda's 256 KB for an event, and CloudFormation's 1 MB for a template."""
    stack = new_stack()
    templates = [add(stack, f"Budget{number}", membership_id=f"12345678-1111-4222-8333-{number:012}") for number in range(480)]
    monitor(stack, *templates)
    text = properties(stack, "AWS::Scheduler::Schedule")["Target"]["Input"]
    assert len(json.loads(text)["templates"]) == 480
    assert len(text) < 256_000 / 4
    assert len(json.dumps(cdk.assertions.Template.from_stack(stack).to_json())) < 1_000_000


def test_nothing_is_warned_of_at_synth() -> None:
    stack = new_stack()
    monitor(stack, alarm_below=0.2)
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        pytest.param(
            {"templates": []}, "templates and collaborations must name at least one template or collaboration, got none", id="nothing_named"
        ),
        pytest.param({"collaborations": ["lab"]}, "collaborations must each be a lower-case UUID, got 'lab'", id="no_collaboration_id"),
        pytest.param(
            {"collaborations": [COLLABORATION, COLLABORATION]},
            f"collaborations must name each collaboration once, got {COLLABORATION} more often",
            id="collaboration_twice",
        ),
        pytest.param(
            {"interval": cdk.Duration.seconds(30)},
            "interval must be a whole number of minutes from 1 minute to 1 day, got 30 seconds",
            id="short_interval",
        ),
        pytest.param(
            {"interval": cdk.Duration.seconds(90)},
            "interval must be a whole number of minutes from 1 minute to 1 day, got 90 seconds",
            id="broken_interval",
        ),
        pytest.param(
            {"interval": cdk.Duration.days(2)},
            "interval must be a whole number of minutes from 1 minute to 1 day, got 172800 seconds",
            id="long_interval",
        ),
        pytest.param({"alarm_below": 0}, "alarm_below must be a fraction above 0 and at most 1, got 0", id="nothing"),
        pytest.param({"alarm_below": 20}, "alarm_below must be a fraction above 0 and at most 1, got 20", id="percent"),
        pytest.param({"alarm_below": float("nan")}, "alarm_below must be a fraction above 0 and at most 1, got nan", id="below_nan"),
        pytest.param(
            {"alarm_below": Decimal("nan")}, r"alarm_below must be a fraction above 0 and at most 1, got Decimal\('NaN'\)", id="decimal_nan"
        ),
        pytest.param({"alarm_below": "20%"}, "alarm_below must be a fraction above 0 and at most 1, got '20%'", id="below_as_text"),
        pytest.param({"alarm_actions": [ACTION]}, "alarm_actions go with alarm_below, got no alarm_below", id="actions_alone"),
        pytest.param({"interval": 60}, "interval must be of type Duration, got 60", id="interval_as_number"),
        pytest.param(
            {"interval": cdk.Duration.millis(90_500)},
            "interval must be a whole number of minutes from 1 minute to 1 day, got 90.5 seconds",
            id="fraction_of_a_second",
        ),
        pytest.param(
            {"interval": cdk.Duration.seconds(cdk.Token.as_number({"Ref": "Interval"}))},
            "interval must be known at synth, got a token",
            id="interval_token",
        ),
        pytest.param({"templates": TEMPLATE}, f"templates must be a list, got '{TEMPLATE}'", id="one_template"),
        pytest.param({"templates": [TEMPLATE]}, f"templates must each be an object of the CDK, got '{TEMPLATE}'", id="template_as_text"),
        pytest.param({"collaborations": COLLABORATION}, f"collaborations must be a list, got '{COLLABORATION}'", id="one_collaboration"),
        pytest.param({"outside_changes": ["topic"]}, "outside_changes must each be an object of the CDK, got 'topic'", id="topic_as_text"),
        pytest.param({"log_group": "audited"}, "log_group must be a construct, made or imported, got 'audited'", id="log_group_as_text"),
        pytest.param({"vpc": "vpc-1"}, "vpc must be a construct, made or imported, got 'vpc-1'", id="vpc_as_text"),
        pytest.param(
            {"environment_encryption": "key"}, "environment_encryption must be a construct, made or imported, got 'key'", id="key"
        ),
        pytest.param({"security_groups": []}, "vpc_subnets and security_groups go with vpc, got no vpc", id="groups_without_vpc"),
        *(
            pytest.param(
                {"reserved_concurrent_executions": value},
                f"reserved_concurrent_executions must be a whole number from 0 to 2147483647, got {re.escape(repr(value))}",
                id=f"concurrency_{value!r}",
            )
            for value in (float("nan"), float("inf"), 1.5, -1, True, "3", Decimal("nan"), Decimal("sNaN"))
        ),
    ],
)
def test_broken_rule_names_value_and_path(options: dict[str, Any], rule: str) -> None:
    stack = new_stack()
    template = add(stack)
    with pytest.raises(ValueError, match=rf"^{rule} \[Shop/Monitor\]$"):
        PrivacyBudgetMonitor(stack, "Monitor", **{"templates": [template], **options})
    assert stack.node.try_find_child("Monitor") is None


@pytest.mark.parametrize("three", [3, 3.0, numpy.int64(3), Decimal(3)], ids=["int", "float", "numpy", "decimal"])
def test_a_whole_concurrency_of_any_type(three: Any) -> None:
    stack = new_stack()
    monitor(stack, imported(stack), reserved_concurrent_executions=three)
    assert only(stack, "AWS::Lambda::Function")["Properties"]["ReservedConcurrentExecutions"] == 3


@pytest.mark.parametrize("below", [Decimal("0.5"), Fraction(1, 2), numpy.float32(0.5)], ids=["decimal", "fraction", "numpy"])
def test_a_fraction_of_any_type(below: Any) -> None:
    stack = new_stack()
    monitor(stack, imported(stack), alarm_below=below)
    assert [alarm["Threshold"] for alarm in alarms(stack)] == [0.5, 1]


def test_a_template_that_is_named_twice_is_refused() -> None:
    stack = new_stack()
    template = add(stack)
    with pytest.raises(ValueError, match=r"^templates must name each template once, got Shop/Budget more often \[Shop/Monitor\]$"):
        monitor(stack, template, template)


def test_import_without_membership_is_refused_first() -> None:
    """An import that does not know its membership is refused before anything is added to the stack."""
    stack = new_stack()
    arn = f"{ACCOUNT_ARN}:privacybudgettemplate/{TEMPLATE}"
    with pytest.raises(ValueError, match=r"^membership_arn is not in the ARN that the template was imported by"):
        monitor(stack, PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, "Imported", arn))
    assert stack.node.try_find_child("Monitor") is None


@pytest.mark.parametrize("below", [0, 1.5], ids=["nothing", "more_than_all"])
def test_own_alarm_needs_a_fraction(below: float) -> None:
    stack = new_stack()
    template = add(stack)
    made = monitor(stack, template)
    with pytest.raises(ValueError, match=rf"^below must be a fraction above 0 and at most 1, got {below:g} \[Shop/Monitor\]$"):
        made.alarm(template, below=below)
    assert only(stack, "AWS::CloudWatch::Dashboard")
