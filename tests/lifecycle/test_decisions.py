"""Every branch of the decisions that make no call: lifecycle, ownership, physical_id and stack_status, as tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from privacy_budget_core import lifecycle, ownership, physical_id
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode, OnExisting
from privacy_budget_core.errors import ExistingTemplateError
from privacy_budget_core.lifecycle import Change, DeleteAction, Ownership, TagChange
from privacy_budget_core.model import (
    AccessBudget,
    AccessLimit,
    Balance,
    Budget,
    DesiredTemplate,
    DifferentialPrivacy,
    UnknownBudget,
)
from privacy_budget_core.ownership import ADOPTED_FROM, KEYS, NOBODY, OWNER, OwnershipTags
from privacy_budget_core.physical_id import NOT_CREATED, OUTCOME_UNKNOWN
from privacy_budget_handler import stack_status
from privacy_budget_handler.stack_status import StackStatus

ARN = "arn:aws:cleanrooms:us-east-1:111122223333:privacybudgettemplate/t-1"
STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/shop/1"
OURS, THEIRS, FIRST = f"{STACK}/Budget", f"{STACK}/Other", f"{STACK}/First"
OURS_BY_DIGEST = ownership._short(OURS)
CREATED, DELETED = "request-of-the-create", "request-of-the-delete"
FAILED = physical_id.of_failed_create("Budget", CREATED, OUTCOME_UNKNOWN)
FAILED_OTHER = physical_id.of_failed_create("Budget", "another-request", OUTCOME_UNKNOWN)
INVENTED = "shop-Budget-1X2Y3Z"


def owned(owner: str | None, *previous_owners: str, request: str | None = CREATED) -> OwnershipTags:
    return OwnershipTags(owner, request, None, previous_owners)


# What becomes of the template of a Delete.

LEAVE, KEEP, DELETE = DeleteAction.LEAVE, DeleteAction.KEEP, DeleteAction.DELETE
HAND_BACK, UNLESS_CONSUMED = DeleteAction.HAND_BACK, DeleteAction.DELETE_UNLESS_CONSUMED


@pytest.mark.parametrize(
    ("tags", "id_", "rolling_back", "action"),
    [
        pytest.param(owned(None), ARN, False, LEAVE, id="nobody's"),
        pytest.param(owned(THEIRS), ARN, False, LEAVE, id="another's"),
        pytest.param(owned(THEIRS, OURS), ARN, False, LEAVE, id="another's, adopted from this owner"),
        pytest.param(owned(THEIRS), FAILED, False, LEAVE, id="another's, failed create"),
        pytest.param(owned(OURS), ARN, False, DELETE, id="its own"),
        pytest.param(owned(OURS), ARN, True, DELETE, id="its own, in a rollback"),
        pytest.param(owned(OURS, request=None), ARN, False, DELETE, id="its own, of no known request"),
        pytest.param(owned(OURS, request=DELETED), ARN, False, DELETE, id="its own, kept by this request once"),
        pytest.param(owned(OURS_BY_DIGEST), ARN, False, DELETE, id="its own, by digest"),
        pytest.param(owned(OURS), FAILED, False, DELETE, id="of the failed create"),
        pytest.param(owned(OURS), FAILED_OTHER, False, LEAVE, id="of another request's create"),
        pytest.param(owned(OURS, request=None), FAILED, False, LEAVE, id="of no known request's create"),
        pytest.param(owned(OURS), INVENTED, False, UNLESS_CONSUMED, id="for an id of CloudFormation's"),
        pytest.param(owned(OURS, request=None), INVENTED, True, UNLESS_CONSUMED, id="for an id of CloudFormation's, no request"),
        pytest.param(owned(OURS, THEIRS), ARN, False, HAND_BACK, id="adopted"),
        pytest.param(owned(OURS, THEIRS), ARN, True, HAND_BACK, id="adopted, in a rollback"),
        pytest.param(owned(OURS, NOBODY), ARN, False, HAND_BACK, id="adopted from nobody"),
        pytest.param(owned(OURS, THEIRS), FAILED, True, HAND_BACK, id="adopted by the failed create"),
        pytest.param(owned(OURS, THEIRS), FAILED_OTHER, True, LEAVE, id="adopted by another request"),
        pytest.param(owned(OURS, THEIRS), INVENTED, None, HAND_BACK, id="adopted, for an id of CloudFormation's"),
        pytest.param(owned(OURS, THEIRS, OURS), ARN, True, HAND_BACK, id="adopted back"),
        pytest.param(owned(OURS, OURS), ARN, True, KEEP, id="found again, in a rollback"),
        pytest.param(owned(OURS, OURS_BY_DIGEST), ARN, True, KEEP, id="found again, by digest"),
        pytest.param(owned(OURS, OURS), ARN, None, KEEP, id="found again, no word of the stack"),
        pytest.param(owned(OURS, OURS), ARN, False, DELETE, id="found again, then removed"),
        pytest.param(owned(OURS, OURS, request=DELETED), ARN, True, LEAVE, id="found again, kept by this request"),
        pytest.param(owned(OURS, OURS, request=DELETED), ARN, False, LEAVE, id="found again, kept by this request, delivered late"),
        pytest.param(owned(OURS, OURS), FAILED, False, LEAVE, id="found again by the failed create"),
        pytest.param(owned(OURS, OURS), INVENTED, False, LEAVE, id="found again, for an id of CloudFormation's"),
        pytest.param(owned(OURS, OURS, THEIRS), ARN, True, KEEP, id="adopted, then found again, in a rollback"),
        pytest.param(owned(OURS, OURS, THEIRS), ARN, False, HAND_BACK, id="adopted, then found again, then removed"),
    ],
)
def test_delete_action(tags: OwnershipTags, id_: str, rolling_back: bool | None, action: DeleteAction) -> None:
    """A Delete removes what its physical id stands for and this resource made; what an operation merely found outlives it."""
    assert lifecycle.delete_action(tags, OURS, DELETED, id_, rolling_back) is action


@pytest.mark.parametrize(
    ("tags", "found_again"),
    [
        (owned(OURS), False),
        (owned(OURS, OURS), True),
        (owned(OURS, OURS_BY_DIGEST), True),
        (owned(OURS, THEIRS, OURS), False),
        (owned(OURS, NOBODY), False),
    ],
)
def test_was_found_again(tags: OwnershipTags, found_again: bool) -> None:
    """Only the latest previous owner tells."""
    assert lifecycle.was_found_again(tags, OURS) is found_again


def test_previous_owners_but() -> None:
    assert lifecycle.previous_owners_but(owned(THEIRS, OURS, NOBODY, OURS_BY_DIGEST, FIRST), OURS) == (NOBODY, FIRST)


@pytest.mark.parametrize(
    ("tags", "more"),
    [
        (owned(OURS), False),
        (owned(OURS, THEIRS), False),
        (owned(OURS, OURS_BY_DIGEST), True),
        (owned(OURS, THEIRS, OURS), True),
        (owned(THEIRS, OURS), False),
        (owned(THEIRS, OURS, FIRST, OURS), True),
        (owned(None, OURS), False),
    ],
)
def test_is_owner_more_than_once(tags: OwnershipTags, more: bool) -> None:
    assert lifecycle.is_owner_more_than_once(tags, OURS) is more


NOTHING, ENDS = frozenset[str](), frozenset({ADOPTED_FROM})


@pytest.mark.parametrize(
    ("tags", "change"),
    [
        pytest.param(owned(OURS, THEIRS), TagChange({OWNER: THEIRS, ADOPTED_FROM: OURS}, ENDS), id="one before"),
        pytest.param(owned(OURS, THEIRS, NOBODY), TagChange({OWNER: THEIRS, ADOPTED_FROM: NOBODY}, NOTHING), id="two before"),
        pytest.param(owned(OURS_BY_DIGEST, THEIRS, FIRST), TagChange({OWNER: THEIRS, ADOPTED_FROM: FIRST}, NOTHING), id="by digest"),
        pytest.param(owned(OURS, NOBODY), TagChange({}, KEYS), id="nobody before"),
        pytest.param(owned(OURS, NOBODY, THEIRS), TagChange({}, KEYS), id="nobody before, though another before that"),
        pytest.param(owned(THEIRS, OURS), TagChange({}, ENDS), id="the only one before another"),
        pytest.param(owned(THEIRS, OURS_BY_DIGEST), TagChange({}, ENDS), id="the only one, by digest"),
        pytest.param(owned(THEIRS, FIRST, OURS), TagChange({ADOPTED_FROM: FIRST}, NOTHING), id="the first of a chain"),
        pytest.param(owned(THEIRS, OURS, NOBODY), TagChange({ADOPTED_FROM: NOBODY}, NOTHING), id="between another and nobody"),
        pytest.param(owned(THEIRS, FIRST), TagChange({}, NOTHING), id="not among them"),
        pytest.param(owned(THEIRS, NOBODY), TagChange({}, NOTHING), id="not among them, nobody before"),
        pytest.param(owned(None, FIRST), TagChange({}, NOTHING), id="not among them, no owner tag"),
        pytest.param(owned(THEIRS), TagChange({}, ENDS), id="a final adoption"),
    ],
)
@pytest.mark.parametrize("rolling_back", [False, True, None])
def test_owners_without(tags: OwnershipTags, rolling_back: bool | None, change: TagChange) -> None:
    """The owner hands the template back to the one before it; a previous owner leaves the chain, and so ends a chain of one."""
    assert lifecycle.owners_without(tags, OURS, rolling_back) == change


@pytest.mark.parametrize(
    ("tags", "for_good", "in_a_rollback"),
    [
        pytest.param(
            owned(OURS, THEIRS, OURS),
            TagChange({OWNER: THEIRS, ADOPTED_FROM: OURS}, ENDS),
            TagChange({OWNER: THEIRS, ADOPTED_FROM: OURS}, NOTHING),
            id="adopted back",
        ),
        pytest.param(
            owned(OURS, THEIRS, OURS_BY_DIGEST, NOBODY),
            TagChange({OWNER: THEIRS, ADOPTED_FROM: NOBODY}, NOTHING),
            TagChange({OWNER: THEIRS, ADOPTED_FROM: f"{OURS_BY_DIGEST}+"}, NOTHING),
            id="adopted back, nobody before",
        ),
        pytest.param(owned(THEIRS, OURS, OURS), TagChange({}, ENDS), TagChange({ADOPTED_FROM: OURS}, NOTHING), id="found again"),
        pytest.param(
            owned(THEIRS, FIRST, OURS, NOBODY, OURS),
            TagChange({ADOPTED_FROM: f"{FIRST}+"}, NOTHING),
            TagChange({ADOPTED_FROM: f"{FIRST}++{OURS_BY_DIGEST}"}, NOTHING),
            id="twice in a chain",
        ),
    ],
)
def test_an_owner_that_is_there_twice(tags: OwnershipTags, for_good: TagChange, in_a_rollback: TagChange) -> None:
    """A rollback undoes its latest adoption alone; what cannot be told is taken for a rollback."""
    assert lifecycle.owners_without(tags, OURS, False) == for_good
    assert lifecycle.owners_without(tags, OURS, True) == in_a_rollback
    assert lifecycle.owners_without(tags, OURS, None) == in_a_rollback


# Whose a template is that a create meets.

MEMBERSHIP = "m-1"


def desired(budget: Budget, on_existing: OnExisting = OnExisting.FAIL) -> DesiredTemplate:
    return DesiredTemplate(MEMBERSHIP, budget, {}, on_existing)


def privacy(epsilon: int = 3, noise: int = 30, refresh: AutoRefresh | str = AutoRefresh.NONE) -> DifferentialPrivacy:
    return DifferentialPrivacy(epsilon, noise, refresh)


@pytest.mark.parametrize("on_existing", OnExisting)
@pytest.mark.parametrize(
    ("tags", "whose"),
    [
        (owned(OURS), Ownership.THIS_REQUEST),
        (owned(OURS_BY_DIGEST), Ownership.THIS_REQUEST),
        (owned(OURS, request="another"), Ownership.THIS_RESOURCE),
        (owned(OURS, request=None), Ownership.THIS_RESOURCE),
        (owned(OURS, THEIRS, request="another"), Ownership.THIS_RESOURCE),
    ],
)
def test_own_template(tags: OwnershipTags, whose: Ownership, on_existing: OnExisting) -> None:
    """A template of this resource is never adopted; the request tells whether this delivery is a second one."""
    assert lifecycle.ownership(tags, OURS, CREATED, desired(privacy(), on_existing), ARN) is whose


@pytest.mark.parametrize(
    ("tags", "belongs"),
    [
        (owned(THEIRS), f"belongs to {THEIRS}"),
        (owned(None, request=None), "carries no owner tag"),
        (owned(NOBODY, request=None), "carries no owner tag"),
    ],
)
def test_anothers_template(tags: OwnershipTags, belongs: str) -> None:
    """It is adopted where that is declared, whatever request its tags name; else the reason names it, its owner and the remedy."""
    assert lifecycle.ownership(tags, OURS, CREATED, desired(privacy(), OnExisting.ADOPT), ARN) is Ownership.ANOTHER
    with pytest.raises(ExistingTemplateError) as refused:
        lifecycle.ownership(tags, OURS, CREATED, desired(privacy()), ARN)
    assert str(refused.value).startswith(
        f"The DIFFERENTIAL_PRIVACY template in membership {MEMBERSHIP} exists already: {ARN}, which {belongs}."
    )
    assert "on_existing=OnExisting.ADOPT (OnExisting: ADOPT)" in str(refused.value)


# What it takes to change a budget.

TABLE = "arn:aws:cleanrooms:us-east-1:111122223333:membership/m-1/configuredtableassociation/sales"
PERIOD = AccessBudgetPeriod
ON, OFF = AutoRefreshMode.ENABLED, AutoRefreshMode.DISABLED
DAY, LIFETIME = AccessLimit(PERIOD.CALENDAR_DAY, 10, ON), AccessLimit(PERIOD.LIFETIME, 100)


def access(*limits: AccessLimit) -> AccessBudget:
    return AccessBudget(TABLE, limits)


def day(budget: int, refresh: AutoRefreshMode | None = None) -> AccessBudget:
    return access(AccessLimit(PERIOD.CALENDAR_DAY, budget, refresh))


@pytest.mark.parametrize(
    ("actual", "wanted", "change"),
    [
        pytest.param(privacy(), privacy(), Change.NONE, id="same"),
        pytest.param(privacy(3), privacy(4), Change.EDIT, id="epsilon"),
        pytest.param(privacy(noise=30), privacy(noise=31), Change.EDIT, id="noise"),
        pytest.param(privacy(), privacy(refresh=AutoRefresh.CALENDAR_MONTH), Change.RECREATE, id="refresh"),
        pytest.param(privacy(3), privacy(4, refresh=AutoRefresh.CALENDAR_MONTH), Change.RECREATE, id="refresh and epsilon"),
        pytest.param(privacy(refresh="CALENDAR_YEAR"), privacy(), Change.RECREATE, id="a refresh of a later version"),
        pytest.param(access(DAY), access(DAY), Change.NONE, id="same limit"),
        pytest.param(access(DAY, LIFETIME), access(LIFETIME, DAY), Change.NONE, id="same limits in another order"),
        pytest.param(access(DAY), access(DAY, LIFETIME), Change.EDIT_WITH_RESET, id="one limit more"),
        pytest.param(access(DAY, LIFETIME), access(DAY), Change.EDIT_WITH_RESET, id="the last limit less"),
        pytest.param(access(DAY, LIFETIME), access(LIFETIME), Change.EDIT_WITH_RESET, id="the first limit less"),
        pytest.param(access(DAY), access(LIFETIME), Change.EDIT_WITH_RESET, id="another period"),
        pytest.param(day(10), day(11), Change.EDIT_WITH_RESET, id="another budget"),
        pytest.param(
            access(DAY, LIFETIME), access(DAY, AccessLimit(PERIOD.LIFETIME, 99)), Change.EDIT_WITH_RESET, id="another second budget"
        ),
        pytest.param(day(10, ON), day(10, OFF), Change.EDIT_WITH_RESET, id="another refresh of a limit"),
        pytest.param(day(10), day(10, ON), Change.NONE, id="a refresh that the service does not tell"),
        pytest.param(day(10, ON), day(10), Change.NONE, id="a refresh that is left to the service"),
        pytest.param(day(10, OFF), day(10), Change.NONE, id="a refresh that is left to the service, off"),
        pytest.param(day(10), day(10), Change.NONE, id="a refresh that nobody tells"),
    ],
)
def test_change(actual: Budget, wanted: Budget, change: Change) -> None:
    """Epsilon and noise are edited, a changed refresh recreates, and any changed access limit refills its table's balance."""
    assert lifecycle.change(actual, wanted) is change
    assert change.resets_the_budget is (change in (Change.EDIT_WITH_RESET, Change.RECREATE))


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [(privacy(), access(DAY)), (access(DAY), privacy()), (UnknownBudget("QUERY_BUDGET"), privacy()), (UnknownBudget("X"), access(DAY))],
)
def test_change_of_the_budget_type(actual: Budget, wanted: Budget) -> None:
    """A template's type is part of its identity, so that no template of another type is ever compared."""
    with pytest.raises(TypeError, match="part of its identity"):
        lifecycle.change(actual, wanted)
    assert not lifecycle.lowers_epsilon(actual, wanted)


@pytest.mark.parametrize(("before", "after", "lowers"), [(3, 2, True), (3, 3, False), (3, 4, False)])
def test_lowers_epsilon(before: int, after: int, lowers: bool) -> None:
    assert lifecycle.lowers_epsilon(privacy(before, 30), privacy(after, 20)) is lowers


@pytest.mark.parametrize(
    ("balances", "words"),
    [
        ([Balance("COUNT", 99, 99)], None),
        ([Balance("COUNT", 99, 99), Balance("SUM", 92, 99)], "what was consumed of it (7 of 99 SUM)"),
        ([Balance("COUNT", 0, 1), Balance("SUM", 92, 99)], "what was consumed of it (1 of 1 COUNT, 7 of 99 SUM)"),
        ([], "what was consumed of it (Clean Rooms lists no balance for it)"),
    ],
)
def test_consumed(balances: list[Balance], words: str | None) -> None:
    """Any balance below its maximum is consumed, and so is a budget without balances."""
    assert lifecycle.consumed(balances) == words


@pytest.mark.parametrize(
    ("actual", "wanted", "change", "words"),
    [
        (
            privacy(),
            privacy(refresh=AutoRefresh.CALENDAR_MONTH),
            Change.RECREATE,
            "from auto refresh NONE to auto refresh CALENDAR_MONTH needs a reset (delete and create, which gives a fresh budget)",
        ),
        (
            day(10),
            day(11),
            Change.EDIT_WITH_RESET,
            "from 10 per CALENDAR_DAY to 11 per CALENDAR_DAY needs a reset (edit in place, which refills the balance)",
        ),
    ],
)
def test_refused_reset(actual: Budget, wanted: Budget, change: Change, words: str) -> None:
    """It names the template, what is changed, what would be lost, and the option that accepts it."""
    target = desired(wanted)
    reason = str(lifecycle.refused_reset(change, actual, target, "7 of 99 SUM"))
    assert reason.startswith(f"Changing {target.identity} {words}: 7 of 99 SUM would be forgotten.")
    assert "on_budget_reset=OnBudgetReset.ALLOW (OnBudgetReset: ALLOW)" in reason


@pytest.mark.parametrize(
    ("present", "wanted", "ours", "change"),
    [
        pytest.param({}, {"a": "1"}, set(), TagChange({"a": "1"}, frozenset()), id="new"),
        pytest.param({"a": "1"}, {"a": "1"}, {"a"}, TagChange({}, frozenset()), id="same"),
        pytest.param({"a": "1"}, {"a": "2"}, {"a"}, TagChange({"a": "2"}, frozenset()), id="another value"),
        pytest.param({"a": ""}, {"a": "2"}, set(), TagChange({"a": "2"}, frozenset()), id="an empty value"),
        pytest.param({}, {"a": ""}, set(), TagChange({"a": ""}, frozenset()), id="an empty value is a tag"),
        pytest.param({"a": "1", "b": "2"}, {}, {"a"}, TagChange({}, frozenset({"a"})), id="ours, no longer wanted"),
        pytest.param({"b": "2"}, {}, {"a"}, TagChange({}, frozenset()), id="ours, gone already"),
        pytest.param({"b": "2"}, {}, set(), TagChange({}, frozenset()), id="foreign"),
    ],
)
def test_tag_change(present: Mapping[str, str], wanted: Mapping[str, str], ours: set[str], change: TagChange) -> None:
    """Tags are compared with what is there; a foreign tag is neither set nor removed."""
    assert lifecycle.tag_change(present, wanted, ours) == change


# The ownership tags.


def test_owner_tag_fits() -> None:
    """The longest readable name is as long as a tag's value may be."""
    longest = ownership.owner("s" * 250, "logic")
    assert (longest, len(longest)) == (f"{'s' * 250}/logic", 256)
    digest = ownership.owner("s" * 250, "logica")
    assert digest.startswith("sha256:")
    assert ownership.is_same(digest, f"{'s' * 250}/logica")
    assert not ownership.is_same(digest, longest)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (OURS, OURS, True),
        (OURS_BY_DIGEST, OURS, True),
        (OURS, OURS_BY_DIGEST, True),
        (OURS, THEIRS, False),
        (OURS_BY_DIGEST, THEIRS, False),
        (None, OURS, False),
        (NOBODY, OURS, False),
    ],
)
def test_is_same(one: str | None, other: str, same: bool) -> None:
    assert ownership.is_same(one, other) is same


@pytest.mark.parametrize(
    ("value", "previous"),
    [(None, ()), (NOBODY, (NOBODY,)), (THEIRS, (THEIRS,)), (f"{THEIRS}+{OURS_BY_DIGEST}+", (THEIRS, OURS_BY_DIGEST, NOBODY))],
)
def test_previous_owners_are_read_as_they_were_written(value: str | None, previous: tuple[str, ...]) -> None:
    """No tag says that an adoption is final, an empty one that nobody owned the template before."""
    tags = {} if value is None else {ADOPTED_FROM: value}
    assert OwnershipTags.of(tags).previous_owners == previous
    assert ownership.adopted_from(previous) == tags


def test_ownership_tags() -> None:
    """Each of them is read from its own key, which every template out there carries."""
    prefix = "cleanrooms-privacy-budget"
    tags = {f"{prefix}:owner": "o", f"{prefix}:request": "r", f"{prefix}:physical-id": "p", f"{prefix}:adopted-from": "a", "team": "t"}
    assert OwnershipTags.of(tags) == OwnershipTags("o", "r", "p", ("a",))
    assert tags.keys() - {"team"} == KEYS


@pytest.mark.parametrize("count", [1, 10, 11, 12, 30])
@pytest.mark.parametrize("length", [20, 120, 256])
def test_chain_of_previous_owners(count: int, length: int) -> None:
    """Ten fit; of a longer chain the first ones are forgotten, which ends it with nobody."""
    names = [f"{number:02}{'x' * (length - 2)}" for number in range(count)]
    (value,) = ownership.adopted_from(names).values()
    assert len(value) <= 256
    read = OwnershipTags.of({ADOPTED_FROM: value}).previous_owners
    known = names if count <= 10 else names[:9]
    assert [ownership.is_same(one, other) for one, other in zip(read, known, strict=False)] == [True] * len(known)
    assert read[len(known) :] == (() if count <= 10 else (NOBODY,))
    fits = length + sum(len(f"+{OURS_BY_DIGEST}") for _ in known[1:]) + (count > 10) <= 256
    assert (read[0] == names[0]) is fits


# Physical ids.

OLDER_ARN = "arn:aws-us-gov:cleanrooms:us-east-1:111122223333:membership/m-1/privacybudgettemplate/t-1"


@pytest.mark.parametrize(
    ("id_", "template", "digest", "nothing"),
    [
        (ARN, "t-1", None, False),
        (OLDER_ARN, "t-1", None, False),
        (f"{ARN}/more", None, None, False),
        (ARN.replace("cleanrooms", "s3"), None, None, False),
        (f"x{ARN}", None, None, False),
        (INVENTED, None, None, False),
        ("", None, None, False),
        (FAILED, None, physical_id.digest(CREATED), False),
        (physical_id.of_failed_create("Budget", CREATED, NOT_CREATED), None, None, True),
        (f"Budget-{NOT_CREATED}-0123456789a", None, None, False),
        (f"Budget-{NOT_CREATED}-0123456789abc", None, None, False),
        (f"My-Budget-{NOT_CREATED}-0123456789ab", None, None, False),
        ("Budget-perhaps-0123456789ab", None, None, False),
        (f"Budget-{OUTCOME_UNKNOWN}-0123456789ab", None, "0123456789ab", False),
        (f"Budget-{OUTCOME_UNKNOWN}-0123456789AB", None, None, False),
        (f"Budget-{OUTCOME_UNKNOWN}-0123456789a", None, None, False),
        (f"Budget-{OUTCOME_UNKNOWN}-0123456789a\n", None, None, False),
        (f"-{OUTCOME_UNKNOWN}-0123456789ab", None, None, False),
    ],
)
def test_physical_id(id_: str, template: str | None, digest: str | None, nothing: bool) -> None:
    """An ARN stands for its template, the id of a create of unknown outcome for its request; any other id tells nothing."""
    assert physical_id.template_id(id_) == template
    assert physical_id.request_digest(id_) == digest
    assert physical_id.says_nothing_was_created(id_) is nothing


def test_digest_of_a_request() -> None:
    """It never changes: a later version deletes what an earlier one answered for."""
    assert physical_id.of_failed_create("Budget", "r", OUTCOME_UNKNOWN) == "Budget-outcome-unknown-454349e422f0"


# The stack's status.

NOW = 1_780_000_000.0
OLD = NOW - 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands; ``now`` is the time it shows."""
    clock = SimpleNamespace(now=NOW)
    clock.time = lambda: clock.now
    monkeypatch.setattr(stack_status, "time", clock)
    return clock


def status(type_: str, entry: Mapping[str, Any] | None, sent_at: float | None = OLD) -> StackStatus:
    return StackStatus(lambda: entry, type_, sent_at)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CREATE_IN_PROGRESS", "Create Update Delete"),
        ("ROLLBACK_IN_PROGRESS", "Update Delete"),
        ("UPDATE_IN_PROGRESS", "Create Update Delete"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Delete"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "Update Delete"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Delete"),
        ("DELETE_IN_PROGRESS", "Delete"),
        ("IMPORT_ROLLBACK_IN_PROGRESS", "Update Delete"),
        ("REVIEW_IN_PROGRESS", "Create Update Delete"),
        ("CREATE_COMPLETE", ""),
        ("CREATE_FAILED", ""),
        ("UPDATE_COMPLETE", ""),
        ("UPDATE_FAILED", ""),
        ("UPDATE_ROLLBACK_COMPLETE", ""),
        ("UPDATE_ROLLBACK_FAILED", ""),
        ("ROLLBACK_COMPLETE", ""),
        ("DELETE_FAILED", ""),
        ("DELETE_COMPLETE", ""),
    ],
)
def test_events_that_a_status_expects(clock: SimpleNamespace, name: str, expected: str) -> None:
    """A rollback creates nothing, a cleanup and a stack's delete send Deletes alone, and a stack at rest sends nothing."""
    assert [
        type_ for type_ in ("Create", "Update", "Delete") if status(type_, {"StackStatus": name}).expects_the_event()
    ] == expected.split()
    assert status("Create", {"StackStatus": name}).is_rolling_back() is ("ROLLBACK" in name)


@pytest.mark.parametrize(
    ("entry", "sent_at", "expected"),
    [
        pytest.param({"StackStatus": "DELETE_COMPLETE"}, None, True, id="no word of when it was sent"),
        pytest.param({"StackStatus": "DELETE_COMPLETE"}, NOW - 9.9, True, id="fresh"),
        pytest.param({"StackStatus": "DELETE_COMPLETE"}, NOW - 10, False, id="no longer fresh"),
        pytest.param(None, OLD, True, id="no word of the stack"),
    ],
)
def test_events_whose_stack_is_not_asked(
    clock: SimpleNamespace, entry: Mapping[str, Any] | None, sent_at: float | None, expected: bool
) -> None:
    """What cannot be told is taken for yes."""
    assert status("Create", entry, sent_at).expects_the_event() is expected


@pytest.mark.parametrize(("after", "expected"), [(-60.0, True), (0.0, True), (5.0, True), (5.1, False), (60.0, False)])
@pytest.mark.parametrize("type_", ["Create", "Update", "Delete"])
def test_event_of_an_earlier_operation(clock: SimpleNamespace, type_: str, after: float, expected: bool) -> None:
    """An operation that began after the event was sent did not send it; the two clocks may differ a little."""
    began = datetime.fromtimestamp(OLD + after, UTC)
    assert status(type_, {"StackStatus": "UPDATE_IN_PROGRESS", "LastUpdatedTime": began}).expects_the_event() is expected


def test_rolling_back_that_cannot_be_told() -> None:
    assert status("Update", None).is_rolling_back() is None


@pytest.mark.parametrize("entry", [None, {"StackStatus": "UPDATE_IN_PROGRESS"}])
@pytest.mark.parametrize(
    ("sent_at", "times"),
    [(None, [0.0, 30.5, 61.0]), (NOW, [0.0, 30.5, 61.5]), (OLD, [0.0, 60.5])],
    ids=["no word of when it was sent", "fresh", "a minute old"],
)
def test_an_answer_of_the_stack_is_valid(
    clock: SimpleNamespace, entry: Mapping[str, Any] | None, sent_at: float | None, times: list[float]
) -> None:
    """For half a minute, and as long as the event was old when the stack was asked; also where it could not be told."""
    asked: list[float] = []

    def describe() -> Mapping[str, Any] | None:
        asked.append(clock.now - NOW)
        return entry

    stack = StackStatus(describe, "Update", sent_at)
    for seconds in (0.0, 30.0, 30.5, 60.0, 60.5, 61.0, 61.5):
        clock.now = NOW + seconds
        stack.expects_the_event()
        stack.is_rolling_back()
    assert asked == times


@pytest.mark.parametrize(("sent_at", "is_old"), [(None, False), (NOW - 9.9, False), (NOW - 10, True)])
def test_is_old(clock: SimpleNamespace, sent_at: float | None, is_old: bool) -> None:
    assert status("Create", None, sent_at).is_old() is is_old
