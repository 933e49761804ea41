"""What the random histories found, each as its shortest sequence."""

from cleanrooms_local_aws.clean_rooms.settings import Moment
from tests.fakes.fake_clean_rooms import Failure, Fault
from tests.lifecycle.model.cloudformation import Back, Course, Declared, Policy, Stack
from tests.lifecycle.model.harness import Harness
from tests.lifecycle.model.oracle import identity_of
from tests.lifecycle.model.state_machine import DAY, MEMBERSHIPS, table
from tests.support.stack import access_budget, differential_privacy, tags

ONE, TWO = MEMBERSHIPS
HERE = differential_privacy(ONE)
ADOPTED = {**HERE, "OnExisting": "ADOPT"}
HERE_IDENTITY = identity_of(HERE)
THERE = differential_privacy(TWO)
TABLE = access_budget(ONE, table(ONE, "sales"), [DAY])
MONTHLY = {**HERE, "AutoRefresh": "CALENDAR_MONTH"}


def gone(harness: Harness) -> None:
    """Nothing is left of the stacks that ended."""
    for stack in harness.stacks:
        for ended in stack.ended:
            harness.oracle.check_gone(ended, harness.ledger.standing)


def test_adoption_of_a_recreated_template_is_final(harness: Harness) -> None:
    """The adopter recreated the template before the first owner was deleted."""
    stack = harness.stack("shop")
    stack.deploy({"Old": Declared(HERE)})
    stack.go_on()
    stack.deploy({"New": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    stack.destroy()
    stack.go_on()
    gone(harness)
    assert harness.ledger.standing == []


def test_first_owners_update_finalizes_nothing(harness: Harness) -> None:
    """An update of the first owner does not finalize an adoption."""
    made = harness.by_hand(HERE)
    stack = harness.stack("shop")
    stack.deploy({"Old": Declared(ADOPTED)})
    stack.go_on()
    stack.deploy({"New": Declared(ADOPTED), "Old": Declared({**ADOPTED, "Tags": tags(team="a")})}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == [made]


def test_redelivery_finishes_interrupted_hand_back(harness: Harness) -> None:
    """Else the first owner would take its own template for one that it found again, and a rollback would leave it behind."""
    stack = harness.stack("shop")
    harness.fault_plan.faults = [Fault(Failure.DEATH, Moment.BEFORE_EFFECT, operation="UntagResource")]
    stack.deploy({"Old": Declared(HERE), "New": Declared(ADOPTED)}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "ROLLBACK_COMPLETE"
    gone(harness)
    assert harness.ledger.standing == []


def test_recreation_omits_tags_reserved_for_aws(harness: Harness) -> None:
    made = harness.by_hand(HERE)
    assert made is not None
    made.tags["aws:cloudformation:stack-name"] = "native"
    stack = harness.stack("shop")
    stack.deploy({"A": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    assert stack.status == "CREATE_COMPLETE"
    successor = harness.ledger.find(HERE_IDENTITY)
    assert successor is not None
    assert successor.tags["by"] == "hand"
    assert not any(key.startswith("aws:") for key in successor.tags)


def test_rollback_of_adoption_finalizes_nothing(harness: Harness) -> None:
    """The rollback of a deployment that adopted does not finalize the adoption."""
    stack = harness.stack("shop")
    stack.deploy({"A": Declared(ADOPTED)})
    stack.go_on()
    harness.remove_by_hand(HERE_IDENTITY)
    made = harness.by_hand(HERE)
    stack.deploy({"A": Declared({**ADOPTED, "Tags": tags(team="a")})}, Course(fails_before=1))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.destroy()
    stack.go_on()
    assert harness.ledger.standing == [made]


def test_unanswered_recreation_takes_the_found_template(harness: Harness) -> None:
    """The second attempt finds the template that the first one created."""
    stack = harness.stack("shop")
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    lost = Fault(Failure.INTERNAL, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")
    harness.fault_plan.faults = [lost]
    stack.deploy({"A": Declared(MONTHLY)})
    stack.go_on()
    assert stack.status == "UPDATE_COMPLETE"


def test_failed_move_back_finalizes_nothing(harness: Harness) -> None:
    """A first owner that fails to move back does not finalize an adoption."""
    shop, lab = harness.stack("shop"), harness.stack("lab")
    shop.deploy({"A": Declared(HERE)})
    shop.go_on()
    made = harness.ledger.find(HERE_IDENTITY)
    shop.deploy({"A": Declared(THERE, update_replace_policy=Policy.RETAIN)})
    shop.go_on()
    lab.deploy({"A": Declared(ADOPTED)}, Course(fails_before=1))
    lab.go_on(1)
    shop.deploy({"A": Declared(HERE)})
    shop.go_on()
    assert shop.status == "UPDATE_ROLLBACK_COMPLETE"
    lab.go_on()
    assert lab.status == "ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is made


def found_again(harness: Harness) -> Stack:
    """A stack that kept a template, whose budget is consumed, and is about to have the same resource again when something fails."""
    stack = harness.stack("shop")
    other = Declared(THERE)
    stack.deploy({"A": Declared(HERE, deletion_policy=Policy.RETAIN_EXCEPT_ON_CREATE), "B": other})
    stack.go_on()
    harness.spend(harness.ledger.standing[0])
    stack.deploy({"B": other})
    stack.go_on()
    stack.deploy({"A": Declared(HERE), "B": other}, Course(fails_before=1))
    return stack


def test_redelivered_delete_keeps_the_earlier_template(harness: Harness) -> None:
    """A delete that kept a template from before keeps it when it is delivered again."""
    stack = found_again(harness)
    kept = harness.ledger.standing[0]
    stack.go_on(1)
    harness.repeated = 1
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_cleanup_after_move_back_keeps_earlier_template(harness: Harness) -> None:
    stack = harness.stack("shop")
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    kept = harness.ledger.standing[0]
    harness.spend(kept)
    stack.deploy({"A": Declared(THERE, update_replace_policy=Policy.RETAIN)})
    stack.go_on()
    stack.deploy({"A": Declared(HERE)}, Course(fails_before=1, back=Back.TO_THE_OLD_ID))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_delete_redelivered_after_rollback_keeps_earlier_template(harness: Harness) -> None:
    stack = found_again(harness)
    kept = harness.ledger.standing[0]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.deploy({"B": Declared(differential_privacy(TWO, epsilon=5))})
    stack.go_on()
    assert stack.status == "UPDATE_COMPLETE"
    stack.again("A")
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_cleanup_keeps_the_template_from_elsewhere(harness: Harness) -> None:
    """Going back, the resource is made anew under another id, and the Delete of the old id has the properties of where it was to go."""
    stack = harness.stack("shop")
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    kept = harness.ledger.standing[0]
    harness.spend(kept)
    stack.deploy({"A": Declared(THERE, update_replace_policy=Policy.RETAIN)})
    stack.go_on()
    harness.remove_by_hand(identity_of(THERE))
    harness.fault_plan.faults = [Fault(Failure.DENIED, operation="CreatePrivacyBudgetTemplate")]
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_failed_move_keeps_the_adopters_physical_id(harness: Harness) -> None:
    """With another physical id, the cleanup of the rollback would delete the template, and what was consumed of it."""
    stack = harness.stack("shop")
    stack.deploy({"Old": Declared(HERE)})
    stack.go_on()
    stack.deploy({"Old": Declared(MONTHLY)})
    stack.go_on()
    stack.deploy({"New": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    stack.deploy({"New": Declared({**MONTHLY, "OnExisting": "ADOPT", "Tags": tags(team="a")})})
    stack.go_on()
    adopted = harness.ledger.standing[0]
    harness.spend(adopted)
    harness.by_hand(TABLE)
    stack.deploy({"New": Declared(TABLE)})
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is adopted
