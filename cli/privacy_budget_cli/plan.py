"""What a deployment would do to each privacy budget template, and what it costs the ledger.

What is declared now is compared with what the stack last declared, which tells the events that CloudFormation would send; these run
through the handler's own code on what Clean Rooms holds, so that plan and deployment cannot disagree.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from .assembly import Declared
from .deployed import Account, Accounts, Deployed
from .plan_effect import Step
from .plan_stack import StackPlan
from .plan_values import Values


def plan(stacks: Iterable[Declared], accounts: Accounts) -> Iterator[Step]:
    """What deploying stacks would do to each of their templates. Raises NotComparable, Unreadable, ClientError and BotoCoreError."""
    for declared in stacks:
        account = accounts.of(declared)
        yield from steps(declared, account.deployed(declared.name), account)


def steps(
    declared: Declared, deployed: Deployed, account: Account, path: str = "", given: Mapping[str, Any] | None = None
) -> Iterator[Step]:
    """What deploying one stack would do, its nested stacks included. Raises Unreadable, ClientError and BotoCoreError.

    :param given: The parameters that a nested stack's parent gives it; None for a stack that is not nested, which keeps its own.
    """
    name = f"{path}{declared.name}"
    values = Values.of(declared.template, deployed, account, given)
    yield from StackPlan(name, deployed, values, account.rooms).steps()
    for id_ in sorted(declared.nested.keys() | deployed.nested.keys()):
        inner, there = declared.nested.get(id_, Declared(id_)), deployed.nested.get(id_, Deployed())
        handed_on = values.handed_on(id_, there.parameters)
        yield from steps(replace(inner, name=id_), there, account, f"{name}/", handed_on)
