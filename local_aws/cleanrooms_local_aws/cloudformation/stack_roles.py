"""The principal of a stack operation: the stack's service role or, without one, the caller.

The emulator takes ``RoleARN`` and forgets it. A role that was given once counts for the operations that follow, as "RoleARN" in the
API reference of CloudFormation says.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from .. import emulator

_SESSION: Final = "AWSCloudFormation"
_OPERATIONS: Final = (
    "CreateStack",
    "UpdateStack",
    "DeleteStack",
    "CreateChangeSet",
    "ExecuteChangeSet",
    "ContinueUpdateRollback",
    "RollbackStack",
)

_acting_role: ContextVar[str] = ContextVar("acting_role", default="")

_Handler = Callable[[Mapping[str, Any]], Any]


def acting_principal() -> str:
    """The ARN of the principal in whose name the stack operation of this context acts."""
    return _acting_role.get() or str(emulator.module("core.iam_evaluator").caller_arn())


def install() -> None:
    """Have stacks remember their role; an operation's own task inherits the context in which it was asked for."""
    handlers = emulator.module("services.cloudformation.handlers")
    read = emulator.module("services.cloudformation.helpers")._p

    def remembering(handle: _Handler) -> _Handler:
        @wraps(handle)
        def handle_with_role(request: Mapping[str, Any]) -> Any:
            name, role = read(request, "StackName"), read(request, "RoleARN")
            stack = handlers._resolve_stack(name) or _of_change_set(read(request, "ChangeSetName"))
            token = _acting_role.set(_session(role or (stack or {}).get("RoleARN", "")))
            try:
                answer = handle(request)
            finally:
                _acting_role.reset(token)
            stack = handlers._resolve_stack(name)
            if role and stack is not None:
                stack["RoleARN"] = role
            return answer

        return handle_with_role

    for operation in _OPERATIONS:
        handlers._ACTION_HANDLERS[operation] = remembering(handlers._ACTION_HANDLERS[operation])


def _of_change_set(arn: str) -> Mapping[str, Any] | None:
    """Find the stack of a change set that is named by its ARN alone."""
    cloudformation = emulator.module("services.cloudformation")
    change_set = cloudformation._change_sets.get(arn)
    return cloudformation._stacks.get(change_set["StackName"]) if change_set else None


def _session(role_arn: str) -> str:
    """The ARN of the session in which CloudFormation acts by a role."""
    if not role_arn:
        return ""
    account = role_arn.split(":")[4]
    return f"arn:aws:sts::{account}:assumed-role/{role_arn.rpartition('/')[2]}/{_SESSION}"
