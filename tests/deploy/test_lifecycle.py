"""The lifecycle as CloudFormation's engine drives it: consumed budgets, moves, adoptions, rivals, and the service's quota."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import CLI, Engine
from tests.support.deployed_app import declared
from tests.support.deployed_clean_rooms import held, made_by_hand, new_membership, spent, table

OWNER = "cleanrooms-privacy-budget:owner"
ADOPTED_FROM = "cleanrooms-privacy-budget:adopted-from"
REQUEST = "cleanrooms-privacy-budget:request"
"""Also that of a Delete which kept the template in a rollback."""


def shop(**templates: dict[str, Any]) -> dict[str, Any]:
    """A stack with these templates."""
    return {"name": "Shop", "templates": templates}


def test_consumed_budget_is_reset_only_if_allowed(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """An unconsumed budget beside it changes its refresh without the option, and back in the rollback."""
    used, fresh = ({"membership": membership} for membership in memberships)
    arns = engine.deploys(shop(Used=used, Fresh=fresh))["Shop"]
    ids = {name: engine.resource("Shop", name)["PhysicalResourceId"] for name in ("Used", "Fresh")}
    (before,) = held(clean_rooms, memberships[0])
    engine.local_aws.spend(memberships[0], before["id"], 5, "COUNT")

    monthly = {"refresh": "CALENDAR_MONTH"}
    refused = engine.deploy(shop(Used={**used, **monthly}, Fresh={**fresh, **monthly}))
    assert refused.status != 0
    assert re.search(
        r"Changing the DIFFERENTIAL_PRIVACY template in membership \S+ from auto refresh NONE to"
        r" auto refresh CALENDAR_MONTH needs a reset [^:]*: what was consumed of it \(5 of 99 COUNT\) would be forgotten\."
        r" To accept that, set on_budget_reset=OnBudgetReset\.ALLOW",
        refused.text,
    )
    assert engine.settled("Shop") == "UPDATE_ROLLBACK_COMPLETE"
    (after,) = held(clean_rooms, memberships[0])
    assert (after, spent(clean_rooms, after)) == (before, 5)
    assert held(clean_rooms, memberships[1])[0]["autoRefresh"] == "NONE"
    assert {name: engine.resource("Shop", name)["PhysicalResourceId"] for name in ids} == ids

    allowed = engine.deploys(shop(Used={**used, **monthly, "on_budget_reset": "ALLOW"}, Fresh={**fresh, **monthly}))["Shop"]
    for name, membership in zip(("Used", "Fresh"), memberships, strict=True):
        (template,) = held(clean_rooms, membership)
        assert template["autoRefresh"] == "CALENDAR_MONTH"
        assert spent(clean_rooms, template) == 0
        assert allowed[f"{name}Arn"] == template["arn"] != arns[f"{name}Arn"]
        assert engine.resource("Shop", name)["PhysicalResourceId"] == ids[name] == arns[f"{name}Arn"]
    engine.destroys()
    assert held(clean_rooms, memberships[0]) == held(clean_rooms, memberships[1]) == []


def test_refilling_edit_is_made_only_if_allowed(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """An edit that refills a consumed access budget needs the option."""
    membership, _ = memberships
    budget = {"membership": membership, "table": table(membership), "day": 10}
    arn = engine.deploys(declared(budget))["Shop"]["BudgetArn"]
    (template,) = held(clean_rooms, membership)
    engine.local_aws.spend(membership, template["id"], 4)

    refused = engine.deploy(declared({**budget, "day": 20}))
    assert refused.status != 0
    assert "what was consumed of it (4 of 10 CALENDAR_DAY) would be forgotten" in refused.text
    assert "set on_budget_reset=OnBudgetReset.ALLOW" in refused.text
    assert engine.settled("Shop") == "UPDATE_ROLLBACK_COMPLETE"
    assert held(clean_rooms, membership) == [template]
    assert spent(clean_rooms, template) == 4

    assert engine.deploys(declared({**budget, "day": 20, "on_budget_reset": "ALLOW"}))["Shop"]["BudgetArn"] == arn
    (edited,) = held(clean_rooms, membership)
    assert edited["parameters"]["accessBudget"]["budgetParameters"][0]["budget"] == 20
    assert spent(clean_rooms, edited) == 0


def test_move_deletes_or_keeps_the_old_template(engine: Engine, clean_rooms: Any) -> None:
    """Where the old template of a moved resource is kept, its budget stays consumed."""
    moved_from, moved_to, kept_in, followed_by = (new_membership(clean_rooms) for _ in range(4))
    keep = {"removal": "RETAIN_ON_UPDATE_OR_DELETE"}
    engine.deploys(shop(Moved={"membership": moved_from}, Kept={"membership": kept_in, **keep}))
    (kept,) = held(clean_rooms, kept_in)
    engine.local_aws.spend(kept_in, kept["id"], 5, "COUNT")

    arns = engine.deploys(shop(Moved={"membership": moved_to}, Kept={"membership": followed_by, **keep}))["Shop"]
    assert held(clean_rooms, moved_from) == []
    assert held(clean_rooms, kept_in) == [kept]
    assert spent(clean_rooms, kept) == 5
    for name, membership in (("Moved", moved_to), ("Kept", followed_by)):
        (template,) = held(clean_rooms, membership)
        assert arns[f"{name}Arn"] == template["arn"] == engine.resource("Shop", name)["PhysicalResourceId"]
    engine.deletes("Shop")
    assert held(clean_rooms, moved_to) == []
    assert [len(held(clean_rooms, membership)) for membership in (kept_in, followed_by)] == [1, 1]


def test_template_by_hand_is_refused_or_adopted(engine: Engine, clean_rooms: Any, memberships: list[str], taken: str) -> None:
    """The deployment that adopts a template never deletes it."""
    membership, _ = memberships
    arn = made_by_hand(clean_rooms, membership, team="legal")["arn"]
    (found,) = held(clean_rooms, membership)
    engine.local_aws.spend(membership, found["id"], 5, "COUNT")
    budget = {"membership": membership, "epsilon": 5}

    refused = engine.deploy(declared(budget))
    assert refused.status != 0
    assert f"exists already: {arn}" in refused.text
    assert "set on_existing=OnExisting.ADOPT" in refused.text
    assert "DELETE_FAILED" not in refused.text
    assert engine.settled("Shop") == "ROLLBACK_COMPLETE"
    assert held(clean_rooms, membership) == [found]

    adopt = {**budget, "on_existing": "ADOPT"}
    assert engine.deploy(declared(adopt, fails_after=taken)).status != 0
    (handed_back,) = held(clean_rooms, membership)
    assert (handed_back["arn"], handed_back["tags"], spent(clean_rooms, handed_back)) == (arn, {"team": "legal"}, 5)

    assert engine.deploys(declared(adopt, tags={"stage": "test"}))["Shop"]["BudgetArn"] == arn
    (adopted,) = held(clean_rooms, membership)
    assert adopted["tags"].items() >= {"team": "legal", "stage": "test"}.items()
    assert adopted["parameters"]["differentialPrivacy"]["epsilon"] == 5
    assert spent(clean_rooms, adopted) == 5
    engine.deletes("Shop")
    (left,) = held(clean_rooms, membership)
    assert left["arn"] == arn
    assert not {OWNER, ADOPTED_FROM} & left["tags"].keys()
    assert spent(clean_rooms, left) == 5


def test_a_renamed_resource_keeps_its_ledger(engine: Engine, clean_rooms: Any, memberships: list[str], taken: str) -> None:
    membership, _ = memberships
    arn = engine.deploys(shop(Old={"membership": membership}))["Shop"]["OldArn"]
    (made,) = held(clean_rooms, membership)
    engine.local_aws.spend(membership, made["id"], 5, "COUNT")

    renamed = shop(New={"membership": membership, "on_existing": "ADOPT"})
    assert engine.deploy({**renamed, "fails_after": taken}).status != 0
    assert engine.settled("Shop") == "UPDATE_ROLLBACK_COMPLETE"
    assert engine.resource("Shop", "Old")["PhysicalResourceId"] == arn
    (restored,) = held(clean_rooms, membership)
    assert {**restored["tags"], REQUEST: made["tags"][REQUEST]} == made["tags"]
    assert {**restored, "tags": made["tags"]} == made

    assert engine.deploys(renamed)["Shop"]["NewArn"] == arn
    (kept,) = held(clean_rooms, membership)
    assert (kept["arn"], spent(clean_rooms, kept)) == (arn, 5)
    assert kept["tags"][OWNER] == made["tags"][OWNER].removesuffix("Old") + "New"
    assert ADOPTED_FROM not in kept["tags"]
    engine.deletes("Shop")
    assert held(clean_rooms, membership) == []


def test_two_stacks_compete_for_one_membership(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    """Of two stacks deployed at once, one gets the template, and the other fails with its ARN."""
    membership, _ = memberships
    both = [declared({"membership": membership}, name=name) for name in ("First", "Second")]
    contended = engine.deploy(*both)
    assert contended.status != 0
    statuses = {engine.settled(name): name for name in ("First", "Second")}
    assert statuses.keys() == {"CREATE_COMPLETE", "ROLLBACK_COMPLETE"}
    (template,) = held(clean_rooms, membership)
    assert f"exists already: {template['arn']}" in contended.text
    assert "on_existing=OnExisting.ADOPT" in contended.text
    winner, loser = statuses["CREATE_COMPLETE"], statuses["ROLLBACK_COMPLETE"]
    assert template["tags"][OWNER].split("/")[1] == winner

    engine.deletes(winner)
    assert held(clean_rooms, membership) == []
    arn = engine.deploys(declared({"membership": membership}, name=loser))[loser]["BudgetArn"]
    assert [template["arn"] for template in held(clean_rooms, membership)] == [arn]


class TestQuota:
    """A Clean Rooms that takes 5 requests a second of each operation, as the service's documentation says."""

    @pytest.fixture
    def limited(self, tmp_path: Path) -> Iterator[LocalAws]:
        local_aws = LocalAws(tmp_path / "limited", requests_per_second=5)
        try:
            local_aws.start()
            local_aws.bootstrap([str(CLI)])
            yield local_aws
        finally:
            local_aws.destroy()

    def test_fifty_templates_deploy_and_destroy_at_once(self, limited: LocalAws, tmp_path: Path) -> None:
        """Five stacks of ten templates: the emulator handles the resources of one stack one after another."""
        engine, clean_rooms = Engine(limited, tmp_path), limited.client("cleanrooms")
        memberships = [new_membership(clean_rooms) for _ in range(2)]
        tables = [(membership, table(membership, f"t{number}")) for membership in memberships for number in range(25)]
        stacks = [
            {
                "name": f"Shop{first // 10}",
                "templates": {
                    f"Budget{number}": {"membership": membership, "table": arn, "day": 10}
                    for number, (membership, arn) in enumerate(tables[first : first + 10])
                },
            }
            for first in range(0, 50, 10)
        ]

        def made() -> list[dict[str, Any]]:
            pages = [clean_rooms.list_privacy_budget_templates(membershipIdentifier=id_, maxResults=100) for id_ in memberships]
            return [summary for page in pages for summary in page["privacyBudgetTemplateSummaries"]]

        outputs = engine.deploys(*stacks)
        templates = made()
        arns = {arn for stack in outputs.values() for arn in stack.values()}
        assert len(arns) == 50
        assert arns == {template["arn"] for template in templates}
        times = [template["createTime"] for template in templates]
        assert (max(times) - min(times)).total_seconds() >= (50 - 5 - 1) / 5
        log = (limited.folder / "server.log").read_text()
        assert re.search(r'"message":"Create answered with SUCCESS".*"calls":[2-9]', log), "no create was throttled"
        engine.deletes(*outputs)
        assert made() == []
