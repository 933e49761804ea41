"""A bug planted against each promise is caught, so that the histories can fail."""

from collections.abc import Callable
from typing import Any, Final

import pytest
import test_principles  # type: ignore[import-not-found] # a neighbour, found by pytest
from hypothesis import Phase

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.settings import Moment
from cloudformation import Declared
from histories import MEMBERSHIPS, Histories, run
from privacy_budget_core import lifecycle, ownership, physical_id, reconciler, retries
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.errors import RefusalError
from privacy_budget_core.lifecycle import DeleteAction
from privacy_budget_core.reconciler import FoundTemplate, Reconciler
from privacy_budget_core.retries import Requests
from privacy_budget_handler import cfn_response, events, protocol
from privacy_budget_handler.events import PrivacyBudgetEvent
from privacy_budget_handler.protocol import CustomResource
from privacy_budget_handler.stack_status import StackStatus
from quick_rooms import Failure, Trouble
from stack import differential_privacy
from world import World

Plant = Callable[[pytest.MonkeyPatch], None]


def deletes_whatever_it_finds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "delete_action", lambda *_: DeleteAction.DELETE)


def deletes_by_identity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FoundTemplate, "stands_behind", lambda *_: True)


def deletes_for_any_request(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(physical_id, "digest", lambda _: "0" * 12)


def says_that_nothing_was_created(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(physical_id, "OUTCOME_UNKNOWN", physical_id.NOT_CREATED)


def resets_without_asking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_refuse_if_consumed", lambda *_: None)


def recreates_in_a_rollback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StackStatus, "is_rolling_back", lambda *_: False)
    patch.setattr(lifecycle, "lowers_epsilon", lambda *_: True)


def never_finds_behind_an_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CleanRooms, "find", lambda *_, **__: None)


def tags_nothing(patch: pytest.MonkeyPatch) -> None:
    create = CleanRooms.create
    patch.setattr(CleanRooms, "create", lambda self, desired, _: create(self, desired, desired.tags))


def makes_every_adoption_final(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ownership, "adopted_from", lambda _: {})


def forgets_all_but_the_latest_owner(patch: pytest.MonkeyPatch) -> None:
    adopted_from = ownership.adopted_from
    patch.setattr(ownership, "adopted_from", lambda names: adopted_from(names[:1]))


def edits_what_is_anothers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconciler, "is_same", lambda *_: True)


def tags_before_it_looks(patch: pytest.MonkeyPatch) -> None:
    reuse = Reconciler._reuse_or_adopt

    def tag_and_reuse(self: Reconciler, existing: Any, found: FoundTemplate, *more: Any) -> Any:
        self.clean_rooms.tag(existing.arn, {"planted": "yes"})
        return reuse(self, existing, found, *more)

    patch.setattr(Reconciler, "_reuse_or_adopt", tag_and_reuse)


def never_asks_whether_the_stack_rolls_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StackStatus, "is_rolling_back", lambda *_: False)


def takes_every_event_for_expected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StackStatus, "expects_the_event", lambda *_: True)


def gives_up_at_the_first_throttle(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Requests, "pause", lambda *_: None)


def waits_for_no_permission(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retries, "SECONDS_TO_TAKE_EFFECT", 0.0)


def answers_at_any_length(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cfn_response, "MAX_BYTES", 1_000_000)
    patch.setattr(PrivacyBudgetEvent, "failure_reason", lambda _, error: f"{error}{'.' * 5000}")


def answers_twice(patch: pytest.MonkeyPatch) -> None:
    def send_twice(self: CustomResource, _: object) -> None:
        self._send()
        self._is_answered = False
        self._send()

    patch.setattr(CustomResource, "_cfn_response", send_twice)


def answers_a_failure_with_another_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cfn_response, "failed_id", lambda event, may_have_written: f"made-up-{event['RequestId']}")


def makes_a_second_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "_check_identity", lambda *_: None)


def logs_the_event(patch: pytest.MonkeyPatch) -> None:
    log_record = PrivacyBudgetEvent.log_record

    def log_everything(self: PrivacyBudgetEvent, status: str, reason: str) -> None:
        events.logger.info(str(self._event))
        log_record(self, status, reason)

    patch.setattr(PrivacyBudgetEvent, "log_record", log_everything)


def gives_up_where_the_template_is_gone(patch: pytest.MonkeyPatch) -> None:
    create = Reconciler._create

    def refuse(self: Reconciler, desired: Any, physical_id: str | None, may_reset: bool) -> Any:
        if physical_id is not None:
            raise RefusalError("planted")
        return create(self, desired, physical_id, may_reset)

    patch.setattr(Reconciler, "_create", refuse)


def acts_on_events_that_were_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "given_up_at", lambda _: float("inf"))


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
    gives_up_at_the_first_throttle: "trouble that passes",
    waits_for_no_permission: "trouble that passes",
    answers_at_any_length: "an answer of [0-9]+ bytes",
    answers_twice: "2 answers to one event",
    answers_a_failure_with_another_id: "a failure or Delete answered made-up-|made-up-",
    makes_a_second_one: "two templates of one identity",
    logs_the_event: "a secret in the log",
    gives_up_where_the_template_is_gone: "a clean deploy of|is stuck|sticks",
    acts_on_events_that_were_given_up: "CloudFormation had given up on",
}


RARE: Final[dict[Plant, Callable[[World], None]]] = {
    deletes_by_identity: lambda world: test_principles.test_late_delete_keeps_the_successor(world, 1),
    deletes_for_any_request: lambda world: test_principles.test_delete_of_another_requests_create(world, test_principles.HERE, Failure.CUT),
    says_that_nothing_was_created: test_principles.test_delete_of_an_unknown_outcome_removes_what_the_request_created,
    forgets_all_but_the_latest_owner: test_principles.test_a_chain_of_adoptions_hands_back_link_by_link,
}
"""What histories hardly ever come by, and the test of a principle that catches it."""


@pytest.mark.parametrize(("plant", "principle"), RARE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_rare_planted_bug_is_caught(
    plant: Plant, principle: Callable[[World], None], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        principle(world)
        world.check()
    world.witness.broken.clear()


@pytest.mark.parametrize(("plant", "rule"), CAUGHT.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_caught(plant: Plant, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    monkeypatch.setattr(Histories, "counts", type(Histories.counts)())
    with pytest.raises(AssertionError, match=rule):
        run(Histories, seed=1, histories=2000, phases=[Phase.generate])


def test_a_recreation_that_puts_nothing_back_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update's recreation is refused half-way, which histories hardly ever come by."""
    monkeypatch.setattr(Reconciler, "_put_back", lambda *_: None)
    stack = world.stack("shop")
    before = differential_privacy(MEMBERSHIPS[0])
    stack.deploy({"A": Declared(before)})
    stack.go_on()
    world.weather.troubles = [Trouble(Failure.INVALID, Moment.BEFORE_EFFECT, operation="CreatePrivacyBudgetTemplate")]
    stack.deploy({"A": Declared({**before, "AutoRefresh": "CALENDAR_MONTH"})})
    stack.go_on(1)
    with pytest.raises(AssertionError, match="put nothing back"):
        world.check()
    world.witness.broken.clear()
