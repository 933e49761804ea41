"""A bug planted against each promise is caught, so that the histories can fail."""

from collections.abc import Callable
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.settings import Moment
from cloudformation import Course, Declared
from histories import MEMBERSHIPS, Histories
from privacy_budget_handler import answer, events, lifecycle, mark, protocol
from privacy_budget_handler.client import CleanRooms
from privacy_budget_handler.lifecycle import Disposal, Refusal
from privacy_budget_handler.protocol import Resource
from privacy_budget_handler.reconcile import Reconciler
from quick_rooms import Failure, Trouble
from stack import differential_privacy
from world import World

Plant = Callable[[pytest.MonkeyPatch], None]


def deletes_whatever_it_finds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "disposal", lambda *_: Disposal.DELETE)


def resets_without_asking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_guard", lambda *_: None)


def never_looks_for_its_mark(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_find_own", lambda *_: None)


def marks_nothing(patch: pytest.MonkeyPatch) -> None:
    create = CleanRooms.create
    patch.setattr(CleanRooms, "create", lambda self, desired, _: create(self, desired, desired.tags))


def makes_every_adoption_final(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "marks_of_adoption", lambda _, owner: {mark.OWNER: owner})


def makes_an_adoption_final_in_a_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_may_keep_for_good", lambda *_: True)


def never_asks_whether_the_stack_rolls_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(World, "_rolling_back", lambda *_: False)


def answers_at_any_length(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answer, "MAX_BYTES", 1_000_000)
    patch.setattr(events.resource, "_explain", lambda error: f"{error}{'.' * 5000}")


def answers_twice(patch: pytest.MonkeyPatch) -> None:
    def send_twice(self: Resource, _: object) -> None:
        self._send()
        self._answered = False
        self._send()

    patch.setattr(Resource, "_cfn_response", send_twice)


def answers_a_failure_with_another_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answer, "physical_id", lambda event: f"made-up-{event['RequestId']}")


def makes_a_second_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "_check_identity", lambda *_: None)


def logs_the_event(patch: pytest.MonkeyPatch) -> None:
    told = events.resource._tell

    def tell(status: str, reason: str) -> None:
        events.logger.info(str(events.story.event))
        told(status, reason)

    patch.setattr(events.resource, "_tell", tell)


def gives_up_where_the_template_is_gone(patch: pytest.MonkeyPatch) -> None:
    create = Reconciler._create

    def refuse(self: Reconciler, desired: Any, physical_id: str | None, may_reset: bool) -> Any:
        if physical_id is not None:
            raise Refusal("planted")
        return create(self, desired, physical_id, may_reset)

    patch.setattr(Reconciler, "_create", refuse)


def acts_on_events_that_were_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "given_up_at", lambda _: float("inf"))


CAUGHT: Final[dict[Plant, str]] = {
    deletes_whatever_it_finds: "which did not make it|by a rollback|by now|with what was spent of it",
    resets_without_asking: "with what was spent of it|was filled up",
    never_looks_for_its_mark: "is left of",
    marks_nothing: "is left of|a clean deploy of|is stuck",
    makes_every_adoption_final: "which did not make it|by a rollback|with what was spent of it",
    makes_an_adoption_final_in_a_rollback: "which did not make it|by a rollback|with what was spent of it",
    never_asks_whether_the_stack_rolls_back: "is stuck|with what was spent of it",
    answers_at_any_length: "an answer of [0-9]+ bytes",
    answers_twice: "2 answers to one event",
    answers_a_failure_with_another_id: "a failure or Delete answered made-up-",
    makes_a_second_one: "two templates of one identity",
    logs_the_event: "a secret in the log",
    gives_up_where_the_template_is_gone: "a clean deploy of|is stuck",
    acts_on_events_that_were_given_up: "CloudFormation had given up on",
}


@pytest.mark.parametrize(("plant", "rule"), CAUGHT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_caught(plant: Plant, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    monkeypatch.setattr(Histories, "counts", type(Histories.counts)())
    quickly = settings(
        max_examples=2000,
        stateful_step_count=25,
        deadline=None,
        database=None,
        print_blob=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError, match=rule):
        run_state_machine_as_test(hypothesis.seed(1)(Histories), settings=quickly)


def test_a_swap_that_puts_nothing_back_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback's swap is refused half-way, which histories hardly ever come by."""
    monkeypatch.setattr(Reconciler, "_put_back", lambda _, found, *__: found)
    stack = world.stack("shop")
    before = differential_privacy(MEMBERSHIPS[0])
    stack.deploy({"A": Declared(before)})
    stack.go_on()
    stack.deploy({"A": Declared({**before, "AutoRefresh": "CALENDAR_MONTH"})}, Course(fails_before=1))
    stack.go_on(1)
    world.weather.troubles = [Trouble(Failure.INVALID, Moment.BEFORE_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    stack.go_on()
    with pytest.raises(AssertionError, match="a success whose template does not stand"):
        world.check()
    world.witness.broken.clear()
