"""The provider for users without Python: a plain CloudFormation template, and the functions' zip beside it.

``python -m tools.release.plain_template FOLDER`` writes both. The template is what PrivacyBudgetProvider synthesizes.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, cast

import aws_cdk as cdk
import yaml
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from cleanrooms_privacy_budget import PrivacyBudgetProvider
from privacy_budget_core import __version__
from privacy_budget_core.contract import AccessBudgetPeriod
from privacy_budget_core.guardrails import ENVIRONMENT_VARIABLE
from tools.function_bundle import HANDLER, assemble_for_the_runtime

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATE: Final = "provider.yaml"
PARAMETER_NAME: Final = "/cleanrooms-privacy-budget/provider"


class PlainProvider(cdk.Stack):
    """The provider alone, with its code in a bucket of the user's and readable logical ids.

    The key's last part is the zip's own name, which changes with its contents: ``aws cloudformation deploy`` keeps a parameter's
    value from one version to the next, and so must not be left to choose the code.
    """

    def __init__(self, scope: cdk.App, id: str, code: str) -> None:
        super().__init__(
            scope,
            id,
            description=f"cleanrooms-privacy-budget {__version__}: the function that makes Clean Rooms privacy budget templates",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        bucket = cdk.CfnParameter(
            self,
            "CodeBucket",
            description="The bucket, in this region, that holds the function's zip",
            allowed_pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            constraint_description="must be the name of a bucket",
        )
        prefix = cdk.CfnParameter(
            self,
            "CodePrefix",
            description="The prefix of the zip's name in the bucket, such as releases/; empty where there is none",
            default="",
            max_length=900,
            allowed_pattern=r"(.*/)?",
            constraint_description="must be empty or end with a slash",
        )
        parameter_name = cdk.CfnParameter(
            self,
            "ParameterName",
            description="The SSM parameter under which the function's ARN is published to the stacks that use it",
            default=PARAMETER_NAME,
            max_length=900,
            allowed_pattern=r"(/[a-zA-Z0-9_.-]+)+",
            constraint_description="must be a path of letters, digits, dots, dashes and underscores that begins with a slash",
        )
        provider = PrivacyBudgetProvider(self, "Provider", parameter_name=parameter_name.value_as_string)
        function = cast(lambda_.CfnFunction, provider.function.node.default_child)
        function.code = lambda_.CfnFunction.CodeProperty(s3_bucket=bucket.value_as_string, s3_key=f"{prefix.value_as_string}{code}")
        # The CDK also names the role, which the function refers to anyway; cfn-lint finds that obsolete.
        function.add_override("DependsOn", ["RoleDefaultPolicy"])
        function.add_property_override(f"Environment.Variables.{ENVIRONMENT_VARIABLE}", _guardrails(self))
        cdk.CfnOutput(
            self,
            "ServiceToken",
            description="The function's ARN: the ServiceToken of privacy budget templates",
            value=provider.service_token,
        )
        cdk.CfnOutput(
            self,
            "PublishedAs",
            description="The SSM parameter that holds the function's ARN",
            value=parameter_name.value_as_string,
        )
        for construct in provider.node.find_all():
            if cdk.CfnElement.is_cfn_element(construct):
                cast(cdk.CfnElement, construct).override_logical_id(_plain_id(provider, construct))


def _guardrails(stack: cdk.Stack) -> str:
    """The guardrails as JSON, by a parameter for each; null is no limit."""
    unlimited, flag = "Default: null, for no limit.", ["true", "false"]
    epsilon = _limit(stack, "MaxEpsilon", f"The highest epsilon of a template, 1 to 20. {unlimited}", r"null|[1-9]|1[0-9]|20")
    noise = _limit(stack, "MinUsersNoisePerQuery", f"The least noise of a template, 10 to 100. {unlimited}", r"null|[1-9][0-9]|100")
    uses = {
        period: _limit(stack, id, f"The most uses of a table {words}, 0 to 1000000. {unlimited}", r"null|0|[1-9][0-9]{0,5}|1000000")
        for period, id, words in (
            (AccessBudgetPeriod.CALENDAR_DAY, "MaxUsesPerDay", "per calendar day"),
            (AccessBudgetPeriod.CALENDAR_WEEK, "MaxUsesPerWeek", "per calendar week"),
            (AccessBudgetPeriod.CALENDAR_MONTH, "MaxUsesPerMonth", "per calendar month"),
            (AccessBudgetPeriod.LIFETIME, "MaxUsesInLifetime", "in the template's life"),
        )
    }
    flags = {
        id: cdk.CfnParameter(
            stack,
            id,
            description=f"Whether a template may {words}",
            default="true",
            allowed_values=flag,
            constraint_description="must be true or false",
        ).value_as_string
        for id, words in (
            ("AllowMonthlyRefresh", "refresh every calendar month"),
            ("AllowBudgetReset", "declare OnBudgetReset ALLOW"),
            ("AllowAdoption", "declare OnExisting ADOPT"),
        )
    }
    max_uses = ", ".join(f'"{period}": {value}' for period, value in uses.items())
    members = {"MaxEpsilon": epsilon, "MinUsersNoisePerQuery": noise, "MaxUses": "{" + max_uses + "}", **flags}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"


def _limit(stack: cdk.Stack, id: str, description: str, pattern: str) -> str:
    parameter = cdk.CfnParameter(
        stack, id, description=description, default="null", allowed_pattern=pattern, constraint_description="must be null or in the range"
    )
    return parameter.value_as_string


def _plain_id(provider: PrivacyBudgetProvider, construct: IConstruct) -> str:
    """A readable logical id: the path of a resource within the provider."""
    below = construct.node.path.removeprefix(f"{provider.node.path}/").split("/")
    return "".join(name for name in below if name != "Resource")


class _Yaml(yaml.SafeDumper):
    """CloudFormation's YAML, with the short form of the functions that the provider uses."""

    def represent_object(self, value: dict[str, Any]) -> yaml.Node:
        match value:
            case {"Ref": str(name)}:
                return self.represent_scalar("!Ref", name)
            case {"Fn::GetAtt": [str(resource), str(attribute)]}:
                return self.represent_scalar("!GetAtt", f"{resource}.{attribute}")
            case {"Fn::Join": ["", [*parts]]}:
                return self.represent_scalar("!Sub", "".join(f"${{{part['Ref']}}}" if isinstance(part, dict) else part for part in parts))
        return self.represent_dict(value.items())


_Yaml.add_representer(dict, _Yaml.represent_object)


def template(code: str) -> dict[str, Any]:
    """The provider's template, as the CDK writes it, for a zip of this name."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, analytics_reporting=False)
        stack = PlainProvider(app, "Provider", code)
        app.synth()
        written: dict[str, Any] = json.loads((Path(folder) / stack.template_file).read_text())
    return written


def write(folder: Path) -> None:
    """Write the template and the zip that it names into a folder, in place of an earlier zip."""
    folder.mkdir(parents=True, exist_ok=True)
    for outdated in folder.glob(f"{HANDLER}-*.zip"):
        outdated.unlink()
    code = assemble_for_the_runtime(ROOT, ROOT / "build" / "release")
    shutil.copyfile(code, folder / code.name)
    (folder / TEMPLATE).write_text(yaml.dump(template(code.name), Dumper=_Yaml, sort_keys=False, width=130))
    print(f"Wrote {folder / TEMPLATE} and {folder / code.name}, which it names.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tools.release.plain_template FOLDER")
    write(Path(sys.argv[1]))
