"""One event from CloudFormation: its properties parsed, its resource reconciled, one log record that tells what was done."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from privacy_budget_core import __version__, ownership, properties
from privacy_budget_core.clean_rooms import CleanRooms, call
from privacy_budget_core.contract import MAX_AGGREGATIONS, UNKNOWN
from privacy_budget_core.errors import InvalidPropertyError, OutOfTimeError, RefusalError, ServiceError, SupersededError
from privacy_budget_core.guardrails import ENVIRONMENT_VARIABLE, Guardrails
from privacy_budget_core.model import DesiredTemplate, DifferentialPrivacy
from privacy_budget_core.reconciler import EventRecord, Outcome, Reconciler
from privacy_budget_core.retries import ONE_ATTEMPT, Requests, watched

from .aws import new_session
from .cfn_response import printable
from .errors import ExpiredEventError
from .protocol import CustomResource, sent_at
from .stack_status import StackStatus

if TYPE_CHECKING:
    from botocore.client import BaseClient

SECONDS_TO_DESCRIBE: Final = 60.0
"""How long DescribeStacks is tried; after that an event goes on without knowing."""
SECONDS_TO_PREVIEW: Final = 30.0
"""How long PreviewPrivacyImpact is tried."""

logger: Final = Logger(service="privacy-budget-handler", use_rfc3339=True)
session: Final = new_session()
guardrails: Final = Guardrails.from_json(os.environ.get(ENVIRONMENT_VARIABLE))
client: Final = session.create_client("cleanrooms", config=ONE_ATTEMPT)


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Handle and answer one event. Raises DeliveryError where CloudFormation did not accept the response."""
    PrivacyBudgetEvent(event, context, client).respond()


class PrivacyBudgetEvent(CustomResource):
    """One event of a privacy budget template, and all that is known of it."""

    def __init__(self, event: Mapping[str, Any], context: Any, client: "BaseClient") -> None:
        super().__init__(event, context)
        self.create(self._create)
        self.update(self._update)
        self.delete(self._delete)
        self.requests = Requests(may_send=self.may_act)
        self.record = EventRecord()
        self.guardrails = guardrails
        self._client = client
        self._began = time.monotonic()

    def respond(self) -> None:
        """Handle the event and answer it once. Raises DeliveryError."""
        with watched(self._client, self.requests):
            super().respond()

    def _create(self, *_: object) -> str:
        """Create the desired template, or continue with the one that an earlier delivery of the event created."""
        desired = properties.parse(self._event["ResourceProperties"])
        return self._succeed(self._reconciler().create(desired), desired)

    def _update(self, *_: object) -> str:
        """Update in place, or create another template where the identity changed."""
        reconciler, physical_id, declared = self._reconciler(), self._event["PhysicalResourceId"], self._event["ResourceProperties"]
        try:
            desired = properties.parse(declared)
        except InvalidPropertyError as error:
            identity = properties.parse_identity(declared)
            return self._succeed(reconciler.keep(physical_id, identity.membership_id if identity else UNKNOWN, "what is declared", error))
        previous = properties.parse_previous(self._event.get("OldResourceProperties", {}))
        return self._succeed(reconciler.update(physical_id, desired, previous), desired)

    def _delete(self, *_: object) -> str:
        """Delete what the physical id stands for, and nothing else."""
        physical_id = str(self._event["PhysicalResourceId"])
        try:
            self._reconciler().delete(physical_id, properties.parse_identity(self._event["ResourceProperties"]))
        except SupersededError as error:
            self.record.warnings.append(self.failure_reason(error))
        return physical_id

    def _reconciler(self) -> Reconciler:
        owner = ownership.owner(self.StackId, self.LogicalResourceId)
        stack = StackStatus(self.describe_stack, self.RequestType, sent_at(self._event))
        self.requests.may_write = stack.expects_the_event
        self.requests.was_delivered_before = stack.is_old()
        return Reconciler(CleanRooms(self._client), owner, self.RequestId, stack, self.guardrails, self.requests, self.record)

    def _succeed(self, outcome: Outcome, desired: DesiredTemplate | None = None) -> str:
        self.Data = {**outcome.attributes, **(self._privacy_impact(desired) if desired else {})}
        return outcome.physical_id

    def _privacy_impact(self, desired: DesiredTemplate) -> dict[str, str]:
        """How many aggregations the budget allows, where that was asked for; a service that does not tell fails nothing."""
        if not desired.preview_impact or not isinstance(desired.budget, DifferentialPrivacy):
            return {}
        allowed: Mapping[str, int] = {}
        self.requests.may_send = self._may_act_for(SECONDS_TO_PREVIEW)
        try:
            allowed = CleanRooms(self._client).preview(desired.membership_id, desired.budget)
        except (ServiceError, OutOfTimeError) as error:
            told = self._went_wrong(error, self.requests)
            self.record.warnings.append(f"could not tell how many aggregations the budget allows: {told}")
        return {name: str(allowed.get(type_, UNKNOWN)) for type_, name in MAX_AGGREGATIONS.items()}

    def describe_stack(self) -> Mapping[str, Any] | None:
        """The stack's entry in DescribeStacks; None where that cannot be told."""
        cloudformation = session.create_client("cloudformation", config=ONE_ATTEMPT)
        requests = Requests(may_send=self._may_act_for(SECONDS_TO_DESCRIBE))
        try:
            with watched(cloudformation, requests):
                stacks: Sequence[Mapping[str, Any]] = call(cloudformation, "describe_stacks", {"StackName": self.StackId})["Stacks"]
        except (ServiceError, OutOfTimeError) as error:
            self.record.warnings.append(f"could not tell what the stack is doing: {self._went_wrong(error, requests)}")
            return None
        return stacks[0] if stacks else None

    def _may_act_for(self, seconds: float) -> Callable[[], bool]:
        """Whether the event's time is not over, nor the time that it gives to a request whose result it can do without."""
        end = time.monotonic() + seconds
        return lambda: self.may_act() and time.monotonic() < end

    def _went_wrong(self, error: Exception, requests: Requests) -> str:
        """What became of a request that the event can do without. Raises the error where the event's own time is over."""
        if not self.may_act():
            raise error
        return str(error) if isinstance(error, ServiceError) else requests.last

    def may_have_written(self) -> bool:
        """Whether the event may have changed something in Clean Rooms."""
        return self.requests.may_have_written

    def failure_reason(self, error: Exception) -> str:
        """An exception in the words that CloudFormation shows: first what a person needs, never a traceback."""
        match error:
            case InvalidPropertyError() | RefusalError() | ExpiredEventError():
                return str(error)
            case ServiceError():
                notes: list[str] = getattr(error, "__notes__", [])
                return " ".join([f"{str(error).rstrip('.')}.", *notes]) if notes else str(error)
            case SupersededError():
                return "The stack no longer expects this event, which was delivered late: nothing was done"
            case OutOfTimeError():
                return self.timeout_reason()
        logger.exception("the handler met an error that it does not know")
        return f"{type(error).__name__}: {error} (an error that the handler does not know; the function's log has its traceback)"

    def timeout_reason(self) -> str:
        """What was going on when the time ran out."""
        done = f" Done so far: {'; '.join(self.record.done)}." if self.record.done else ""
        return (
            f"The function's time ran out after {self.requests.count} requests to Clean Rooms, the last: {self.requests.last}.{done}"
            " The next deployment continues from what exists."
        )

    def log_record(self, status: str, reason: str) -> None:
        """Log the event's one record, and a warning for everything kept, adopted, handed back or put back."""
        names: dict[str, Any] = {
            "stack": self.StackId,
            "logical_id": self.LogicalResourceId,
            "request_id": self.RequestId,
            "template": self.PhysicalResourceId or self._event.get("PhysicalResourceId"),
        }
        for warning in self.record.warnings:
            logger.warning(printable(warning), **names)
        logger.info(
            f"{self.RequestType} answered with {status}",
            **names,
            found=self.record.found,
            budget_before=self.record.before,
            budget_after=self.record.after,
            done=self.record.done,
            reason=printable(reason),
            calls=self.requests.count,
            version=__version__,
            milliseconds=round((time.monotonic() - self._began) * 1000),
        )
