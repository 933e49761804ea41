"""A bug for each promise: what the histories and the principles must catch."""

from collections.abc import Callable
from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
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
