"""The resource groups tagging API knows what is in Clean Rooms, templates and associations too: by moto and on the local AWS."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.clean_rooms import ACCOUNT, REGION, Backend

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin"]

ROLE = "arn:aws:iam::111122223333:role/reader"


@pytest.fixture
def made(local_aws: LocalAws) -> Iterator[dict[str, str]]:
    """A tagged membership, association and template, and an untagged collaboration, by their ARNs."""
    backend = local_aws.client("cleanrooms")
    collaboration = backend.create_collaboration(
        members=[], name="lab", description="d", creatorMemberAbilities=[], creatorDisplayName="me", queryLogStatus="DISABLED"
    )["collaboration"]
    tags = {"env": "test"}
    membership = backend.create_membership(collaborationIdentifier=collaboration["id"], queryLogStatus="DISABLED", tags=tags)["membership"]
    table = backend.create_configured_table(
        name="t", tableReference={"glue": {"databaseName": "d", "tableName": "t"}}, allowedColumns=["c"], analysisMethod="DIRECT_QUERY"
    )["configuredTable"]
    association = backend.create_configured_table_association(
        membershipIdentifier=membership["id"], configuredTableIdentifier=table["id"], name="t", roleArn=ROLE, tags={"env": "prod"}
    )["configuredTableAssociation"]
    template = backend.create_privacy_budget_template(
        membershipIdentifier=membership["id"],
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
        tags=tags,
    )["privacyBudgetTemplate"]
    yield {"membership": membership["arn"], "association": association["arn"], "template": template["arn"], "untagged": table["arn"]}
    backend.delete_privacy_budget_template(membershipIdentifier=membership["id"], privacyBudgetTemplateIdentifier=template["id"])
    backend.delete_configured_table_association(
        membershipIdentifier=membership["id"], configuredTableAssociationIdentifier=association["id"]
    )
    backend.delete_configured_table(configuredTableIdentifier=table["id"])
    backend.delete_membership(membershipIdentifier=membership["id"])
    backend.delete_collaboration(collaborationIdentifier=collaboration["id"])


def found_of(made: dict[str, str], client: Any, **filters: Any) -> dict[str, dict[str, str]]:
    """The tags of what is found of these resources, whatever else the local AWS holds."""
    return {arn: tags for arn, tags in found(client, **filters).items() if arn in made.values()}


def found(client: Any, **filters: Any) -> dict[str, dict[str, str]]:
    """The tags of what is found in Clean Rooms, by ARN."""
    listed = client.get_resources(**filters)["ResourceTagMappingList"]
    return {
        entry["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in entry["Tags"]}
        for entry in listed
        if ":cleanrooms:" in entry["ResourceARN"]
    }


def test_tagged_resources_are_listed(local_aws: LocalAws, made: dict[str, str]) -> None:
    tagging = local_aws.client("resourcegroupstaggingapi")
    assert found_of(made, tagging) == {
        made["membership"]: {"env": "test"},
        made["association"]: {"env": "prod"},
        made["template"]: {"env": "test"},
    }
    by_tag = found_of(made, tagging, TagFilters=[{"Key": "env", "Values": ["prod"]}])
    assert by_tag == {made["association"]: {"env": "prod"}}


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("cleanrooms:privacybudgettemplate", "template"),
        ("cleanrooms:membership", "membership"),
        ("cleanrooms:configuredtableassociation", "association"),
    ],
)
def test_resources_are_found_by_type(local_aws: LocalAws, made: dict[str, str], type_: str, name: str) -> None:
    tagging = local_aws.client("resourcegroupstaggingapi")
    assert found_of(made, tagging, ResourceTypeFilters=[type_]).keys() == {made[name]}
    assert len(found_of(made, tagging, ResourceTypeFilters=["cleanrooms"])) == 3
    assert found(tagging, ResourceTypeFilters=["s3"]) == {}


def test_resources_are_tagged_and_untagged(local_aws: LocalAws, made: dict[str, str]) -> None:
    tagging = local_aws.client("resourcegroupstaggingapi")
    gone = f"arn:aws:cleanrooms:us-east-1:{local_aws.account_id}:privacybudgettemplate/11111111-2222-4333-8444-555555555555"
    answer = tagging.tag_resources(ResourceARNList=[made["template"], made["untagged"], gone], Tags={"tagged-here": "data"})
    assert answer["FailedResourcesMap"].keys() == {gone}
    assert found(tagging, TagFilters=[{"Key": "tagged-here"}]).keys() == {made["template"], made["untagged"]}
    backend = local_aws.client("cleanrooms")
    assert backend.list_tags_for_resource(resourceArn=made["template"])["tags"] == {"env": "test", "tagged-here": "data"}
    answer = tagging.untag_resources(ResourceARNList=[made["template"], made["untagged"]], TagKeys=["tagged-here"])
    assert answer["FailedResourcesMap"] == {}
    assert found(tagging, TagFilters=[{"Key": "tagged-here"}]) == {}


def test_a_region_without_clean_rooms_has_none(local_aws: LocalAws, made: dict[str, str]) -> None:
    tagging = boto3.client(
        "resourcegroupstaggingapi",
        endpoint_url=local_aws.endpoint,
        verify=local_aws.environment["AWS_CA_BUNDLE"],
        region_name="eu-south-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert found(tagging) == {}


def test_motos_tagging_api_lists_templates_too(backend: Backend) -> None:
    """Where the plugin is in moto itself, and no local AWS runs."""
    template = backend.create_dp(tags={"env": "test"})
    tagging = boto3.client("resourcegroupstaggingapi", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    listed = found(tagging, ResourceTypeFilters=["cleanrooms:privacybudgettemplate"])
    assert listed == {template["arn"]: {"env": "test"}}
    tagging.tag_resources(ResourceARNList=[template["arn"]], Tags={"team": "data"})
    assert backend.tags(template["arn"]) == {"env": "test", "team": "data"}
    assert f":{ACCOUNT}:" in template["arn"]
