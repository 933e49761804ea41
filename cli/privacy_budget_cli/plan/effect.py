"""What becomes of a template and of what is consumed of its budget, read off what would be done."""

from dataclasses import dataclass
from enum import Enum

from privacy_budget_core import ownership
from privacy_budget_core.errors import ConflictError, ExistingTemplateError
from privacy_budget_core.model import AccessBudget, Balance, Identity

from .dry_run import Operation, Prediction
from .events import Delete, Event, Update


class Effect(Enum):
    """What a deployment does to a template."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    RESUMED = "kept from an earlier deployment and used again"
    ADOPTED = "adopted, with what remains of its budget"
    EDITED = "edited in place"
    TAGGED = "only its tags or options change"
    KEPT = "leaves the stack and stays in Clean Rooms"
    LEFT = "left alone, since it is not this stack's"
    HANDED_BACK = "handed back, since this stack did not create it"
    GONE = "gone already"
    DRIFTED = "changed outside of the stack, which the deployment does not correct"
    EDITED_WITH_RESET = "edited in place, which refills the balance"
    RECREATED = "deleted and created, which gives a fresh budget"
    REPLACED = "replaced by the template of another membership, type or table"
    DELETED = "deleted"
    OCCUPIED = "fails, since a template of another owner exists"
    REFUSED = "refused"
    UNKNOWN = "cannot be told before the deployment"

    @property
    def resets_the_budget(self) -> bool:
        """Whether what is consumed of the template's budget is forgotten."""
        return self in (Effect.EDITED_WITH_RESET, Effect.RECREATED, Effect.DELETED)

    @property
    def fails(self) -> bool:
        """Whether the deployment fails and is rolled back."""
        return self in (Effect.OCCUPIED, Effect.REFUSED)

    @property
    def needs_review(self) -> bool:
        """Whether a person should look before the deployment, even where nothing is consumed yet: something may be by then."""
        return self.resets_the_budget or self.fails or self in (Effect.REPLACED, Effect.UNKNOWN)


@dataclass(frozen=True)
class Step:
    """What becomes of one template; without a logical id, of a whole stack that CloudFormation refuses."""

    stack: str
    logical_id: str
    effect: Effect
    detail: str = ""
    """From what to what, or why not: a refusal in the handler's own words, or as the forecast of one."""
    drift: str = ""
    """How Clean Rooms differs from what the stack last declared; empty where it does not."""
    conflict: str = ""
    """Which other resource of the deployment declares the same template; empty where none does."""
    balances: tuple[Balance, ...] | None = None
    """What remains of the existing budget, of a replaced template that of the old one; None where there is none."""
    old: Effect | None = None
    """What becomes of the old template where it is replaced."""
    identity: Identity | None = None
    """What the resource declares after the deployment; None where it leaves, or that cannot be told."""

    @property
    def name(self) -> str:
        """The stack and the resource."""
        return f"{self.stack}/{self.logical_id}" if self.logical_id else self.stack

    @property
    def needs_review(self) -> bool:
        """Whether a person should look before the deployment."""
        return self.effect.needs_review or bool(self.conflict)

    @property
    def loses(self) -> bool:
        """Whether what is consumed of the existing budget is forgotten."""
        return self.effect.resets_the_budget or self.old is Effect.DELETED

    @property
    def consumed(self) -> list[Balance]:
        """The parts of the budget of which something is consumed."""
        return [balance for balance in self.balances or () if balance.remaining < balance.maximum]

    @property
    def action(self) -> str:
        """What is done, in words."""
        return self.effect.value + (f"; the old one: {self.old.value}" if self.old else "")

    @property
    def ledger(self) -> str:
        """What becomes of what is consumed, in words; empty where no template exists."""
        if self.balances is None:
            return ""
        becomes = "is lost" if self.loses else "may be lost" if self.effect is Effect.UNKNOWN else "stays consumed"
        if not self.balances:
            return f"what is consumed {becomes}, and cannot be told: Clean Rooms lists no balance"
        return f"{', '.join(map(str, self.consumed))} consumed, which {becomes}" if self.consumed else "nothing is consumed yet"

    def __str__(self) -> str:
        told = "; ".join(part for part in (self.detail, self.conflict, self.drift, self.ledger) if part)
        return f"{self.name}: {self.action}" + (f" ({told})" if told else "")


def effect(event: Event, prediction: Prediction) -> Effect:
    """What an event does to the template of its resource."""
    if prediction.refusal is not None:
        return Effect.OCCUPIED if isinstance(prediction.refusal, ExistingTemplateError | ConflictError) else Effect.REFUSED
    writes = {write.operation: write for write in prediction.writes}
    tags = [write for write in prediction.writes if write.operation in (Operation.TAG, Operation.UNTAG)]
    if isinstance(event, Delete):
        if Operation.DELETE in writes:
            return Effect.DELETED
        if any(ownership.OWNER in write.tags or ownership.OWNER in write.removed for write in tags):
            return Effect.HANDED_BACK
        return Effect.LEFT if prediction.found_arn else Effect.GONE
    if isinstance(event, Update) and prediction.physical_id != event.physical_id:
        return Effect.REPLACED
    if Operation.DELETE in writes:
        return Effect.RECREATED
    if Operation.CREATE in writes:
        return Effect.CREATED
    edit = writes.get(Operation.UPDATE)
    if edit and isinstance(edit.budget, AccessBudget):
        return Effect.EDITED_WITH_RESET
    for taken in tags:
        if ownership.ADOPTED_FROM in taken.tags:
            return Effect.ADOPTED if ownership.OWNER in taken.tags else Effect.RESUMED
    return Effect.EDITED if edit else Effect.TAGGED
