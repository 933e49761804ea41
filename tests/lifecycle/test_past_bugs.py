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


def test_an_adoption_is_final_though_the_adopter_swapped_the_template_before_its_first_owner_went(harness: Harness) -> None:
    stack = harness.stack("shop")
    stack.deploy({"Old": Declared(HERE)})
    stack.go_on()
    stack.deploy({"New": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    stack.destroy()
    stack.go_on()
    gone(harness)
    assert harness.ledger.standing == []


def test_an_update_of_the_first_owner_does_not_make_an_adoption_final(harness: Harness) -> None:
    made = harness.by_hand(HERE)
    stack = harness.stack("shop")
    stack.deploy({"Old": Declared(ADOPTED)})
    stack.go_on()
    stack.deploy({"New": Declared(ADOPTED), "Old": Declared({**ADOPTED, "Tags": tags(team="a")})}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.standing == [made]


def test_a_hand_back_that_was_cut_off_is_finished_by_the_next_delivery(harness: Harness) -> None:
    """Else the first owner would take its own template for one that it found again, and a rollback would leave it behind."""
    stack = harness.stack("shop")
    harness.fault_plan.faults = [Fault(Failure.DEATH, Moment.BEFORE_EFFECT, operation="UntagResource")]
    stack.deploy({"Old": Declared(HERE), "New": Declared(ADOPTED)}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "ROLLBACK_COMPLETE"
    gone(harness)
    assert harness.ledger.standing == []


def test_a_swap_does_not_take_along_the_tags_that_only_aws_may_set(harness: Harness) -> None:
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


def test_the_rollback_of_a_deploy_that_adopted_does_not_make_the_adoption_final(harness: Harness) -> None:
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


def test_a_swap_whose_create_lost_its_answer_takes_what_the_second_try_finds(harness: Harness) -> None:
    stack = harness.stack("shop")
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    lost = Fault(Failure.INTERNAL, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate")
    harness.fault_plan.faults = [lost]
    stack.deploy({"A": Declared(MONTHLY)})
    stack.go_on()
    assert stack.status == "UPDATE_COMPLETE"


def test_a_first_owner_that_fails_to_move_back_does_not_make_an_adoption_final(harness: Harness) -> None:
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


def test_a_delete_that_kept_what_was_there_before_keeps_it_when_it_is_delivered_again(harness: Harness) -> None:
    stack = found_again(harness)
    kept = harness.ledger.standing[0]
    stack.go_on(1)
    harness.repeated = 1
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_a_move_back_that_kept_what_was_there_before_keeps_it_through_the_cleanup(harness: Harness) -> None:
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


def test_a_delete_that_kept_what_was_there_before_keeps_it_though_it_is_delivered_again_after_the_rollback(harness: Harness) -> None:
    stack = found_again(harness)
    kept = harness.ledger.standing[0]
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.deploy({"B": Declared(differential_privacy(TWO, epsilon=5))})
    stack.go_on()
    assert stack.status == "UPDATE_COMPLETE"
    stack.again("A")
    assert harness.ledger.find(HERE_IDENTITY) is kept


def test_the_cleanup_of_one_that_is_gone_keeps_what_the_resource_had_elsewhere_before(harness: Harness) -> None:
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


def test_an_adopter_of_a_swapped_template_keeps_its_physical_id_where_it_fails_to_move(harness: Harness) -> None:
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
