"""The stack that an operation is about, for what the emulator evaluates without being told it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple
from uuid import uuid4

from .. import emulator
from . import patching

_ACTIONS: Final = ("CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet", "RollbackStack")


class StackName(NamedTuple):
    """What ``AWS::StackName`` and ``AWS::StackId`` are in a stack's template."""

    name: str
    id: str


_NONE: Final = StackName("", "")
_current: ContextVar[StackName] = ContextVar("_current")


def current() -> StackName:
    """The stack of the operation that runs; empty where there is none."""
    return _current.get(_NONE)


def record(name: str) -> dict[str, Any] | None:
    """The emulator's record of a stack, by name or id; None if there is no such stack."""
    found: dict[str, Any] | None = emulator.module("services.cloudformation.handlers")._resolve_stack(name)
    return found


def existing(name: str) -> dict[str, Any]:
    """The emulator's record of an existing stack, by name or id."""
    found = record(name)
    if found is None:
        raise LookupError(f"The emulator has lost the stack {name}.")
    return found


@contextmanager
def about(name: str, id_: str) -> Iterator[None]:
    """Within the block, the stack is the current one."""
    token = _current.set(StackName(name, id_))
    try:
        yield
    finally:
        _current.reset(token)


def install() -> None:
    """Have operations say which stack they are about."""

    def named(handle: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        def handle_about(parameters: Mapping[str, Any]) -> Any:
            name = (parameters.get("StackName") or [""])[0]
            stack = record(name)
            with about(*((stack["StackName"], stack["StackId"]) if stack else (name, _new_id(name)))):
                return handle(parameters)

        return handle_about

    def named_task(run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def run_about(name: str, id_: str, *arguments: Any, **options: Any) -> None:
            with about(name, id_):
                await run(name, id_, *arguments, **options)

        return run_about

    for action in _ACTIONS:
        patching.replace_action(action, named)
    for task in ("_deploy_stack_async", "_roll_back_operation"):
        patching.replace(task, named_task)


def _new_id(name: str) -> str:
    """An id like the one that a stack will get, which the emulator makes up later."""
    responses = emulator.module("core.responses")
    return f"arn:aws:cloudformation:{responses.get_region()}:{responses.get_account_id()}:stack/{name}/{uuid4()}"
