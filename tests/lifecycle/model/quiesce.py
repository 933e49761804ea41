"""After any history, with the faults over: what is under way ends, every stack deploys once more, and goes without a trace."""

import itertools
from typing import Any, Final

from cleanrooms_local_aws.clean_rooms.templates import BudgetType, Template
from privacy_budget_core import ownership
from tests.lifecycle.model.cloudformation import Declared, Stack
from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.oracle import Identity, identity_of
from tests.support.stack import tags

CLEAN: Final = itertools.count(1)


def end(harness: Harness, memberships: tuple[str, ...], otherwise: Declared) -> None:
    """End a history. A stack that holds nothing deploys ``otherwise``."""
    harness.calm(memberships)
    for stack in harness.stacks:
        settle(harness, stack)
    for stack in harness.stacks:
        stack.deploy(_clean_template(harness, stack, otherwise))
        stack.go_on()
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            harness.oracle.report(f"a clean deploy of {stack.name} ended in {stack.status}")
        stack.destroy()
        stack.go_on()
        if stack.status != "DELETE_COMPLETE":
            harness.oracle.report(f"a clean destroy of {stack.name} ended in {stack.status}")
    for stack in harness.stacks:
        for ended in stack.ended:
            harness.oracle.check_gone(ended, harness.ledger.standing)
    harness.check()


def settle(harness: Harness, stack: Stack) -> None:
    """Bring what is under way to an end. Without faults nothing is in a rollback's way."""
    stack.go_on()
    if not stack.is_stuck or not harness.is_calm:
        return
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        stack.destroy()
    stack.go_on()
    if stack.is_stuck:
        harness.oracle.report(f"{stack.name} is stuck in {stack.status}")
    harness.check()


def _clean_template(harness: Harness, stack: Stack, otherwise: Declared) -> dict[str, Declared]:
    """What a stack holds, each identity once; an existing template of another owner is adopted."""
    clean = next(CLEAN)
    held = {logical_id: held.declared for logical_id, held in stack.resources.items()}
    template: dict[str, Declared] = {}
    for logical_id, declared in (held or {"A": otherwise}).items():
        of = identity_of(declared.sent)
        if of not in [identity_of(taken.sent) for taken in template.values()]:
            foreign = _foreign(harness, stack, logical_id, of)
            options: dict[str, Any] = {"OnBudgetReset": "ALLOW", "Tags": tags(clean=str(clean))}
            if foreign is not None:
                options["OnExisting"] = "ADOPT"
            if foreign is not None and foreign.budget_type is BudgetType.DIFFERENTIAL_PRIVACY:
                options["AutoRefresh"] = foreign.auto_refresh
            parameters = declared.properties["Parameters"]
            highest = {"Epsilon": 20} if "Epsilon" in parameters else {}
            template[logical_id] = Declared({**declared.properties, **options, "Parameters": {**parameters, **highest}})
    return template


def _foreign(harness: Harness, stack: Stack, logical_id: str, of: Identity) -> Template | None:
    standing = harness.ledger.find(of)
    return None if standing is None or ownership.is_same(standing.tags.get(ownership.OWNER), f"{stack.id}/{logical_id}") else standing
