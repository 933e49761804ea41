"""The plan of each row of the lifecycle table, then its deployment, which does what the plan said: on the embedded local AWS."""

import io
import json
import shutil
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import aws_cdk
import pytest
from aws_cdk import aws_ssm as ssm
from rich.console import Console

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetTemplate
from privacy_budget_cli.errors import CommandError, explain
from privacy_budget_cli.plan import command as plan_command
from privacy_budget_cli.plan.prediction import Effect
from privacy_budget_cli.session import session
from privacy_budget_core.errors import AccessDeniedError
from tests.support.cdk import Engine
from tests.support.deployed_app import declared
from tests.support.deployed_clean_rooms import edit_by_hand, held, made_by_hand, new_membership, spent, table

OWNER = "cleanrooms-privacy-budget:owner"
KEEP = {"removal": "RETAIN_ON_UPDATE_OR_DELETE"}
MONTHLY = {"refresh": "CALENDAR_MONTH"}
ALLOW = {"on_budget_reset": "ALLOW"}


@pytest.fixture(autouse=True)
def on_the_local_aws(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in engine.local_aws.environment.items():
        monkeypatch.setenv(name, value)


def plan(engine: Engine, *arguments: str, app: Path | None = None) -> tuple[int, str]:
    """Run the command on the assembly, or on something else, and give its exit status and what it printed."""
    parser = ArgumentParser()
    plan_command.add_arguments(parser)
    options = parser.parse_args([str(app or engine.folder / "cdk.out"), *arguments])
    options.session, options.endpoint_url = session(None, None), None
    printed = io.StringIO()
    return plan_command.run(options, Console(file=printed, width=200)), printed.getvalue()


def steps(engine: Engine) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit status and the steps by their templates' ids."""
    status, printed = plan(engine, "--json")
    return status, {step["logicalId"]: step for step in json.loads(printed)["templates"]}


def update(engine: Engine) -> str:
    """Deploy what is declared to the stack that stands, as ``cdk deploy`` would but at once; the status that it settles in."""
    body = (engine.folder / "cdk.out" / "Shop.template.json").read_text()
    engine.local_aws.client("cloudformation").update_stack(StackName="Shop", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    return engine.settled("Shop")


def use(engine: Engine, clean_rooms: Any, membership: str, count: int) -> None:
    (template,) = held(clean_rooms, membership)
    engine.local_aws.spend(membership, template["id"], count, "COUNT" if template["privacyBudgetType"] == "DIFFERENTIAL_PRIVACY" else None)


def stack_names(engine: Engine) -> set[str]:
    """The names of the stacks that are there, be it as shells of change sets."""
    return {stack["StackName"] for stack in engine.local_aws.client("cloudformation").describe_stacks()["Stacks"]}


def change_sets(engine: Engine, stack: str = "Shop") -> list[str]:
    listed = engine.local_aws.client("cloudformation").list_change_sets(StackName=stack)["Summaries"]
    return [change_set["ChangeSetName"] for change_set in listed]


def buckets(engine: Engine) -> set[str]:
    """What is published in the bucket of the bootstrap."""
    s3 = engine.local_aws.client("s3")
    (bucket,) = (bucket["Name"] for bucket in s3.list_buckets()["Buckets"] if "-assets-" in bucket["Name"])
    return {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def prepare(engine: Engine) -> None:
    ran = engine.run("deploy", "Shop", "--require-approval", "never", "--method=prepare-change-set", "--change-set-name", "reviewed")
    assert ran.status == 0, ran.text


def shop(templates: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "Shop", "templates": templates}


def test_the_deployment_does_what_the_plan_said(engine: Engine, clean_rooms: Any) -> None:
    here = {
        name: new_membership(clean_rooms)
        for name in ("New", "Same", "Edited", "Token", "Fresh", "Swapped", "Refilled", "Moved", "Followed", "Kept", "Gone", "Drifted")
    }
    there = {name: new_membership(clean_rooms) for name in ("Moved", "Followed")}
    before: dict[str, dict[str, Any]] = {name: {"membership": membership} for name, membership in here.items() if name != "New"}
    before["Token"]["membership"] = aws_cdk.Token.as_string({"Fn::Select": [0, [here["Token"]]]})
    before["Refilled"] |= {"table": table(here["Refilled"]), "day": 10}
    for name in ("Followed", "Kept"):
        before[name] |= KEEP
    engine.declare(shop(before))
    status, planned = steps(engine)
    assert status == 0
    assert {step["effect"] for step in planned.values()} == {"CREATED"}
    assert "Shop" not in stack_names(engine)
    engine.deploys_assembly()
    assert {len(held(clean_rooms, membership)) for name, membership in here.items() if name != "New"} == {1}

    spent_of = {name: 5 for name in before if name != "Fresh"}
    for name, count in spent_of.items():
        use(engine, clean_rooms, here[name], count)
    (drifting,) = held(clean_rooms, here["Drifted"])
    edit_by_hand(clean_rooms, drifting, epsilon=9)
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
    stood = {name: held(clean_rooms, membership) for name, membership in here.items()}
    engine.declare(shop(after))
    status, planned = steps(engine)
    assert {name: Effect[step["effect"]] for name, step in planned.items()} == {
        "New": Effect.CREATED,
        "Same": Effect.UNCHANGED,
        "Edited": Effect.EDITED,
        "Token": Effect.EDITED,
        "Fresh": Effect.RECREATED,
        "Swapped": Effect.RECREATED,
        "Refilled": Effect.EDITED_WITH_RESET,
        "Moved": Effect.REPLACED,
        "Followed": Effect.REPLACED,
        "Kept": Effect.KEPT,
        "Gone": Effect.DELETED,
        "Drifted": Effect.DRIFTED,
    }
    assert status == 3
    assert (planned["Moved"]["old"], planned["Followed"]["old"]) == ("DELETED", "KEPT")
    assert planned["Drifted"]["drift"].startswith("Clean Rooms holds epsilon 9")
    assert {name: step["consumed"][0]["consumed"] for name, step in planned.items() if step["consumed"]} == spent_of
    assert update(engine) == "UPDATE_COMPLETE"

    now = {name: held(clean_rooms, membership) for name, membership in here.items()}
    for name in ("Same", "Kept", "Followed", "Drifted"):
        assert now[name] == stood[name], name
    for name in ("Edited", "Token", "Refilled"):
        assert now[name][0]["id"] == stood[name][0]["id"], name
        assert now[name][0]["parameters"] != stood[name][0]["parameters"], name
    for name in ("Fresh", "Swapped"):
        assert now[name][0]["id"] != stood[name][0]["id"], name
    assert [len(now["New"]), *(len(held(clean_rooms, membership)) for membership in there.values())] == [1, 1, 1]
    assert now["Moved"] == now["Gone"] == []
    for name, count in spent_of.items():
        left = spent(clean_rooms, now[name][0]) if now[name] else 0
        assert left == (0 if planned[name]["loses"] else count), name

    status, planned = steps(engine)
    assert {step["effect"] for name, step in planned.items() if name != "Drifted"} == {"UNCHANGED"}
    assert status == 0


def test_planned_refusal_matches_the_failure(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    used, taken = memberships
    engine.deploys(shop({"Used": {"membership": used}}))
    use(engine, clean_rooms, used, 5)
    theirs = made_by_hand(clean_rooms, taken)
    stood = held(clean_rooms, used), held(clean_rooms, taken)
    for declares, effect in (
        ({"Used": {"membership": used, **MONTHLY}}, "REFUSED"),
        ({"Used": {"membership": used}, "Taken": {"membership": taken}}, "OCCUPIED"),
    ):
        engine.declare(shop(declares))
        status, planned = steps(engine)
        (refused,) = (step for step in planned.values() if step["effect"] == effect)
        assert status == 3
        assert update(engine) == "UPDATE_ROLLBACK_COMPLETE"
        events = engine.local_aws.client("cloudformation").describe_stack_events(StackName="Shop")["StackEvents"]
        assert any(refused["detail"] in event.get("ResourceStatusReason", "") for event in events)
        assert (held(clean_rooms, used), held(clean_rooms, taken)) == stood

    engine.declare(shop({"Used": {"membership": used}, "Taken": {"membership": taken, "on_existing": "ADOPT"}}))
    status, planned = steps(engine)
    assert (status, planned["Taken"]["effect"]) == (0, "ADOPTED")
    assert update(engine) == "UPDATE_COMPLETE"
    (adopted,) = held(clean_rooms, taken)
    assert adopted["arn"] == theirs["arn"]
    assert adopted["tags"][OWNER].endswith("/Taken")


def test_plan_as_text_and_markdown(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """A plan is written as text for a terminal, and as Markdown for a pull request."""
    membership, _ = memberships
    engine.deploys(declared({"membership": membership}))
    use(engine, clean_rooms, membership, 7)
    engine.declare(declared({"membership": membership, **MONTHLY, **ALLOW}))
    status, printed = plan(engine)
    assert status == 3
    (template,) = held(clean_rooms, membership)
    created = f"{template['createTime'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    assert printed.splitlines() == [
        "Stack Shop",
        "  Budget: deleted and created, which gives a fresh budget",
        "    epsilon 3, noise 30, auto refresh NONE to epsilon 3, noise 30, auto refresh CALENDAR_MONTH",
        f"    brings the epsilon granted since the template's create ({created}) from 3 to 6, by sequential composition,"
        " and 3 more with each further month",
        "    7 of 99 COUNT consumed, which is lost",
        "Review required: a budget would be lost or replaced, or the outcome cannot be determined.",
    ]
    _, printed = plan(engine, "--markdown")
    row = printed.splitlines()[-1]
    assert row.startswith("| ⚠️ | `Shop/Budget` | deleted and created, which gives a fresh budget<br>epsilon 3")
    assert row.endswith(" | 7 of 99 COUNT consumed, which is lost |")


def test_template_alone_is_planned_for_named_stack(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    made_by_hand(clean_rooms, memberships[0])
    engine.declare(declared({"membership": memberships[0]}))
    template = engine.folder / "cdk.out" / "Shop.template.json"
    with pytest.raises(CommandError, match="does not tell the stack's name; give it by --stack"):
        plan(engine, app=template)
    status, printed = plan(engine, "--stack", "Any", app=template)
    assert status == 3
    assert printed.startswith("Stack Any\n")
    assert "fails, since a template of another owner exists" in printed


def test_named_stack_is_planned_alone(engine: Engine, memberships: list[str]) -> None:
    engine.declare(*(declared({"membership": membership}, name=name) for name, membership in zip(("One", "Two"), memberships, strict=True)))
    _, printed = plan(engine, "--stack", "Two")
    assert printed.startswith("Stack Two\n")
    assert "Stack One" not in printed
    with pytest.raises(CommandError, match="has no stack Three; it has One, Two"):
        plan(engine, "--stack", "Three")


def test_what_is_not_there_is_named(engine: Engine) -> None:
    with pytest.raises(CommandError, match="does not exist; write it by cdk synth"):
        plan(engine)


def test_role_without_clean_rooms_makes_no_plan(engine: Engine, memberships: list[str]) -> None:
    """A role that may not read Clean Rooms gets an error instead of a plan."""
    engine.declare(declared({"membership": memberships[0]}))
    iam = engine.local_aws.client("iam")
    role = next(role["RoleName"] for role in iam.list_roles()["Roles"] if "-lookup-role-" in role["RoleName"])
    denied = {"Effect": "Deny", "Action": "cleanrooms:ListPrivacyBudgetTemplates", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="Denied", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    try:
        with pytest.raises(AccessDeniedError) as refused:
            plan(engine)
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Denied")
    assert "allow them cleanrooms:ListPrivacyBudgetTemplates" in explain(refused.value, "us-east-1")


def test_a_prepared_change_set_is_read_and_left(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    engine.deploys(declared({"membership": membership}))
    use(engine, clean_rooms, membership, 7)
    engine.declare(declared({"membership": membership, **MONTHLY, **ALLOW}))
    prepare(engine)
    engine.declare(declared({"membership": membership}))  # what was prepared is what is planned
    for arguments in ((), ("--stack", "Shop")):
        status, printed = plan(engine, "--change-set", "reviewed", *arguments)
        assert status == 3
        assert "7 of 99 COUNT consumed, which is lost" in printed
    assert "reviewed" in change_sets(engine)
    with pytest.raises(CommandError, match="has no change set another, or has changed since"):
        plan(engine, "--change-set", "another")


def test_outdated_change_set_is_refused(engine: Engine, memberships: list[str]) -> None:
    """A change set older than the stack's last change is out of date."""
    membership, _ = memberships
    engine.deploys(declared({"membership": membership}))
    engine.declare(declared({"membership": membership, "epsilon": 5}))
    prepare(engine)
    engine.declare(declared({"membership": membership, "epsilon": 6}))
    assert update(engine) == "UPDATE_COMPLETE"
    with pytest.raises(
        CommandError, match=r"reviewed of stack Shop is out of date|no change set reviewed, or has changed since it was made"
    ):
        plan(engine, "--change-set", "reviewed")


def test_prepared_first_deployment_is_planned(engine: Engine, memberships: list[str]) -> None:
    """The plan leaves the stack in review in place."""
    engine.declare(declared({"membership": memberships[0]}))
    prepare(engine)
    assert plan(engine, "--change-set", "reviewed")[0] == 0
    assert plan(engine)[0] == 0
    assert change_sets(engine) == ["reviewed"]


def test_a_plan_publishes_and_leaves_nothing(engine: Engine, memberships: list[str]) -> None:
    """A large template goes through the bucket, and is deleted from it."""
    before = buckets(engine)
    engine.declare(declared({"membership": memberships[0]}, tags={"office": "Zürich \u2013 Datenschutz"}))
    file = engine.folder / "cdk.out" / "Shop.template.json"
    template = json.loads(file.read_text(encoding="utf-8"))
    template["Metadata"] = {"Filler": "\u2013" * 60_000}
    file.write_text(json.dumps(template, ensure_ascii=False), encoding="utf-8")
    for arguments in ({}, {"app": file}):
        status, printed = plan(engine, "--stack", "Shop", **arguments)
        assert (status, printed.splitlines()[:2]) == (0, ["Stack Shop", "  Budget: created"])
    assert buckets(engine) == before
    assert "Shop" not in stack_names(engine)


def test_unpublished_nested_stacks_are_planned(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    def declare(epsilon: int, *, first: bool = False) -> None:
        shutil.rmtree(engine.folder / "cdk.out", ignore_errors=True)
        app = aws_cdk.App(outdir=str(engine.folder / "cdk.out"))
        stack = aws_cdk.Stack(app, "Shop", env=aws_cdk.Environment(account="111122223333", region="us-east-1"))
        inner = aws_cdk.NestedStack(stack, "Inner")
        budget = PrivacyBudget.differential_privacy(epsilon=epsilon, users_noise_per_query=30)
        PrivacyBudgetTemplate(inner, "Budget", membership_id=memberships[0], budget=budget, removal_policy=aws_cdk.RemovalPolicy.DESTROY)
        app.synth()

    declare(3)
    status, planned = steps(engine)
    assert (status, planned["Budget"]["effect"]) == (0, "CREATED")
    assert planned["Budget"]["stack"].startswith("Shop/Inner")
    ran = engine.run("deploy", "--all", "--require-approval", "never")
    assert ran.status == 0, ran.text
    use(engine, clean_rooms, memberships[0], 7)
    declare(5)
    status, planned = steps(engine)
    assert (status, planned["Budget"]["effect"], planned["Budget"]["ledger"]) == (
        0,
        "EDITED",
        "7 of 99 COUNT consumed, which stays consumed",
    )


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_plan_that_is_interrupted_leaves_nothing(engine: Engine, memberships: list[str], sent: signal.Signals) -> None:
    engine.declare(declared({"membership": memberships[0]}))
    interrupting = (
        "import os, sys; from privacy_budget_cli.__main__ import main; from privacy_budget_cli.plan import temporary_change_set\n"
        f"temporary_change_set.read = lambda *_: os.kill(os.getpid(), {int(sent)})\n"
        "sys.exit(main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", interrupting, "plan", str(engine.folder / "cdk.out")],
        env=engine.local_aws.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 128 + sent
    assert "Traceback" not in ran.stderr
    assert "Shop" not in stack_names(engine)


def test_a_template_that_cloudformation_refuses_leaves_nothing(engine: Engine) -> None:
    file = engine.folder / "template.yaml"
    file.write_text("Resources:\n  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref Nothing}}\n")
    status, printed = plan(engine, "--stack", "Refused", app=file)
    assert status == 3
    assert "the stack: refused\n    by CloudFormation: Template format error: Unresolved resource dependencies [Nothing]" in printed
    assert "Refused" not in stack_names(engine)


def test_parameters_that_are_given(engine: Engine) -> None:
    file = engine.folder / "template.yaml"
    file.write_text("Parameters: {Membership: {Type: String}}\nResources: {H: {Type: AWS::CloudFormation::WaitConditionHandle}}\n")
    status, printed = plan(engine, "--stack", "Given", app=file)
    assert status == 3
    assert "by CloudFormation: Parameter 'Membership' has no Default and was not provided" in printed
    assert plan(engine, "--stack", "Given", "--parameters", "Membership=x", app=file)[0] == 0
    with pytest.raises(CommandError, match="there is no parameter Nothing in what was planned"):
        plan(engine, "--stack", "Given", "--parameters", "Membership=x", "Nothing=y", app=file)


def test_role_without_change_sets_gets_remedy(engine: Engine, memberships: list[str]) -> None:
    """The error names the role that may create change sets."""
    engine.declare(declared({"membership": memberships[0]}))
    iam = engine.local_aws.client("iam")
    role = next(role["RoleName"] for role in iam.list_roles()["Roles"] if "-deploy-role-" in role["RoleName"])
    denied = {"Effect": "Deny", "Action": "cloudformation:CreateChangeSet", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="Denied", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    try:
        with pytest.raises(CommandError, match=r"may not make a change set for stack Shop .*the deploy role of the CDK's bootstrap may"):
            plan(engine)
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Denied")


def test_value_changed_by_earlier_stack_is_unknown(engine: Engine, memberships: list[str]) -> None:
    """The change set of the second stack has the present value; the deployment of the first one changes it."""

    def declare(membership: str) -> None:
        shutil.rmtree(engine.folder / "cdk.out", ignore_errors=True)
        app = aws_cdk.App(outdir=str(engine.folder / "cdk.out"))
        env = aws_cdk.Environment(account="111122223333", region="us-east-1")
        first, shop = aws_cdk.Stack(app, "First", env=env), aws_cdk.Stack(app, "Shop", env=env)
        shop.add_dependency(first)
        ssm.StringParameter(first, "Stored", parameter_name="/stored/membership", string_value=membership)
        given = ssm.StringParameter.value_for_string_parameter(shop, "/stored/membership")
        budget = PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30)
        PrivacyBudgetTemplate(shop, "Budget", membership_id=given, budget=budget, removal_policy=aws_cdk.RemovalPolicy.DESTROY)
        app.synth()

    declare(memberships[0])
    ran = engine.run("deploy", "--all", "--require-approval", "never")
    assert ran.status == 0, ran.text
    declare(memberships[1])
    status, planned = steps(engine)
    assert (status, planned["Budget"]["effect"]) == (3, "UNKNOWN")
    assert "the stored parameter /stored/membership of stack First, which is deployed before and changes" in planned["Budget"]["detail"]


@pytest.mark.parametrize("locale", [{"LC_ALL": "POSIX"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}], ids=["POSIX", "POSIX without UTF-8"])
def test_any_text_in_any_locale(engine: Engine, clean_rooms: Any, memberships: list[str], locale: dict[str, str]) -> None:
    """What the terminal's encoding lacks becomes a question mark."""
    made_by_hand(clean_rooms, memberships[0], office="Zürich \u2013 Datenschutz")
    engine.declare(declared({"membership": memberships[0], "on_existing": "ADOPT"}, tags={"office": "Zürich \u2013 Datenschutz"}))
    app = engine.folder / "cdk.out"
    template = app / "Shop.template.json"
    template.write_text(template.read_text(encoding="utf-8").replace("\\u2013", "\u2013"), encoding="utf-8")
    outputs = engine.folder / "outputs.json"
    outputs.write_text(json.dumps({"Zürich": {"MembershipId": memberships[0]}}, ensure_ascii=False), encoding="utf-8")
    for arguments, told in (
        (["status", "--outputs", str(outputs)], "rich "),
        (["plan", str(app)], "Budget: adopted"),
        (["plan", str(app), "--markdown"], "`Shop/Budget` | adopted"),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "privacy_budget_cli", *arguments],
            env={**engine.local_aws.environment, **locale},
            capture_output=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert told.encode() in ran.stdout
