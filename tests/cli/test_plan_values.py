"""What can be known before a deployment of the values that only CloudFormation resolves."""

from typing import Any

import pytest

from planned_account import PlannedAccount
from privacy_budget_cli.deployed import Deployed
from privacy_budget_cli.plan_values import Values
from privacy_budget_cli.resolve import Scope, Unresolved, substituted, unresolved_in

MEMBERSHIP = "AWS::CleanRooms::Membership"
SCOPE = Scope(
    pseudo={"AWS::Region": "us-east-1"},
    parameters={"Stage": "prod", "Later": Unresolved('{"Ref": "Later"}')},
    types={"Stands": MEMBERSHIP, "Changes": MEMBERSHIP, "Function": "AWS::Lambda::Function", "New": MEMBERSHIP},
    physical_ids={"Stands": "the-id", "Changes": "its-id", "Function": "its-name"},
    changing=frozenset({"Changes"}),
    conditions={"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}},
    exports=lambda: {"Shared": "exported"},
)

KNOWN: dict[str, tuple[Any, Any]] = {
    "a number": (3, "3"),
    "a flag": (True, "true"),
    "a list": ([1, {"A": False}], ["1", {"A": "false"}]),
    "a parameter": ({"Ref": "Stage"}, "prod"),
    "a pseudo parameter": ({"Ref": "AWS::Region"}, "us-east-1"),
    "a resource that stands": ({"Ref": "Stands"}, "the-id"),
    "a membership's id": ({"Fn::GetAtt": ["Stands", "MembershipIdentifier"]}, "the-id"),
    "the same in YAML's short form": ({"Fn::GetAtt": "Stands.MembershipIdentifier"}, "the-id"),
    "a join": ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-prod"),
    "a text with names in it": ({"Fn::Sub": "${Stage}/${Stands.MembershipIdentifier}/${!Stage}"}, "prod/the-id/${Stage}"),
    "a text with names of its own": ({"Fn::Sub": ["${Own}/${Stage}", {"Own": {"Ref": "AWS::Region"}}]}, "us-east-1/prod"),
    "an export": ({"Fn::ImportValue": {"Fn::Sub": "Shared"}}, "exported"),
    "a property that is taken away": ({"A": {"Ref": "AWS::NoValue"}, "B": "b"}, {"B": "b"}),
}


@pytest.mark.parametrize(("value", "resolved"), KNOWN.values(), ids=KNOWN.keys())
def test_what_is_known(value: Any, resolved: Any) -> None:
    assert SCOPE.resolve(value) == resolved


UNKNOWN: dict[str, tuple[Any, Unresolved]] = {
    "a parameter's value": ({"Ref": "Later"}, Unresolved('{"Ref": "Later"}')),
    "another attribute": ({"Fn::GetAtt": ["Function", "Arn"]}, Unresolved('{"Fn::GetAtt": ["Function", "Arn"]}')),
    "an export that nobody has made": ({"Fn::ImportValue": "Mine"}, Unresolved('{"Fn::ImportValue": "Mine"}')),
    "a resource that changes": ({"Ref": "Changes"}, Unresolved('{"Ref": "Changes"}', changes=True)),
    "a resource that is new": ({"Ref": "New"}, Unresolved('{"Ref": "New"}', is_new=True)),
    "a join of what is not known": (
        {"Fn::Join": ["-", [{"Ref": "Stage"}, {"Ref": "Changes"}]]},
        Unresolved('{"Fn::Join": ["-", ["prod", {"Ref": "Changes"}]]}', changes=True),
    ),
}


@pytest.mark.parametrize(("value", "unresolved"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_not_known(value: Any, unresolved: Unresolved) -> None:
    assert SCOPE.resolve(value) == unresolved


def test_a_choice_is_the_same_only_as_long_as_its_condition_is() -> None:
    choice = {"Fn::If": ["IsProd", "a", "b"]}
    elsewhere = Scope(parameters={"Stage": "test"}, conditions=SCOPE.conditions)
    assert SCOPE.resolve(choice) == SCOPE.resolve(choice) != elsewhere.resolve(choice)


def test_what_becomes_known_is_put_in_wherever_it_stands() -> None:
    unknown = SCOPE.resolve({"Ref": "Later"})
    value = {"A": [unknown, {"B": unknown}], "C": "c"}
    assert unresolved_in(value) == [unknown, unknown]
    assert substituted(value, {unknown: "found"}) == {"A": ["found", {"B": "found"}], "C": "c"}


TEMPLATE = {
    "Parameters": {
        "Default": {"Type": "String", "Default": 5},
        "Parameter": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/the/name"},
        "Given": {"Type": "String"},
    }
}


def test_a_new_parameter_has_its_default_and_what_ssm_holds_is_not_known() -> None:
    values = Values.of(TEMPLATE, Deployed(), PlannedAccount(()), None)  # type: ignore[arg-type]
    assert values.after.parameters["Default"] == "5"
    assert unresolved_in([values.after.parameters[name] for name in ("Parameter", "Given")]) == [
        Unresolved('{"Ref": "Parameter"}'),
        Unresolved('{"Ref": "Given"}'),
    ]


def test_a_parameter_keeps_the_value_that_it_was_deployed_with() -> None:
    deployed = Deployed(TEMPLATE, parameters={"Default": "7", "Parameter": "its value", "Given": "mine"})
    values = Values.of(TEMPLATE, deployed, PlannedAccount(()), None)  # type: ignore[arg-type]
    assert values.after.parameters == {"Default": "7", "Parameter": "its value", "Given": "mine"}


def test_whatever_refers_to_a_resource_that_may_be_replaced_may_be_replaced_itself() -> None:
    def template(name: str) -> dict[str, Any]:
        return {
            "Resources": {
                "Collaboration": {"Type": "AWS::CleanRooms::Collaboration", "Properties": {"Name": name}},
                "Membership": {"Type": MEMBERSHIP, "Properties": {"CollaborationIdentifier": {"Fn::Sub": "${Collaboration.Id}"}}},
                "CollaborationOfOthers": {"Type": MEMBERSHIP, "Properties": {"CollaborationIdentifier": "theirs"}},
            }
        }

    values = Values.of(template("new"), Deployed(template("old")), PlannedAccount(()), None)  # type: ignore[arg-type]
    assert values.after.changing == {"Collaboration", "Membership"}
