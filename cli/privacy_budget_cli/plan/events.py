"""What CloudFormation sends for a privacy budget template, and what is known of the resource that it is sent for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Create:
    """The resource is new."""

    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """What is declared of the resource has changed."""

    physical_id: str
    properties: Mapping[str, Any]
    old: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """The resource has left the stack, or another one has taken its place."""

    physical_id: str
    properties: Mapping[str, Any]


Event = Create | Update | Delete


@dataclass(frozen=True)
class Resource:
    """A privacy budget template in a stack, and what the deployment does to it."""

    stack: str
    """The stack's name; of a nested stack, after those that it is nested in."""
    stack_id: str
    logical_id: str
    is_native: bool = False
    physical_id: str = ""
    before: Mapping[str, Any] | None = None
    """Its properties before; None where they are not known."""
    after: Mapping[str, Any] | None = None
    event: Create | Update | None = None
    """What is sent while the stack is created or updated."""
    is_replaced: bool = False
    """Whether CloudFormation itself replaces it, as it does native ones."""
    leaves: bool = False
    """Whether it leaves the stack."""
    is_retained: bool = False
    """Whether what leaves, or is replaced, stays in Clean Rooms."""
    refusal: str = ""
    """Why CloudFormation refuses the change, in its own words."""
    obstacle: str = ""
    """Why it cannot be told what happens."""
