"""The examples synthesize as their docstrings say, to templates that hold what they promise and that cfn-lint finds no fault with."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import cleanrooms_local_aws
import cleanrooms_privacy_budget
from tests.support.deployed_clean_rooms import table
from tests.support.example_apps import APPS, FOLDER, Assembly, commands, contexts, synthesize
from tests.support.synth import TYPE

ROOM, OTHER_ROOM = "42f2ed95-2bcd-45b9-ab5e-b21814476059", "0c6de8a4-93b4-4a5e-8b1c-9f1f2a3b4c5d"
PARTNER = "444455556666"

HERE = [name for name in APPS if not Path(__file__).with_name(f"test_{name}.py").exists()]
"""The examples that have no test file of their own."""

VALUES: Mapping[str, Mapping[str, str]] = {
    "access_budgets": {"membership": ROOM, "sales": table(ROOM, "sales"), "trial": table(ROOM, "trial")},
    "adoption": {"membership": ROOM},
    "differential_privacy": {"membership": ROOM},
    "guardrails": {"membership": ROOM},
    "memberships": {
        "partner": PARTNER,
        "database": "shop",
        "table": "sales",
        "columns": "customer,amount",
        "role": "arn:aws:iam::111122223333:role/reader",
    },
    "migration": {"membership": ROOM, "sales": table(ROOM, "sales")},
    "monitoring": {"membership": ROOM, "sales": table(ROOM, "sales"), "mail": "privacy@example.com"},
    "native_type": {"native": ROOM, "ours": OTHER_ROOM},
    "nested_stack": {"sales": ROOM, "research": OTHER_ROOM},
    "reset_on_purpose": {"membership": ROOM},
    "shared_provider": {"sales": ROOM, "research": OTHER_ROOM},
    "stage": {"test": ROOM, "production": OTHER_ROOM},
}
"""What stands for the words in angle brackets of the commands."""

PUBLIC = {module.__name__: set(module.__all__) for module in (cleanrooms_privacy_budget, cleanrooms_local_aws)}
OWN = {"cleanrooms_privacy_budget", "cleanrooms_local_aws", "privacy_budget_core", "privacy_budget_cli"}

LINT_IGNORES = ("W3005",)
"""Needless DependsOn: the CDK itself has each function depend on its role."""

KEPT, DELETED = "RetainExceptOnCreate", "Delete"


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Assembly]]:
    """Each example's assemblies, one for each context that its commands give."""
    return {
        name: [synthesize(name, context, tmp_path_factory.mktemp(name)) for context in contexts(name, values)]
        for name, values in VALUES.items()
    }


def resources(template: Mapping[str, Any], type_: str = TYPE) -> dict[str, Any]:
    return {id_: resource for id_, resource in template["Resources"].items() if resource["Type"] == type_}


def functions(template: Mapping[str, Any]) -> int:
    return len(resources(template, "AWS::Lambda::Function"))


def test_each_example_is_checked() -> None:
    assert list(VALUES) == HERE
    assert [name for name in HERE if f"test_{name}" not in globals()] == []


def test_the_table_of_examples_names_each() -> None:
    listed = [line.split("](")[0].removeprefix("| [") for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    files = [*FOLDER.glob("*.py"), *FOLDER.glob("without_python/*")]
    assert sorted(listed) == sorted(str(file.relative_to(FOLDER)) for file in files)


@pytest.mark.parametrize("name", HERE)
def test_its_commands_run_the_example(name: str) -> None:
    for command in commands(name, VALUES[name]):
        assert command[0] == "cdk"
        assert command[1] in ("deploy", "destroy")
        assert command[command.index("--app") + 1] == f"python examples/{name}.py"


@pytest.mark.parametrize(
    ("context", "status", "told"),
    [
        pytest.param({"membership": ROOM}, 0, "", id="with its values"),
        pytest.param({}, 1, "A value is missing: -c membership=<membership id>\n", id="without a value"),
    ],
)
def test_an_example_runs_anywhere(context: dict[str, str], status: int, told: str, tmp_path: Path) -> None:
    """In a foreign folder, with an empty home and without credentials; what is missing is one sentence."""
    kept = {name: os.environ[name] for name in ("PATH", "CDK_VALIDATION", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")}
    ran = subprocess.run(
        [sys.executable, str(FOLDER / "differential_privacy.py")],
        cwd=tmp_path,
        env={**kept, "HOME": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps(context)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (status, told)


@pytest.mark.parametrize("name", HERE)
def test_each_value_has_its_sentence(name: str) -> None:
    """Every value that the commands give in angle brackets; what has a default is not in them."""
    text = (FOLDER / f"{name}.py").read_text()
    wanted = set(re.findall(r"-c (\w+)=<", ast.get_docstring(ast.parse(text)) or ""))
    told = set(re.findall(r'try_get_context\([^)]+\)+ or sys\.exit\(f?"A value is missing: -c (\S+?)=<', text))
    assert ".get_context(" not in text
    assert told in (wanted, {"{name.lower()}"})


@pytest.mark.parametrize("name", [*APPS, "test_my_app"])
def test_it_imports_public_names_alone(name: str) -> None:
    imported = set()
    for statement in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
        if isinstance(statement, ast.ImportFrom):
            imported |= {(statement.module or "", alias.name) for alias in statement.names}
        elif isinstance(statement, ast.Import):
            imported |= {(alias.name, "") for alias in statement.names}
    ours = {(module, name) for module, name in imported if module.split(".")[0] in OWN}
    assert {(module, name) for module, name in ours if name not in PUBLIC.get(module, ())} == set()


def test_cfn_lint_finds_nothing(assemblies: dict[str, list[Assembly]]) -> None:
    files = [str(file) for of_one in assemblies.values() for assembly in of_one for file in assembly.files]
    linter = Path(sys.executable).with_name("cfn-lint")
    ran = subprocess.run(
        [str(linter), "--ignore-checks", *LINT_IGNORES, "--", *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_differential_privacy(assemblies: dict[str, list[Assembly]]) -> None:
    template = assemblies["differential_privacy"][0].templates["DifferentialPrivacy"]
    (budget,) = resources(template).values()
    assert budget["Properties"]["MembershipIdentifier"] == ROOM
    assert budget["Properties"]["PrivacyBudgetType"] == "DIFFERENTIAL_PRIVACY"
    assert budget["Properties"]["Parameters"] == {"Epsilon": 3, "UsersNoisePerQuery": 30}
    assert budget["Properties"]["Tags"] == [{"Key": "team", "Value": "privacy"}]
    assert budget["DeletionPolicy"] == KEPT
    assert functions(template) == 1
    assert template["Outputs"].keys() == {"TemplateArn", "AuditorArn"}
    (policy,) = (policy for id_, policy in resources(template, "AWS::IAM::Policy").items() if id_.startswith("Auditor"))
    actions = [action for statement in policy["Properties"]["PolicyDocument"]["Statement"] for action in statement["Action"]]
    assert "cleanrooms:ListPrivacyBudgets" in actions
    assert [action for action in actions if not action.startswith(("cleanrooms:Get", "cleanrooms:List"))] == []


def test_access_budgets(assemblies: dict[str, list[Assembly]]) -> None:
    template = assemblies["access_budgets"][0].templates["AccessBudgets"]
    budgets = resources(template)
    assert {id_: budget["Properties"]["Parameters"]["ResourceArn"] for id_, budget in budgets.items()} == {
        "Sales": table(ROOM, "sales"),
        "Trial": table(ROOM, "trial"),
    }
    for budget in budgets.values():
        assert budget["Properties"]["PrivacyBudgetType"] == "ACCESS_BUDGET"
        assert [limit["Type"] for limit in budget["Properties"]["Parameters"]["BudgetParameters"]] == ["CALENDAR_DAY", "LIFETIME"]
    assert {id_: budget["DeletionPolicy"] for id_, budget in budgets.items()} == {"Sales": KEPT, "Trial": DELETED}
    assert functions(template) == 1


def test_adoption(assemblies: dict[str, list[Assembly]]) -> None:
    template = assemblies["adoption"][0].templates["Adoption"]
    (budget,) = resources(template).values()
    assert budget["Properties"]["OnExisting"] == "ADOPT"
    assert budget["DeletionPolicy"] == KEPT


def test_memberships(assemblies: dict[str, list[Assembly]]) -> None:
    assembly = assemblies["memberships"][0]
    template = assembly.templates["Memberships"]
    budgets = {id_: budget["Properties"] for id_, budget in resources(template).items()}
    assert {id_: budget["MembershipIdentifier"] for id_, budget in budgets.items()} == {
        "ResearchBudget": {"Fn::GetAtt": ["ResearchMembership", "MembershipIdentifier"]},
        "SalesBudget": {"Fn::GetAtt": ["SalesMembership", "MembershipIdentifier"]},
    }
    assert budgets["ResearchBudget"]["PrivacyBudgetType"] == "DIFFERENTIAL_PRIVACY"
    assert budgets["SalesBudget"]["Parameters"]["ResourceArn"] == {"Fn::GetAtt": ["SalesAssociation", "Arn"]}
    assert {budget["DeletionPolicy"] for budget in resources(template).values()} == {DELETED}
    assert assembly.artifacts["Memberships"]["properties"]["terminationProtection"]
    assert functions(template) == 1
    for collaboration in resources(template, "AWS::CleanRooms::Collaboration").values():
        assert [member["AccountId"] for member in collaboration["Properties"]["Members"]] == [PARTNER]
    (configured,) = resources(template, "AWS::CleanRooms::ConfiguredTable").values()
    assert configured["Properties"]["AllowedColumns"] == ["customer", "amount"]


def test_monitoring(assemblies: dict[str, list[Assembly]]) -> None:
    template = assemblies["monitoring"][0].templates["Monitoring"]
    assert resources(template).keys() == {"Privacy", "Sales"}
    assert functions(template) == 2
    (schedule,) = resources(template, "AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(30 minutes)"
    (topic,) = resources(template, "AWS::SNS::Topic")
    alarms = [alarm["Properties"] for alarm in resources(template, "AWS::CloudWatch::Alarm").values()]
    assert sorted(alarm["MetricName"] for alarm in alarms) == ["Errors", "RemainingFraction", "RemainingFraction"]
    assert [alarm["AlarmActions"] for alarm in alarms] == [[{"Ref": topic}]] * 3
    assert len(resources(template, "AWS::CloudWatch::Dashboard")) == 1


def test_native_type(assemblies: dict[str, list[Assembly]]) -> None:
    for assembly, refresh in zip(assemblies["native_type"], ("NONE", "CALENDAR_MONTH"), strict=True):
        (native,) = resources(assembly.templates["Native"], "AWS::CleanRooms::PrivacyBudgetTemplate").values()
        (ours,) = resources(assembly.templates["Ours"]).values()
        for name in ("PrivacyBudgetType", "AutoRefresh", "Parameters"):
            assert native["Properties"][name] == ours["Properties"][name]
        assert native["Properties"]["AutoRefresh"] == refresh
        assert ours["DeletionPolicy"] == DELETED


def test_nested_stack(assemblies: dict[str, list[Assembly]]) -> None:
    templates = assemblies["nested_stack"][0].templates
    parent = templates.pop("NestedBudgets")
    assert (functions(parent), len(resources(parent)), len(resources(parent, "AWS::CloudFormation::Stack"))) == (1, 0, 2)
    assert len(templates) == 2
    assert {template["Resources"]["Budget"]["Properties"]["MembershipIdentifier"] for template in templates.values()} == {ROOM, OTHER_ROOM}
    for template in templates.values():
        assert template["Resources"].keys() == {"Budget"}
        (parameter,) = template["Parameters"]
        assert template["Resources"]["Budget"]["Properties"]["ServiceToken"] == {"Ref": parameter}


def test_reset_on_purpose(assemblies: dict[str, list[Assembly]]) -> None:
    steps = [resources(assembly.templates["ResetOnPurpose"])["Budget"]["Properties"] for assembly in assemblies["reset_on_purpose"]]
    assert [(step["AutoRefresh"], step.get("OnBudgetReset")) for step in steps] == [
        ("NONE", None),
        ("CALENDAR_MONTH", None),
        ("CALENDAR_MONTH", "ALLOW"),
    ]


def test_shared_provider(assemblies: dict[str, list[Assembly]]) -> None:
    assembly = assemblies["shared_provider"][0]
    templates = assembly.templates
    provider = templates.pop("SharedProvider")
    assert (functions(provider), len(resources(provider))) == (1, 0)
    (parameter,) = resources(provider, "AWS::SSM::Parameter").values()
    (function,) = resources(provider, "AWS::Lambda::Function")
    assert parameter["Properties"]["Value"] == {"Fn::GetAtt": [function, "Arn"]}
    assert templates.keys() == {"SalesBudget", "ResearchBudget"}
    for name, template in templates.items():
        assert template["Resources"].keys() == {"Budget"}
        read = template["Parameters"][template["Resources"]["Budget"]["Properties"]["ServiceToken"]["Ref"]]
        assert read == {"Type": "AWS::SSM::Parameter::Value<String>", "Default": parameter["Properties"]["Name"]}
        assert "SharedProvider" in assembly.artifacts[name]["dependencies"]


def test_guardrails(assemblies: dict[str, list[Assembly]]) -> None:
    templates = assemblies["guardrails"][0].templates
    (function,) = resources(templates["GuardedProvider"], "AWS::Lambda::Function").values()
    guardrails = json.loads(function["Properties"]["Environment"]["Variables"]["PRIVACY_BUDGET_GUARDRAILS"])
    assert guardrails["MaxEpsilon"] == 5
    assert functions(templates["GuardedBudget"]) == 0


def test_migration(assemblies: dict[str, list[Assembly]]) -> None:
    """Two native templates, retained, adopted, and then this stack's for good."""
    native, retain, adopt, finish = (assembly.templates["Migration"] for assembly in assemblies["migration"])
    policies = [
        [one["DeletionPolicy"] for one in resources(step, "AWS::CleanRooms::PrivacyBudgetTemplate").values()] for step in (native, retain)
    ]
    assert policies == [["Delete", "Delete"], ["Retain", "Retain"]]
    options = [[one["Properties"].get("OnExisting") for one in resources(step).values()] for step in (adopt, finish)]
    assert options == [["ADOPT", "ADOPT"], [None, None]]


def test_stage(assemblies: dict[str, list[Assembly]]) -> None:
    templates = assemblies["stage"][0].templates
    assert len(templates) == 2
    found = {}
    for template in templates.values():
        (budget,) = resources(template).values()
        (tag,) = budget["Properties"]["Tags"]
        found[tag["Value"]] = (budget["Properties"]["MembershipIdentifier"], budget["DeletionPolicy"])
        assert functions(template) == 1
    assert found == {"test": (ROOM, DELETED), "production": (OTHER_ROOM, KEPT)}
