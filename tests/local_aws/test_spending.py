"""Any budget of the local AWS can be consumed, by the command and by the fixture; the demo has memberships and tables enough."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws, LocalAwsError

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

LIMITS = [{"type": "LIFETIME", "budget": 50}]
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def backend(local_aws: LocalAws) -> Any:
    return local_aws.client("cleanrooms")


@pytest.fixture
def first(local_aws: LocalAws, backend: Any) -> Iterator[dict[str, Any]]:
    """A differential-privacy template in the demo's first membership."""
    parameters = {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}}
    yield from made(backend, local_aws.demo.membership_id, "DIFFERENTIAL_PRIVACY", parameters)


@pytest.fixture
def second(local_aws: LocalAws, backend: Any) -> Iterator[dict[str, Any]]:
    """An access budget in its second one."""
    parameters = {"accessBudget": {"resourceArn": local_aws.demo.second_table_association_arn, "budgetParameters": LIMITS}}
    yield from made(backend, local_aws.demo.second_membership_id, "ACCESS_BUDGET", parameters)


def made(backend: Any, membership: str, type_: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    created = backend.create_privacy_budget_template(membershipIdentifier=membership, privacyBudgetType=type_, parameters=parameters)
    template = created["privacyBudgetTemplate"]
    yield template
    backend.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=template["id"])


def left(summary: dict[str, Any]) -> int:
    budget = summary["budget"]
    if "accessBudget" in budget:
        return int(budget["accessBudget"]["aggregateRemainingBudget"])
    counts = (entry for entry in budget["differentialPrivacy"]["aggregations"] if entry["type"] == "COUNT")
    return int(next(counts)["remainingCount"])


def run(local_aws: LocalAws, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cleanrooms_local_aws", "spend", "--folder", str(local_aws.folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demo_has_two_memberships_and_two_tables(local_aws: LocalAws, backend: Any) -> None:
    demo = local_aws.demo
    memberships = {entry["id"]: entry["collaborationId"] for entry in backend.list_memberships()["membershipSummaries"]}
    assert memberships.keys() >= {demo.membership_id, demo.second_membership_id}
    assert memberships[demo.membership_id] == demo.collaboration_id != memberships[demo.second_membership_id]
    listed = backend.list_configured_table_associations(membershipIdentifier=demo.membership_id)["configuredTableAssociationSummaries"]
    assert [entry["arn"] for entry in listed] == [demo.table_association_arn, demo.second_table_association_arn]


def test_only_template_of_a_membership_is_consumed(local_aws: LocalAws, first: dict[str, Any], second: dict[str, Any]) -> None:
    assert left(local_aws.spend(local_aws.demo.second_membership_id, None, 7)) == 43
    assert left(local_aws.spend(local_aws.demo.membership_id, None, 7)) == 92


def test_template_is_found_by_arn(local_aws: LocalAws, first: dict[str, Any], second: dict[str, Any]) -> None:
    """In any membership."""
    assert left(local_aws.spend(None, second["arn"], 1)) == 49
    assert left(local_aws.spend(None, first["id"], 1)) == 98


def test_another_aggregation_is_spent(local_aws: LocalAws, first: dict[str, Any]) -> None:
    summary = local_aws.spend(local_aws.demo.membership_id, first["id"], 6, "SUM")
    assert left(summary) == 99


def test_command_defaults_to_the_demo_membership(local_aws: LocalAws, first: dict[str, Any], second: dict[str, Any]) -> None:
    assert run(local_aws, "7").stderr == f"Spent 7 COUNT of {first['arn']}.\n"
    assert run(local_aws, "7", "--aggregation", "SUM").stderr == f"Spent 7 SUM of {first['arn']}.\n"
    of_the_second = f"Spent 3 uses of the table of {second['arn']}.\n"
    assert run(local_aws, "3", "--membership", local_aws.demo.second_membership_id).stderr == of_the_second
    assert run(local_aws, "3", "--template", second["arn"]).stderr == of_the_second
    assert run(local_aws, "3", "--template", second["id"]).stderr == of_the_second


def test_what_cannot_be_spent_is_said(local_aws: LocalAws) -> None:
    for arguments, told in (
        ((), f"Membership {local_aws.demo.membership_id} does not have a privacy budget template to spend from. Deploy one first."),
        (("--template", UNKNOWN), "No membership has a privacy budget template"),
        (("--membership", UNKNOWN), f"There is no membership {UNKNOWN}. There are {local_aws.demo.membership_id}, "),
    ):
        ran = run(local_aws, "7", *arguments)
        assert ran.returncode == 1
        assert ran.stderr.startswith(told)


def test_one_of_several_templates_must_be_named(local_aws: LocalAws, backend: Any, first: dict[str, Any], second: dict[str, Any]) -> None:
    with pytest.raises(LocalAwsError, match=rf"Name the privacy budget template to spend from. There are .*{first['id']}, {second['id']}"):
        local_aws.spend(None, None, 1)
    with pytest.raises(LocalAwsError, match=f"does not have a privacy budget template {second['id']}. There are {first['id']}"):
        local_aws.spend(local_aws.demo.membership_id, second["id"], 1)
    with pytest.raises(LocalAwsError, match="at most 99 is left of COUNT, got 100"):
        local_aws.spend(local_aws.demo.membership_id, None, 100)
