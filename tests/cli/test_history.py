"""What ``privacy-budget history`` tells of a budget's life, and what the sums of it are."""

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cleanrooms_local_aws.clean_rooms.settings import Settings
from privacy_budget_core import ownership
from tests.support.command import Command
from tests.support.recorded_calls import HANDLER, RecordedCalls
from tests.support.stack import REGION, Backend

pytest_plugins = ["tests.support.command_fixtures"]

UNKNOWN = "00000000-0000-0000-0000-000000000000"
SHOP = f"arn:aws:cloudformation:{REGION}:111122223333:stack/Shop/0f1e/Budget"
OTHER = f"arn:aws:cloudformation:{REGION}:111122223333:stack/Other/2d3c/Budget"
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def at(text: str) -> float:
    """Seconds since the epoch, of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Account:
    """A Clean Rooms whose calls are recorded, at times that a test chooses."""

    def __init__(self, backend: Backend, trail: RecordedCalls) -> None:
        self.backend = backend
        self.trail = trail
        self.membership = backend.membership()

    def on(self, moment: str, identity: Mapping[str, Any] | None = None) -> Any:
        """The client, at a moment."""
        self.trail.now = at(moment)
        self.trail.identity = identity or self.trail.identity
        return self.backend.client

    def create(self, moment: str, epsilon: int = 3, refresh: str = "NONE", **tags: str) -> dict[str, Any]:
        """Create a differential-privacy template."""
        return dict(
            self.on(moment).create_privacy_budget_template(
                membershipIdentifier=self.membership,
                privacyBudgetType="DIFFERENTIAL_PRIVACY",
                autoRefresh=refresh,
                parameters={"differentialPrivacy": {"epsilon": epsilon, "usersNoisePerQuery": 30}},
                tags=tags,
            )["privacyBudgetTemplate"]
        )

    def limit(self, moment: str, table: str, **limits: int) -> dict[str, Any]:
        """Create an access budget."""
        return dict(
            self.on(moment).create_privacy_budget_template(
                membershipIdentifier=self.membership,
                privacyBudgetType="ACCESS_BUDGET",
                parameters={"accessBudget": {"resourceArn": self.backend.table(self.membership, table), **_limits(limits)}},
            )["privacyBudgetTemplate"]
        )

    def edit(self, moment: str, template: Mapping[str, Any], **values: int) -> None:
        """Edit epsilon or noise, or the limits of an access budget."""
        is_private = template["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY"
        self.on(moment).update_privacy_budget_template(
            membershipIdentifier=self.membership,
            privacyBudgetTemplateIdentifier=template["id"],
            privacyBudgetType=template["privacyBudgetType"],
            parameters={"differentialPrivacy": values} if is_private else {"accessBudget": _limits(values)},
        )

    def delete(self, moment: str, template: Mapping[str, Any]) -> None:
        """Delete a template."""
        self.on(moment).delete_privacy_budget_template(membershipIdentifier=self.membership, privacyBudgetTemplateIdentifier=template["id"])


def _limits(limits: Mapping[str, int]) -> dict[str, Any]:
    return {"budgetParameters": [{"type": period, "budget": budget} for period, budget in limits.items()]}


@pytest.fixture
def account(use: Callable[[Settings], None], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The command asks this account's CloudTrail, at NOW."""
    backend = Backend()
    trail = RecordedCalls(backend.client, tmp_path / "events", at("2026-01-01"))
    use(Settings(clock=lambda: trail.now))
    monkeypatch.setattr("time.time", NOW.timestamp)
    monkeypatch.setattr("privacy_budget_cli.session.LOOKUPS_PER_SECOND", 1000)
    make: Any = boto3.Session.client

    def served(self: boto3.Session, service: str, *arguments: Any, **options: Any) -> Any:
        client = make(self, service, *arguments, **options)
        if service == "cloudtrail":
            client.meta.events.register_last("before-send.cloudtrail", trail.answer)
        return client

    monkeypatch.setattr(boto3.Session, "client", served)
    return Account(backend, trail)


def read(command: Command, account: Account, *options: str) -> dict[str, Any]:
    """The history of the account's membership, as JSON."""
    account.trail.now = NOW.timestamp()
    ended = command("history", account.membership, "--json", *options)
    assert (ended.status, ended.err) == (0, "")
    (history,) = json.loads(ended.out)["memberships"]
    return dict(history)


def changes(history: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each change with its time."""
    return [(change["change"], change["time"]) for template in history["templates"] for change in template["changes"]]


def epsilons(history: Mapping[str, Any]) -> list[int]:
    """The epsilon of each differential-privacy budget."""
    privacy = history["granted"]["differentialPrivacy"]
    assert privacy["budgets"] == len(privacy["grants"])
    assert privacy["epsilon"] == sum(grant["epsilon"] for grant in privacy["grants"])
    return [grant["epsilon"] for grant in privacy["grants"]]


def test_a_life(command: Command, account: Account) -> None:
    """By hand: 3, raised to 5, counts 5; recreated with 4 counts 4 more; 5 + 4 = 9."""
    account.trail.identity = HANDLER
    first = account.create("2026-10-01T10:00", 3, **{ownership.OWNER: SHOP})
    account.edit("2026-10-05T11:30", first, epsilon=5, usersNoisePerQuery=20)
    account.delete("2026-11-02T12:00:01", first)
    account.create("2026-11-02T12:00:02", 4, **{ownership.OWNER: SHOP, ownership.PHYSICAL_ID: first["arn"]})
    account.trail.now = NOW.timestamp()
    ended = command("history", account.membership)
    assert (ended.status, ended.err) == (0, "")
    margin = " " * 35
    assert [line.rstrip() for line in ended.out.splitlines()] == [
        f"Privacy budgets of membership {account.membership}:",
        "DIFFERENTIAL_PRIVACY",
        "  2026-10-01 10:00 UTC  created    epsilon 3, noise 30, auto refresh NONE",
        f"{margin}by ProviderRole/Provider",
        f"{margin}owner Shop/Budget",
        "  2026-10-05 11:30 UTC  edited     epsilon 3 → 5, noise 30 → 20",
        "  2026-11-02 12:00 UTC  deleted    with epsilon 5, noise 20, auto refresh NONE",
        "  2026-11-02 12:00 UTC  recreated  epsilon 4, noise 30, auto refresh NONE",
        "  Granted in all: 2 differential privacy budgets, epsilon 5 + 4 = 9 by sequential composition.",
        "  The sum is an upper bound: what queriers could learn if they used up every budget and put all results together.",
        "  The record begins at 2026-08-28 09:00 UTC; templates deleted before are not counted.",
        "",
    ]


def test_each_month_of_a_refreshing_budget_counts(command: Command, account: Account) -> None:
    """By hand: September 2, October 2 and then 4, November 4; 2 + 4 + 4 = 10."""
    template = account.create("2026-09-30T23:00", 2, "CALENDAR_MONTH")
    account.edit("2026-10-31T23:59:59", template, epsilon=4)
    history = read(command, account)
    assert epsilons(history) == [2, 4, 4]
    grants = history["granted"]["differentialPrivacy"]["grants"]
    assert [grant["from"][:10] for grant in grants] == [
        "2026-09-30",
        "2026-10-01",
        "2026-11-01",
    ]
    assert "epsilon 2 + 2 x 4 = 10 by" in command("history", account.membership).out


def test_month_ending_with_the_template_counts_once(command: Command, account: Account) -> None:
    template = account.create("2026-10-10", 2, "CALENDAR_MONTH")
    account.delete("2026-11-01", template)
    assert epsilons(read(command, account)) == [2]


def test_a_lowered_epsilon_counts_at_its_highest(command: Command, account: Account) -> None:
    template = account.create("2026-10-01", 6)
    account.edit("2026-10-02", template, epsilon=3)
    assert epsilons(read(command, account)) == [6]


def test_since(command: Command, account: Account) -> None:
    """Only what was granted since then: of a budget that existed already, what it allowed from then on."""
    first = account.create("2026-09-01", 9)
    account.delete("2026-09-15", first)
    second = account.create("2026-09-15T12:00", 3)
    account.edit("2026-10-10", second, epsilon=5)
    assert epsilons(read(command, account, "--since", "2026-09-15")) == [5]
    assert epsilons(read(command, account, "--since", "2026-09-14T23:59:59Z")) == [9, 5]
    history = read(command, account, "--since", "2026-10-01")
    assert changes(history) == [("EDITED", "2026-10-10T00:00:00+00:00")]
    shown = command("history", account.membership, "--since", "2026-10-01").out
    assert "2026-10-01 00:00 UTC  exists  epsilon 3, noise 30, auto refresh NONE" in shown
    assert "Granted since 2026-10-01 00:00 UTC: 1 differential privacy budget, epsilon 5 by" in shown


@pytest.mark.parametrize(
    ("since", "told"),
    [("yesterday", "must be a date such as 2026-01-31"), ("2099-01-01", "must not be in the future")],
)
def test_a_wrong_since_is_refused(command: Command, account: Account, since: str, told: str) -> None:
    ended = command("history", account.membership, "--since", since)
    assert ended.status == 2
    assert told in ended.err


def test_access_budgets(command: Command, account: Account) -> None:
    """By hand: 10 a day over 3 days is 30; the edit to 5 a day fills 2 more days: 10; so 5 balances, 40 uses."""
    template = account.limit("2026-11-01T08:00", "sales", CALENDAR_DAY=10)
    account.edit("2026-11-03T08:00", template, CALENDAR_DAY=5)
    account.delete("2026-11-04T08:00", template)
    account.limit("2026-11-01", "returns", CALENDAR_WEEK=100, LIFETIME=150)
    history = read(command, account)
    granted = {one["resourceArn"].rpartition("/")[2]: (one["budgets"], one["uses"]) for one in history["granted"]["accessBudgets"]}
    assert granted == {"sales": (5, 40), "returns": (5, 150)}
    assert epsilons(history) == []
    shown = command("history", account.membership).out
    assert "10 per CALENDAR_DAY (refresh ENABLED) → 5 per CALENDAR_DAY (refresh ENABLED), which refills the balance" in shown
    assert "An access budget has no epsilon" in shown
    assert "upper bound" not in shown


def test_an_adoption_and_its_return(command: Command, account: Account) -> None:
    template = account.create("2026-10-01", 3, **{ownership.OWNER: OTHER})
    adopted = {ownership.OWNER: SHOP, **ownership.adopted_from([OTHER])}
    account.on("2026-10-02", HANDLER).tag_resource(resourceArn=template["arn"], tags={"team": "a"})
    account.on("2026-10-03").tag_resource(resourceArn=template["arn"], tags=adopted)
    account.on("2026-10-04").untag_resource(resourceArn=template["arn"], tagKeys=[ownership.ADOPTED_FROM])
    account.on("2026-10-05").tag_resource(resourceArn=template["arn"], tags={ownership.OWNER: OTHER})
    account.on("2026-10-06").untag_resource(resourceArn=template["arn"], tagKeys=sorted(ownership.KEYS))
    history = read(command, account)
    (life,) = history["templates"]
    assert [(change["change"], change["owner"]) for change in life["changes"]] == [
        ("CREATED", OTHER),
        ("ADOPTED", SHOP),
        ("OWNER_CHANGED", OTHER),
        ("OWNER_CHANGED", None),
    ]
    assert life["changes"][1]["by"] == {"name": "ProviderRole/Provider", "arn": HANDLER["arn"]}
    assert epsilons(history) == [3]


def test_a_tag_of_another_resource_is_no_change(command: Command, account: Account) -> None:
    arn = account.backend.client.get_membership(membershipIdentifier=account.membership)["membership"]["arn"]
    account.create("2026-10-01", 3)
    account.on("2026-10-02").tag_resource(resourceArn=arn, tags={ownership.OWNER: SHOP})
    assert changes(read(command, account)) == [("CREATED", "2026-10-01T00:00:00+00:00")]


def test_what_was_refused_is_no_change(command: Command, account: Account) -> None:
    account.create("2026-10-01", 3)
    with pytest.raises(ClientError):
        account.create("2026-10-02", 9)
    history = read(command, account)
    assert changes(history) == [("CREATED", "2026-10-01T00:00:00+00:00")]
    assert epsilons(history) == [3]


@pytest.fixture
def forgetful(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """CloudTrail's event history has the last 90 days only."""
    monkeypatch.setattr(RecordedCalls, "kept_since", NOW.timestamp() - 90 * 86_400)
    return account


def test_edit_of_budget_older_than_the_record(command: Command, forgetful: Account) -> None:
    template = forgetful.create("2026-03-01", 3, "CALENDAR_MONTH")
    forgetful.edit("2026-10-01", template, epsilon=5)
    history = read(command, forgetful)
    (life,) = history["templates"]
    assert life["isComplete"] is False
    assert [(change["change"], change["before"], change["after"] and change["after"]["epsilon"]) for change in life["changes"]] == [
        ("CREATED", None, None),
        ("EDITED", None, 5),
    ]
    assert epsilons(history) == [5] * 9
    assert "after the create of 1 of the templates" in " ".join(history["caveats"])
    assert "--from-file" in " ".join(history["caveats"])


def test_unedited_budget_is_known_from_its_create(command: Command, forgetful: Account) -> None:
    forgetful.create("2026-03-01", 3, **{ownership.OWNER: SHOP})
    history = read(command, forgetful)
    (life,) = history["templates"]
    assert (life["isComplete"], life["changes"][0]["owner"], life["changes"][0]["by"]) == (True, SHOP, None)
    assert epsilons(history) == [3]


def test_recreation_of_budget_older_than_the_record(command: Command, forgetful: Account) -> None:
    """Of the first, only the delete is on record; the successor's physical id tells that it is of the same identity."""
    first = forgetful.create("2026-03-01", 3)
    forgetful.delete("2026-10-01T10:00:01", first)
    forgetful.create("2026-10-01T10:00:02", 4, **{ownership.PHYSICAL_ID: first["arn"]})
    history = read(command, forgetful)
    assert [change for change, _ in changes(history)] == ["DELETED", "RECREATED"]
    assert {template["privacyBudgetType"] for template in history["templates"]} == {"DIFFERENTIAL_PRIVACY"}
    assert epsilons(history) == [4]
    assert history["granted"]["unknownTemplates"] == 1
    shown = command("history", forgetful.membership).out
    assert "at least 1 differential privacy budget, epsilon 4" in shown
    assert "The record has no budget of 1 of the templates, so the sums leave them out." in shown


def test_files_reach_further_back(command: Command, forgetful: Account, tmp_path: Path) -> None:
    """A trail's gzipped file in a folder of its bucket, and the output of lookup-events; what both have counts once."""
    first = forgetful.create("2026-03-01", 3)
    forgetful.delete("2026-10-01T10:00:01", first)
    forgetful.create("2026-10-01T10:00:02", 4)
    records = forgetful.trail.records()
    folder = tmp_path / "AWSLogs" / "111122223333" / "CloudTrail" / REGION
    folder.mkdir(parents=True)
    other = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject", "eventTime": "2026-09-15T00:00:00Z", "eventID": "x"}
    (folder / "one.json.gz").write_bytes(gzip.compress(json.dumps({"Records": [*records, other]}).encode()))
    history = read(command, forgetful, "--from-file", str(tmp_path / "AWSLogs"))
    assert epsilons(history) == [3, 4]
    assert [template["isComplete"] for template in history["templates"]] == [True, True]
    assert not [caveat for caveat in history["caveats"] if "There is no record from" in caveat]
    looked_up = tmp_path / "lookup.json"
    looked_up.write_text(json.dumps({"Events": [{"CloudTrailEvent": json.dumps(record)} for record in records[:-2]]}))
    history = read(command, forgetful, "--from-file", str(looked_up))
    assert epsilons(history) == [3, 4]
    gaps = [caveat for caveat in history["caveats"] if "There is no record from" in caveat]
    assert gaps == ["There is no record from 2026-03-01 00:00 UTC to 2026-08-28 09:00 UTC: what happened in between is not known."]


@pytest.mark.parametrize(
    ("write", "told"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param(b"\x1f\x8bnonsense", "cannot be read", id="broken_gzip"),
        pytest.param(b"{}", "there is no CloudTrail record in", id="no_record"),
        pytest.param(b'"eventTime": "2026-01-01T00:00:00Z", cleanrooms.amazonaws.com', "is not JSON", id="no_json"),
    ],
)
def test_files_that_cannot_be_read(command: Command, account: Account, tmp_path: Path, write: bytes | None, told: str) -> None:
    file = tmp_path / "trail.json"
    if write is not None:
        file.write_bytes(write)
    ended = command("history", account.membership, "--from-file", str(file))
    assert (ended.status, ended.out) == (1, "")
    assert "privacy-budget: --from-file: " in ended.err
    assert told in ended.err


def test_undocumented_record_is_counted(command: Command, account: Account, tmp_path: Path) -> None:
    file = tmp_path / "trail.json"
    broken = {"eventSource": "cleanrooms.amazonaws.com", "eventName": "DeletePrivacyBudgetTemplate", "eventTime": "2026-10-01T00:00:00Z"}
    file.write_text(f"{json.dumps(broken)}\n{json.dumps(broken)}\n")
    history = read(command, account, "--from-file", str(file))
    assert "2 records of Clean Rooms are not as CloudTrail documents them, and are left out." in history["caveats"]


def test_a_template_that_is_gone_without_a_record(command: Command, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    template = account.create("2026-10-01", 3)
    monkeypatch.setattr(account.trail.trail, "record", lambda *_, **__: None)
    account.delete("2026-11-01", template)
    history = read(command, account)
    assert [change for change, _ in changes(history)] == ["CREATED", "GONE"]
    assert "A template that is gone without a record of its delete counts up to now." in history["caveats"]


def test_a_create_without_its_response(command: Command, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CloudTrail records of a response is not documented for Clean Rooms: the requests must do."""
    lookup = account.trail.trail.lookup

    def without_responses(*arguments: Any) -> dict[str, Any]:
        answer = lookup(*arguments)
        for event in answer["Events"]:
            event["CloudTrailEvent"] = json.dumps({**json.loads(event["CloudTrailEvent"]), "responseElements": None})
        return answer

    monkeypatch.setattr(account.trail.trail, "lookup", without_responses)
    first = account.create("2026-10-01", 3)
    account.edit("2026-10-02", first, epsilon=5)
    account.delete("2026-10-03", first)
    second = account.create("2026-10-04", 4)
    history = read(command, account)
    assert [change for change, _ in changes(history)] == ["CREATED", "EDITED", "DELETED", "RECREATED"]
    assert [template["id"] for template in history["templates"]] == [first["id"], second["id"]]
    assert epsilons(history) == [5, 4]


def test_memberships_that_are_unknown_or_gone(command: Command, account: Account) -> None:
    template = account.create("2026-10-01", 3)
    account.delete("2026-10-02", template)
    account.on("2026-10-03").delete_membership(membershipIdentifier=account.membership)
    account.trail.now = NOW.timestamp()
    ended = command("history", UNKNOWN, account.membership)
    assert ended.status == 1
    assert f"membership {UNKNOWN}: region us-east-1 of this account has no such membership" in ended.err
    assert f"membership {account.membership} does not exist any more; its history is from the record alone" in ended.err
    assert "epsilon 3 by sequential composition" in ended.out


def test_every_membership(command: Command, account: Account) -> None:
    account.create("2026-10-01", 3)
    empty = account.backend.membership()
    shown = command("history", "--all").out
    assert f"Privacy budgets of membership {account.membership}:" in shown
    assert f"Membership {empty}: neither Clean Rooms nor CloudTrail knows a privacy budget template of it." in shown


def test_calls_within_one_second(command: Command, account: Account) -> None:
    """CloudTrail's times are whole seconds, and each operation is looked up by itself."""
    first = account.create("2026-10-01T10:00", 3)
    account.edit("2026-10-01T10:00", first, epsilon=4)
    account.edit("2026-10-01T10:00", first, epsilon=5)
    account.delete("2026-10-01T10:00", first)
    second = account.create("2026-10-01T10:00", 6)
    account.edit("2026-10-01T10:00", second, epsilon=7)
    account.delete("2026-10-02T10:00", second)
    account.create("2026-10-02T10:00", 8)
    history = read(command, account)
    told = ["CREATED", "EDITED", "EDITED", "DELETED", "RECREATED", "EDITED", "DELETED", "RECREATED"]
    assert [change for change, _ in changes(history)] == told
    assert epsilons(history) == [5, 7, 8]
    assert "epsilon 4 → 5" in command("history", account.membership).out


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_chart(command: Command, account: Account, tmp_path: Path, suffix: str) -> None:
    template = account.create("2026-10-01", 3, "CALENDAR_MONTH")
    account.edit("2026-10-10", template, epsilon=5)
    file = tmp_path / f"chart.{suffix}"
    read(command, account, "--plot", str(file))
    assert file.stat().st_size > 1000


def test_a_chart_of_nothing_is_refused(command: Command, account: Account, tmp_path: Path) -> None:
    ended = command("history", account.membership, "--plot", str(tmp_path / "chart.png"))
    assert (ended.status, (tmp_path / "chart.png").exists()) == (1, False)
    assert "--plot: there is no differential privacy budget whose epsilon could be drawn" in ended.err
