"""CloudFormation's own types of Clean Rooms in stacks: their schemas, their lifecycle, and what a replacement loses."""

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from cleanrooms_local_aws import LocalAws
from cleanrooms_local_aws.native_types.schemas import TYPES, NativeType
from tests.local_aws.support.native_stacks import ROLE, Budget, access_budget, attribute, broken, budget, remains, resource, rule, template
from tests.local_aws.support.stacks import Stack

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

SCHEMAS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas")))
OTHER_TABLE = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def backend(local_aws: LocalAws) -> Any:
    return local_aws.client("cleanrooms")


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
def test_a_type_is_as_its_schema_says(type_: NativeType) -> None:
    listed = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())
    schema = json.loads((SCHEMAS / "resources" / f"{listed[type_.type]}.json").read_text())

    def names(member: str) -> list[str]:
        return [path.removeprefix("/properties/") for path in schema.get(member, [])]

    assert set(type_.required) == set(schema["required"])
    assert {*type_.required, *type_.optional} == schema["properties"].keys() - set(names("readOnlyProperties"))
    assert set(type_.create_only) == set(names("createOnlyProperties"))
    assert list(type_.identifier) == names("primaryIdentifier")
    assert type_.attributes.keys() == set(names("readOnlyProperties"))
    assert type_.delete_first is (schema.get("replacementStrategy") == "delete_then_create")
    assert schema["tagging"]["tagProperty"] == "/properties/Tags"


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.name)
def test_create_request_has_each_property(type_: NativeType) -> None:
    service: Any = botocore.session.get_session().get_service_model("cleanrooms")
    members = {name.lower() for name in service.operation_model(f"Create{type_.name}").input_shape.members}
    properties = {*type_.required, *type_.optional} - {type_.rules}
    assert {name for name in properties if type_.renamed.get(f"Create.{name}", name).lower() not in members} == set()


def test_all_five_types_are_created_and_deleted(local_aws: LocalAws, backend: Any, stack: Stack) -> None:
    before = remains(local_aws)
    made = template(Budget=access_budget({"Type": "LIFETIME", "Budget": "50"}))
    for output, (logical_id, name) in {
        "Creator": ("Membership", "CollaborationCreatorAccountId"),
        "Of": ("Budget", "CollaborationIdentifier"),
        "Under": ("Budget", "MembershipArn"),
    }.items():
        made["Outputs"][output] = {"Value": attribute(logical_id, name)}
    assert stack.deploy(made) == "CREATE_COMPLETE"

    ids = {name: stack.physical_id(name) for name in made["Resources"]}
    membership = backend.get_membership(membershipIdentifier=ids["Membership"])["membership"]
    assert membership["collaborationId"] == ids["Collaboration"]
    members = backend.list_members(collaborationIdentifier=ids["Collaboration"])["memberSummaries"]
    assert [member["accountId"] for member in members] == ["111122223333", "444455556666"]
    association_id, of = ids["Association"].split("|")
    assert of == ids["Membership"]
    association = backend.get_configured_table_association(membershipIdentifier=of, configuredTableAssociationIdentifier=association_id)
    assert association["configuredTableAssociation"]["configuredTableId"] == ids["Table"]
    assert association["configuredTableAssociation"]["roleArn"] == ROLE
    custom = backend.get_configured_table_analysis_rule(configuredTableIdentifier=ids["Table"], analysisRuleType="CUSTOM")["analysisRule"]
    assert custom["policy"]["v1"]["custom"]["allowedAnalyses"] == ["ANY_QUERY"]
    found = Budget(local_aws, stack).get()
    assert found["parameters"]["accessBudget"]["budgetParameters"] == [{"type": "LIFETIME", "budget": 50}]
    assert found["parameters"]["accessBudget"]["resourceArn"] == association["configuredTableAssociation"]["arn"]
    assert stack.outputs() == {
        "Budget": found["arn"],
        "Creator": "111122223333",
        "Of": ids["Collaboration"],
        "Under": membership["arn"],
    }

    assert stack.delete() == "DELETE_COMPLETE"
    assert remains(local_aws) == before


def test_what_can_be_updated_in_place_is(local_aws: LocalAws, backend: Any, stack: Stack) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    before = {name: stack.physical_id(name) for name in made["Resources"]}
    spent = Budget(local_aws, stack)
    spent.spend(7)

    properties = {name: found["Properties"] for name, found in made["Resources"].items()}
    properties["Collaboration"]["Name"] = "laboratory"
    properties["Membership"]["QueryLogStatus"] = "ENABLED"
    properties["Table"] |= {"AllowedColumns": ["customer", "amount"], "AnalysisRules": rule("ANY_JOB")}
    properties["Association"]["Description"] = "what was sold"
    properties["Association"]["ConfiguredTableAssociationAnalysisRules"] = [
        {"Type": "CUSTOM", "Policy": {"V1": {"Custom": {"AllowedResultReceivers": ["444455556666"]}}}}
    ]
    properties["Budget"]["Parameters"] = {"Epsilon": 5, "UsersNoisePerQuery": 30}
    assert stack.deploy(made) == "UPDATE_COMPLETE"

    assert {name: stack.physical_id(name) for name in made["Resources"]} == before
    assert backend.get_collaboration(collaborationIdentifier=before["Collaboration"])["collaboration"]["name"] == "laboratory"
    assert backend.get_membership(membershipIdentifier=before["Membership"])["membership"]["queryLogStatus"] == "ENABLED"
    table = backend.get_configured_table(configuredTableIdentifier=before["Table"])["configuredTable"]
    assert (table["allowedColumns"], table["analysisRuleTypes"]) == (["customer", "amount"], ["CUSTOM"])
    (association,) = backend.list_configured_table_associations(membershipIdentifier=before["Membership"])[
        "configuredTableAssociationSummaries"
    ]
    assert association["analysisRuleTypes"] == ["CUSTOM"]
    assert spent.get()["parameters"]["differentialPrivacy"]["epsilon"] == 5
    assert spent.spent() == 7

    del properties["Table"]["AnalysisRules"]
    assert stack.deploy(made) == "UPDATE_COMPLETE"
    assert backend.get_configured_table(configuredTableIdentifier=before["Table"])["configuredTable"]["analysisRuleTypes"] == []


def test_tags_and_stack_tags_are_updated(local_aws: LocalAws, stack: Stack) -> None:
    """A change of tags alone edits nothing: an edit would refill an access budget."""
    made = template(Budget=access_budget({"Type": "LIFETIME", "Budget": 50}, Tags=[{"Key": "own", "Value": "1"}]))
    assert stack.deploy(made, Tags=[{"Key": "team", "Value": "privacy"}]) == "CREATE_COMPLETE"
    found = Budget(local_aws, stack)
    system = {
        "aws:cloudformation:stack-name": stack.name,
        "aws:cloudformation:stack-id": stack.id,
        "aws:cloudformation:logical-id": "Budget",
    }
    assert found.tags() == {"own": "1", "team": "privacy", **system}
    local_aws.spend(found.membership, found.id, 4)

    made["Resources"]["Budget"]["Properties"]["Tags"] = [{"Key": "team", "Value": "mine"}]
    assert stack.deploy(made, Tags=[{"Key": "team", "Value": "data"}, {"Key": "cost", "Value": "7"}]) == "UPDATE_COMPLETE"
    assert found.tags() == {"team": "mine", "cost": "7", **system}
    budgets = local_aws.client("cleanrooms").list_privacy_budgets(membershipIdentifier=found.membership, privacyBudgetType="ACCESS_BUDGET")
    assert budgets["privacyBudgetSummaries"][0]["budget"]["accessBudget"]["aggregateRemainingBudget"] == 46


def test_another_refresh_resets_a_spent_budget_without_asking(local_aws: LocalAws, stack: Stack) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    old.spend(20)
    made["Resources"]["Budget"]["Properties"]["AutoRefresh"] = "CALENDAR_MONTH"
    assert stack.deploy(made) == "UPDATE_COMPLETE"
    new = Budget(local_aws, stack)
    assert (old.exists(), new.spent(), new.get()["autoRefresh"]) == (False, 0, "CALENDAR_MONTH")
    assert stack.outputs()["Budget"] == new.get()["arn"]


def test_another_table_of_an_access_budget_replaces_it(local_aws: LocalAws, stack: Stack) -> None:
    made = template(Budget=access_budget({"Type": "LIFETIME", "Budget": 50}))
    assert stack.deploy(made) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    table = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{old.membership}/configuredtableassociation/{OTHER_TABLE}"
    assert stack.deploy(template(Budget=access_budget({"Type": "LIFETIME", "Budget": 50}, table=table))) == "UPDATE_COMPLETE"
    assert not old.exists()
    assert Budget(local_aws, stack).get()["parameters"]["accessBudget"]["resourceArn"] == table


def test_rollback_recreates_replaced_template_unconsumed(local_aws: LocalAws, stack: Stack, taken: None) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    old = Budget(local_aws, stack)
    old.spend(20)
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"]["AutoRefresh"] = "CALENDAR_MONTH"
    changed["Resources"]["Broken"] = broken("Budget")
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    restored = Budget(local_aws, stack)
    assert not old.exists()
    assert (restored.get()["autoRefresh"], restored.spent()) == ("NONE", 0)
    assert stack.outputs()["Budget"] == restored.get()["arn"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert not restored.exists()


def test_rollback_restores_what_failed_successor_replaced(local_aws: LocalAws, stack: Stack) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"] |= {"AutoRefresh": "CALENDAR_MONTH", "Parameters": {"Epsilon": 3, "UsersNoisePerQuery": 7}}
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    assert "usersNoisePerQuery must be at least 10, got 7" in stack.reason("Budget")
    restored = Budget(local_aws, stack).get()
    assert (restored["autoRefresh"], restored["parameters"]["differentialPrivacy"]["usersNoisePerQuery"]) == ("NONE", 30)


def test_a_rollback_puts_edited_values_back(local_aws: LocalAws, stack: Stack, taken: None) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"]["Parameters"]["Epsilon"] = 9
    changed["Resources"]["Broken"] = broken("Budget")
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    assert Budget(local_aws, stack).get()["parameters"]["differentialPrivacy"]["epsilon"] == 3


def test_a_failed_creation_leaves_nothing(local_aws: LocalAws, stack: Stack, taken: None) -> None:
    before = remains(local_aws)
    assert stack.deploy(template(Budget=budget(), Broken=broken("Budget"))) == "ROLLBACK_COMPLETE"
    assert remains(local_aws) == before


def test_a_table_whose_rule_is_refused_leaves_nothing(local_aws: LocalAws, stack: Stack) -> None:
    before = remains(local_aws)
    made = template()
    made["Resources"]["Table"]["Properties"]["AnalysisRules"][0]["Type"] = "NEW"
    assert stack.deploy(made) == "ROLLBACK_COMPLETE"
    assert "analysisRuleType must be one of AGGREGATION, LIST, CUSTOM, got 'NEW'" in stack.reason("Table")
    assert remains(local_aws) == before


def test_retained_template_stays_in_clean_rooms(local_aws: LocalAws, backend: Any, stack: Stack) -> None:
    made = template(Budget={**budget(), "DeletionPolicy": "Retain"})
    assert stack.deploy(made) == "CREATE_COMPLETE"
    kept = Budget(local_aws, stack)
    kept.spend(3)
    del made["Resources"]["Budget"]
    made["Outputs"] = {}
    assert stack.deploy(made) == "UPDATE_COMPLETE"
    assert kept.spent() == 3
    assert stack.delete() == "DELETE_FAILED"
    assert "a membership must have no privacy budget templates when it is deleted" in stack.reason("Membership")
    backend.delete_privacy_budget_template(membershipIdentifier=kept.membership, privacyBudgetTemplateIdentifier=kept.id)
    assert stack.delete() == "DELETE_COMPLETE"


def test_retained_template_cannot_be_replaced_in_its_membership(local_aws: LocalAws, stack: Stack) -> None:
    """With ``UpdateReplacePolicy: Retain`` the old one stays, and is in the way of the new one."""
    made = template(Budget={**budget(), "UpdateReplacePolicy": "Retain"})
    assert stack.deploy(made) == "CREATE_COMPLETE"
    kept = Budget(local_aws, stack)
    kept.spend(3)
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"]["AutoRefresh"] = "CALENDAR_MONTH"
    assert stack.deploy(changed) == "UPDATE_ROLLBACK_COMPLETE"
    assert "HandlerErrorCode: AlreadyExists" in stack.reason("Budget")
    assert (stack.physical_id("Budget"), kept.spent()) == (f"{kept.id}|{kept.membership}", 3)


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"OnExisting": "ADOPT"}, "#: extraneous key [OnExisting] is not permitted"),
        ({"AutoRefresh": {"Ref": "AWS::NoValue"}}, "#: required key [AutoRefresh] not found"),
        ({"Arn": "arn:aws:x"}, "#: extraneous key [Arn] is not permitted"),
        ({"Parameters": {"Epsilons": 3}}, "extraneous key [Epsilons] is not permitted"),
        ({"Parameters": {"Epsilon": 21, "UsersNoisePerQuery": 30}}, "epsilon must be at most 20, got 21"),
        ({"AutoRefresh": "DAILY"}, "autoRefresh must be one of CALENDAR_MONTH, NONE, got 'DAILY'"),
        ({"MembershipIdentifier": "99999999-1111-4222-8333-444444444444"}, "HandlerErrorCode: NotFound"),
    ],
    ids=["unknown", "missing", "read-only", "unknown-parameter", "range", "enumeration", "membership"],
)
def test_what_the_type_does_not_take_is_refused(stack: Stack, properties: Mapping[str, Any], told: str) -> None:
    assert stack.deploy(template(Budget=budget(**properties))) == "ROLLBACK_COMPLETE"
    assert told in stack.reason("Budget")


def test_a_second_template_of_a_membership_is_refused(stack: Stack) -> None:
    made = template(Budget=budget(), Second={**budget(), "DependsOn": "Budget"})
    assert stack.deploy(made) == "ROLLBACK_COMPLETE"
    assert "HandlerErrorCode: AlreadyExists" in stack.reason("Second")


def test_unchangeable_property_is_named(stack: Stack) -> None:
    made = template()
    assert stack.deploy(made) == "CREATE_COMPLETE"
    made["Resources"]["Membership"]["Properties"]["IsMetricsEnabled"] = True
    assert stack.deploy(made) == "UPDATE_ROLLBACK_COMPLETE"
    assert "IsMetricsEnabled cannot be updated, as UpdateMembership has no such member" in stack.reason("Membership")


def test_an_unknown_attribute_fails_the_deployment(stack: Stack) -> None:
    made = template(Budget=budget())
    made["Outputs"]["Wrong"] = {"Value": attribute("Budget", "Epsilon")}
    assert stack.deploy(made) == "ROLLBACK_COMPLETE"


def test_a_change_set_says_what_is_replaced(stack: Stack) -> None:
    made = template(Budget=budget())
    assert stack.deploy(made) == "CREATE_COMPLETE"
    changed = deepcopy(made)
    changed["Resources"]["Budget"]["Properties"]["AutoRefresh"] = "CALENDAR_MONTH"
    changed["Resources"]["Membership"]["Properties"]["QueryLogStatus"] = "ENABLED"
    stack.client.create_change_set(StackName=stack.name, ChangeSetName="change", TemplateBody=json.dumps(changed))
    found = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="change")["Changes"]
    replaced = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]["Replacement"] for change in found}
    assert (replaced["Budget"], replaced["Membership"]) == ("True", "False")


def test_a_template_made_by_hand_is_imported(local_aws: LocalAws, backend: Any, stack: Stack) -> None:
    """The stack takes it as it is, with what was consumed of it."""
    made = template()
    assert stack.deploy(made) == "CREATE_COMPLETE"
    membership = stack.physical_id("Membership")
    by_hand = backend.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    )["privacyBudgetTemplate"]["id"]
    local_aws.spend(membership, by_hand, 5, "COUNT")

    def imports(template_id: str) -> str:
        identifier = {"PrivacyBudgetTemplateIdentifier": template_id, "MembershipIdentifier": membership}
        imported = {
            "ResourceType": "AWS::CleanRooms::PrivacyBudgetTemplate",
            "LogicalResourceId": "Budget",
            "ResourceIdentifier": identifier,
        }
        body = template(Budget={**budget(), "DeletionPolicy": "Delete"})
        body["Outputs"] = {}
        stack.client.create_change_set(
            StackName=stack.name,
            ChangeSetName=f"import-{template_id}",
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(body),
            ResourcesToImport=[imported],
        )
        return str(stack.client.describe_change_set(StackName=stack.name, ChangeSetName=f"import-{template_id}")["Status"])

    assert imports(OTHER_TABLE) == "FAILED"
    assert imports(by_hand) == "CREATE_COMPLETE"
    stack.client.execute_change_set(StackName=stack.name, ChangeSetName=f"import-{by_hand}")
    assert stack.wait() == "IMPORT_COMPLETE"
    imported = Budget(local_aws, stack)
    assert (imported.id, imported.spent()) == (by_hand, 5)


def test_types_beyond_these_are_still_unknown(stack: Stack) -> None:
    with pytest.raises(ClientError, match="Unrecognized resource types"):
        stack.deploy(template(Other=resource("AnalysisTemplate", {})))
    stack.deploy(template())
