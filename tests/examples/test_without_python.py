"""The examples of docs/without-python.md: they fit the provider's plain template, the handler's contract, and each other.

That they deploy is tests/deploy/test_plain_template_deploy.py.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import hcl2
import pytest

from cleanrooms_privacy_budget import PrivacyBudget, PrivacyBudgetProvider, PrivacyBudgetTemplate
from privacy_budget_core import contract, properties
from tests.support.cdk import ROOT
from tests.support.pages import clean_home, types
from tests.support.plain_template import lint, load, write_plain_template

EXAMPLES = ROOT / "examples" / "without_python"
SAMPLE: dict[str, str] = {
    "Provider": "arn:aws:lambda:us-east-1:111122223333:function:provider",
    "Membership": "12345678-1111-4222-8333-444455556666",
    "SalesTable": "arn:aws:cleanrooms:us-east-1:111122223333:membership/12345678-1111-4222-8333-444455556666"
    "/configuredtableassociation/12345678-1111-4222-8333-444455556666",
    "Epsilon": "3",
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The provider's plain template."""
    return load(write_plain_template(tmp_path_factory.mktemp("template")))


class TestYaml:
    """budget.yaml."""

    def test_cfn_lint_finds_nothing(self) -> None:
        assert lint(EXAMPLES / "budget.yaml", "--include-checks", "I") == ""

    def test_the_handler_takes_every_resource(self) -> None:
        for resource in load(EXAMPLES / "budget.yaml")["Resources"].values():
            assert resource["Type"] == contract.RESOURCE_TYPE
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
            properties.parse(_as_sent(resource["Properties"]))

    def test_the_parameters_accept_what_the_contract_accepts(self, provider: dict[str, Any]) -> None:
        parameters = load(EXAMPLES / "budget.yaml")["Parameters"]
        assert parameters["Provider"]["Default"] == provider["Parameters"]["ParameterName"]["Default"]
        assert (parameters["Epsilon"]["MinValue"], parameters["Epsilon"]["MaxValue"]) == (
            contract.EPSILON.minimum,
            contract.EPSILON.maximum,
        )
        assert re.fullmatch(parameters["Membership"]["AllowedPattern"], SAMPLE["Membership"])
        assert not re.fullmatch(parameters["Membership"]["AllowedPattern"], SAMPLE["Membership"].upper().replace("1", "A"))


def _as_sent(declared: Any) -> Any:
    """Properties as CloudFormation sends them: parameters by their values, every scalar a string."""
    match declared:
        case {"Ref": name}:
            return SAMPLE[name]
        case dict():
            return {name: _as_sent(value) for name, value in declared.items()}
        case list():
            return [_as_sent(value) for value in declared]
    return str(declared)


def test_page_has_the_whole_contract() -> None:
    """The page has every property, attribute and range of the contract."""
    page = (ROOT / "docs" / "without-python.md").read_text()
    assert [name for name in contract.Property if f"| `{name}" not in page] == []
    assert [name for name in contract.Attribute if f".{name}`" not in page] == []
    for allowed in (contract.EPSILON, contract.USERS_NOISE_PER_QUERY, contract.ACCESS_LIMIT_BUDGET):
        assert str(allowed) in page
    assert f"up to {contract.TAGS.maximum} " in page


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the commands of app.ts were typed, on a clean home; what they download is kept in ``build``.

    The last of them deploys, which needs an account.
    """
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copy(EXAMPLES / "app.ts", folder)
    commands = re.findall(r"^//     (.+)$", (folder / "app.ts").read_text(), re.MULTILINE)
    assert commands.pop() == 'npx cdk deploy --app "npx tsx app.ts"'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**clean_home(tmp_path_factory.mktemp("typing")), "PATH": path, "CDK_DISABLE_CLI_TELEMETRY": "true"}
    types(commands, folder, environment)
    return folder


def test_the_typescript_app_names_the_pinned_versions() -> None:
    named = dict(re.findall(r"(\S+)@(\d\S+)", (EXAMPLES / "app.ts").read_text()))
    python = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert (named["aws-cdk-lib"], named["constructs"]) == (python["aws-cdk-lib"], python["constructs"])
    assert named["aws-cdk"] == json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]


def test_typescript_app_matches_the_python_construct(typescript: Path, tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path / "python"))
    stack = cdk.Stack(app, "PrivacyBudgets")
    privacy = PrivacyBudgetTemplate(
        stack,
        "Privacy",
        membership_id="0c6de8a4-93b4-4a5e-8b1c-9f1f2a3b4c5d",
        budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
        provider=PrivacyBudgetProvider.from_parameter_name(stack, "Provider", "/cleanrooms-privacy-budget/provider"),
    )
    cdk.Tags.of(privacy).add("team", "privacy")
    cdk.CfnOutput(stack, "PrivacyArn", value=privacy.privacy_budget_template_arn)
    app.synth()

    python, declared = (
        json.loads((folder / "PrivacyBudgets.template.json").read_text()) for folder in (tmp_path / "python", typescript / "cdk.out")
    )
    declared["Resources"].pop("CDKMetadata")  # what the CLI adds to a template
    declared.pop("Conditions")
    for resource in declared["Resources"].values():
        resource.pop("Metadata")
    assert declared == python


class TestTerraform:
    """main.tf, which is parsed only: Terraform is not at hand here."""

    @pytest.fixture
    def stacks(self) -> dict[str, Any]:
        """The stacks that it declares, by their names in Terraform."""
        plain = hcl2.SerializationOptions(strip_string_quotes=True, explicit_blocks=False)
        with (EXAMPLES / "main.tf").open() as file:
            resources = hcl2.load(file, serialization_options=plain)["resource"]
        return {name: stack for resource in resources for name, stack in resource.get("aws_cloudformation_stack", {}).items()}

    def test_the_provider_gets_the_parameters_that_it_has(self, stacks: dict[str, Any], provider: dict[str, Any]) -> None:
        _fits(stacks["provider"], provider)
        assert stacks["provider"]["template_body"] == '${file("${var.template_folder}/provider.yaml")}'
        assert stacks["provider"]["capabilities"] == ["CAPABILITY_IAM"]

    def test_the_budgets_get_the_parameters_that_they_have(self, stacks: dict[str, Any], provider: dict[str, Any]) -> None:
        budgets = load(EXAMPLES / "budget.yaml")
        _fits(stacks["budgets"], budgets)
        assert stacks["budgets"]["template_body"] == '${file("${path.module}/budget.yaml")}'
        (output,) = re.findall(r'provider\.outputs\["(\w+)"\]', stacks["budgets"]["parameters"]["Provider"])
        assert provider["Outputs"][output]["Value"] == {"Ref": "ParameterName"}
        assert "PrivacyArn" in budgets["Outputs"]


def _fits(stack: dict[str, Any], template: dict[str, Any]) -> None:
    """A stack gives no parameter that its template lacks, and each one without a default."""
    needed = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
    assert needed <= stack["parameters"].keys() <= template["Parameters"].keys()
