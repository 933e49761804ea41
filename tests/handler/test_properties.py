"""Properties that the resource does not take fail with the rule and the value, whatever is wrong with them."""

import json
from copy import deepcopy
from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.exceptions import ValidationException
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_core import __version__, clean_rooms, contract, ownership
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, OnBudgetReset, OnExisting
from privacy_budget_core.errors import InvalidPropertyError
from privacy_budget_core.model import AccessBudget, AccessLimit, DifferentialPrivacy
from privacy_budget_core.properties import parse, parse_identity
from tests.support.stack import Backend, Stack, access_budget, as_strings, differential_privacy, tags

MEMBERSHIP = "12345678-1111-4222-8333-444455556666"
TABLE = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}/configuredtableassociation/{MEMBERSHIP}"
DAY = {"Type": "CALENDAR_DAY", "Budget": 100}
LIFETIME = {"Type": "LIFETIME", "Budget": 1000}


def dp(**more: Any) -> dict[str, Any]:
    return differential_privacy(MEMBERSHIP, **more)


def limits(*entries: Any) -> dict[str, Any]:
    return access_budget(MEMBERSHIP, TABLE, list(entries))


def without(properties: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = deepcopy(properties)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


def test_differential_privacy_is_read_from_strings() -> None:
    desired = parse(as_strings(dp(Tags=tags(a="b"), OnExisting="ADOPT", OnBudgetReset="ALLOW", ServiceToken="t", ServiceTimeout=960)))
    assert desired.membership_id == MEMBERSHIP
    assert desired.budget == DifferentialPrivacy(3, 30, AutoRefresh.NONE)
    assert desired.tags == {"a": "b"}
    assert (desired.on_existing, desired.on_budget_reset) == (OnExisting.ADOPT, OnBudgetReset.ALLOW)


def test_an_access_budget_is_read_from_strings() -> None:
    desired = parse(as_strings(limits(LIFETIME, {**DAY, "AutoRefresh": "DISABLED"})))
    day = AccessLimit(AccessBudgetPeriod.CALENDAR_DAY, 100, AutoRefreshMode.DISABLED)
    assert desired.budget == AccessBudget(TABLE, (day, AccessLimit(AccessBudgetPeriod.LIFETIME, 1000)))


WRONG = {
    "no membership": (without(dp(), "MembershipIdentifier"), "MembershipIdentifier is required and must be a lower-case UUID"),
    "no kind": (without(dp(), "PrivacyBudgetType"), "PrivacyBudgetType is required and must be DIFFERENTIAL_PRIVACY or ACCESS_BUDGET"),
    "no parameters": (without(dp(), "Parameters"), "Parameters is required"),
    "no epsilon": (without(dp(), "Parameters", "Epsilon"), "Parameters.Epsilon is required and must be a whole number from 1 to 20"),
    "no noise": (without(dp(), "Parameters", "UsersNoisePerQuery"), "Parameters.UsersNoisePerQuery is required"),
    "no table": (without(limits(DAY), "Parameters", "ResourceArn"), "Parameters.ResourceArn is required"),
    "no limits": (without(limits(DAY), "Parameters", "BudgetParameters"), "Parameters.BudgetParameters is required"),
    "no limit's budget": (limits({"Type": "LIFETIME"}), "Parameters.BudgetParameters[0].Budget is required"),
    "unknown property": (dp(Epsilon=3), "Epsilon: no such property"),
    "unknown parameter": (
        dp() | {"Parameters": {"Epsilon": 3, "UsersNoisePerQuery": 30, "Delta": 1}},
        "Parameters.Delta: no such property",
    ),
    "unknown member of a limit": (limits({**DAY, "Refresh": 1}), "Parameters.BudgetParameters[0].Refresh: no such property"),
    "epsilon too small": (dp(epsilon=0), "Parameters.Epsilon must be a whole number from 1 to 20, got '0'"),
    "epsilon too large": (dp(epsilon=21), "Parameters.Epsilon must be a whole number from 1 to 20, got '21'"),
    "epsilon a fraction": (dp(epsilon=2.5), "got '2.5'"),
    "epsilon a word": (dp(epsilon="three"), "got 'three'"),
    "epsilon in other digits": (dp(epsilon="३"), "got '३'"),
    "epsilon a list": (dp(epsilon=[3]), "got ['3']"),
    "epsilon true": (dp(epsilon=True), "got 'true'"),
    "epsilon beyond all bounds": (dp(epsilon="9" * 5000), "a whole number from 1 to 20"),
    "noise too small": (dp(noise=9), "Parameters.UsersNoisePerQuery must be a whole number from 10 to 100, got '9'"),
    "noise too large": (dp(noise=101), "Parameters.UsersNoisePerQuery must be a whole number from 10 to 100, got '101'"),
    "limit too large": (limits({**DAY, "Budget": 1_000_001}), "must be a whole number from 0 to 1000000, got '1000001'"),
    "limit negative": (limits({**DAY, "Budget": -1}), "got '-1'"),
    "membership not a UUID": (differential_privacy("lab"), "MembershipIdentifier must be a lower-case UUID, got 'lab'"),
    "membership in capitals": (differential_privacy(MEMBERSHIP.upper().replace("1", "A")), "must be a lower-case UUID"),
    "membership with a line's end": (differential_privacy(MEMBERSHIP + "\n"), "must be a lower-case UUID"),
    "kind unknown": (dp(PrivacyBudgetType="NOISE"), "must be DIFFERENTIAL_PRIVACY or ACCESS_BUDGET, got 'NOISE'"),
    "refresh unknown": (dp(AutoRefresh="WEEKLY"), "AutoRefresh must be CALENDAR_MONTH or NONE, got 'WEEKLY'"),
    "refresh for an access budget": (
        limits(DAY) | {"AutoRefresh": "CALENDAR_MONTH"},
        "AutoRefresh must be NONE or left out for ACCESS_BUDGET, got 'CALENDAR_MONTH'",
    ),
    "table of another service": (access_budget(MEMBERSHIP, "arn:aws:s3:::bucket", [DAY]), "got 'arn:aws:s3:::bucket'"),
    "parameters a string": (dp(Parameters="epsilon=3"), "Parameters must be an object, got 'epsilon=3'"),
    "limits an object": (limits() | {"Parameters": {"ResourceArn": TABLE, "BudgetParameters": DAY}}, "must be a list, got"),
    "limit a string": (limits("100 a day"), "Parameters.BudgetParameters[0] must be an object, got '100 a day'"),
    "limits empty": (limits(), "Parameters.BudgetParameters must be 1 or 2 limits, got []"),
    "limits too many": (limits(DAY, LIFETIME, DAY), "must be 1 or 2 limits"),
    "two calendar limits": (limits(DAY, {**DAY, "Type": "CALENDAR_WEEK"}), "or a lifetime limit, or one of each"),
    "two lifetime limits": (limits(LIFETIME, LIFETIME), "or a lifetime limit, or one of each"),
    "period unknown": (limits({**DAY, "Type": "CALENDAR_YEAR"}), "CALENDAR_DAY or CALENDAR_WEEK or CALENDAR_MONTH or LIFETIME"),
    "refreshing lifetime": (limits({**LIFETIME, "AutoRefresh": "ENABLED"}), "must be left out for LIFETIME, got 'ENABLED'"),
    "limit's refresh unknown": (limits({**DAY, "AutoRefresh": True}), "AutoRefresh must be ENABLED or DISABLED, got 'true'"),
    "tags an object": (dp(Tags={"a": "b"}), "Tags must be a list"),
    "tag without a value": (dp(Tags=[{"Key": "a"}]), "Tags[0].Value is required"),
    "tag's key empty": (dp(Tags=tags(**{"": "b"})), "Tags[0].Key must be a text of 1 to 128 characters, got ''"),
    "tag's key too long": (dp(Tags=tags(**{"k" * 129: "b"})), "Tags[0].Key must be a text of 1 to 128 characters"),
    "tag's value too long": (dp(Tags=tags(a="v" * 257)), "Tags[0].Value must be a text of 0 to 256 characters"),
    "tag twice": (dp(Tags=tags(a="1") + tags(a="2")), "Tags must name each key once, got 'a' twice"),
    "tag of AWS": (dp(Tags=tags(**{"aws:x": "1"})), "must not start with a reserved prefix"),
    "tag of the handler": (dp(Tags=tags(**{"cleanrooms-privacy-budget:owner": "me"})), "must not start with a reserved prefix"),
    "too many tags": (dp(Tags=tags(**{f"k{n}": "v" for n in range(197)})), "Tags must be at most 196 tags, got 197"),
    "preview unknown": (dp(PreviewImpact="yes"), "PreviewImpact must be true or false, got 'yes'"),
    "preview of an access budget": (limits(DAY) | {"PreviewImpact": True}, "PreviewImpact goes with DIFFERENTIAL_PRIVACY only"),
    "on existing unknown": (dp(OnExisting="REPLACE"), "OnExisting must be FAIL or ADOPT, got 'REPLACE'"),
    "on budget reset unknown": (dp(OnBudgetReset="YES"), "OnBudgetReset must be REFUSE or ALLOW, got 'YES'"),
}


@pytest.mark.parametrize(("properties", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_property_fails_without_a_call(properties: dict[str, Any], message: str) -> None:
    """The reason has the rule and the value."""
    with pytest.raises(InvalidPropertyError) as raised:
        parse(as_strings(properties))
    assert message in str(raised.value)
    answered = Stack().create(properties)
    assert answered["Status"] == "FAILED"
    assert answered["Reason"].startswith(str(raised.value)[:100])


def test_older_provider_asks_for_an_update() -> None:
    """It lists the properties that it knows."""
    with pytest.raises(InvalidPropertyError) as raised:
        parse(as_strings(dp(Monthly=True)))
    assert str(raised.value) == (
        f"Monthly: no such property; this provider, version {__version__}, knows AutoRefresh, MembershipIdentifier, OnBudgetReset,"
        " OnExisting, Parameters, PreviewImpact, PrivacyBudgetType, Tags. Check the spelling, or update the provider if it is older than"
        " the construct"
    )
    assert {property_.value for property_ in contract.Property} == set(str(raised.value).split("knows ")[1].split(".")[0].split(", "))


def test_identity_is_read_from_invalid_properties() -> None:
    identity = parse_identity(as_strings(dp(epsilon=99, Tags="none", Unknown=1)))
    assert identity is not None
    assert identity.membership_id == MEMBERSHIP
    assert parse_identity(as_strings(differential_privacy("lab"))) is None


def test_most_tags_beside_the_ownership_tags() -> None:
    assert contract.TAGS.maximum == contract.TAGS_OF_THE_SERVICE - len(ownership.KEYS)
    assert len(parse(as_strings(dp(Tags=tags(**{f"k{n}": "v" for n in range(196)})))).tags) == 196


SECRET = "s3cret-" * 40
SECRET_TAGS = {
    "value too long": [{"Key": "token", "Value": SECRET}],
    "value an object": [{"Key": "token", "Value": {"deep": SECRET}}],
    "tag a text": [SECRET],
    "tags a text": SECRET,
    "member unknown": [{"Key": "token", "Value": "v", "Secret": SECRET}],
}


@pytest.mark.parametrize("declared", SECRET_TAGS.values(), ids=SECRET_TAGS)
def test_a_tags_value_is_never_shown(declared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be a secret; the message names the tag's place, the rule and the size."""
    answered = Stack().create(dp(Tags=declared))
    assert "Tags" in answered["Reason"]
    assert "s3cret" not in answered["Reason"] + capsys.readouterr().out


def test_a_services_words_show_no_tags_value(backend: Backend, membership: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cret-words"
    refusal = ValidationException(f"1 validation error: Value '{secret}' at 'tags.token.member' failed to satisfy constraint")
    monkeypatch.setattr(PrivacyBudgetBackend, "settings", Settings(faults=refusing(refusal)))
    answered = Stack().create(differential_privacy(membership, Tags=tags(token=secret)))
    assert secret not in answered["Reason"]
    assert "(the value of tag token)" in answered["Reason"]


@pytest.mark.parametrize("secret", ["hunter2-prod-password", 'pass"word\\with', "x" * 200])
def test_no_part_of_a_tags_value_is_shown(membership: str, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Though another tag's value is a part of it, or the service escapes it."""
    refusal = ValidationException(f"Value {json.dumps(secret)} and '{secret}' failed")
    monkeypatch.setattr(PrivacyBudgetBackend, "settings", Settings(faults=refusing(refusal)))
    answered = Stack().create(differential_privacy(membership, Tags=tags(part="hunter2", token=secret)))
    assert "-prod" not in answered["Reason"]
    assert "word" not in answered["Reason"].replace("password was", "")
    assert answered["Reason"].count("(the value of tag token)") == 2


def test_long_service_message_keeps_the_remedy() -> None:
    shown = clean_rooms._safe("no " * 5000, {})
    assert len(shown) == clean_rooms.LONGEST_MESSAGE + 1


def refusing(error: Exception) -> Any:
    def fault(operation: str, moment: Moment) -> None:
        if operation == "CreatePrivacyBudgetTemplate":
            raise error

    return fault


def test_native_access_budget_properties_are_accepted(backend: Backend, membership: str, stack: Stack) -> None:
    """AWS::CleanRooms::PrivacyBudgetTemplate requires AutoRefresh of both budget types; it is not sent for this one."""
    native = access_budget(membership, backend.table(membership), [DAY], AutoRefresh="NONE")
    arn = stack.create(native)["PhysicalResourceId"]
    assert backend.only(membership)["arn"] == arn
    without_it = {name: value for name, value in native.items() if name != "AutoRefresh"}
    assert stack.update(arn, native, without_it)["Status"] == "SUCCESS"
