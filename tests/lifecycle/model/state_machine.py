"""Histories: what users, CloudFormation, the service and fate may do in any order, as a hypothesis state machine.

A step is an operation on a stack, or a part of one, a query, a change behind the stacks' back, or a failure to come. At the end of
every history the faults are over, and each stack must deploy once more and go without a trace.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, Final

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cleanrooms_local_aws.clean_rooms.arns import ArnForm
from cleanrooms_local_aws.clean_rooms.exceptions import ConflictException, ValidationException
from cleanrooms_local_aws.clean_rooms.settings import Moment
from tests.fakes.fake_clean_rooms import Failure, Fault
from tests.lifecycle.model import quiesce
from tests.lifecycle.model.cloudformation import SMOOTH, Back, Course, Declared, Policy, Stack
from tests.lifecycle.model.cloudformation import Template as StackTemplate
from tests.lifecycle.model.harness import Counts, Harness
from tests.lifecycle.model.oracle import Identity, identity, identity_of
from tests.support.stack import access_budget, differential_privacy, tags

NO_CONSTANTS: Final = copy.deepcopy(providers._local_constants)

MEMBERSHIPS: Final = ("11111111-1111-4222-8333-444444444444", "22222222-1111-4222-8333-444444444444")
LOGICAL_IDS: Final = ("A", "B", "C")
DAY: Final = {"Type": "CALENDAR_DAY", "Budget": 100, "AutoRefresh": "ENABLED"}
LESS_A_DAY: Final = {"Type": "CALENDAR_DAY", "Budget": 50}
LIFETIME: Final = {"Type": "LIFETIME", "Budget": 1000}


def table(membership: str, name: str) -> str:
    return f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{membership}/configuredtableassociation/{name}"


def _variants() -> dict[Identity, list[dict[str, Any]]]:
    """Of each identity, what resources may declare."""
    variants = []
    for membership in MEMBERSHIPS:
        variants.append(
            [
                differential_privacy(membership),
                differential_privacy(membership, epsilon=5),
                differential_privacy(membership, AutoRefresh="CALENDAR_MONTH"),
                differential_privacy(membership, noise=60, AutoRefresh="CALENDAR_MONTH"),
            ]
        )
        for name in ("sales", "costs"):
            limits = ([DAY], [LESS_A_DAY, LIFETIME], [LIFETIME], [{**DAY, "Budget": 7}])
            variants.append([access_budget(membership, table(membership, name), chosen) for chosen in limits])
    return {identity_of(same[0]): same for same in variants}


VARIANTS: Final = _variants()
IDENTITIES: Final = list(VARIANTS)
AT_HOME: Final = dict(zip(LOGICAL_IDS, IDENTITIES, strict=False))
"""The identity that a resource has unless it moves."""
WRONG: Final = [differential_privacy("no-membership"), differential_privacy(MEMBERSHIPS[0], epsilon=99)]
OPTIONS: Final[list[dict[str, Any]]] = [
    {},
    {"Tags": tags(team="a")},
    {"OnExisting": "ADOPT"},
    {"OnBudgetReset": "ALLOW"},
    {"OnExisting": "ADOPT", "Tags": tags(team="b", cost="7")},
    {"OnBudgetReset": "ALLOW", "Tags": tags(team="a")},
    {"OnExisting": "ADOPT", "OnBudgetReset": "ALLOW"},
]
POLICIES: Final = [
    (Policy.DELETE, Policy.DELETE),
    (Policy.RETAIN_EXCEPT_ON_CREATE, Policy.RETAIN),
    (Policy.DELETE, Policy.RETAIN),
    (Policy.RETAIN, Policy.DELETE),
]


def _declare(of: Identity, variant: int, options: Mapping[str, Any], policies: tuple[Policy, Policy]) -> Declared:
    """Every twelfth resource or so is wrong."""
    budget = VARIANTS[of][variant % 4] if variant < 23 else WRONG[variant % 2]
    return Declared({**budget, **options}, *policies)


VARIANT: Final = st.integers(0, 24)
OPTION: Final = st.sampled_from(OPTIONS)
POLICY: Final = st.sampled_from(POLICIES)


def _resource(logical_id: str) -> st.SearchStrategy[Declared]:
    of = st.sampled_from([AT_HOME[logical_id]] * len(IDENTITIES) + IDENTITIES)
    return st.builds(_declare, of, VARIANT, OPTION, POLICY)


TEMPLATES: Final = st.one_of(
    st.fixed_dictionaries({"A": _resource("A")}),
    st.fixed_dictionaries({"A": _resource("A"), "B": _resource("B")}),
    st.fixed_dictionaries({logical_id: _resource(logical_id) for logical_id in LOGICAL_IDS}),
)
CHANGES: Final = st.one_of([st.tuples(st.just(logical_id), _resource(logical_id)) for logical_id in LOGICAL_IDS])
ROUGH: Final = st.builds(
    Course,
    fails_before=st.sampled_from([None, 0, 1, 2, 3]),
    cancelled=st.integers(0, 2),
    cancelled_arrive=st.booleans(),
    reverse=st.booleans(),
    back=st.sampled_from(Back),
)
COURSES: Final = st.one_of(st.just(SMOOTH), st.just(SMOOTH), ROUGH)


class Edit(Enum):
    """What an author does to a resource of a deployed template."""

    SET = "declares it anew"
    REMOVE = "removes it"
    RENAME = "gives it another logical id, and adopts"


READS_AND_CHANGES: Final = ("ListTagsForResource", "UpdatePrivacyBudgetTemplate", "TagResource", "UntagResource")
"""Where a false ResourceNotFoundException, as of a service that is not consistent yet, is healed by what follows."""


def _trouble(failure: Failure, moment: Moment, skip: int, times: int, operation: str) -> Fault:
    if failure is Failure.MISSING:
        return Fault(failure, Moment.BEFORE_EFFECT, skip, 1, operation)
    if failure in (Failure.DEATH, Failure.TIME_OUT):
        times = 1
    return Fault(failure, Moment.BEFORE_EFFECT if failure.has_no_effect else moment, skip, times)


TROUBLES: Final = st.builds(
    _trouble,
    st.sampled_from(Failure),
    st.sampled_from(Moment),
    st.integers(0, 8),
    st.sampled_from([1, 1, 1, 1, 2, 8, 100]),
    st.sampled_from(READS_AND_CHANGES),
)


GIVEN_UP_AFTER: Final = 960.0

LOWERED_EPSILON: Final[list[type[ValidationException] | type[ConflictException]]] = [ValidationException, ConflictException]
WHICH: Final = st.sampled_from([0, 0, 0, 1, 1, 1, 2])
"""Of the three stacks."""


@dataclass(frozen=True)
class Pace:
    """How far an operation goes at first, and whether everybody queries then."""

    events: int | None = None
    spent: bool = False


PACES: Final = st.sampled_from([Pace(), Pace(), Pace(), Pace(1), Pace(2), Pace(1, True), Pace(2, True), Pace(3, True)])


@dataclass(frozen=True)
class Sequel:
    """What the owner of a template does, while another stack adopts it: changes, moves, removes or renames its own resource."""

    edit: Edit
    elsewhere: Identity | None
    variant: int
    options: Mapping[str, Any]
    policies: tuple[Policy, Policy]

    def declared(self, of: Identity) -> Declared:
        return _declare(self.elsewhere or of, self.variant, self.options, self.policies)


SEQUELS: Final = st.one_of(
    st.none(),
    st.builds(Sequel, st.sampled_from([Edit.SET, *Edit]), st.sampled_from([None, None, *IDENTITIES]), VARIANT, OPTION, POLICY),
)


def _edited(present: dict[str, Declared], edit: Edit, logical_id: str, declared: Declared) -> StackTemplate:
    if edit is Edit.SET or logical_id not in present:
        return {**present, logical_id: declared}
    rest = {other: held for other, held in present.items() if other != logical_id}
    if edit is Edit.RENAME:
        free = next((other for other in LOGICAL_IDS if other not in present), None)
        before = present[logical_id]
        return {**rest, free: replace(before, properties={**before.properties, "OnExisting": "ADOPT"})} if free else present
    return rest


def _budget_edited(present: dict[str, Declared], of: Identity, variant: int) -> StackTemplate:
    budget = VARIANTS[of][variant]
    return {
        logical_id: replace(held, properties={**held.properties, **budget}) if identity_of(held.sent) == of else held
        for logical_id, held in present.items()
    }


def run(machine: type[RuleBasedStateMachine], seed: int, histories: int, phases: Sequence[Phase]) -> None:
    """Try so many histories, drawn by the seed alone. Raises AssertionError with the journal of one that breaks a promise."""
    # Hypothesis now and then draws a constant of any loaded module: other modules, other histories.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(providers, "_get_local_constants", lambda: NO_CONSTANTS)
        run_state_machine_as_test(
            hypothesis.seed(seed)(machine),
            settings=settings(
                max_examples=histories,
                stateful_step_count=25,
                deadline=None,
                database=None,
                print_blob=False,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            ),
        )


class LifecycleMachine(RuleBasedStateMachine):
    """Three stacks, two memberships and everything that can happen to them."""

    counts: ClassVar[Counts] = Counts()

    def __init__(self) -> None:
        super().__init__()
        self.counts.histories += 1
        self.harness = Harness(counts=self.counts)

    @initialize(arn_form=st.sampled_from(ArnForm), lowered=st.sampled_from(LOWERED_EPSILON), shop=TEMPLATES)
    def begin(self, arn_form: ArnForm, lowered: type[ValidationException] | type[ConflictException], shop: StackTemplate) -> None:
        self.harness.ledger._arn_form = arn_form
        self.harness.ledger.LOWERED_EPSILON = lowered  # type: ignore[misc]
        for membership in MEMBERSHIPS:
            self.harness.membership(membership)
        for name in ("shop", "lab", "den"):
            self.harness.stack(name)
        self._deploy(self.harness.stacks[0], lambda _: shop, SMOOTH, Pace())

    @rule(which=WHICH, template=TEMPLATES, course=COURSES, pace=PACES)
    def deploy(self, which: int, template: dict[str, Declared], course: Course, pace: Pace) -> None:
        """A whole template is deployed."""
        self._deploy(self.harness.stacks[which], lambda _: template, course, pace)

    @rule(which=WHICH, change=CHANGES, edit=st.sampled_from([Edit.SET, *Edit]), course=COURSES, pace=PACES)
    def change(self, which: int, change: tuple[str, Declared], edit: Edit, course: Course, pace: Pace) -> None:
        """One resource of the template is changed, and deployed."""
        logical_id, declared = change
        self._deploy(self.harness.stacks[which], lambda present: _edited(present, edit, logical_id, declared), course, pace)

    @rule(which=WHICH, of=st.sampled_from(IDENTITIES), variant=st.integers(0, 3), course=COURSES, pace=PACES)
    def edit(self, which: int, of: Identity, variant: int, course: Course, pace: Pace) -> None:
        """The budget of one identity is changed where the stack has one, and deployed."""
        self._deploy(self.harness.stacks[which], lambda present: _budget_edited(present, of, variant), course, pace)

    @rule(
        which=WHICH,
        number=st.integers(0, 5),
        adopter=st.sampled_from(LOGICAL_IDS),
        variant=VARIANT,
        policies=POLICY,
        course=st.one_of(COURSES, ROUGH),
        sequel=SEQUELS,
        ends=st.booleans(),
    )
    def adopt(
        self,
        which: int,
        number: int,
        adopter: str,
        variant: int,
        policies: tuple[Policy, Policy],
        course: Course,
        sequel: Sequel | None,
        ends: bool,
    ) -> None:
        """A stack adopts an existing template; its owner in the other stack goes on meanwhile, and the deploy ends as it may."""
        stack, other = self.harness.stacks[which], self.harness.stacks[(which + 1) % 3]
        standing = self.harness.ledger.standing
        if not standing:
            return
        of = identity(standing[number % len(standing)])
        taken = _declare(of, variant, {"OnExisting": "ADOPT"}, policies)
        self._deploy(stack, lambda present: {**present, adopter: taken}, course, Pace(1))
        owner = next((logical_id for logical_id, held in other.resources.items() if identity_of(held.declared.sent) == of), None)
        if sequel is not None and owner is not None:
            self._deploy(other, lambda present: _edited(present, sequel.edit, owner, sequel.declared(of)), SMOOTH, Pace())
        if ends:
            self._go_on(stack)

    @rule(which=WHICH, events=st.sampled_from([None, 1, 2]))
    def go_on(self, which: int, events: int | None) -> None:
        """An operation goes on; one that is stuck is tried again."""
        stack = self.harness.stacks[which]
        if stack.is_busy:
            self._go_on(stack, events)
        elif stack.is_stuck:
            self._destroy(stack, events)

    @rule(
        which=WHICH,
        logical_id=st.sampled_from(LOGICAL_IDS),
        number=st.sampled_from([0, 0, 0, 1, 2, 3]),
        seconds=st.sampled_from([0.0, 0.0, 30.0, 300.0, 17 * 60.0]),
    )
    def deliver_again(self, which: int, logical_id: str, number: int, seconds: float) -> None:
        """An event of a resource is delivered once more; after CloudFormation gave it up, nothing comes of that."""
        stack = self.harness.stacks[which]
        if number >= len(stack.past.get(logical_id, ())):
            return
        before = len(self.harness.client.requests)
        self.harness.now += seconds
        stack.again(logical_id, number)
        if seconds > GIVEN_UP_AFTER and len(self.harness.client.requests) > before:
            self.harness.oracle.report("a request for an event that CloudFormation had given up on")
        self.harness.check()

    @rule(which=WHICH, events=st.sampled_from([0, 0, 1, 2]))
    def go_on_meanwhile(self, which: int, events: int) -> None:
        """Another stack goes on in the middle of an event to come."""
        self.harness.meanwhile = (events, self.harness.stacks[which])

    @rule(number=st.integers(0, 5))
    def query(self, number: int) -> None:
        """A budget is consumed."""
        standing = self.harness.ledger.standing
        if standing:
            self.harness.spend(standing[number % len(standing)])

    @rule(fault=TROUBLES)
    def fault(self, fault: Fault) -> None:
        """The service will fail."""
        self.harness.fault_plan.faults.append(fault)

    @rule(
        what=st.sampled_from(["make", "remove", "leave", "destroy", "disturb", "lag"]),
        which=WHICH,
        of=st.sampled_from(IDENTITIES),
        number=st.integers(0, 3),
    )
    def meddle(self, what: str, which: int, of: Identity, number: int) -> None:
        """Somebody works in the console, deletes a stack, or things fail around the function."""
        harness = self.harness
        if what == "make":
            harness.by_hand(VARIANTS[of][number])
        elif what == "remove":
            harness.remove_by_hand(of)
        elif what == "leave":
            (harness.leave if of[0] in harness.memberships else harness.membership)(of[0])
        elif what == "destroy":
            quiesce.settle(harness, harness.stacks[which])
            self._destroy(harness.stacks[which], number or None)
        elif what == "lag":
            harness.lag = 2.0 * number
        elif which:
            harness.dark = number + 1
        else:
            harness.lost, harness.repeated = (number, 0) if number else (0, 1)

    @invariant()
    def promises_are_kept(self) -> None:
        self.counts.steps += 1
        self.harness.check()

    def teardown(self) -> None:
        try:
            if self.harness.stacks and not self.harness.oracle.broken:
                quiesce.end(self.harness, MEMBERSHIPS, Declared(VARIANTS[IDENTITIES[0]][0]))
        finally:
            self.harness.close()

    def _deploy(self, stack: Stack, edit: Callable[[dict[str, Declared]], StackTemplate], course: Course, pace: Pace) -> None:
        quiesce.settle(self.harness, stack)
        if stack.is_stuck:
            self.harness.calm(MEMBERSHIPS)
            quiesce.settle(self.harness, stack)
        template = edit({logical_id: held.declared for logical_id, held in stack.resources.items()})
        if template and not stack.is_busy and not stack.is_stuck:
            self.counts.operations += 1
            stack.deploy(template, course)
            self._go_on(stack, pace.events)
            if pace.spent:
                for one in self.harness.ledger.standing:
                    self.harness.spend(one)

    def _destroy(self, stack: Stack, events: int | None = None) -> None:
        self.counts.operations += 1
        stack.destroy()
        self._go_on(stack, events)

    def _go_on(self, stack: Stack, events: int | None = None) -> None:
        stack.go_on(events)
        self.harness.check()
