"""An account as a plan reads it, in this process: stacks that were deployed, and a Clean Rooms with what they made."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.spending import Aggregations, Amount, TableUses
from cleanrooms_local_aws.clean_rooms.templates import Membership
from privacy_budget_cli.assembly import Declared, stacks
from privacy_budget_cli.deployed import Deployed
from privacy_budget_cli.dry_run import DryRun
from privacy_budget_cli.plan import plan
from privacy_budget_cli.plan_effect import Step
from privacy_budget_cli.plan_values import Values
from privacy_budget_cli.resolve import substituted, unresolved_in
from privacy_budget_handler import ownership
from privacy_budget_handler.client import CleanRooms, Template
from privacy_budget_handler.properties import parse
from quick_rooms import QuickClient, Weather
from stack import ACCOUNT, REGION

NOON = 1_780_000_000.0


@dataclass
class PlannedAccount:
    """Both ``Accounts`` and the one ``Account`` in it."""

    memberships: tuple[str, ...]
    exports: Mapping[str, str] = field(default_factory=dict)
    id: str = ACCOUNT
    region: str = REGION

    def __post_init__(self) -> None:
        arn = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}"
        known = {id_: Membership(id_, f"{arn}:membership/{id_}", "c", f"{arn}:collaboration/c") for id_ in self.memberships}
        self.weather = Weather()
        self.ledger = Ledger(ACCOUNT, REGION, known.get, lambda: NOON)
        self.client = QuickClient(self.ledger, self.weather)
        self.client.meta.method_to_api_mapping["list_memberships"] = "ListMemberships"
        self.client.__dict__["list_memberships"] = lambda **_: {"membershipSummaries": [{"id": id_} for id_ in self.memberships]}
        self.held = CleanRooms(self.client)  # type: ignore[arg-type]
        self.stacks: dict[str, Deployed] = {}

    def of_session(self, _: object) -> "PlannedAccount":
        """In place of ``Accounts``, whose credentials do not matter here."""
        self.rooms = DryRun(self.client)
        return self

    def of(self, _: Declared) -> "PlannedAccount":
        return self

    def deployed(self, name: str) -> Deployed:
        return self.stacks.get(name, Deployed())

    def plan(self, folder: Path) -> list[Step]:
        """What deploying an assembly would do, which only reads."""
        asked = len(self.client.requests)
        steps = list(plan(stacks(folder), self.of_session(None)))  # type: ignore[arg-type]
        assert all(operation.startswith(("Get", "List")) for operation, _ in self.client.requests[asked:])
        return steps

    def deploy(self, folder: Path, **parameters: str) -> None:
        """Have the stacks of an assembly, with the templates that they declare; a resource "Membership" is the first membership."""
        for stack in stacks(folder):
            self.stacks[stack.name] = self._deployed(stack, parameters)

    def stands(self, properties: Mapping[str, Any], owner: str = "", **tags: str) -> Template:
        """Make a template, marked where it has an owner."""
        return self.held.create(parse(properties), {**tags, **({ownership.OWNER: owner} if owner else {})})

    def spend(self, template: Template, count: int) -> None:
        """Use up a part of a template's budget: counts, or uses of the table."""
        amount: Amount = TableUses(count) if template.identity.resource_arn else Aggregations("COUNT", count)
        self.ledger.spend(template.membership_id, template.id, amount)

    def only(self) -> Template:
        """The one template of all memberships."""
        (template,) = (template for membership in self.memberships for template in self.held.templates(membership))
        return template

    def _deployed(self, stack: Declared, parameters: Mapping[str, str]) -> Deployed:
        stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack.name}/{uuid.uuid4()}"
        nested = {id_: self._deployed(inner, parameters) for id_, inner in stack.nested.items()}
        memberships = {"Membership": self.memberships[0]}
        others = {id_: memberships.get(id_, f"{stack.name}-{id_}") for id_ in stack.template.get("Resources", {})}
        found = Deployed(stack.template, nested, stack_id, parameters, others)
        ids = {}
        for id_, template in Values.of(stack.template, found, self, parameters).declared_now().items():  # type: ignore[arg-type]
            known = dict.fromkeys(unresolved_in(template.properties), self.memberships[0])
            ids[id_] = self.stands(substituted(template.properties, known), ownership.owner(stack_id, id_)).arn
        return Deployed(stack.template, nested, stack_id, parameters, {**others, **ids})
