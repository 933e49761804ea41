"""The budget monitor on the local AWS: deployed by the command that its example gives, it publishes what was consumed there."""

import base64
import json
from typing import Any

from tests.fakes.cloudwatch import published, rows
from tests.support.cdk import Cdk
from tests.support.deployed_clean_rooms import held, table
from tests.support.example_apps import deploys

NAMESPACE = "CleanRooms/PrivacyBudget"


def named(cdk: Cdk, type_: str, part_of_id: str = "") -> str:
    """The physical id of the stack's one resource of a type."""
    found = cdk.local_aws.client("cloudformation").describe_stack_resources(StackName="Monitoring")["StackResources"]
    (name,) = (one["PhysicalResourceId"] for one in found if one["ResourceType"] == type_ and part_of_id in one["LogicalResourceId"])
    return str(name)


def test_a_run_publishes_what_was_spent(cdk: Cdk, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    values = {"membership": membership, "sales": table(membership), "mail": "privacy@example.com"}
    outputs = deploys(cdk.local_aws, "monitoring", values, cdk.folder)["Monitoring"]
    by_kind = {template["privacyBudgetType"]: template["id"] for template in held(clean_rooms, membership)}
    privacy, sales = by_kind["DIFFERENTIAL_PRIVACY"], by_kind["ACCESS_BUDGET"]
    cdk.local_aws.spend(membership, privacy, 5, "COUNT")
    cdk.local_aws.spend(membership, sales, 85)

    schedule = cdk.local_aws.client("scheduler").get_schedule(Name=named(cdk, "AWS::Scheduler::Schedule"))
    assert schedule["ScheduleExpression"] == "rate(30 minutes)"
    run = cdk.local_aws.client("lambda").invoke(FunctionName=schedule["Target"]["Arn"], Payload=schedule["Target"]["Input"], LogType="Tail")
    log = base64.b64decode(run["LogResult"]).decode()
    assert "FunctionError" not in run, log
    (summary,) = clean_rooms.list_privacy_budgets(membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY")[
        "privacyBudgetSummaries"
    ]
    counts = {one["type"]: (one["remainingCount"], one["maxCount"]) for one in summary["budget"]["differentialPrivacy"]["aggregations"]}
    assert counts["COUNT"][1] - counts["COUNT"][0] == 5
    expected: dict[tuple[str, ...], float] = {}
    for template, detail, balances in (
        (privacy, "Aggregation", counts),
        (sales, "Period", {"CALENDAR_DAY": (15, 100), "LIFETIME": (915, 1000)}),
    ):
        of = (f"MembershipId={membership}", f"PrivacyBudgetTemplateId={template}")
        expected["RemainingFraction", *of] = min(remaining / maximum for remaining, maximum in balances.values())
        for name, (remaining, maximum) in balances.items():
            detailed = sorted([*of, f"{detail}={name}"])
            expected["Remaining", *detailed], expected["Maximum", *detailed] = remaining, maximum
    assert published(log, NAMESPACE) == expected

    cloudwatch = cdk.local_aws.client("cloudwatch")
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    of_templates = [one for one in alarms if one["Namespace"] == NAMESPACE]
    assert [{one["Name"]: one["Value"] for one in alarm["Dimensions"]} for alarm in of_templates] == [
        {"MembershipId": membership, "PrivacyBudgetTemplateId": template} for template in (privacy, sales)
    ]
    assert {(alarm["Threshold"], alarm["TreatMissingData"]) for alarm in of_templates} == {(0.2, "breaching")}
    assert [one["MetricName"] for one in alarms if one["Namespace"] == "AWS/Lambda"] == ["Errors"]
    body = cloudwatch.get_dashboard(DashboardName=outputs["Dashboard"])["DashboardBody"]
    assert [row[0]["properties"]["metrics"][0][5] for row in rows(body)] == [privacy, sales]

    clean_rooms.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=sales)
    failed = cdk.local_aws.client("lambda").invoke(FunctionName=schedule["Target"]["Arn"], Payload=schedule["Target"]["Input"])
    assert failed["FunctionError"]
    assert json.loads(failed["Payload"].read())["errorMessage"].startswith("1 of 2 privacy budgets could not be read")
