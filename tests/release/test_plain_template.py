"""The provider for those who deploy without Python: what ``tools.release.plain_template`` writes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cleanrooms_privacy_budget import PrivacyBudgetGuardrails, PrivacyBudgetProvider
from tests.support.cdk import ROOT
from tests.support.plain_template import lint, load, write_plain_template
from tools.function_bundle import assemble_for_the_runtime
from tools.release.plain_template import TEMPLATE


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the command that users run."""
    folder = tmp_path_factory.mktemp("template")
    subprocess.run([sys.executable, "-m", "tools.release.plain_template", str(folder)], cwd=ROOT, check=True)
    return folder / TEMPLATE


@pytest.fixture(scope="module")
def template(path: Path) -> dict[str, Any]:
    return load(path)


def properties(template: dict[str, Any], type_: str) -> dict[str, Any]:
    """The properties of the one resource of a type."""
    (found,) = (resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == type_)
    return dict(found)


def test_cfn_lint_passes_in_every_region(path: Path) -> None:
    """In every region that has Clean Rooms."""
    assert lint(path, "--include-checks", "I") == ""


def test_output_is_reproducible_with_one_zip(path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two runs write the same bytes and leave no other zip."""
    (tmp_path / "privacy_budget_handler-0.zip").touch()
    write_plain_template(tmp_path)
    (archive,) = tmp_path.glob("*.zip")
    assert capfd.readouterr().out == f"Wrote {tmp_path / 'provider.yaml'} and {archive}, which it names.\n"
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {file.name for file in path.parent.iterdir()} == {assemble_for_the_runtime(ROOT, tmp_path / "asset").name, path.name}
    for name in names:
        assert (tmp_path / name).read_bytes() == (path.parent / name).read_bytes()


def test_the_provider_is_the_constructs(template: dict[str, Any]) -> None:
    """Every property without a reference, which the plain template writes in its own way; of the policy, who may do what.

    The guardrails are parameters there.
    """
    stack = cdk.Stack(cdk.App(), "Stack")
    PrivacyBudgetProvider(stack, "Provider", parameter_name="/a/name", guardrails=PrivacyBudgetGuardrails(max_epsilon=5))
    construct = dict(Template.from_stack(stack).to_json())
    types = sorted(resource["Type"] for resource in construct["Resources"].values())
    assert sorted(resource["Type"] for resource in template["Resources"].values()) == types
    for type_ in types:
        ours, theirs = properties(template, type_), properties(construct, type_)
        assert ours.keys() == theirs.keys()
        chosen = {"Name", "PolicyName", "Environment"} | {
            name for name, value in theirs.items() if re.search("Ref|Fn::", json.dumps(value))
        }
        assert without(ours, chosen) == without(theirs, chosen)
    assert allowed(template) == allowed(construct)


def without(properties: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in names}


def allowed(template: dict[str, Any]) -> list[Any]:
    """Each statement of the policy: its actions, and how many resources they are allowed on."""
    statements = properties(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    return [(statement["Action"], len(statement["Resource"])) for statement in statements]


def test_it_is_plain(path: Path, template: dict[str, Any]) -> None:
    assert template.keys() == {"Description", "Parameters", "Resources", "Outputs"}
    assert template["Resources"].keys() == {
        "LogGroup",
        "Role",
        "RoleDefaultPolicy",
        "Function",
        "FunctionEventInvokeConfig",
        "Parameter",
    }
    assert [id_ for id_, resource in template["Resources"].items() if resource.get("Metadata", {}).keys() - {"checkov"}] == []
    for word in ("aws:cdk", "Bootstrap", "hnb659fds", "cdk_nag", "Fn::"):
        assert word not in path.read_text()


def test_code_is_always_the_zip_beside_it(path: Path, template: dict[str, Any]) -> None:
    """``aws cloudformation deploy`` keeps parameters' values, so none of them may name the code of a version."""
    (zip_,) = path.parent.glob("*.zip")
    code = properties(template, "AWS::Lambda::Function")["Code"]
    assert code == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Sub": f"${{CodePrefix}}{zip_.name}"}}
    assert zip_.name not in str(template["Parameters"])


def test_every_parameter_is_described_and_checked(template: dict[str, Any]) -> None:
    for parameter in template["Parameters"].values():
        assert parameter["Description"]
        assert parameter["ConstraintDescription"]
    assert {name for name, parameter in template["Parameters"].items() if "Default" not in parameter} == {"CodeBucket"}


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        pytest.param("CodeBucket", "my-code.eu-west-1", True, id="bucket"),
        pytest.param("CodeBucket", "s3://my-code", False, id="bucket-as-url"),
        pytest.param("CodePrefix", "", True, id="no-prefix"),
        pytest.param("CodePrefix", "releases/1/", True, id="prefix"),
        pytest.param("CodePrefix", "releases", False, id="prefix-without-slash"),
        pytest.param("ParameterName", "/cleanrooms-privacy-budget/provider", True, id="path"),
        pytest.param("ParameterName", "provider", False, id="no-path"),
    ],
)
def test_a_parameters_pattern(template: dict[str, Any], parameter: str, value: str, accepted: bool) -> None:
    assert bool(re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value)) is accepted


def test_what_the_budgets_stacks_need_is_an_output(template: dict[str, Any]) -> None:
    assert {name: output["Value"] for name, output in template["Outputs"].items()} == {
        "ServiceToken": {"GetAtt": "Function.Arn"},
        "PublishedAs": {"Ref": "ParameterName"},
    }
    published = properties(template, "AWS::SSM::Parameter")
    assert (published["Name"], published["Value"]) == ({"Ref": "ParameterName"}, {"GetAtt": "Function.Arn"})
