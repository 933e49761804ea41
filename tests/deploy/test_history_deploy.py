"""A scripted life of a budget on the local AWS, by the real CDK CLI and by hand, as the real command tells it."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import Engine
from tests.support.deployed_app import declared
from tests.support.deployed_clean_rooms import as_user, edit_by_hand, held, table

COMMAND = [sys.executable, "-m", "privacy_budget_cli"]


def history(local_aws: LocalAws, *arguments: str) -> dict[str, Any]:
    ran = subprocess.run(
        [*COMMAND, "history", *arguments, "--json"],
        env=local_aws.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    (found,) = json.loads(ran.stdout)["memberships"]
    return dict(found)


def test_a_scripted_life(engine: Engine, clean_rooms: Any, memberships: list[str], tmp_path: Path) -> None:
    """By hand: 3, raised to 5, counts 5. Recreated with 2, raised by alice to 4, counts 4: 9 in all.

    Access budget: 10 uses, refilled by an edit to 7: 17 uses of 2 balances.
    """
    membership, other = memberships
    stack = {"membership": membership, "on_budget_reset": "ALLOW"}
    engine.deploys(declared({**stack, "epsilon": 3}))
    engine.deploys(declared({**stack, "epsilon": 5}))
    (first,) = held(clean_rooms, membership)
    engine.local_aws.spend(membership, first["id"], 1, "COUNT")
    engine.deploys(declared({**stack, "epsilon": 2}))  # which Clean Rooms refuses once querying began, so the handler recreates it
    (second,) = held(clean_rooms, membership)
    alice = as_user(engine.local_aws, "alice")
    edit_by_hand(alice, second, epsilon=4)
    limits = {"budgetParameters": [{"type": "LIFETIME", "budget": 10}]}
    access = alice.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="ACCESS_BUDGET",
        parameters={"accessBudget": {"resourceArn": table(membership), **limits}},
    )["privacyBudgetTemplate"]
    limits["budgetParameters"][0]["budget"] = 7
    alice.update_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetTemplateIdentifier=access["id"],
        privacyBudgetType="ACCESS_BUDGET",
        parameters={"accessBudget": limits},
    )
    engine.deletes("Shop")

    found = history(engine.local_aws, membership)
    sales, *privacy = sorted(found["templates"], key=lambda template: (template["privacyBudgetType"], template["created"]))
    assert [template["id"] for template in privacy] == [first["id"], second["id"]]
    told = [
        (change["change"], *((change[side] or {}).get("epsilon") for side in ("before", "after")))
        for template in privacy
        for change in template["changes"]
    ]
    assert told == [
        ("CREATED", None, 3),
        ("EDITED", 3, 5),
        ("DELETED", 5, None),
        ("RECREATED", None, 2),
        ("EDITED", 2, 4),
        ("DELETED", 4, None),
    ]
    changes = [change for template in privacy for change in template["changes"]]
    assert all("stack/Shop/" in change["owner"] and change["owner"].endswith("/Budget") for change in changes)
    handler = changes[0]["by"]
    assert ":assumed-role/" in handler["arn"]
    assert handler["name"].count("/") == 1
    assert [change["by"]["name"] for change in changes] == [handler["name"]] * 4 + ["user alice", handler["name"]]
    times = [datetime.fromisoformat(change["time"]) for change in changes]
    assert times == sorted(times)
    assert [change["change"] for change in sales["changes"]] == ["CREATED", "EDITED"]
    assert {change["owner"] for change in sales["changes"]} == {None}
    granted = found["granted"]
    assert [grant["epsilon"] for grant in granted["differentialPrivacy"]["grants"]] == [5, 4]
    assert (granted["differentialPrivacy"]["budgets"], granted["differentialPrivacy"]["epsilon"]) == (2, 9)
    assert granted["accessBudgets"] == [{"resourceArn": table(membership), "budgets": 2, "uses": 17}]
    assert granted["unknownTemplates"] == 0

    events = engine.local_aws.client("cloudtrail").get_paginator("lookup_events").paginate()
    file = tmp_path / "trail.json"
    file.write_text(json.dumps({"Records": [json.loads(event["CloudTrailEvent"]) for page in events for event in page["Events"]]}))
    again = history(engine.local_aws, membership, "--from-file", str(file))
    assert (again["templates"], again["granted"]) == (found["templates"], granted)
    assert history(engine.local_aws, other)["templates"] == []
