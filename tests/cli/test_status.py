"""What ``privacy-budget status`` shows, and how it ends."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms import exceptions
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_cli.periods import as_iso, as_utc, end_of
from privacy_budget_core import ownership
from privacy_budget_core.clean_rooms import CleanRooms
from tests.support.command import Command, access_budget, spent_budget
from tests.support.stack import ACCOUNT, Backend

pytest_plugins = ["tests.support.command_fixtures"]

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_a_differential_privacy_budget(command: Command, backend: Backend, membership: str) -> None:
    template = spent_budget(backend, membership, 90, team="é", **{ownership.OWNER: "arn:aws:cloudformation:stack/shop Budget"})
    ended = command("status", membership)
    assert (ended.status, ended.err) == (0, "")
    assert lines(ended.out) == [
        f"Privacy budget templates in Clean Rooms, membership {membership}:",
        template["arn"],
        "  Type       DIFFERENTIAL_PRIVACY",
        "  Budget     epsilon 3, noise of 30 users per query",
        "  Refresh    NONE",
        "  Tags       team = é",
        "  Owner      arn:aws:cloudformation:stack/shop Budget",
        "  Remaining",
        f"  {'█' * 24} 100% 49 of 49 AVG",
        f"  {'█' * 3}{'░' * 21}   9% 9 of 99 COUNT",
        f"  {'█' * 24} 100% 198 of 198 COUNT_DISTINCT",
        f"  {'█' * 24} 100% 66 of 66 SUM",
        f"  {'█' * 24} 100% 33 of 33 STDDEV",
        "",
    ]


def at(*moment: int) -> float:
    """Seconds since the epoch, of a moment in UTC."""
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


def test_an_access_budget(command: Command, use: Callable[[Settings], None], backend: Backend) -> None:
    use(Settings(clock=lambda: at(2026, 5, 20, 10)))
    membership = backend.membership()
    template = access_budget(backend, membership, CALENDAR_DAY=4, LIFETIME=1000)
    backend.spend(template, uses=4)
    shown = lines(command("status", membership).out)
    assert f"  Table      {backend.table(membership)}" in shown
    assert "  Limits     4 per CALENDAR_DAY (refresh ENABLED), 1000 per LIFETIME" in shown
    assert f"  {'░' * 24}   0% 0 of 4 CALENDAR_DAY  until 2026-05-21 00:00 UTC" in shown
    assert f"  {'█' * 23}░  99% 996 of 1000 LIFETIME" in shown


@pytest.mark.parametrize(
    ("period", "now", "end"),
    [
        ("CALENDAR_DAY", at(2026, 12, 31, 23, 59), at(2027, 1, 1)),
        ("CALENDAR_WEEK", at(2026, 11, 26), at(2026, 11, 30)),
        ("CALENDAR_WEEK", at(2026, 11, 30), at(2026, 12, 7)),
        ("CALENDAR_MONTH", at(2028, 2, 1), at(2028, 3, 1)),
        ("CALENDAR_MONTH", at(2026, 1, 31, 12), at(2026, 2, 1)),
        ("LIFETIME", at(2026, 1, 1), None),
        ("NONE", at(2026, 1, 1), None),
        ("FORTNIGHT", at(2026, 1, 1), None),
    ],
)
def test_when_a_period_ends(period: str, now: float, end: float | None) -> None:
    assert end_of(period, now) == end


def test_when_a_refreshing_budget_refreshes(command: Command, backend: Backend, membership: str) -> None:
    """Clean Rooms gives no end for differential privacy, so it is that of the calendar month."""
    backend.client.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh="CALENDAR_MONTH",
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    )
    end = end_of("CALENDAR_MONTH", time.time())
    assert end is not None
    assert f"  Refresh    CALENDAR_MONTH, next at {as_utc(end)}\n" in command("status", membership).out
    (held,) = json.loads(command("status", membership, "--json").out)["memberships"]
    assert {balance["periodEnd"] for balance in held["templates"][0]["balances"]} == {as_iso(end)}


def test_every_budget_of_a_collaboration(command: Command, backend: Backend, membership: str) -> None:
    """The local Clean Rooms has all members in one account, with a membership for each."""
    collaboration = backend.client.get_membership(membershipIdentifier=membership)["membership"]["collaborationId"]
    joined = backend.client.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")["membership"]["id"]
    backend.membership()
    mine, theirs = spent_budget(backend, membership, 9, team="a"), access_budget(backend, joined, LIFETIME=5)
    backend.spend(theirs, uses=4)
    ended = command("status", "--collaboration", collaboration, "--fail-below", "0.5")
    assert (ended.status, ended.err) == (3, f"privacy-budget: {theirs['arn']}: less than 50% remains: 20% of LIFETIME\n")
    shown = lines(ended.out)
    assert shown[0] == f"Privacy budget templates in Clean Rooms, collaboration {collaboration}:"
    assert [line for line in shown if line.startswith("arn:")] == [mine["arn"], theirs["arn"]]
    assert shown.count(f"  Member     account {ACCOUNT}") == 2
    assert not [line for line in shown if line.startswith(("  Tags", "  Owner"))]
    (held,) = json.loads(command("status", "--collaboration", collaboration, "--json").out)["collaborations"]
    assert held["collaborationId"] == collaboration
    assert [(one["creatorAccountId"], one["remainingFraction"]) for one in held["templates"]] == [(ACCOUNT, 90 / 99), (ACCOUNT, 0.2)]
    assert held["templates"][1]["limits"] == [{"type": "LIFETIME", "budget": 5, "autoRefresh": None}]


def test_a_collaboration_without_budgets_and_an_unknown_one(command: Command, backend: Backend, membership: str) -> None:
    collaboration = backend.client.get_membership(membershipIdentifier=membership)["membership"]["collaborationId"]
    assert command("status", "--collaboration", collaboration).out == f"Collaboration {collaboration} has no privacy budget template.\n"
    ended = command("status", "--collaboration", UNKNOWN)
    assert (ended.status, ended.out) == (1, "")
    assert f"collaboration {UNKNOWN}: region us-east-1 of this account has no such collaboration; check its id" in ended.err
    assert "must be a lower-case UUID, got 'x'" in command("status", "--collaboration", "x").err


def test_an_empty_membership_says_so(command: Command, membership: str) -> None:
    assert lines(command("status", membership, "--fail-below", "1").out) == [f"Membership {membership} has no privacy budget template."]


def test_json(command: Command, backend: Backend, membership: str) -> None:
    template, other = spent_budget(backend, membership, 9, team="a"), access_budget(backend, membership, LIFETIME=5)
    ended = command("status", membership, "--json")
    assert json.loads(ended.out) == {
        "memberships": [
            {
                "membershipId": membership,
                "templates": [
                    {
                        "arn": template["arn"],
                        "id": template["id"],
                        "privacyBudgetType": "DIFFERENTIAL_PRIVACY",
                        "epsilon": 3,
                        "usersNoisePerQuery": 30,
                        "autoRefresh": "NONE",
                        "tags": {"team": "a"},
                        "owner": None,
                        "balances": [
                            {"type": "AVG", "remaining": 49, "maximum": 49, "periodEnd": None},
                            {"type": "COUNT", "remaining": 90, "maximum": 99, "periodEnd": None},
                            {"type": "COUNT_DISTINCT", "remaining": 198, "maximum": 198, "periodEnd": None},
                            {"type": "SUM", "remaining": 66, "maximum": 66, "periodEnd": None},
                            {"type": "STDDEV", "remaining": 33, "maximum": 33, "periodEnd": None},
                        ],
                        "remainingFraction": 90 / 99,
                    },
                    {
                        "arn": other["arn"],
                        "id": other["id"],
                        "privacyBudgetType": "ACCESS_BUDGET",
                        "resourceArn": backend.table(membership),
                        "limits": [{"type": "LIFETIME", "budget": 5, "autoRefresh": None}],
                        "tags": {},
                        "owner": None,
                        "balances": [{"type": "LIFETIME", "remaining": 5, "maximum": 5, "periodEnd": None}],
                        "remainingFraction": 1.0,
                    },
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("spent", "least", "status"),
    [
        pytest.param(0, "1", 0, id="nothing_spent"),
        pytest.param(66, "0.3", 0, id="above"),
        pytest.param(66, "0.34", 3, id="below"),
        pytest.param(66, "34%", 3, id="below_as_percent"),
        pytest.param(99, "0.01", 3, id="all_spent"),
    ],
)
def test_fail_below(command: Command, backend: Backend, membership: str, spent: int, least: str, status: int) -> None:
    template = spent_budget(backend, membership, spent)
    ended = command("status", membership, "--fail-below", least, "--json")
    assert ended.status == status
    asked = least if least.endswith("%") else f"{float(least) * 100:g}%"
    told = f"{template['arn']}: less than {asked} remains: {round(100 - spent / 0.99)}% of COUNT\n"
    assert (told in ended.err) == (status == 3)


def test_limit_of_zero_has_nothing_remaining(command: Command, backend: Backend, membership: str) -> None:
    access_budget(backend, membership, LIFETIME=0)
    ended = command("status", membership, "--fail-below", "0.1")
    assert ended.status == 3
    assert "0% 0 of 0 LIFETIME" in ended.out


@pytest.mark.parametrize("least", ["0", "1.1", "-1", "0%", "101%", "nan", "%"])
def test_a_threshold_out_of_range_is_refused(command: Command, membership: str, least: str) -> None:
    ended = command("status", membership, f"--fail-below={least}")
    assert ended.status == 2
    assert f"must be above 0% and up to 100%, for example 20% (or 0.2), got '{least}'" in ended.err


def test_unlisted_budget_cannot_be_compared(command: Command, backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = spent_budget(backend, membership)
    monkeypatch.setattr(CleanRooms, "balances_by_template", lambda *_: {})
    assert "Remaining  not listed" in command("status", membership).out
    ended = command("status", membership, "--fail-below", "0.1")
    assert ended.status == 1
    assert f"{template['arn']}: Clean Rooms lists no budget, so what remains cannot be told" in ended.err


@pytest.mark.parametrize("output", ["table", "json"])
def test_unreadable_membership_does_not_hide_others(command: Command, backend: Backend, membership: str, output: str) -> None:
    template = spent_budget(backend, membership, 99)
    ended = command("status", UNKNOWN, membership, "--fail-below", "0.5", *(["--json"] if output == "json" else []))
    assert ended.status == 1
    assert template["arn"] in ended.out
    assert f"privacy-budget: membership {UNKNOWN}: region us-east-1 of this account has no such membership; check its id" in ended.err
    if output == "json":
        unread, read = json.loads(ended.out)["memberships"]
        assert unread["membershipId"] == UNKNOWN
        assert unread["error"] in ended.err
        assert read["templates"][0]["remainingFraction"] == 0


def test_all_memberships_page_by_page(command: Command, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [backend.membership() for _ in range(3)]
    asked: list[dict[str, Any]] = []
    first: dict[str, Any] = {"membershipSummaries": [{"id": made[0]}, {"id": made[1]}], "nextToken": "more"}
    pages = iter([first, {"membershipSummaries": [{"id": made[2]}]}])
    call = CleanRooms._call

    def paged(self: CleanRooms, operation: str, **request: Any) -> dict[str, Any]:
        if operation != "list_memberships":
            return call(self, operation, **request)
        asked.append(request)
        return next(pages)

    monkeypatch.setattr(CleanRooms, "_call", paged)
    assert [line.split()[1] for line in lines(command("status", "--all").out)] == made
    assert asked == [{"status": "ACTIVE"}, {"status": "ACTIVE", "nextToken": "more"}]


def test_all_memberships_of_the_account(command: Command, backend: Backend) -> None:
    assert command("status", "--all").out == "There is no active membership.\n"
    made = {backend.membership(), backend.membership()}
    assert {line.split()[1] for line in lines(command("status", "--all").out)} == made


def test_all_pages_of_templates_are_read(command: Command, backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanrooms_local_aws.clean_rooms.pages.LARGEST_PAGE", 2)
    made = [access_budget(backend, membership, f"table{number}", LIFETIME=10)["arn"] for number in range(5)]
    shown = command("status", membership).out
    assert [line for line in lines(shown) if line in made] == made
    assert shown.count("10 of 10 LIFETIME") == 5


def test_memberships_from_the_outputs_of_a_deployment(command: Command, membership: str, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"A": {"MembershipId": membership}, "B": {"MembershipId": "none"}, "C": {"Arn": "x"}, "D": {}}))
    assert command("status", "--outputs", str(outputs)).out == f"Membership {membership} has no privacy budget template.\n"
    outputs.write_text("{}")
    ended = command("status", "--outputs", str(outputs))
    assert (ended.status, ended.out) == (0, f"No output MembershipId in {outputs}: nothing to show.\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "does not exist; deploy first, by cdk deploy --outputs-file", id="missing"),
        pytest.param("{", "is not what cdk deploy --outputs-file writes", id="no_json"),
        pytest.param('["a"]', "is not what cdk deploy --outputs-file writes", id="other_json"),
    ],
)
def test_outputs_that_cannot_be_read(command: Command, tmp_path: Path, content: str | None, told: str) -> None:
    outputs = tmp_path / "outputs.json"
    if content is not None:
        outputs.write_text(content)
    ended = command("status", "--outputs", str(outputs))
    assert (ended.status, ended.out) == (1, "")
    assert f"privacy-budget: {outputs} {told}" in ended.err


def test_what_is_asked_for_is_one_thing(command: Command, membership: str) -> None:
    nothing, both = command("status"), command("status", membership, "--all")
    assert (nothing.status, both.status) == (2, 2)
    assert "one of the arguments MEMBERSHIP --all --outputs --collaboration is required" in nothing.err
    assert "argument --all: not allowed with argument MEMBERSHIP" in both.err


def test_failure_for_one_template_is_named(command: Command, use: Callable[[Settings], None], backend: Backend, membership: str) -> None:
    def broken(operation: str, moment: Moment) -> None:
        if operation == "ListPrivacyBudgets":
            raise exceptions.ConflictException("not now")

    use(Settings(faults=broken))
    other = backend.membership()
    spent_budget(backend, other, 0)
    ended = command("status", other)
    assert ended.status == 1
    assert f"membership {other}: ListPrivacyBudgets failed with ConflictException; AWS says: not now" in ended.err
