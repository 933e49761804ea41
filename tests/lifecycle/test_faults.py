"""Each request of each row of the lifecycle table, with each failure, before and after its effect: once, or until the faults are over.

The requests are those of a run without faults, which is recorded when the tests are collected.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pytest

from cleanrooms_local_aws.clean_rooms.settings import Moment
from tests.fakes.fake_clean_rooms import Failure, Fault
from tests.lifecycle.model import quiesce
from tests.lifecycle.model.cloudformation import Back, Course, Declared, Policy, Stack
from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.oracle import identity_of, present_budget
from tests.lifecycle.model.state_machine import DAY, LIFETIME, MEMBERSHIPS, READS_AND_CHANGES, table
from tests.support.stack import access_budget, differential_privacy, tags

ONE, TWO = MEMBERSHIPS
ADOPT: Final = {"OnExisting": "ADOPT"}
ALLOW: Final = {"OnBudgetReset": "ALLOW"}
DP: Final = differential_privacy(ONE, Tags=tags(team="a"))
HIGHER: Final = differential_privacy(ONE, epsilon=5)
MONTHLY: Final = differential_privacy(ONE, AutoRefresh="CALENDAR_MONTH")
ELSEWHERE: Final = differential_privacy(TWO)
DAILY: Final = access_budget(ONE, table(ONE, "sales"), [DAY])
FOR_LIFE: Final = access_budget(ONE, table(ONE, "sales"), [LIFETIME])
FAILS: Final = Course(fails_before=1)
UNTIL_THE_END: Final = 1000

Properties = dict[str, Any]
Step = Callable[[Harness, Stack], None]


@dataclass(frozen=True)
class Row:
    """The state before, and the operation in which a request fails."""

    name: str
    before: Step
    operation: Step


def held(properties: Properties, spent: bool = False, **policies: Policy) -> Step:
    """A stack that has a template."""

    def step(harness: Harness, stack: Stack) -> None:
        stack.deploy({"A": Declared(properties, **policies)})
        stack.go_on()
        if spent:
            spend(harness, properties)

    return step


def handmade(properties: Properties) -> Step:
    """A template that somebody made in the console."""

    def step(harness: Harness, _: Stack) -> None:
        harness.by_hand(properties)

    return step


def both(first: Step, second: Step) -> Step:
    def step(harness: Harness, stack: Stack) -> None:
        first(harness, stack)
        second(harness, stack)

    return step


def removed(properties: Properties) -> Step:
    """A stack whose template was deleted behind its back."""

    def step(harness: Harness, stack: Stack) -> None:
        held(properties)(harness, stack)
        harness.remove_by_hand(identity_of(properties))

    return step


def nothing(_: Harness, __: Stack) -> None: ...


def deploy(properties: Properties, course: Course = Course(), logical_id: str = "A", spent: bool = False) -> Step:  # noqa: B008
    """The stack deploys one resource; in between, its budget may be consumed."""

    def step(harness: Harness, stack: Stack) -> None:
        stack.deploy({logical_id: Declared(properties)}, course)
        if spent:
            stack.go_on(1)
            spend(harness, properties)
        stack.go_on()

    return step


def destroy(_: Harness, stack: Stack) -> None:
    stack.destroy()
    stack.go_on()


def spend(harness: Harness, properties: Properties) -> None:
    template = harness.ledger.find(identity_of(properties))
    if template is not None:
        harness.spend(template)


ROWS: Final = [
    Row("create", nothing, deploy(DP)),
    Row("create-access-budget", nothing, deploy(DAILY)),
    Row("create-refused", handmade(DP), deploy(DP)),
    Row("create-adopts", handmade(HIGHER), deploy({**DP, **ADOPT})),
    Row("create-adopts-and-refills", handmade(FOR_LIFE), deploy({**DAILY, **ADOPT})),
    Row("create-adopts-and-swaps", handmade(MONTHLY), deploy({**DP, **ADOPT})),
    Row("create-rolled-back", nothing, deploy(DP, FAILS)),
    Row("create-spent-and-rolled-back", nothing, deploy(DP, FAILS, spent=True)),
    Row("create-cancelled", nothing, deploy(DP, Course(fails_before=0, cancelled=1))),
    Row("create-adopts-and-is-cancelled", handmade(DP), deploy({**DP, **ADOPT}, Course(fails_before=0, cancelled=1))),
    Row("create-adopts-and-is-rolled-back", handmade(DP), deploy({**DP, **ADOPT}, FAILS)),
    Row("update-epsilon", held(DP, spent=True), deploy(HIGHER)),
    Row("update-epsilon-rolled-back", held(DP), deploy(HIGHER, FAILS)),
    Row("update-epsilon-spent-and-rolled-back", held(DP), deploy(HIGHER, FAILS, spent=True)),
    Row("update-tags", held(DP), deploy({**DP, "Tags": tags(cost="7")})),
    Row("update-limits", held(DAILY), deploy(FOR_LIFE)),
    Row("update-limits-refused", held(DAILY, spent=True), deploy(FOR_LIFE)),
    Row("update-limits-allowed", held(DAILY, spent=True), deploy({**FOR_LIFE, **ALLOW})),
    Row("update-limits-spent-and-rolled-back", held(DAILY), deploy(FOR_LIFE, FAILS, spent=True)),
    Row("update-refresh", held(DP), deploy(MONTHLY)),
    Row("update-refresh-refused", held(DP, spent=True), deploy(MONTHLY)),
    Row("update-refresh-allowed", held(DP, spent=True), deploy({**MONTHLY, **ALLOW})),
    Row("update-refresh-rolled-back", held(DP), deploy(MONTHLY, FAILS)),
    Row("update-refresh-spent-and-rolled-back", held(DP), deploy(MONTHLY, FAILS, spent=True)),
    Row("update-cancelled", held(DP), deploy(MONTHLY, Course(fails_before=0, cancelled=1))),
    Row("update-of-one-that-is-gone", removed(DP), deploy(HIGHER)),
    Row("update-of-an-adopted-one", both(handmade(DP), held({**DP, **ADOPT})), deploy({**HIGHER, **ADOPT})),
    Row("move", held(DP), deploy(ELSEWHERE)),
    Row("move-to-another-kind", held(DP), deploy(DAILY)),
    Row("move-refused", both(handmade(ELSEWHERE), held(DP)), deploy(ELSEWHERE)),
    Row("move-adopts", both(handmade(ELSEWHERE), held(DP)), deploy({**ELSEWHERE, **ADOPT})),
    Row("move-cancelled", held(DP), deploy(ELSEWHERE, Course(fails_before=0, cancelled=1))),
    *(Row(f"move-rolled-back-{back.name}", held(DP), deploy(ELSEWHERE, Course(fails_before=1, back=back))) for back in Back),
    Row("rename", held(DP), deploy({**DP, **ADOPT}, logical_id="B")),
    Row("rename-rolled-back", held(DP), deploy({**DP, **ADOPT}, FAILS, logical_id="B")),
    Row("delete", held(DP, spent=True), destroy),
    Row("delete-access-budget", held(DAILY), destroy),
    Row("delete-of-one-that-is-gone", removed(DP), destroy),
    Row("delete-hands-back", both(handmade(DP), held({**DP, **ADOPT})), destroy),
]
BY_NAME: Final = {row.name: row for row in ROWS}


def prepared(row: Row) -> tuple[Harness, Stack]:
    harness = Harness()
    for membership in MEMBERSHIPS:
        harness.membership(membership)
    stack = harness.stack("shop")
    row.before(harness, stack)
    return harness, stack


@dataclass(frozen=True)
class Undisturbed:
    """How a row goes without a fault."""

    requests: tuple[str, ...]
    status: str
    budgets: tuple[object, ...]


def budgets(harness: Harness) -> tuple[object, ...]:
    return tuple(sorted(str(present_budget(template)) for template in harness.ledger.standing))


@cache
def undisturbed(name: str) -> Undisturbed:
    harness, stack = prepared(BY_NAME[name])
    try:
        before = len(harness.client.requests)
        BY_NAME[name].operation(harness, stack)
        harness.check()
        return Undisturbed(tuple(operation for operation, _ in harness.client.requests[before:]), stack.status, budgets(harness))
    finally:
        harness.close()


def requests() -> Iterator[Any]:
    """Each request of each row."""
    for name in BY_NAME:
        for number, operation in enumerate(undisturbed(name).requests):
            yield pytest.param(name, number, operation, id=f"{name}-{number}-{operation}")


def troubles(operation: str) -> Iterator[tuple[Failure, Moment, int]]:
    """What can go wrong with a request, when, and how many times."""
    for failure in Failure:
        if failure is Failure.MISSING and operation not in READS_AND_CHANGES:
            continue
        for moment in (Moment.BEFORE_EFFECT,) if failure.has_no_effect else Moment:
            for times in (1,) if failure in (Failure.DEATH, Failure.MISSING) else (1, UNTIL_THE_END):
                yield failure, moment, times


@pytest.mark.parametrize(("name", "number", "operation"), list(requests()))
def test_a_request_fails(name: str, number: int, operation: str) -> None:
    """By each failure, before and after its effect: once, and on and on."""
    for failure, moment, times in troubles(operation):
        try:
            fails(name, number, failure, moment, times)
        except Exception as error:
            error.add_note(f"{failure.name} {moment.name}, {times} times")
            raise


def fails(name: str, number: int, failure: Failure, moment: Moment, times: int) -> None:
    row, expected = BY_NAME[name], undisturbed(name)
    harness, stack = prepared(row)
    try:
        harness.fault_plan.faults = [Fault(failure, moment, number, times)]
        row.operation(harness, stack)
        harness.check()
        if times == 1 and (failure.passes or failure is Failure.DEATH):
            assert (stack.status, budgets(harness)) == (expected.status, expected.budgets), "\n".join(harness.journal)
        quiesce.end(harness, MEMBERSHIPS, Declared(DP))
    finally:
        harness.close()
