"""What becomes of a template and of what was spent of its budget, read off what the handler would do."""

from dataclasses import dataclass
from enum import Enum

from privacy_budget_handler import ownership
from privacy_budget_handler.budget import AccessBudget, Balance
from privacy_budget_handler.lifecycle import Occupied

from .dry_run import Foreseen, Operation
from .plan_events import Delete, Update


class Effect(Enum):
    """What a deployment does to a template."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    RESUMED = "kept from before and gone on with"
    ADOPTED = "adopted, with what is left of its budget"
    EDITED = "edited in place"
    TAGGED = "only its tags or options change"
    KEPT = "leaves the stack and stays in Clean Rooms"
    LEFT = "left alone, since it is not this stack's"
    HANDED_BACK = "handed back, since this stack did not make it"
    GONE = "gone already"
    DRIFTED = "changed by hand, which the deployment does not mend"
    REFILLED = "edited in place, which refills the balance"
    SWAPPED = "deleted and created, which gives a fresh budget"
    REPLACED = "replaced by the template of another membership, kind or table"
    DELETED = "deleted"
    OCCUPIED = "fails, since somebody else's template stands there"
    REFUSED = "refused"
    UNKNOWN = "cannot be told before the deployment"

    @property
    def resets_the_budget(self) -> bool:
        """Whether what was spent of the template's budget is forgotten."""
        return self in (Effect.REFILLED, Effect.SWAPPED, Effect.DELETED)

    @property
    def fails(self) -> bool:
        """Whether the deployment fails and is rolled back."""
        return self in (Effect.OCCUPIED, Effect.REFUSED)

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look before the deployment, even where nothing is spent yet: it may be by then."""
        return self.resets_the_budget or self.fails or self in (Effect.REPLACED, Effect.UNKNOWN)


@dataclass(frozen=True)
class Step:
    """What becomes of one template."""

    stack: str
    logical_id: str
    effect: Effect
    detail: str = ""
    """From what to what, or why not: a refusal in the handler's own words."""
    drift: str = ""
    """How Clean Rooms differs from what the stack last declared; empty where it does not."""
    balances: tuple[Balance, ...] | None = None
    """What is left of the budget that stands now, of a replaced template that of the old one; None where none stands."""
    old: Effect | None = None
    """What becomes of the old template where it is replaced."""

    @property
    def loses(self) -> bool:
        """Whether what was spent of the budget that stands now is forgotten."""
        return self.effect.resets_the_budget or self.old is Effect.DELETED

    @property
    def spent(self) -> list[Balance]:
        """The parts of the budget of which something is spent."""
        return [balance for balance in self.balances or () if balance.remaining < balance.maximum]

    @property
    def action(self) -> str:
        """What is done, in words."""
        return self.effect.value + (f"; the old one: {self.old.value}" if self.old else "")

    @property
    def ledger(self) -> str:
        """What becomes of what was spent, in words; empty where no template stands."""
        if self.balances is None:
            return ""
        becomes = "is lost" if self.loses else "stays spent"
        if not self.balances:
            return f"what was spent {becomes}, and cannot be told: Clean Rooms lists no balance"
        return f"{', '.join(map(str, self.spent))} spent, which {becomes}" if self.spent else "nothing is spent yet"

    def __str__(self) -> str:
        told = "; ".join(part for part in (self.detail, self.drift, self.ledger) if part)
        return f"{self.stack}/{self.logical_id}: {self.action}" + (f" ({told})" if told else "")


def effect(event: object, foreseen: Foreseen) -> Effect:
    """What an event does to the template of its resource."""
    if foreseen.refusal is not None:
        return Effect.OCCUPIED if isinstance(foreseen.refusal, Occupied) else Effect.REFUSED
    writes = {write.operation: write for write in foreseen.writes}
    tags = [write for write in foreseen.writes if write.operation in (Operation.TAG, Operation.UNTAG)]
    if isinstance(event, Delete):
        if Operation.DELETE in writes:
            return Effect.DELETED
        if any(ownership.OWNER in write.tags or ownership.OWNER in write.removed for write in tags):
            return Effect.HANDED_BACK
        return Effect.LEFT if foreseen.found else Effect.GONE
    if isinstance(event, Update) and foreseen.physical_id != event.physical_id:
        return Effect.REPLACED
    if Operation.DELETE in writes:
        return Effect.SWAPPED
    if Operation.CREATE in writes:
        return Effect.CREATED
    edit = writes.get(Operation.UPDATE)
    if edit and isinstance(edit.budget, AccessBudget):
        return Effect.REFILLED
    for taken in tags:
        if ownership.ADOPTED_FROM in taken.tags:
            return Effect.ADOPTED if ownership.OWNER in taken.tags else Effect.RESUMED
    return Effect.EDITED if edit else Effect.TAGGED
