"""Guardrails as docs/guide/guardrails.md shows them: the example's limits, and the service control policy round the provider."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cleanrooms_local_aws import LocalAws
from tests.support.cdk import ROOT
from tests.support.deployed_clean_rooms import new_membership

POLICY = (ROOT / "examples" / "guardrails_policy" / "service_control_policy.json").read_text()
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
DENIED = r"AccessDenied.*explicit deny"
TEAM, PROVIDER, DEPLOYMENT = "team-admin", "privacy-budget-provider-Role-1A2B", "cdk-hnb659fds-cfn-exec-role-1"


@pytest.fixture(scope="module")
def roles(local_aws: LocalAws) -> Iterator[LocalAws]:
    """Roles that may do everything, under the service control policy. IAM evaluates its denials as it does those of a role's own policy."""
    iam = local_aws.client("iam")
    for name in (TEAM, PROVIDER, DEPLOYMENT):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING)
        iam.put_role_policy(RoleName=name, PolicyName="organisation", PolicyDocument=POLICY)
    yield local_aws
    for name in (TEAM, PROVIDER, DEPLOYMENT):
        for policy in ("everything", "organisation"):
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def client(roles: LocalAws, name: str, service: str) -> Any:
    """A client by a role."""
    arn = f"arn:aws:iam::{roles.account_id}:role/{name}"
    credentials = roles.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=roles.region,
        endpoint_url=roles.endpoint,
        verify=roles.environment["AWS_CA_BUNDLE"],
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(proxies={}),
    )


def create(clean_rooms: Any, membership: str) -> Any:
    return clean_rooms.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh="NONE",
        parameters={"differentialPrivacy": {"epsilon": 20, "usersNoisePerQuery": 10}},
        tags={"team": "a"},
    )["privacyBudgetTemplate"]


@pytest.fixture
def membership(roles: LocalAws) -> str:
    return new_membership(roles.client("cleanrooms"))


def test_policy_allows_changes_by_provider_alone(roles: LocalAws, membership: str) -> None:
    team, provider = (client(roles, name, "cleanrooms") for name in (TEAM, PROVIDER))
    with pytest.raises(ClientError, match=DENIED):
        create(team, membership)
    template = create(provider, membership)
    ids = {"membershipIdentifier": membership, "privacyBudgetTemplateIdentifier": template["id"]}
    budget = {"differentialPrivacy": {"epsilon": 20, "usersNoisePerQuery": 20}}
    change = {**ids, "privacyBudgetType": "DIFFERENTIAL_PRIVACY", "parameters": budget}
    for call, request in (
        (team.update_privacy_budget_template, change),
        (team.delete_privacy_budget_template, ids),
        (team.tag_resource, {"resourceArn": template["arn"], "tags": {"a": "b"}}),
        (team.untag_resource, {"resourceArn": template["arn"], "tagKeys": ["team"]}),
    ):
        with pytest.raises(ClientError, match=DENIED):
            call(**request)
    provider.update_privacy_budget_template(**change)
    provider.tag_resource(resourceArn=template["arn"], tags={"a": "b"})
    assert team.get_privacy_budget_template(**ids)["privacyBudgetTemplate"]["parameters"] == budget
    provider.delete_privacy_budget_template(**ids)


def test_policy_protects_the_providers_role(roles: LocalAws) -> None:
    """A team cannot create a role of the provider's name."""
    name = "my-privacy-budget-provider"
    with pytest.raises(ClientError, match="AccessDenied"):
        client(roles, TEAM, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    deployment = client(roles, DEPLOYMENT, "iam")
    deployment.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    roles.client("iam").delete_role(RoleName=name)


def test_the_policy_fits() -> None:
    """Source: "Quotas for AWS Organizations"."""
    assert len(json.dumps(json.loads(POLICY), separators=(",", ":"))) <= 5120
