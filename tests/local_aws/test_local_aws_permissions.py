"""A function may do in Clean Rooms what its role's policies allow, and sees nothing of the server that runs it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cleanrooms_local_aws import LocalAws
from cleanrooms_local_aws.clean_rooms_service import Permission, required_permissions
from tests.local_aws.support.stacks import Stack, template

pytest_plugins = ["cleanrooms_local_aws.pytest_plugin", "tests.local_aws.support.fixtures"]

ACCOUNT, REGION = "111122223333", "us-east-1"
PREFIX = f"arn:aws:cleanrooms:{REGION}:{ACCOUNT}"

CREATE = """
create = lambda tags: boto3.client("cleanrooms").create_privacy_budget_template(
    membershipIdentifier=%r, privacyBudgetType="ACCESS_BUDGET", tags=tags,
    parameters={"accessBudget": {"resourceArn": %r, "budgetParameters": [{"type": "LIFETIME", "budget": 7}]}},
)["privacyBudgetTemplate"]["id"]
put(event, answer(event, Data={"Result": attempt(lambda: create(%r))}))
"""


def allow(*actions: str, resource: str) -> Mapping[str, object]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def create(local_aws: LocalAws, tags: Mapping[str, str]) -> str:
    return CREATE % (local_aws.demo.membership_id, local_aws.demo.table_association_arn, tags)


def test_role_without_grant_is_denied(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    assert stack.deploy(template(record, create(local_aws, {}))) == "CREATE_COMPLETE"
    resource = f"{PREFIX}:membership/{local_aws.demo.membership_id}"
    assert "AccessDeniedException" in stack.result()
    assert f"is not authorized to perform: cleanrooms:CreatePrivacyBudgetTemplate on resource: {resource} because" in stack.result()


def test_role_with_grant_is_allowed(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    membership = local_aws.demo.membership_id
    grants = [
        allow("cleanrooms:CreatePrivacyBudgetTemplate", resource=f"{PREFIX}:membership/{membership}{templates}")
        for templates in ("", "/privacybudgettemplate/*")
    ]
    assert stack.deploy(template(record, create(local_aws, {}), grants)) == "CREATE_COMPLETE"
    done, _, template_id = stack.result().partition(": ")
    assert done == "done"
    clean_rooms = local_aws.client("cleanrooms")
    try:
        spent = local_aws.spend(membership, template_id, 2)
        assert spent["budget"]["accessBudget"]["details"][0]["remainingBudget"] == 5
    finally:
        clean_rooms.delete_privacy_budget_template(membershipIdentifier=membership, privacyBudgetTemplateIdentifier=template_id)


@pytest.mark.parametrize(
    ("granted", "missed"), [("", "/privacybudgettemplate/*"), ("/privacybudgettemplate/*", "")], ids=["templates", "membership"]
)
def test_create_and_list_need_membership_and_templates(local_aws: LocalAws, stack: Stack, record: Path, granted: str, missed: str) -> None:
    """Both need permission on the membership and on its templates."""
    id_ = local_aws.demo.membership_id
    membership = f"{PREFIX}:membership/{id_}"
    actions = ("cleanrooms:CreatePrivacyBudgetTemplate", "cleanrooms:ListPrivacyBudgetTemplates")
    listing = f"attempt(lambda: boto3.client('cleanrooms').list_privacy_budget_templates(membershipIdentifier={id_!r}))"
    tried = create(local_aws, {}).replace("create({}))", f"create({{}})) + {listing}")
    assert stack.deploy(template(record, tried, [allow(*actions, resource=f"{membership}{granted}")])) == "CREATE_COMPLETE"
    for action in actions:
        assert f"is not authorized to perform: {action} on resource: {membership}{missed} because" in stack.result()


def test_tags_need_a_grant_of_their_own(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    grant = allow("cleanrooms:CreatePrivacyBudgetTemplate", resource="*")
    assert stack.deploy(template(record, create(local_aws, {"a": "b"}), [grant])) == "CREATE_COMPLETE"
    assert "is not authorized to perform: cleanrooms:TagResource on resource: " in stack.result()


def test_permissions_boundary_limits_a_role(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    policy = {"Version": "2012-10-17", "Statement": [allow("sts:*", resource="*")]}
    iam = local_aws.client("iam")
    boundary = iam.create_policy(PolicyName="Boundary", PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    bounded = template(record, create(local_aws, {}), [allow("cleanrooms:*", resource="*")], PermissionsBoundary=boundary)
    assert stack.deploy(bounded) == "CREATE_COMPLETE"
    assert "is not authorized to perform: cleanrooms:CreatePrivacyBudgetTemplate" in stack.result()


def test_unknown_key_is_refused(local_aws: LocalAws) -> None:
    stranger = boto3.client(
        "cleanrooms",
        endpoint_url=local_aws.endpoint,
        verify=local_aws.environment["AWS_CA_BUNDLE"],
        region_name=REGION,
        aws_access_key_id="AKIAAAAAAAAAAAAAAAAA",
        aws_secret_access_key="wrong",
        config=Config(proxies={}),
    )
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        stranger.list_memberships()


def test_function_environment_is_minimal(local_aws: LocalAws, stack: Stack, record: Path) -> None:
    """A function sees its code, the SDK and Lambda's variables alone."""
    do = """
found = {name: bool(importlib.util.find_spec(name)) for name in ("boto3", "moto", "ministack", "crhelper", "pytest")}
seen = {"first": sys.path[0] == os.environ["LAMBDA_TASK_ROOT"], "found": found, "variables": dict(os.environ)}
seen["variables"] = {name: os.environ.get(name) for name in ("LOG_LEVEL", "_HANDLER", "AWS_EXECUTION_ENV", "HOME")}
seen["names"] = [name for name in os.environ if "MINISTACK" in name or name in ("STATE_DIR", "AUTH", "GATEWAY_PORT")]
put(event, answer(event, Data={"Result": json.dumps(seen)}))
"""
    assert stack.deploy(template(record, do)) == "CREATE_COMPLETE"
    seen = json.loads(stack.result())
    assert seen["first"]
    assert seen["found"] == {"boto3": True, "moto": False, "ministack": False, "crhelper": False, "pytest": False}
    assert seen["variables"] == {
        "LOG_LEVEL": "of the function",
        "_HANDLER": "index.handler",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "HOME": str(local_aws.folder / "home"),
    }
    assert seen["names"] in ([], ["_MINISTACK_INVOKE_DEPTH"])
    assert os.environ.get("HOME") != seen["variables"]["HOME"]


@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        (
            "PATCH",
            "/memberships/m/privacybudgettemplates/t",
            "UpdatePrivacyBudgetTemplate",
            f"{PREFIX}:membership/m/privacybudgettemplate/t",
        ),
        ("GET", "/memberships/m/privacybudgets", "ListPrivacyBudgets", f"{PREFIX}:membership/m"),
        ("POST", "/memberships/m/previewprivacyimpact", "PreviewPrivacyImpact", f"{PREFIX}:membership/m"),
        ("POST", "/tags/arn%3Aaws%3Ax%2Fy", "TagResource", "arn:aws:x/y"),
        ("GET", "/collaborations/c", "GetCollaboration", f"{PREFIX}:collaboration/c"),
        ("GET", "/collaborations", "ListCollaborations", "*"),
    ],
)
def test_permission_of_a_request(method: str, path: str, action: str, resource: str) -> None:
    assert required_permissions(method, path, b"", ACCOUNT, REGION) == [Permission(f"cleanrooms:{action}", resource)]


@pytest.mark.parametrize(("method", "action"), [("GET", "ListPrivacyBudgetTemplates"), ("POST", "CreatePrivacyBudgetTemplate")])
def test_permissions_of_a_request_for_a_memberships_templates(method: str, action: str) -> None:
    membership = f"{PREFIX}:membership/m"
    assert required_permissions(method, "/memberships/m/privacybudgettemplates", b"", ACCOUNT, REGION) == [
        Permission(f"cleanrooms:{action}", membership),
        Permission(f"cleanrooms:{action}", f"{membership}/privacybudgettemplate/*"),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("PUT", "/memberships/m"), ("GET", "/memberships/m/other"), ("GET", "/memberships/m%2Fprivacybudgets/x")],
)
def test_unknown_request_has_no_permission_that_would_do(method: str, path: str) -> None:
    assert required_permissions(method, path, b"", ACCOUNT, REGION) is None
