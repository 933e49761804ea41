"""A bug planted against each promise is caught, so that the histories can fail."""

from typing import Final

import pytest
from hypothesis import Phase

from cleanrooms_local_aws.clean_rooms.settings import Moment
from privacy_budget_core.reconciler import Reconciler
from tests.fakes.fake_clean_rooms import Failure, Fault
from tests.lifecycle.model.cloudformation import Declared
from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.planted_bugs import (
    Plant,
    acts_on_events_that_were_given_up,
    answers_a_failure_with_another_id,
    answers_at_any_length,
    answers_twice,
    deletes_whatever_it_finds,
    edits_what_is_anothers,
    gives_up_at_the_first_throttle,
    gives_up_where_the_template_is_gone,
    logs_the_event,
    makes_a_second_one,
    makes_every_adoption_final,
    never_asks_whether_the_stack_rolls_back,
    never_finds_behind_an_id,
    recreates_in_a_rollback,
    resets_without_asking,
    tags_before_it_looks,
    tags_nothing,
    takes_every_event_for_expected,
    waits_for_no_permission,
)
from tests.lifecycle.model.state_machine import MEMBERSHIPS, LifecycleMachine, run
from tests.support.stack import differential_privacy

CAUGHT: Final[dict[Plant, str]] = {
    deletes_whatever_it_finds: "which did not make it|by a rollback|by now|of another request|which does not stand for it",
    resets_without_asking: "with what was consumed of it|was filled up",
    recreates_in_a_rollback: "with what was consumed of it|was deleted by|sticks",
    never_finds_behind_an_id: "is left of|a clean deploy of",
    tags_nothing: "is left of|a clean deploy of|is stuck",
    makes_every_adoption_final: "which did not make it|by a rollback|with what was consumed of it",
    edits_what_is_anothers: "by now|which did not make it|by a rollback",
    tags_before_it_looks: "a refusal that changed something|by now",
    never_asks_whether_the_stack_rolls_back: "is stuck|with what was consumed of it|sticks",
    takes_every_event_for_expected: "a late event changed something",
    gives_up_at_the_first_throttle: "a passing fault",
    waits_for_no_permission: "a passing fault",
    answers_at_any_length: "an answer of [0-9]+ bytes",
    answers_twice: "2 answers to one event",
    answers_a_failure_with_another_id: "a failure or Delete answered made-up-|made-up-",
    makes_a_second_one: "two templates of one identity",
    logs_the_event: "a secret in the log",
    gives_up_where_the_template_is_gone: "a clean deploy of|is stuck|sticks",
    acts_on_events_that_were_given_up: "CloudFormation had given up on",
}


@pytest.mark.parametrize(("plant", "rule"), CAUGHT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_caught(plant: Plant, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    monkeypatch.setattr(LifecycleMachine, "counts", type(LifecycleMachine.counts)())
    with pytest.raises(AssertionError, match=rule):
        run(LifecycleMachine, seed=1, histories=2000, phases=[Phase.generate])


def test_a_recreation_that_puts_nothing_back_is_caught(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update's recreation is refused half-way, which histories hardly ever come by."""
    monkeypatch.setattr(Reconciler, "_put_back", lambda *_: None)
    stack = harness.stack("shop")
    before = differential_privacy(MEMBERSHIPS[0])
    stack.deploy({"A": Declared(before)})
    stack.go_on()
    harness.fault_plan.faults = [Fault(Failure.INVALID, Moment.BEFORE_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    stack.deploy({"A": Declared({**before, "AutoRefresh": "CALENDAR_MONTH"})})
    stack.go_on(1)
    with pytest.raises(AssertionError, match="put nothing back"):
        harness.check()
    harness.oracle.broken.clear()
