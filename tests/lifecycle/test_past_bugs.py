"""What the histories found, each as the shortest story that shows it."""

from cleanrooms_local_aws.clean_rooms.settings import Moment
from cloudformation import Course, Declared
from histories import MEMBERSHIPS
from quick_rooms import Failure, Trouble
from stack import differential_privacy, tags
from witness import identity_of
from world import World

ONE, TWO = MEMBERSHIPS
HERE = differential_privacy(ONE)
ADOPTED = {**HERE, "OnExisting": "ADOPT"}
HERE_IDENTITY = identity_of(HERE)
MONTHLY = {**HERE, "AutoRefresh": "CALENDAR_MONTH"}


def gone(world: World) -> None:
    """Nothing is left of the stacks that ended."""
    for stack in world.stacks:
        for ended in stack.ended:
            world.witness.check_gone(ended, world.ledger.standing)


def test_an_adoption_is_final_though_the_adopter_swapped_the_template_before_its_first_owner_went(world: World) -> None:
    stack = world.stack("shop")
    stack.deploy({"Old": Declared(HERE)})
    stack.go_on()
    stack.deploy({"New": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    stack.destroy()
    stack.go_on()
    gone(world)
    assert world.ledger.standing == []


def test_an_update_of_the_first_owner_does_not_make_an_adoption_final(world: World) -> None:
    made = world.by_hand(HERE)
    stack = world.stack("shop")
    stack.deploy({"Old": Declared(ADOPTED)})
    stack.go_on()
    stack.deploy({"New": Declared(ADOPTED), "Old": Declared({**ADOPTED, "Tags": tags(team="a")})}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.ledger.standing == [made]


def test_a_hand_back_that_was_cut_off_is_finished_by_the_next_delivery(world: World) -> None:
    """Else the first owner would take its own template for one that it found again, and a rollback would leave it behind."""
    stack = world.stack("shop")
    world.weather.troubles = [Trouble(Failure.DEATH, Moment.BEFORE_EFFECT, operation="UntagResource")]
    stack.deploy({"Old": Declared(HERE), "New": Declared(ADOPTED)}, Course(fails_before=2))
    stack.go_on()
    assert stack.status == "ROLLBACK_COMPLETE"
    gone(world)
    assert world.ledger.standing == []


def test_a_swap_does_not_take_along_the_tags_that_only_aws_may_set(world: World) -> None:
    made = world.by_hand(HERE)
    assert made is not None
    made.tags["aws:cloudformation:stack-name"] = "native"
    stack = world.stack("shop")
    stack.deploy({"A": Declared({**MONTHLY, "OnExisting": "ADOPT"})})
    stack.go_on()
    assert stack.status == "CREATE_COMPLETE"
    successor = world.ledger.find(HERE_IDENTITY)
    assert successor is not None
    assert successor.tags["by"] == "hand"
    assert not any(key.startswith("aws:") for key in successor.tags)


def test_the_rollback_of_a_deploy_that_adopted_does_not_make_the_adoption_final(world: World) -> None:
    stack = world.stack("shop")
    stack.deploy({"A": Declared(ADOPTED)})
    stack.go_on()
    world.remove_by_hand(HERE_IDENTITY)
    made = world.by_hand(HERE)
    stack.deploy({"A": Declared({**ADOPTED, "Tags": tags(team="a")})}, Course(fails_before=1))
    stack.go_on()
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.destroy()
    stack.go_on()
    assert world.ledger.standing == [made]


def test_a_swap_whose_create_lost_its_answer_takes_what_the_second_try_finds(world: World) -> None:
    stack = world.stack("shop")
    stack.deploy({"A": Declared(HERE)})
    stack.go_on()
    lost = Trouble(Failure.INTERNAL, Moment.AFTER_EFFECT, operation="CreatePrivacyBudgetTemplate", retried=True)
    world.weather.troubles = [lost]
    stack.deploy({"A": Declared(MONTHLY)})
    stack.go_on()
    assert stack.status == "UPDATE_COMPLETE"
