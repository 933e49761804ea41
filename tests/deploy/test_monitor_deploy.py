"""The budget monitor on the local AWS: deployed as in its example, it publishes what was consumed there."""

import json
from typing import Any

from tests.fakes.cloudwatch import published, rows
from tests.support.cdk import Engine
from tests.support.deployed_clean_rooms import held, made_by_hand, table
from tests.support.example_apps import synthesize

NAMESPACE = "CleanRooms/PrivacyBudget"


def named(engine: Engine, type_: str, part_of_id: str = "") -> str:
    """The physical id of the stack's one resource of a type."""
    found = engine.local_aws.client("cloudformation").describe_stack_resources(StackName="Monitoring")["StackResources"]
    (name,) = (one["PhysicalResourceId"] for one in found if one["ResourceType"] == type_ and part_of_id in one["LogicalResourceId"])
    return str(name)


def aggregations(clean_rooms: Any, membership: str) -> dict[str, tuple[int, int]]:
    """What is left, and of how much, for each type of aggregation."""
    listed = clean_rooms.list_privacy_budgets(membershipIdentifier=membership, privacyBudgetType="DIFFERENTIAL_PRIVACY")
    (summary,) = listed["privacyBudgetSummaries"]
    return {one["type"]: (one["remainingCount"], one["maxCount"]) for one in summary["budget"]["differentialPrivacy"]["aggregations"]}


def test_run_publishes_what_is_consumed(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """Of the stack's own templates, and of every template of the collaboration, another member's included."""
    membership, _ = memberships
    lab = clean_rooms.get_membership(membershipIdentifier=membership)["membership"]["collaborationId"]
    joined = clean_rooms.create_membership(collaborationIdentifier=lab, queryLogStatus="DISABLED")["membership"]["id"]
    theirs = made_by_hand(clean_rooms, joined)["id"]
    values = {"membership": membership, "sales": table(membership), "mail": "privacy@example.com"}
    synthesize("monitoring", {**values, "collaboration": lab}, engine.folder / "cdk.out")
    outputs = engine.deploys_assembly()["Monitoring"]
    by_kind = {template["privacyBudgetType"]: template["id"] for template in held(clean_rooms, membership)}
    privacy, sales = by_kind["DIFFERENTIAL_PRIVACY"], by_kind["ACCESS_BUDGET"]
    engine.local_aws.spend(membership, privacy, 5, "COUNT")
    engine.local_aws.spend(membership, sales, 85)
    engine.local_aws.spend(joined, theirs, 60, "SUM")

    schedule = engine.local_aws.client("scheduler").get_schedule(Name=named(engine, "AWS::Scheduler::Schedule"))
    assert schedule["ScheduleExpression"] == "rate(30 minutes)"
    run = engine.local_aws.client("lambda").invoke(FunctionName=schedule["Target"]["Arn"], Payload=schedule["Target"]["Input"])
    assert "FunctionError" not in run, run["Payload"].read()
    group = named(engine, "AWS::Logs::LogGroup", "Monitor")
    pages = engine.local_aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    log = "\n".join(event["message"] for page in pages for event in page["events"])
    counts, their_counts = (aggregations(clean_rooms, one) for one in (membership, joined))
    assert counts["COUNT"][1] - counts["COUNT"][0] == 5
    assert their_counts["SUM"] == (6, 66)
    uses = {"CALENDAR_DAY": (15, 100), "LIFETIME": (915, 1000)}
    expected: dict[tuple[str, ...], float] = {("RemainingFraction", f"CollaborationId={lab}"): 6 / 66}
    for of, template, detail, balances in (
        (f"MembershipId={membership}", privacy, "Aggregation", counts),
        (f"MembershipId={membership}", sales, "Period", uses),
        (f"CollaborationId={lab}", privacy, "Aggregation", counts),
        (f"CollaborationId={lab}", sales, "Period", uses),
        (f"CollaborationId={lab}", theirs, "Aggregation", their_counts),
    ):
        dimensions = (of, f"PrivacyBudgetTemplateId={template}")
        expected["RemainingFraction", *dimensions] = min(remaining / maximum for remaining, maximum in balances.values())
        for name, (remaining, maximum) in balances.items():
            detailed = sorted([*dimensions, f"{detail}={name}"])
            expected["Remaining", *detailed], expected["Maximum", *detailed] = remaining, maximum
    assert published(log, NAMESPACE) == expected

    cloudwatch = engine.local_aws.client("cloudwatch")
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    of_templates = [one for one in alarms if one["Namespace"] == NAMESPACE]
    assert [{one["Name"]: one["Value"] for one in alarm["Dimensions"]} for alarm in of_templates] == [
        *({"MembershipId": membership, "PrivacyBudgetTemplateId": template} for template in (privacy, sales)),
        {"CollaborationId": lab},
    ]
    assert {(alarm["Threshold"], alarm["TreatMissingData"]) for alarm in of_templates} == {(0.2, "breaching")}
    assert [one["MetricName"] for one in alarms if one["Namespace"] == "AWS/Lambda"] == ["Errors"]
    body = cloudwatch.get_dashboard(DashboardName=outputs["Dashboard"])["DashboardBody"]
    assert [row[0]["properties"]["metrics"][0][-2] for row in rows(body)] == [privacy, sales, lab]

    clean_rooms.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=sales)
    failed = engine.local_aws.client("lambda").invoke(FunctionName=schedule["Target"]["Arn"], Payload=schedule["Target"]["Input"])
    assert failed["FunctionError"]
    assert json.loads(failed["Payload"].read())["errorMessage"].startswith("1 of 2 privacy budgets could not be read")
