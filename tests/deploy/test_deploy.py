"""What only a deployment shows: the production template, the CLI's diff of it, CloudFormation's protocol, the enforced policy."""

from typing import Any

from tests.support.cdk import Engine
from tests.support.deployed_app import declared
from tests.support.deployed_clean_rooms import held, table


def test_create_edit_tag_replace_and_destroy_differential_privacy(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    first, second = memberships
    arn = engine.deploys(declared({"membership": first}, tags={"team": "privacy"}))["Shop"]["BudgetArn"]
    (template,) = held(clean_rooms, first)
    assert template["arn"] == arn == engine.resource("Shop", "Budget")["PhysicalResourceId"]
    assert template["parameters"]["differentialPrivacy"] == {"epsilon": 3, "usersNoisePerQuery": 30}
    assert template["tags"]["team"] == "privacy"

    edited = engine.deploys(declared({"membership": first, "epsilon": 5}, tags={"team": "data"}))["Shop"]["BudgetArn"]
    (template,) = held(clean_rooms, first)
    assert edited == arn == template["arn"]
    assert template["parameters"]["differentialPrivacy"]["epsilon"] == 5
    assert template["tags"]["team"] == "data"

    diff = engine.run("diff")
    assert "There were no differences" in diff.text
    engine.declare(declared({"membership": first, "epsilon": 7}, tags={"team": "data"}))
    assert "Epsilon" in engine.run("diff").text

    replaced = engine.deploys(declared({"membership": second, "epsilon": 5}))["Shop"]["BudgetArn"]
    (template,) = held(clean_rooms, second)
    assert replaced == template["arn"] == engine.resource("Shop", "Budget")["PhysicalResourceId"] != arn
    assert held(clean_rooms, first) == []

    engine.destroys()
    assert held(clean_rooms, second) == []


def test_create_edit_and_destroy_an_access_budget(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    arn = engine.deploys(declared({"membership": membership, "table": table(membership), "day": 10}))["Shop"]["BudgetArn"]
    edited = engine.deploys(declared({"membership": membership, "table": table(membership), "day": 20}))["Shop"]["BudgetArn"]
    (template,) = held(clean_rooms, membership)
    assert edited == arn == template["arn"]
    assert template["parameters"]["accessBudget"]["budgetParameters"] == [{"type": "CALENDAR_DAY", "budget": 20, "autoRefresh": "ENABLED"}]
    engine.destroys()
    assert held(clean_rooms, membership) == []


def test_template_outlives_its_stack_by_default(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    engine.deploys(declared({"membership": membership, "removal": "RETAIN_ON_UPDATE_OR_DELETE"}))
    engine.destroys()
    assert len(held(clean_rooms, membership)) == 1


def test_failed_create_gives_reason_and_rolls_back(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    unknown = "99999999-1111-4222-8333-444444444444"
    ran = engine.deploy(declared({"membership": unknown}))
    assert ran.status != 0
    assert "ResourceNotFoundException from CreatePrivacyBudgetTemplate" in ran.text
    assert unknown in ran.text
    assert "ROLLBACK_COMPLETE" in ran.text
    assert "DELETE_FAILED" not in ran.text
    membership, _ = memberships
    engine.deploys(declared({"membership": membership}))
    assert len(held(clean_rooms, membership)) == 1


def test_a_template_goes_again_when_another_resource_fails(engine: Engine, clean_rooms: Any, memberships: list[str], taken: str) -> None:
    membership, _ = memberships
    ran = engine.deploy(declared({"membership": membership, "removal": "RETAIN_ON_UPDATE_OR_DELETE"}, fails_after=taken))
    assert ran.status != 0
    assert "Budget CREATE_COMPLETE" in ran.text
    assert held(clean_rooms, membership) == []


def test_a_rolled_back_update_restores_the_old_values(engine: Engine, clean_rooms: Any, memberships: list[str], taken: str) -> None:
    first, second = memberships
    arn = engine.deploys(declared({"membership": first}))["Shop"]["BudgetArn"]
    assert engine.deploy(declared({"membership": first, "epsilon": 9}, fails_after=taken)).status != 0
    (template,) = held(clean_rooms, first)
    assert template["arn"] == arn
    assert template["parameters"]["differentialPrivacy"]["epsilon"] == 3
    assert engine.deploy(declared({"membership": second}, fails_after=taken)).status != 0
    assert [template["arn"] for template in held(clean_rooms, first)] == [arn]
    assert held(clean_rooms, second) == []


def test_a_function_role_without_the_grant_is_denied(engine: Engine, clean_rooms: Any, memberships: list[str]) -> None:
    membership, _ = memberships
    ran = engine.deploy(declared({"membership": membership}, without_grants=True))
    assert ran.status != 0
    assert "AccessDeniedException from CreatePrivacyBudgetTemplate" in ran.text
    assert "is not authorized to perform: cleanrooms:CreatePrivacyBudgetTemplate" in ran.text
    assert held(clean_rooms, membership) == []
