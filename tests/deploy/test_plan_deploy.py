"""The plan of each row of the lifecycle table, then its deployment, which does what the plan said: on the embedded local AWS."""

import io
import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk
import pytest
from rich.console import Console

from cdk import Cdk
from deployed_app import declared
from deployed_rooms import held, made_by_hand, new_membership, spent, table
from privacy_budget_cli import plan_command
from privacy_budget_cli.errors import Problem, explain
from privacy_budget_cli.plan_effect import Effect
from privacy_budget_cli.session import session
from privacy_budget_handler.client import Denied

OWNER = "cleanrooms-privacy-budget:owner"
KEEP = {"removal": "RETAIN_ON_UPDATE_OR_DELETE"}
MONTHLY = {"refresh": "CALENDAR_MONTH"}
ALLOW = {"on_budget_reset": "ALLOW"}


@pytest.fixture(autouse=True)
def on_the_local_aws(cdk: Cdk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cdk.local_aws.environment.items():
        monkeypatch.setenv(name, value)


def plan(cdk: Cdk, *arguments: str, app: Path | None = None) -> tuple[int, str]:
    """Run the command on the assembly, or on something else, and give its exit status and what it printed."""
    parser = ArgumentParser()
    plan_command.add_arguments(parser)
    options = parser.parse_args([str(app or cdk.folder / "cdk.out"), *arguments])
    options.session, options.endpoint_url = session(None, None), None
    printed = io.StringIO()
    return plan_command.run(options, Console(file=printed, width=200)), printed.getvalue()


def steps(cdk: Cdk) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status and the steps by their templates' ids."""
    status, printed = plan(cdk, "--json")
    return status, {step["logicalId"]: step for step in json.loads(printed)["templates"]}


def update(cdk: Cdk) -> str:
    """Deploy what is declared to the stack that stands, as ``cdk deploy`` would but at once; the status that it settles in."""
    body = (cdk.folder / "cdk.out" / "Shop.template.json").read_text()
    cdk.local_aws.client("cloudformation").update_stack(StackName="Shop", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    return cdk.settled("Shop")


def use(cdk: Cdk, rooms: Any, membership: str, count: int) -> None:
    (template,) = held(rooms, membership)
    cdk.local_aws.spend(membership, template["id"], count, "COUNT" if template["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY" else None)


def shop(templates: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "Shop", "templates": templates}


def test_the_deployment_does_what_the_plan_said(cdk: Cdk, rooms: Any) -> None:
    here = {
        name: new_membership(rooms)
        for name in ("New", "Same", "Edited", "Token", "Fresh", "Swapped", "Refilled", "Moved", "Followed", "Kept", "Gone", "Drifted")
    }
    there = {name: new_membership(rooms) for name in ("Moved", "Followed")}
    before: dict[str, dict[str, Any]] = {name: {"membership": membership} for name, membership in here.items() if name != "New"}
    before["Token"]["membership"] = aws_cdk.Token.as_string({"Fn::Select": [0, [here["Token"]]]})
    before["Refilled"] |= {"table": table(here["Refilled"]), "day": 10}
    for name in ("Followed", "Kept"):
        before[name] |= KEEP
    cdk.declare(shop(before))
    status, planned = steps(cdk)
    assert (status, planned.pop("Token")["effect"]) == (3, "UNKNOWN")
    assert {step["effect"] for step in planned.values()} == {"CREATED"}
    ran = cdk.run("deploy", "--all", "--require-approval", "never")
    assert ran.status == 0, ran.text
    assert {len(held(rooms, membership)) for name, membership in here.items() if name != "New"} == {1}

    spent_of = {name: 5 for name in before if name != "Fresh"}
    for name, count in spent_of.items():
        use(cdk, rooms, here[name], count)
    (drifting,) = held(rooms, here["Drifted"])
    rooms.update_privacy_budget_template(
        membershipIdentifier=here["Drifted"],
        privacyBudgetTemplateIdentifier=drifting["id"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": 9, "usersNoisePerQuery": 30}},
    )
    after = {name: template for name, template in before.items() if name not in ("Kept", "Gone")}
    after |= {
        "New": {"membership": here["New"]},
        "Edited": {**before["Edited"], "epsilon": 5},
        "Token": {**before["Token"], "epsilon": 5},
        "Fresh": {**before["Fresh"], **MONTHLY},
        "Swapped": {**before["Swapped"], **MONTHLY, **ALLOW},
        "Refilled": {**before["Refilled"], "day": 20, **ALLOW},
        "Moved": {"membership": there["Moved"]},
        "Followed": {"membership": there["Followed"], **KEEP},
    }
    stood = {name: held(rooms, membership) for name, membership in here.items()}
    cdk.declare(shop(after))
    status, planned = steps(cdk)
    assert {name: Effect[step["effect"]] for name, step in planned.items()} == {
        "New": Effect.CREATED,
        "Same": Effect.UNCHANGED,
        "Edited": Effect.EDITED,
        "Token": Effect.EDITED,
        "Fresh": Effect.SWAPPED,
        "Swapped": Effect.SWAPPED,
        "Refilled": Effect.REFILLED,
        "Moved": Effect.REPLACED,
        "Followed": Effect.REPLACED,
        "Kept": Effect.KEPT,
        "Gone": Effect.DELETED,
        "Drifted": Effect.DRIFTED,
    }
    assert status == 3
    assert (planned["Moved"]["old"], planned["Followed"]["old"]) == ("DELETED", "KEPT")
    assert planned["Drifted"]["drift"].startswith("Clean Rooms holds epsilon 9")
    assert {name: step["spent"][0]["spent"] for name, step in planned.items() if step["spent"]} == spent_of
    assert update(cdk) == "UPDATE_COMPLETE"

    now = {name: held(rooms, membership) for name, membership in here.items()}
    for name in ("Same", "Kept", "Followed", "Drifted"):
        assert now[name] == stood[name], name
    for name in ("Edited", "Token", "Refilled"):
        assert now[name][0]["id"] == stood[name][0]["id"], name
        assert now[name][0]["parameters"] != stood[name][0]["parameters"], name
    for name in ("Fresh", "Swapped"):
        assert now[name][0]["id"] != stood[name][0]["id"], name
    assert [len(now["New"]), *(len(held(rooms, membership)) for membership in there.values())] == [1, 1, 1]
    assert now["Moved"] == now["Gone"] == []
    for name, count in spent_of.items():
        left = spent(rooms, now[name][0]) if now[name] else 0
        assert left == (0 if planned[name]["loses"] else count), name

    status, planned = steps(cdk)
    assert {step["effect"] for name, step in planned.items() if name != "Drifted"} == {"UNCHANGED"}
    assert status == 0


def test_a_refused_deployment_was_planned_in_the_words_that_it_fails_with(cdk: Cdk, rooms: Any, memberships: list[str]) -> None:
    used, taken = memberships
    cdk.deploys(shop({"Used": {"membership": used}}))
    use(cdk, rooms, used, 5)
    theirs = made_by_hand(rooms, taken)
    stood = held(rooms, used), held(rooms, taken)
    for declares, effect in (
        ({"Used": {"membership": used, **MONTHLY}}, "REFUSED"),
        ({"Used": {"membership": used}, "Taken": {"membership": taken}}, "OCCUPIED"),
    ):
        cdk.declare(shop(declares))
        status, planned = steps(cdk)
        (refused,) = (step for step in planned.values() if step["effect"] == effect)
        assert status == 3
        assert update(cdk) == "UPDATE_ROLLBACK_COMPLETE"
        events = cdk.local_aws.client("cloudformation").describe_stack_events(StackName="Shop")["StackEvents"]
        assert any(refused["detail"] in event.get("ResourceStatusReason", "") for event in events)
        assert (held(rooms, used), held(rooms, taken)) == stood

    cdk.declare(shop({"Used": {"membership": used}, "Taken": {"membership": taken, "on_existing": "ADOPT"}}))
    status, planned = steps(cdk)
    assert (status, planned["Taken"]["effect"]) == (0, "ADOPTED")
    assert update(cdk) == "UPDATE_COMPLETE"
    (adopted,) = held(rooms, taken)
    assert adopted["arn"] == theirs["arn"]
    assert adopted["tags"][OWNER].endswith("/Taken")


def test_a_plan_reads_as_a_person_and_a_pull_request_need_it(cdk: Cdk, rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    cdk.deploys(declared({"membership": membership}))
    use(cdk, rooms, membership, 7)
    cdk.declare(declared({"membership": membership, **MONTHLY, **ALLOW}))
    status, printed = plan(cdk)
    assert status == 3
    assert printed.splitlines() == [
        "Stack Shop",
        "  Budget: deleted and created, which gives a fresh budget",
        "    epsilon 3, noise 30, auto refresh NONE to epsilon 3, noise 30, auto refresh CALENDAR_MONTH",
        "    7 of 99 COUNT spent, which is lost",
        "Somebody should look before the deployment: a budget would be lost or replaced, or that cannot be told.",
    ]
    _, printed = plan(cdk, "--markdown")
    row = printed.splitlines()[-1]
    assert row.startswith("| ⚠️ | `Shop/Budget` | deleted and created, which gives a fresh budget<br>epsilon 3")
    assert row.endswith(" | 7 of 99 COUNT spent, which is lost |")


def test_a_template_alone_is_planned_for_the_stack_that_is_named(cdk: Cdk, rooms: Any, memberships: list[str]) -> None:
    made_by_hand(rooms, memberships[0])
    cdk.declare(declared({"membership": memberships[0]}))
    template = cdk.folder / "cdk.out" / "Shop.template.json"
    with pytest.raises(Problem, match="does not tell the stack's name; give it by --stack"):
        plan(cdk, app=template)
    status, printed = plan(cdk, "--stack", "Any", app=template)
    assert status == 3
    assert printed.startswith("Stack Any\n")
    assert "fails, since somebody else's template stands there" in printed


def test_only_one_stack_of_an_app_is_planned_where_it_is_named(cdk: Cdk, memberships: list[str]) -> None:
    cdk.declare(*(declared({"membership": membership}, name=name) for name, membership in zip(("One", "Two"), memberships, strict=True)))
    _, printed = plan(cdk, "--stack", "Two")
    assert printed.startswith("Stack Two\n")
    assert "Stack One" not in printed
    with pytest.raises(Problem, match="has no stack Three; it has One, Two"):
        plan(cdk, "--stack", "Three")


def test_what_is_not_there_is_named(cdk: Cdk) -> None:
    with pytest.raises(Problem, match="does not exist; write it by cdk synth"):
        plan(cdk)


def test_a_role_that_may_not_read_clean_rooms_makes_no_plan(cdk: Cdk, memberships: list[str]) -> None:
    cdk.declare(declared({"membership": memberships[0]}))
    iam = cdk.local_aws.client("iam")
    role = next(role["RoleName"] for role in iam.list_roles()["Roles"] if "-lookup-role-" in role["RoleName"])
    denied = {"Effect": "Deny", "Action": "cleanrooms:ListPrivacyBudgetTemplates", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="Denied", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    try:
        with pytest.raises(Denied) as refused:
            plan(cdk)
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Denied")
    assert "allow them cleanrooms:ListPrivacyBudgetTemplates" in explain(refused.value, "us-east-1")
