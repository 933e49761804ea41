"""What must hold whatever happens, watched at the ledger and at CloudFormation's end, without a look at what the handler thinks.

Who made a template, in which operation, and what was consumed of it is seen at the ledger. Of the handler's tags only the owner's mark
counts, for whose a template is once an adoption is in play.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from cleanrooms_local_aws.clean_rooms.ledger import Ledger
from cleanrooms_local_aws.clean_rooms.templates import BudgetType, Template
from privacy_budget_core import ownership

Identity = tuple[str, str, str | None]
"""Membership, budget type and table."""

REFUSALS = ("exists already", "needs a reset", "by now, so this resource")

PASSING = ("ThrottlingException", "InternalServerException", "ConnectionClosedError", "ReadTimeoutError")
SECONDS_TO_TAKE_EFFECT = 25.0

SECRETS = ("X-Amz-Signature", "verysecret", "X-Amz-Security-Token", "AWS4-HMAC")


@dataclass(frozen=True)
class Delivery:
    """One event on its way to the function, with what CloudFormation and the user know about it."""

    event: Mapping[str, Any]
    operation: int
    """The operation of a stack that it is a part of."""
    decided: bool = False
    """Whether a Delete is what the user asked for, rather than a rollback's."""
    status: str = ""
    """The stack's status when it was sent."""
    sent_at: float = 0.0
    is_late: bool = False
    """Whether the stack has gone on without it, which CloudFormation could tell."""
    is_answerable: bool = True
    """Whether DescribeStacks answers."""

    @property
    def owner(self) -> str:
        """The resource, as the mark names it."""
        return f"{self.event['StackId']}/{self.event['LogicalResourceId']}"

    @property
    def type(self) -> str:
        return str(self.event["RequestType"])

    @property
    def names_a_template(self) -> bool:
        """Whether CloudFormation had the answer of the create, and knows the template by its ARN."""
        return ":cleanrooms:" in self.event.get("PhysicalResourceId", "")

    @property
    def allows(self) -> bool:
        """Whether ALLOW is in the new or in the old properties."""
        return self._says("OnBudgetReset", "ALLOW")

    @property
    def adopts(self) -> bool:
        """Whether ADOPT is in the new or in the old properties."""
        return self._says("OnExisting", "ADOPT")

    @property
    def undoes(self) -> bool:
        """Whether a rollback deletes what CloudFormation knows of."""
        return self.type == "Delete" and self.names_a_template and not self.decided

    @property
    def rolling_back(self) -> bool:
        return "ROLLBACK" in self.status

    @property
    def physical_id(self) -> str:
        return str(self.event.get("PhysicalResourceId", ""))

    def _says(self, name: str, value: str) -> bool:
        both = (self.event["ResourceProperties"], self.event.get("OldResourceProperties", {}))
        return any(properties.get(name) == value for properties in both)


@dataclass(frozen=True)
class Made:
    """By which resource, and in which operation, a template was made."""

    owner: str
    operation: int
    request: str

    @property
    def stack(self) -> str:
        return stack_of(self.owner)


@dataclass
class Past:
    """What became of one template so far; its successor in a swap goes on with it."""

    owners: list[str]
    """Every owner that its mark named, in turn; the empty string is no mark."""
    made: Made | None = None
    """Nothing where it was made by hand."""
    taken_in: int | None = None
    """The operation in which it came to its present owner."""
    adopted_in: dict[str, set[int]] = field(default_factory=dict)
    """By owner, the operations in which that owner took it over, or had it already and was updated."""
    final: set[str] = field(default_factory=set)
    """The owners that were updated in a later operation than the one in which they took it over."""
    kept: set[str] = field(default_factory=set)
    """The owners whom a rollback left with it, or whom CloudFormation lost sight of while they had it."""
    let_go: set[str] = field(default_factory=set)
    """The owners that were deleted while it was somebody else's."""
    excused: dict[str, str] = field(default_factory=dict)
    """By owner, why it may outlive that owner's stack."""


@dataclass
class Oracle:
    """Keeps what was seen, and lists every rule that was broken."""

    broken: list[str] = field(default_factory=list)
    pasts: dict[str, Past] = field(default_factory=dict)
    """By template id."""
    names: dict[str, None] = field(default_factory=dict)
    """Every resource that had an event."""
    lost_track: set[str] = field(default_factory=set)
    """Resources whose rollback kept what it could not put back."""
    stray_ids: set[str] = field(default_factory=set)
    """The physical ids that such rollbacks ended with, which may stand for a template of another identity."""
    stood: set[int] = field(default_factory=set)
    """Operations whose every resource succeeded."""
    delivery: Delivery | None = None
    swapped: dict[Identity, str] = field(default_factory=dict)
    """The ids of what this event deleted, by identity."""
    changes: list[str] = field(default_factory=list)
    """What this event changed."""
    handed_back: set[str] = field(default_factory=set)
    """The templates that this event gave to another owner."""
    failures: list[str] = field(default_factory=list)
    """The operations that this event gave up."""
    seconds: float = 0.0
    """How long this event took."""
    refused: set[str] = field(default_factory=set)
    acknowledged_requests: set[str] = field(default_factory=set)
    """The requests that CloudFormation was told created nothing."""

    def owner_of(self, template: Template) -> str | None:
        """Whose the owner tag says that a template is, also where it is a digest."""
        tag = template.tags.get(ownership.OWNER)
        return next((name for name in self.names if ownership.is_same(tag, name)), tag)

    def begin(self, delivery: Delivery) -> None:
        self.names[delivery.owner] = None
        self._follow(delivery.owner, delivery.physical_id)
        self.delivery = delivery
        self.swapped = {}
        self.changes = []
        self.handed_back = set()

    def end(self, standing: Iterable[Template]) -> None:
        assert self.delivery is not None
        owner = self.delivery.owner
        let_go = self.delivery.type == "Delete" and self.delivery.names_a_template
        updated = self.delivery.type == "Update" and not self.delivery.rolling_back
        for past in (self.pasts[template.id] for template in standing):
            if let_go and owner in past.owners[:-1]:
                past.let_go.add(owner)
            if updated and owner == past.owners[-1] and past.taken_in != self.delivery.operation:
                past.final.add(owner)
        self.delivery = None

    def _follow(self, owner: str, physical_id: str) -> None:
        if physical_id in self.stray_ids:
            self.lost_track.add(owner)

    def report(self, rule: str) -> None:
        event = self.delivery.event if self.delivery else {}
        what = f" [{event['RequestType']} of {self.delivery.owner}, {self.delivery.status}]" if self.delivery else ""
        self.broken.append(rule + what)

    def created(self, template: Template, ledger: Iterable[Template]) -> None:
        if sum(identity(other) == identity(template) for other in ledger) > 1:
            self.report(f"two templates of one identity: {identity(template)}")
        owner = self.owner_of(template) or ""
        self.pasts[template.id] = Past([owner])
        if self.delivery is None:
            return
        self._changing("create")
        if self.delivery.type == "Delete":
            self.report("a Delete made a template")
        if self.delivery.event["RequestId"] in self.refused:
            self.pasts[template.id].excused[owner] = "created by a second delivery, after the first one was refused"
        if self.delivery.event["RequestId"] in self.acknowledged_requests:
            self.pasts[template.id].excused[owner] = "created by a second delivery, after somebody deleted what the first one had created"
        before = self.swapped.get(identity(template))
        if before is None:
            operation = self.delivery.operation
            made = Made(self.delivery.owner, operation, self.delivery.event["RequestId"])
            self.pasts[template.id] = Past([owner], made, operation, excused=self.pasts[template.id].excused)
            return
        past = self.pasts[template.id] = deepcopy(self.pasts[before])
        if owner != past.owners[-1]:
            past.owners.append(owner)

    def deleting(self, template: Template) -> None:
        if self.delivery is None:
            return
        self._changing("delete")
        self._check_stands_for(template)
        self.swapped[identity(template)] = template.id
        past = self.pasts[template.id]
        made, owner = past.made, self.delivery.owner
        is_own = made is not None and made.stack == stack_of(owner)
        was_let_go = not past.let_go.isdisjoint(past.owners[-2:-1])
        if not is_own and not was_let_go and not self._may_delete_adopted(past):
            self.report(f"{template.id} was deleted by {owner}, which did not make it: {made or 'made by hand'} did")
        if self.delivery.undoes and (made is None or made.operation != self.delivery.operation) and not was_let_go:
            self.report(f"{template.id} was deleted by a rollback, though it was there before the deploy")
        takes_over = self.delivery.type != "Delete" and self.delivery.adopts
        if self.owner_of(template) not in (None, owner) and not takes_over:
            self.report(f"{template.id} was deleted by {owner}, though it is {self.owner_of(template)}'s by now")
        if spent(template) and not was_let_go and not self._may_lose(made):
            self.report(f"{template.id} was deleted with what was consumed of it")

    def updating(self, template: Template) -> None:
        if self.delivery is None:
            return
        self._changing("edit")
        if self.delivery.type == "Delete":
            self.report("a Delete edited a template")
        owner = self.owner_of(template)
        if owner not in (None, self.delivery.owner) and not self.delivery.adopts:
            self.report(f"{template.id} was edited by {self.delivery.owner}, though it is {owner}'s by now")
        if template.budget_type is BudgetType.ACCESS_BUDGET and spent(template) and not self.delivery.allows:
            self.report(f"the consumed access budget {template.id} was filled up")

    def marked(self, template: Template) -> None:
        """Look at a template's mark after its tags changed."""
        owner = self.owner_of(template) or ""
        past = self.pasts[template.id]
        if owner == past.owners[-1]:
            return
        giving = self.delivery is not None and self.delivery.type == "Delete"
        if giving and past.made is not None and set(past.owners) == {past.made.owner}:
            self.report(f"{template.id} was handed back, though {past.made.owner} made it")
        if self.delivery is not None and past.owners[-1] == self.delivery.owner:
            self.handed_back.add(template.id)
        past.owners.append(owner)
        if self.delivery is not None and not giving:
            past.taken_in = self.delivery.operation
            past.final.discard(owner)

    def tagging(self, template: Template) -> None:
        if self.delivery is None:
            return
        self._changing("tag")
        owner = self.owner_of(template)
        is_others = owner not in (None, self.delivery.owner) and template.id not in self.handed_back
        if self.delivery.type == "Update" and is_others and not self.delivery.adopts:
            self.report(f"{template.id} was tagged by {self.delivery.owner}, though it is {owner}'s by now")

    def _changing(self, what: str) -> None:
        assert self.delivery is not None
        self.changes.append(what)
        if self.delivery.is_late:
            self.report("a late event changed something")
        if self.delivery.type == "Delete" and "-not-created-" in self.delivery.physical_id:
            self.report("the Delete of a create that created nothing changed something")

    def _check_stands_for(self, template: Template) -> None:
        """A Delete removes what its physical id stands for."""
        assert self.delivery is not None
        id_ = self.delivery.physical_id
        if self.delivery.type != "Delete":
            return
        if self.delivery.names_a_template and not id_.endswith(template.id) and template.tags.get(ownership.PHYSICAL_ID) != id_:
            self.report(f"{template.id} was deleted by the Delete of {id_}, which does not stand for it")
        made = self.pasts[template.id].made
        digest = hashlib.sha256(made.request.encode()).hexdigest()[:12] if made else "nobody's"
        if "-outcome-unknown-" in id_ and not id_.endswith(digest):
            self.report(f"{template.id} was deleted by the Delete of another request's create")

    def answered(self, bodies: list[bytes], died: bool, template: Template | None, standing: Iterable[Template]) -> None:
        """Look at what one delivery answered; ``template`` is the one that its attributes name."""
        assert self.delivery is not None
        event = self.delivery.event
        standing = list(standing)
        if len(bodies) != 1 and not (died and not bodies):
            self.report(f"{len(bodies)} answers to one event")
        for body in bodies:
            answer = json.loads(body)
            if len(body) > 4096:
                self.report(f"an answer of {len(body)} bytes")
            if answer["Status"] not in ("SUCCESS", "FAILED") or (answer["Status"] == "FAILED" and not answer.get("Reason")):
                self.report(f"an answer without status or reason: {answer}")
            if not answer["PhysicalResourceId"]:
                self.report("an answer without a physical id")
            if any(answer[name] != event[name] for name in ("StackId", "RequestId", "LogicalResourceId")):
                self.report(f"an answer to another event: {answer}")
            self._follow(self.delivery.owner, answer["PhysicalResourceId"])
            if any(secret in body.decode() for secret in SECRETS):
                self.report(f"a secret in an answer: {answer}")
            given = event.get("PhysicalResourceId", answer["PhysicalResourceId"])
            if answer["PhysicalResourceId"] != given and (answer["Status"] == "FAILED" or self.delivery.type == "Delete"):
                self.report(f"a failure or Delete answered {answer['PhysicalResourceId']} instead of {given}")
            if answer["Status"] == "SUCCESS" and self.delivery.type != "Delete":
                self._check_success(template, standing)
            if answer["Status"] == "FAILED":
                self._check_failure(answer["Reason"], standing)
            if "-not-created-" in answer["PhysicalResourceId"]:
                self.refused.add(event["RequestId"])

    def logged(self, text: str) -> None:
        if any(secret in text for secret in SECRETS):
            self.report(f"a secret in the log: {text}")

    def excuse(self, templates: Iterable[Template], owner: str, of: Identity, why: str) -> None:
        """Let templates of an identity outlive the stack of a resource, whose they are or may become again."""
        for template in templates:
            if identity(template) == of:
                self.pasts[template.id].excused[owner] = why

    def left_behind(self, templates: Iterable[Template], owner: str, of: Identity, why: str) -> None:
        """CloudFormation will not speak of this resource again: what it holds stays, whether it made or adopted that."""
        self.excuse(templates, owner, of, why)
        for template in templates:
            past = self.pasts[template.id]
            if identity(template) == of and past.owners[-1] == owner:
                past.kept.add(owner)

    def acknowledged(self, delivery: Delivery, template_id: str | None) -> None:
        """CloudFormation knows that a resource has this template."""
        self.acknowledged_requests.add(delivery.event["RequestId"])
        past = self.pasts.get(template_id or "")
        if past is None:
            return
        past.excused.pop(delivery.owner, None)
        if delivery.rolling_back:
            past.kept.add(delivery.owner)

    def check_gone(self, stack: str, templates: Iterable[Template]) -> None:
        """Nothing is left of a stack that is gone."""
        for template in templates:
            past = self.pasts[template.id]
            owner = past.owners[-1]
            is_forgotten = past.made is not None and past.made.stack == stack and set(past.owners) == {""}
            is_left = is_forgotten or stack_of(owner) == stack
            if is_left and owner not in past.excused and owner not in self.lost_track:
                self.report(f"{template.id} is left of {stack}: made by {past.made}, owned in turn by {past.owners}")

    def _may_delete_adopted(self, past: Past) -> bool:
        """Whether this event may delete a template that its stack did not make.

        A Delete may once the adoption is final. A swap, which puts a successor in its place, may where the user says ADOPT, and once the
        deploy that adopted it stood, or the resource was left with it otherwise.
        """
        assert self.delivery is not None
        owner = self.delivery.owner
        if self.delivery.type == "Delete":
            return owner in past.final
        return self.delivery.adopts or owner in past.kept or not self.stood.isdisjoint(past.adopted_in.get(owner, ()))

    def _may_lose(self, made: Made | None) -> bool:
        assert self.delivery is not None
        if self.delivery.type != "Delete":
            return self.delivery.allows
        return self.delivery.decided or (made is not None and made.operation == self.delivery.operation)

    def _check_failure(self, reason: str, standing: list[Template]) -> None:
        """A refusal leaves no trace; a rollback fails only where it had no time, or could not know that it is one."""
        assert self.delivery is not None
        if self.changes and any(words in reason for words in REFUSALS) and "was put back" not in reason:
            self.report(f"a refusal that changed something: {self.changes}")
        not_yet = "because no identity-based policy" in reason and self.seconds < SECONDS_TO_TAKE_EFFECT
        if (not_yet or any(fault in reason for fault in PASSING)) and "time ran out" not in reason:
            self.report(f"a passing fault was not waited for: {reason}")
        gone = self.swapped.keys() - {identity(template) for template in standing}
        if (
            gone
            and self.delivery.type != "Delete"
            and self.failures.count("CreatePrivacyBudgetTemplate") < 2
            and "time ran out" not in reason
        ):
            self.report(f"a failure that put nothing back of {gone}")
        in_time = "time ran out" not in reason and "longer waits" not in reason and "no longer expects" not in reason
        if (
            self.delivery.type == "Update"
            and self.delivery.rolling_back
            and self.delivery.is_answerable
            and in_time
            and not self.delivery.is_late
        ):
            self.report(f"a rollback that sticks: {reason}")

    def _check_success(self, template: Template | None, standing: list[Template]) -> None:
        """A success names an existing template which, apart from a rollback, is as declared."""
        assert self.delivery is not None
        properties = self.delivery.event["ResourceProperties"]
        if template is None:
            own = [
                one for one in standing if identity(one) == identity_of(properties) and self.pasts[one.id].owners[-1] == self.delivery.owner
            ]
            if not self.delivery.rolling_back or (own and not self.failures):
                self.report("a success whose template does not exist")
            return
        if not self.delivery.rolling_back:
            self.pasts[template.id].adopted_in.setdefault(self.delivery.owner, set()).add(self.delivery.operation)
        if identity(template) != identity_of(properties):
            if not self.delivery.rolling_back:
                self.report(f"a success with a template of another identity, {identity(template)}")
        elif not self.delivery.rolling_back:
            if declared_budget(properties) != present_budget(template):
                self.report(f"a success with {present_budget(template)} instead of {declared_budget(properties)}")
            before = self.delivery.event.get("OldResourceProperties")
            same = before if before and identity_of(before) == identity(template) else {}
            changed = declared_tags(properties) - declared_tags(same)
            if not changed <= template.tags.items():
                self.report(f"a success with tags {template.tags}, without {changed}")


class WatchedLedger(Ledger):
    """A ledger whose every change the oracle sees."""

    def __init__(self, oracle: Oracle, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._witness = oracle

    @property
    def standing(self) -> list[Template]:
        return list(self._templates.values())

    def find(self, of: Identity) -> Template | None:
        return next((template for template in self.standing if identity(template) == of), None)

    on_create: Callable[[Template], None] = staticmethod(lambda _: None)

    def create(self, *args: Any, **more: Any) -> Template:
        template = super().create(*args, **more)
        self.on_create(template)
        self._witness.created(template, self.standing)
        return template

    def update(
        self, membership_id: str, template_id: str, budget_type: BudgetType, parameters: Mapping[str, Any] | None = None
    ) -> Template:
        self._witness.updating(self.get(membership_id, template_id))
        return super().update(membership_id, template_id, budget_type, parameters)

    def delete(self, membership_id: str, template_id: str) -> None:
        self._witness.deleting(self.get(membership_id, template_id))
        super().delete(membership_id, template_id)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        self._witness.tagging(self._by_arn(arn))
        super().tag(arn, tags)
        self._witness.marked(self._by_arn(arn))

    def untag(self, arn: str, keys: Iterable[str]) -> None:
        self._witness.tagging(self._by_arn(arn))
        super().untag(arn, keys)
        self._witness.marked(self._by_arn(arn))

    def by_id(self, template_id: str | None) -> Template | None:
        return self._templates.get(template_id or "")


def stack_of(owner: str) -> str:
    return owner.rpartition("/")[0]


def identity(template: Template) -> Identity:
    return template.membership.id, template.budget_type.value, template.resource_arn


def identity_of(properties: Mapping[str, Any]) -> Identity:
    """The identity that properties declare."""
    return properties["MembershipIdentifier"], properties["PrivacyBudgetType"], properties["Parameters"].get("ResourceArn")


def spent(template: Template) -> bool:
    return any(meter.used for meter in template.meters.values())


def declared_tags(properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(tag["Key"], tag["Value"]) for tag in properties.get("Tags", [])}


def declared_budget(properties: Mapping[str, Any]) -> object:
    parameters = properties["Parameters"]
    if properties["PrivacyBudgetType"] == BudgetType.ACCESS_BUDGET:
        return sorted((limit["Type"], int(limit["Budget"])) for limit in parameters["BudgetParameters"])
    return int(parameters["Epsilon"]), int(parameters["UsersNoisePerQuery"]), properties.get("AutoRefresh", "NONE")


def present_budget(template: Template) -> object:
    parameters = template.parameters[template.budget_type.member]
    if template.budget_type is BudgetType.ACCESS_BUDGET:
        return sorted((limit["type"], limit["budget"]) for limit in parameters["budgetParameters"])
    return parameters["epsilon"], parameters["usersNoisePerQuery"], template.auto_refresh
