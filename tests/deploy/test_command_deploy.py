"""The real command against the embedded local AWS, whose Clean Rooms keeps the service's quota here."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.deployed_clean_rooms import made_by_hand, new_membership, table
from tools.release.screenshots import in_terminal

COMMAND = [sys.executable, "-m", "privacy_budget_cli"]
COLOUR = re.compile(r"\x1b\[[\d;]*3[1-7]")


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    started = LocalAws(tmp_path_factory.mktemp("quota"), requests_per_second=5)
    try:
        started.start()
        yield started
    finally:
        started.destroy()


@dataclass
class Spent:
    """A membership with a consumed template of each budget type."""

    membership: str
    privacy: str
    access: str


@pytest.fixture(scope="module")
def spent(aws: LocalAws) -> Spent:
    clean_rooms = aws.client("cleanrooms")
    membership = new_membership(clean_rooms)
    privacy = made_by_hand(clean_rooms, membership)
    access = clean_rooms.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="ACCESS_BUDGET",
        parameters={"accessBudget": {"resourceArn": table(membership), "budgetParameters": [{"type": "LIFETIME", "budget": 50}]}},
    )["privacyBudgetTemplate"]
    aws.spend(membership, privacy["id"], 7, "COUNT")
    aws.spend(membership, privacy["id"], 60, "SUM")
    aws.spend(membership, access["id"], 11)
    return Spent(membership, privacy["arn"], access["arn"])


def run(aws: LocalAws, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user with these variables; what names a profile has the region from there."""
    told = {**aws.environment, **environment}
    if "--profile" in arguments:
        del told["AWS_REGION"], told["AWS_DEFAULT_REGION"]
    return subprocess.run([*COMMAND, *arguments], env=told, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_status_shows_what_was_spent(aws: LocalAws, spent: Spent) -> None:
    ran = run(aws, "status", spent.membership, "--json", "--fail-below", "0.2")
    assert ran.returncode == 3
    assert ran.stderr == f"privacy-budget: {spent.privacy}: less than 20% remains: 9% of SUM\n"
    (held,) = json.loads(ran.stdout)["memberships"]
    used = {
        template["arn"]: {left["type"]: left["maximum"] - left["remaining"] for left in template["balances"]}
        for template in held["templates"]
    }
    assert used == {spent.privacy: {"AVG": 0, "COUNT": 7, "COUNT_DISTINCT": 0, "SUM": 60, "STDDEV": 0}, spent.access: {"LIFETIME": 11}}


def test_status_of_every_membership(aws: LocalAws, spent: Spent) -> None:
    ran = run(aws, "status", "--all")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"Membership {aws.demo.membership_id} has no privacy budget template." in ran.stdout
    for shown in (spent.privacy, spent.access, "92 of 99 COUNT", "6 of 66 SUM", "39 of 50 LIFETIME"):
        assert shown in ran.stdout
    assert "\x1b" not in ran.stdout


def test_status_of_a_collaboration(aws: LocalAws, spent: Spent) -> None:
    clean_rooms = aws.client("cleanrooms")
    collaboration = clean_rooms.get_membership(membershipIdentifier=spent.membership)["membership"]["collaborationId"]
    joined = clean_rooms.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")["membership"]["id"]
    theirs = made_by_hand(clean_rooms, joined)
    ran = run(aws, "status", "--collaboration", collaboration, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    (held,) = json.loads(ran.stdout)["collaborations"]
    fractions = {template["arn"]: template["remainingFraction"] for template in held["templates"]}
    assert fractions == {spent.privacy: 6 / 66, spent.access: 39 / 50, theirs["arn"]: 1.0}
    assert {template["creatorAccountId"] for template in held["templates"]} == {"111122223333"}


def test_preview_keeps_quota_and_matches_the_budget(aws: LocalAws, spent: Spent) -> None:
    """Preview keeps within the quota, and shows what a budget of these values then has."""
    ran = run(aws, "preview", spent.membership, "--epsilon", "1..8", "--noise", "30", "--json", AWS_MAX_ATTEMPTS="1")
    assert (ran.returncode, ran.stderr) == (0, "")
    counts = {impact["epsilon"]: impact["maxCounts"] for impact in json.loads(ran.stdout)["impacts"]}
    assert list(counts) == list(range(1, 9))
    (budget,) = aws.client("cleanrooms").list_privacy_budgets(
        membershipIdentifier=spent.membership, privacyBudgetType="DIFFERENTIAL_PRIVACY"
    )["privacyBudgetSummaries"]
    aggregations: list[dict[str, Any]] = budget["budget"]["differentialPrivacy"]["aggregations"]
    assert counts[3] == {aggregation["type"]: aggregation["maxCount"] for aggregation in aggregations}


def test_terminal_gets_colours_and_transient_progress(aws: LocalAws, spent: Spent) -> None:
    status, shown = in_terminal([*COMMAND, "status", spent.membership], aws.environment, 80)
    assert status == 0
    assert COLOUR.search(shown)
    status, shown = in_terminal([*COMMAND, "preview", spent.membership, "--epsilon", "1..3", "--noise", "10"], aws.environment, 80)
    assert status == 0
    progress, _, table = shown.rpartition("\x1b[2K")
    assert "5 calls a second" in progress
    assert "5 calls a second" not in table
    assert "COUNT" in table


def test_no_color_is_honoured(aws: LocalAws, spent: Spent) -> None:
    _, shown = in_terminal([*COMMAND, "status", spent.membership], {**aws.environment, "NO_COLOR": "1"}, 80)
    assert "█" in shown
    assert not COLOUR.search(shown)


def test_ctrl_c_ends_a_preview_without_a_traceback(aws: LocalAws, spent: Spent) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen([*COMMAND, "preview", spent.membership], env=aws.environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    told = b""
    while b"calls a second" not in told:
        told += os.read(ours, 1024)
    running.send_signal(signal.SIGINT)
    try:
        while more := os.read(ours, 1024):
            told += more
    except OSError:
        pass
    os.close(ours)
    assert running.wait() == 130
    assert told.endswith(b"privacy-budget: Interrupted.\r\n")
    assert b"Traceback" not in told


def test_a_profile_of_the_configuration_is_used(aws: LocalAws, spent: Spent, tmp_path: Path) -> None:
    config = tmp_path / "config"
    keys = (f"{name} = {aws.environment[name.upper()]}" for name in ("aws_access_key_id", "aws_secret_access_key"))
    config.write_text("\n".join(("[profile elsewhere]", "region = eu-west-1", *keys)))
    there = run(aws, "status", spent.membership, "--profile", "elsewhere", "--json", AWS_CONFIG_FILE=str(config))
    assert there.returncode == 1
    assert "region eu-west-1 of this account has no such membership" in there.stderr
    here = run(aws, "status", spent.membership, "--profile", "elsewhere", "--region", "us-east-1", AWS_CONFIG_FILE=str(config))
    assert here.returncode == 0
