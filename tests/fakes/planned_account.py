"""An account as a plan reads it, in this process: one stack of literal properties, its change sets, and a Clean Rooms with what it made."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.spending import Aggregations, Amount, TableUses
from cleanrooms_local_aws.clean_rooms.templates import Membership
from privacy_budget_cli.plan.account import DeployedStack
from privacy_budget_cli.plan.change_set import Change, ChangeSet
from privacy_budget_cli.plan.dry_run import DryRunCleanRooms
from privacy_budget_cli.plan.resources import NATIVE_TYPE, resources
from privacy_budget_cli.plan.steps import Step, steps, with_conflicts
from privacy_budget_core import contract, ownership
from privacy_budget_core.clean_rooms import CleanRooms, Template
from privacy_budget_core.properties import parse
from tests.fakes.fake_clean_rooms import FakeClient, FaultPlan
from tests.support.stack import ACCOUNT, REGION, as_strings

NOON = 1_780_000_000.0
TOKEN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:provider"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/Shop/{uuid.uuid4()}"
KEEP = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


@dataclass(frozen=True)
class Declared:
    """A resource with its properties, whose values are literals, and its policies."""

    properties: Mapping[str, Any]
    policies: Mapping[str, Any] = field(default_factory=dict)
    type: str = contract.RESOURCE_TYPE

    @property
    def context(self) -> dict[str, Any]:
        token = {} if self.type == NATIVE_TYPE else {"ServiceToken": TOKEN}
        return {"Properties": as_strings({**token, **self.properties}), **self.policies}


@dataclass
class PlannedAccount:
    """The account, with the stack ``Shop``."""

    memberships: tuple[str, ...]
    variables: Mapping[str, str] | None = field(default_factory=dict)
    """The environment of the deployed provider; None where it may not be read."""

    def __post_init__(self) -> None:
        arn = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}"
        known = {id_: Membership(id_, f"{arn}:membership/{id_}", "c", f"{arn}:collaboration/c") for id_ in self.memberships}
        self.fault_plan = FaultPlan()
        self.ledger = Ledger(ACCOUNT, REGION, known.get, lambda: NOON)
        self.client = FakeClient(self.ledger, self.fault_plan)
        self.answer("ListMemberships", "list_memberships", {"membershipSummaries": [{"id": id_} for id_ in self.memberships]})
        self.answer("GetMembership", "get_membership", {"membership": {"collaborationId": "c"}})
        self.in_collaboration()
        self.held = CleanRooms(self.client)  # type: ignore[arg-type]
        self.stack: dict[str, Declared] = {}
        self.physical_ids: dict[str, str] = {}
        self.clean_rooms = DryRunCleanRooms(self.client)

    def answer(self, operation: str, method: str, answered: Mapping[str, Any]) -> None:
        """Have the client answer an operation that the ledger does not know."""
        self.client.meta.method_to_api_mapping[method] = operation
        self.client.__dict__[method] = lambda **_: answered

    def in_collaboration(self, *kinds: str) -> None:
        """Let these be the templates of all members of the collaboration."""
        listed = [{"id": f"t{index}", "privacyBudgetType": kind} for index, kind in enumerate(kinds)]
        operation = "ListCollaborationPrivacyBudgetTemplates"
        self.answer(operation, "list_collaboration_privacy_budget_templates", {"collaborationPrivacyBudgetTemplateSummaries": listed})

    def function_variables(self, function_arn: str) -> Mapping[str, str] | None:
        assert function_arn == TOKEN
        return self.variables

    def deployed(self, _: str) -> DeployedStack:
        found = {id_: (declared.type, self.physical_ids[id_]) for id_, declared in self.stack.items()}
        return DeployedStack("Shop", STACK_ID, "UPDATE_COMPLETE", resources=found)

    def declared(self, _: str, logical_id: str) -> Mapping[str, Any]:
        return self.stack[logical_id].context

    def deletion_policy(self, _: str, logical_id: str) -> str:
        return str(self.stack[logical_id].policies.get("DeletionPolicy", "Delete"))

    def deploy(self, **declared: Declared) -> None:
        """Have the stack, with the templates that it declares."""
        for id_, one in declared.items():
            self.stack[id_] = one
            if one.type == NATIVE_TYPE:
                template = self.exists(one.properties)
                self.physical_ids[id_] = f"{template.id}|{template.membership_id}"
            else:
                self.physical_ids[id_] = self.exists(one.properties, ownership.owner(STACK_ID, id_)).arn

    def exists(self, properties: Mapping[str, Any], owner: str = "", **tags: str) -> Template:
        """Make a template, with ownership tags where it has an owner."""
        return self.held.create(parse(properties), {**tags, **({ownership.OWNER: owner} if owner else {})})

    def consume(self, template: Template, count: int) -> None:
        """Use up a part of a template's budget: counts, or uses of the table."""
        amount: Amount = TableUses(count) if template.identity.resource_arn else Aggregations("COUNT", count)
        self.ledger.spend(template.membership_id, template.id, amount)

    def only(self) -> Template:
        """The one template of all memberships."""
        (template,) = (template for membership in self.memberships for template in self.held.templates(membership))
        return template

    def change_set(self, **declared: Declared) -> ChangeSet:
        """What deploying the stack with these resources does."""
        changes = [self._change(id_, declared.get(id_)) for id_ in sorted(self.stack.keys() | declared.keys())]
        return ChangeSet("Shop", STACK_ID, tuple(change for change in changes if change), is_executable=True)

    def plan(self, **declared: Declared) -> list[Step]:
        """The plan of deploying the stack with these resources."""
        return self.plan_of(self.change_set(**declared))

    def plan_of(self, change_set: ChangeSet) -> list[Step]:
        """The plan of a change set, which only reads."""
        self.clean_rooms = DryRunCleanRooms(self.client)
        asked = len(self.client.requests)
        read = resources(change_set, self.deployed(""), self)  # type: ignore[arg-type]
        planned = with_conflicts(steps(read, self))  # type: ignore[arg-type]
        assert all(operation.startswith(("Get", "List")) for operation, _ in self.client.requests[asked:])
        return planned

    def _change(self, id_: str, new: Declared | None) -> Change | None:
        old = self.stack.get(id_)
        known = old or new
        assert known is not None
        change = Change(id_, known.type, "Modify", self.physical_ids.get(id_, ""))
        if old is None and new is not None:
            return replace(change, action="Add", after=new.context)
        if old is not None and new is None:
            policy = old.policies.get("DeletionPolicy", "Delete")
            return replace(change, action="Remove", before=old.context, policy_action="Delete" if policy == "Delete" else "Retain")
        if old is None or new is None or old == new:
            return None
        return replace(change, before=old.context, after=new.context, replacement="Conditional")
