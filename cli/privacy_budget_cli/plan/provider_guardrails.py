"""The guardrails that a provider has during a deployment, as far as they can be read."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from privacy_budget_core.errors import InvalidGuardrailError
from privacy_budget_core.guardrails import ENVIRONMENT_VARIABLE, Guardrails

from .account import Account
from .change_set import Change, unknown_in

FUNCTION: Final = "AWS::Lambda::Function"
_HANDLER: Final = "privacy_budget_handler.function.handler"


def guardrails_of(token: str, changes: Iterable[Change], account: Account) -> Guardrails | None:
    """The guardrails of the function that a ServiceToken names; None where they cannot be read.

    A function that the deployment changes has its new guardrails by then. One that it creates has no ARN yet: it is the function of
    the change set with this package's handler, if there is one, or if all of them have the same guardrails.
    """
    functions = [change for change in changes if change.type == FUNCTION]
    if not list(unknown_in(token)):
        named = [change for change in functions if change.physical_id and change.physical_id == _name(token)]
        return _of_change(named[0]) if named else _parsed(account.function_variables(token))
    created = [_of_change(change) for change in functions if change.action == "Add" and _properties(change).get("Handler") == _HANDLER]
    return created[0] if created and all(one == created[0] for one in created) else None


def _name(arn: str) -> str:
    """The name in a function's ARN, with or without a version or alias."""
    return arn.partition(":function:")[2].partition(":")[0]


def _of_change(change: Change) -> Guardrails | None:
    variables = _properties(change).get("Environment", {}).get("Variables", {})
    return None if change.after is None or list(unknown_in(variables.get(ENVIRONMENT_VARIABLE, ""))) else _parsed(variables)


def _properties(change: Change) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = (change.after or {}).get("Properties", {})
    return properties


def _parsed(variables: Mapping[str, str] | None) -> Guardrails | None:
    try:
        return None if variables is None else Guardrails.from_json(variables.get(ENVIRONMENT_VARIABLE))
    except InvalidGuardrailError:
        return None
