"""examples/organization.py: the provider for every account, as the CDK CLI would run it."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.example_apps import synthesize
from tests.support.plain_template import lint, write_plain_template

REGIONS = ("eu-west-1", "us-east-1")
UNITS = ["ou-1a2b-3c4d5e6f", "ou-1a2b-7a8b9c0d"]
CONTEXT = {
    "organization": "o-1a2b3c4d5e",
    "units": ",".join(UNITS),
    "regions": ",".join(REGIONS),
    "bucketPrefix": "example-privacy-budget",
}


@dataclass
class Organization:
    """What the app wrote, and the plain template that it wrote it from."""

    assembly: Path
    provider: Path

    def template(self, region: str) -> Path:
        return self.assembly / f"PrivacyBudgetProvider-{region}.template.json"

    def resource(self, region: str, type_: str, of: str = "") -> dict[str, Any]:
        """The one resource of a type whose logical id begins so."""
        resources = json.loads(self.template(region).read_text())["Resources"]
        (found,) = (resource for name, resource in resources.items() if resource["Type"] == type_ and name.startswith(of))
        return dict(found)


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Organization:
    provider = write_plain_template(tmp_path_factory.mktemp("template"))
    assembly = tmp_path_factory.mktemp("organization")
    synthesize("organization", {**CONTEXT, "folder": str(provider.parent)}, assembly)
    return Organization(assembly, provider)


def test_cfn_lint_finds_nothing(organization: Organization) -> None:
    """W3005: the CDK's own function that copies the zip names its role twice."""
    for region in REGIONS:
        assert lint(organization.template(region), "--ignore-checks", "W3005", regions=[region]) == ""


def test_stack_set_deploys_provider_to_every_account(organization: Organization) -> None:
    """The stack set creates the plain provider in its own region of every account."""
    for region in REGIONS:
        stack_set = organization.resource(region, "AWS::CloudFormation::StackSet")["Properties"]
        assert stack_set["TemplateBody"] == organization.provider.read_text()
        assert len(stack_set["TemplateBody"].encode()) <= 51_200
        assert stack_set["StackInstancesGroup"] == [{"DeploymentTargets": {"OrganizationalUnitIds": UNITS}, "Regions": [region]}]
        assert stack_set["PermissionModel"] == "SERVICE_MANAGED"
        assert stack_set["CallAs"] == "SELF"
        assert stack_set["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": True}


def test_code_is_published_before_the_stack_set(organization: Organization) -> None:
    """The organisation may read the code."""
    for region in REGIONS:
        stack_set = organization.resource(region, "AWS::CloudFormation::StackSet")
        bucket = organization.resource(region, "AWS::S3::Bucket")["Properties"]["BucketName"]
        assert bucket == f"example-privacy-budget-{region}"
        (parameter,) = stack_set["Properties"]["Parameters"]
        assert parameter["ParameterKey"] == "CodeBucket"
        assert parameter["ParameterValue"]["Ref"].startswith("Code")
        assert any(name.startswith("ZipCustomResource") for name in stack_set["DependsOn"])
        statements = organization.resource(region, "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"]["Statement"]
        (read,) = (statement for statement in statements if statement["Action"] == "s3:GetObject")
        assert read["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": CONTEXT["organization"]}}


def test_copied_zip_is_the_named_one(organization: Organization) -> None:
    (zip_,) = organization.provider.parent.glob("*.zip")
    (copied,) = (file for file in organization.assembly.glob("asset.*/*.zip") if zipfile.is_zipfile(file))
    assert [file.name for file in copied.parent.iterdir()] == [zip_.name]
    assert zip_.name in organization.provider.read_text()


def test_a_delegated_administrator_calls_as_such(organization: Organization, tmp_path: Path) -> None:
    context = {**CONTEXT, "folder": str(organization.provider.parent), "regions": "eu-west-1", "delegated": "true"}
    synthesize("organization", context, tmp_path)
    called = Organization(tmp_path, organization.provider).resource("eu-west-1", "AWS::CloudFormation::StackSet")
    assert called["Properties"]["CallAs"] == "DELEGATED_ADMIN"


def test_what_the_context_leaves_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="the context must name units: -c units=…"):
        synthesize("organization", {name: value for name, value in CONTEXT.items() if name != "units"}, tmp_path)
