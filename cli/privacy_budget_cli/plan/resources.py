"""The privacy budget templates of a stack, and the events that CloudFormation will send for them, from a change set.

Source: "Update behaviors of stack resources", "DeletionPolicy attribute" and "UpdateReplacePolicy attribute" in the CloudFormation
user guide, and ResourceChange in its API reference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from privacy_budget_core import ownership
from privacy_budget_core.contract import ADDED_BY_CLOUDFORMATION, RESOURCE_TYPE, Property
from privacy_budget_core.guardrails import Guardrails

from .account import Account, DeployedStack
from .change_set import NESTED_STACK, Change, ChangeSet, unknown_in
from .provider_guardrails import FUNCTION, guardrails_of

NATIVE_TYPE: Final = "AWS::CleanRooms::PrivacyBudgetTemplate"
TYPES: Final = (RESOURCE_TYPE, NATIVE_TYPE)
"""The resource types of privacy budget templates."""
_POLICIES: Final = ("Delete", "Retain", "RetainExceptOnCreate")
_TOKEN: Final = "ServiceToken"  # noqa: S105 - the name of a property
_TOKEN_CHANGES: Final = "Modifying service token is not allowed."  # noqa: S105 - CloudFormation's sentence


@dataclass(frozen=True)
class Create:
    """The resource is new."""

    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """The resource's declaration has changed."""

    physical_id: str
    properties: Mapping[str, Any]
    old: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """The resource has left the stack, or another one has replaced it."""

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
    """Its properties before the deployment; None where they are unknown."""
    after: Mapping[str, Any] | None = None
    event: Create | Update | None = None
    """The event that is sent while the stack is created or updated."""
    is_replaced: bool = False
    """Whether CloudFormation itself replaces it, which only happens to native templates."""
    leaves: bool = False
    """Whether it leaves the stack."""
    is_retained: bool = False
    """Whether a template that leaves, or is replaced, stays in Clean Rooms."""
    refusal: str = ""
    """Why CloudFormation refuses the change, in its own words."""
    guardrails: Guardrails = field(default_factory=Guardrails)
    """What its provider lets it declare."""
    obstacle: str = ""
    """Why the outcome cannot be determined."""

    @property
    def owner(self) -> str:
        """The owner tag of its template."""
        return ownership.owner(self.stack_id, self.logical_id)


def resources(change_set: ChangeSet, deployed: DeployedStack, account: Account) -> list[Resource]:
    """The privacy budget templates of a stack and its nested stacks, in the order of the deployment."""
    functions = [change for change in change_set.all_changes() if change.type == FUNCTION]
    return list(_Reader(account, functions).of_stack(change_set.stack_name, change_set, deployed))


@dataclass(frozen=True)
class _Reader:
    account: Account
    functions: list[Change]
    """The functions that change."""

    def of_stack(self, path: str, change_set: ChangeSet, deployed: DeployedStack) -> Iterator[Resource]:
        changed = {change.logical_id for change in change_set.changes}
        for change in _in_order(change_set.changes):
            if change.type == NESTED_STACK:
                yield from self._of_nested_stack(f"{path}/{change.logical_id}", change, change_set)
            elif change.type in TYPES:
                yield self._of_change(Resource(path, change_set.stack_id, change.logical_id), change)
        for logical_id, (type_, physical_id) in sorted(deployed.resources.items()):
            if logical_id in changed:
                continue
            if type_ == NESTED_STACK:
                inner = self.account.deployed(physical_id)
                yield from self.of_stack(f"{path}/{logical_id}", ChangeSet(inner.name, physical_id), inner)
            elif type_ in TYPES:
                yield Resource(path, change_set.stack_id, logical_id, type_ == NATIVE_TYPE, physical_id)

    def _of_nested_stack(self, path: str, change: Change, parent: ChangeSet) -> Iterator[Resource]:
        deployed = self.account.deployed(change.physical_id) if change.physical_id else DeployedStack()
        if change.nested is not None:
            yield from self.of_stack(path, change.nested, deployed)
        elif change.action == "Remove":
            yield from self._of_removed_stack(path, change, deployed)
        elif change.action == "Modify" and parent.includes_nested:
            yield from self.of_stack(path, ChangeSet(deployed.name, change.physical_id), deployed)
        else:
            unknown = "the change set does not tell what changes in this nested stack (IncludeNestedStacks)"
            yield Resource(path.rpartition("/")[0], parent.stack_id, change.logical_id, obstacle=unknown)

    def _of_removed_stack(self, path: str, change: Change, deployed: DeployedStack) -> Iterator[Resource]:
        """The templates of a removed nested stack. It has no change set of its own: the policies of its resources decide."""
        for logical_id, (type_, physical_id) in sorted(deployed.resources.items()):
            policy = self.account.deletion_policy(change.physical_id, logical_id)
            retains = change.retains or policy.startswith("Retain")
            removal = Change(logical_id, type_, "Remove", physical_id, policy_action="Retain" if retains else "Delete")
            if type_ == NESTED_STACK:
                yield from self._of_removed_stack(f"{path}/{logical_id}", removal, self.account.deployed(physical_id))
            elif type_ in TYPES:
                resource = self._of_change(Resource(path, change.physical_id, logical_id), removal)
                yield replace(resource, obstacle=f"its DeletionPolicy, {policy}, cannot be read") if policy not in _POLICIES else resource

    def _of_change(self, resource: Resource, change: Change) -> Resource:
        before, after = (context["Properties"] if context else None for context in (change.before, change.after))
        resource = replace(
            resource,
            is_native=change.type == NATIVE_TYPE,
            physical_id=change.physical_id,
            before=before,
            after=after,
            is_retained=change.retains or (change.action == "Modify" and _retains_replaced(change)),
        )
        match change.action:
            case "Remove":
                return replace(resource, leaves=True)
            case "Add" if after is not None:
                return self._with_guardrails(replace(resource, event=Create(_with_known_tags(after)), obstacle=_unknown(after)))
            case "Modify" if before is not None and after is not None:
                return self._of_modification(resource, change, before, after)
            case "Add" | "Modify":
                return replace(resource, obstacle="CloudFormation does not show what changes")
            case "Dynamic":
                return replace(resource, obstacle="it depends on a value that is known only during the deployment whether it is there")
        return replace(resource, obstacle=f"the change set's action {change.action} is not one of a deployment of this type")

    def _of_modification(self, resource: Resource, change: Change, before: Mapping[str, Any], after: Mapping[str, Any]) -> Resource:
        if _TOKEN in after and not resource.is_native:
            token = self._token(before.get(_TOKEN), after[_TOKEN])
            if token is None:
                return replace(resource, obstacle=f"{_TOKEN} is known only during the deployment, and CloudFormation refuses another one")
            if token != before.get(_TOKEN):
                return replace(resource, refusal=f"{_TOKEN_CHANGES} ({before.get(_TOKEN)} would become {token})")
            after = {**after, _TOKEN: token}
        unknown, known_after = _unknown(after), _with_known_tags(after)
        if before == after and not unknown and not change.edits_properties:
            return resource
        is_replaced = resource.is_native and (
            change.replacement == "True" or (change.replacement == "Conditional" and _create_only(before) != _create_only(after))
        )
        event = Update(change.physical_id, known_after, before)
        return self._with_guardrails(replace(resource, event=event, is_replaced=is_replaced, obstacle=unknown))

    def _with_guardrails(self, resource: Resource) -> Resource:
        """The resource with the guardrails of its provider, or with an obstacle where these cannot be read."""
        if resource.is_native or resource.event is None:
            return resource
        token = str(resource.event.properties.get(_TOKEN, ""))
        guardrails = guardrails_of(token, self.functions, self.account)
        if guardrails is not None:
            return replace(resource, guardrails=guardrails)
        unread = (
            f"the guardrails of its provider cannot be read: allow lambda:GetFunctionConfiguration on {token}"
            " and, where a key encrypts its environment, kms:Decrypt on that key"
        )
        return replace(resource, obstacle=resource.obstacle or unread)

    def _token(self, before: Any, after: Any) -> Any:
        """The token after the deployment; None if unknown. A function that is only edited keeps its ARN, even where that is not shown."""
        if not list(unknown_in(after)):
            return after
        name = str(before).rpartition(":")[2]
        edited = any(one.physical_id == name and one.action == "Modify" and one.replacement == "False" for one in self.functions)
        return before if edited else None


def _retains_replaced(change: Change) -> bool:
    """Whether the old template is retained if the custom resource is replaced, which only its response tells."""
    return bool(change.after) and (change.after or {}).get("UpdateReplacePolicy", "Delete") == "Retain"


def _create_only(properties: Mapping[str, Any]) -> list[Any]:
    """The properties whose change replaces a native template. Source: createOnlyProperties in the schema of the type."""
    named = (Property.MEMBERSHIP_IDENTIFIER, Property.PRIVACY_BUDGET_TYPE, Property.AUTO_REFRESH)
    parameters = properties.get(Property.PARAMETERS)
    return [*map(properties.get, named), parameters.get("ResourceArn") if isinstance(parameters, Mapping) else parameters]


def _with_known_tags(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """The properties without tags that are known only during the deployment. Tags do not decide the outcome."""
    tags = properties.get(Property.TAGS)
    if not list(unknown_in(tags)):
        return properties
    known = [tag for tag in tags if not list(unknown_in(tag))] if isinstance(tags, list) else []
    return {**properties, Property.TAGS: known}


def _unknown(properties: Mapping[str, Any]) -> str:
    """Why the outcome cannot be determined: the deciding values that are unknown; empty where there are none."""
    paths = list(unknown_in({name: value for name, value in properties.items() if name not in (Property.TAGS, *ADDED_BY_CLOUDFORMATION)}))
    return f"CloudFormation knows only during the deployment, or does not show: {', '.join(paths)}" if paths else ""


def _in_order(changes: Iterable[Change]) -> list[Change]:
    """The changes in the order of the deployment as far as DependsOn gives it, otherwise by logical id."""
    by_id = {change.logical_id: change for change in sorted(changes, key=lambda change: change.logical_id)}
    graph = {id_: _dependencies(change) & by_id.keys() for id_, change in by_id.items()}
    try:
        return [by_id[id_] for id_ in TopologicalSorter(graph).static_order()]
    except CycleError:  # of old and new declarations together
        return list(by_id.values())


def _dependencies(change: Change) -> set[str]:
    named = (change.after or {}).get("DependsOn", [])
    return {named} if isinstance(named, str) else set(named)
