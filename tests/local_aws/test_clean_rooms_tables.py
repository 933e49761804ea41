"""Configured tables' associations and analysis rules, and what of collaborations, memberships and tables moto does not keep."""

from typing import Any

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws.clean_rooms import state
from tests.local_aws.support.clean_rooms import Backend, refused

ROLE = "arn:aws:iam::111122223333:role/reader"
UNKNOWN = "11111111-2222-4333-8444-555555555555"
POLICY = {"v1": {"custom": {"allowedAnalyses": ["ANY_QUERY"]}}}
RECEIVERS = {"v1": {"list": {"allowedResultReceivers": ["444455556666"]}}}


class Tables:
    """A table that is associated with the membership."""

    def __init__(self, backend: Backend) -> None:
        self.client, self.membership = backend.client, backend.membership_id
        self.table = self.client.create_configured_table(
            name="sales",
            tableReference={"glue": {"tableName": "t", "databaseName": "d"}},
            allowedColumns=["c"],
            analysisMethod="DIRECT_QUERY",
        )["configuredTable"]
        self.association = self.associate()

    def associate(self, name: str = "sales", **more: Any) -> dict[str, Any]:
        given = {"membershipIdentifier": self.membership, "configuredTableIdentifier": self.table["id"], "name": name, "roleArn": ROLE}
        return dict(self.client.create_configured_table_association(**{**given, **more})["configuredTableAssociation"])

    @property
    def ids(self) -> dict[str, str]:
        return {"membershipIdentifier": self.membership, "configuredTableAssociationIdentifier": self.association["id"]}


@pytest.fixture
def tables(backend: Backend) -> Tables:
    return Tables(backend)


def test_an_association_is_found_changed_and_deleted(tables: Tables) -> None:
    client = tables.client
    assert tables.association["configuredTableArn"] == tables.table["arn"]
    assert tables.association["arn"].endswith(f"membership/{tables.membership}/configuredtableassociation/{tables.association['id']}")
    client.update_configured_table_association(**tables.ids, description="what was sold")
    found = client.get_configured_table_association(**tables.ids)["configuredTableAssociation"]
    assert (found["description"], found["roleArn"]) == ("what was sold", ROLE)
    client.delete_configured_table_association(**tables.ids)
    gone = refused(lambda: client.get_configured_table_association(**tables.ids), client, "ResourceNotFoundException")
    assert gone["resourceType"] == "CONFIGURED_TABLE_ASSOCIATION"


def test_associations_are_listed_page_by_page(tables: Tables) -> None:
    others = [tables.associate(name)["id"] for name in ("trial", "returns")]
    pages = tables.client.get_paginator("list_configured_table_associations").paginate(
        membershipIdentifier=tables.membership, PaginationConfig={"PageSize": 2}
    )
    sizes, listed = zip(*((len(page), page) for page in (page["configuredTableAssociationSummaries"] for page in pages)), strict=True)
    assert sizes == (2, 1)
    assert [entry["id"] for page in listed for entry in page] == [tables.association["id"], *others]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, "ConflictException"),
        ({"name": "new", "configuredTableIdentifier": UNKNOWN}, "ResourceNotFoundException"),
        ({"name": "new", "membershipIdentifier": UNKNOWN}, "ResourceNotFoundException"),
    ],
    ids=["name", "table", "membership"],
)
def test_an_association_that_cannot_be_is_refused(tables: Tables, changed: dict[str, str], error: str) -> None:
    refused(lambda: tables.associate(**changed), tables.client, error)


def test_what_has_associations_is_not_deleted(tables: Tables) -> None:
    client = tables.client
    for delete in (
        lambda: client.delete_membership(membershipIdentifier=tables.membership),
        lambda: client.delete_configured_table(configuredTableIdentifier=tables.table["id"]),
    ):
        assert refused(delete, client, "ConflictException")["reason"] == "SUBRESOURCES_EXIST"
    client.delete_configured_table_association(**tables.ids)
    client.delete_configured_table(configuredTableIdentifier=tables.table["id"])
    client.delete_membership(membershipIdentifier=tables.membership)


def test_a_table_has_one_rule(tables: Tables) -> None:
    client, given = tables.client, {"configuredTableIdentifier": tables.table["id"]}
    rule = {**given, "analysisRuleType": "CUSTOM"}
    client.create_configured_table_analysis_rule(**rule, analysisRulePolicy=POLICY)
    refused(lambda: client.create_configured_table_analysis_rule(**rule, analysisRulePolicy=POLICY), client, "ConflictException")
    assert client.get_configured_table(**given)["configuredTable"]["analysisRuleTypes"] == ["CUSTOM"]
    changed = {"v1": {"custom": {"allowedAnalyses": ["ANY_JOB"]}}}
    client.update_configured_table_analysis_rule(**rule, analysisRulePolicy=changed)
    assert client.get_configured_table_analysis_rule(**rule)["analysisRule"]["policy"] == changed
    client.delete_configured_table_analysis_rule(**rule)
    refused(lambda: client.get_configured_table_analysis_rule(**rule), client, "ResourceNotFoundException")
    assert client.get_configured_table(**given)["configuredTable"]["analysisRuleTypes"] == []


def test_an_association_has_one_rule(tables: Tables) -> None:
    client, rule = tables.client, {**tables.ids, "analysisRuleType": "LIST"}
    client.create_configured_table_association_analysis_rule(**rule, analysisRulePolicy=RECEIVERS)
    refused(
        lambda: client.create_configured_table_association_analysis_rule(**rule, analysisRulePolicy=RECEIVERS), client, "ConflictException"
    )
    client.update_configured_table_association_analysis_rule(**rule, analysisRulePolicy={"v1": {"list": {}}})
    assert client.get_configured_table_association_analysis_rule(**rule)["analysisRule"]["policy"] == {"v1": {"list": {}}}
    client.delete_configured_table_association_analysis_rule(**rule)
    refused(lambda: client.get_configured_table_association_analysis_rule(**rule), client, "ResourceNotFoundException")


def test_tables_outlive_the_process(tables: Tables) -> None:
    client = tables.client
    client.create_configured_table_analysis_rule(
        configuredTableIdentifier=tables.table["id"], analysisRuleType="CUSTOM", analysisRulePolicy=POLICY
    )
    client.create_configured_table_association_analysis_rule(**tables.ids, analysisRuleType="LIST", analysisRulePolicy=RECEIVERS)
    client.update_membership(membershipIdentifier=tables.membership, jobLogStatus="ENABLED")
    written = state.dump()
    cleanrooms_backends.clear()
    state.load(written)
    assert state.dump() == written
    found = client.get_configured_table_association(**tables.ids)["configuredTableAssociation"]
    assert found["analysisRuleTypes"] == ["LIST"]
    table = client.get_configured_table_analysis_rule(configuredTableIdentifier=tables.table["id"], analysisRuleType="CUSTOM")
    assert table["analysisRule"]["policy"] == POLICY
    assert client.get_membership(membershipIdentifier=tables.membership)["membership"]["jobLogStatus"] == "ENABLED"
    assert tables.associate("another")["id"] != tables.association["id"]


def test_what_moto_does_not_keep_is_kept(backend: Backend, tables: Tables) -> None:
    client = backend.client
    client.update_collaboration(collaborationIdentifier=backend.collaboration_id, analyticsEngine="SPARK")
    assert client.get_collaboration(collaborationIdentifier=backend.collaboration_id)["collaboration"]["analyticsEngine"] == "SPARK"
    payment = {"queryCompute": {"isResponsible": False}}
    client.update_membership(membershipIdentifier=backend.membership_id, membershipPaymentConfiguration=payment)
    assert client.get_membership(membershipIdentifier=backend.membership_id)["membership"]["paymentConfiguration"] == payment
    client.update_configured_table(configuredTableIdentifier=tables.table["id"], allowedColumns=["c", "d"])
    found = client.get_configured_table(configuredTableIdentifier=tables.table["id"])["configuredTable"]
    assert (found["allowedColumns"], found["tableReference"]) == (["c", "d"], tables.table["tableReference"])


def test_motos_requests_are_validated_too(backend: Backend) -> None:
    wrong = refused(
        lambda: backend.client.update_membership(membershipIdentifier=backend.membership_id, queryLogStatus="MAYBE"),
        backend.client,
        "ValidationException",
    )
    assert wrong["fieldList"][0]["name"] == "queryLogStatus"
