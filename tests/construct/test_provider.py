"""The function behind the templates: one a stack, with what users of Lambda-backed constructs ask for."""

import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from cleanrooms_privacy_budget import PrivacyBudgetProvider, PrivacyBudgetTemplate
from privacy_budget_core import __version__
from tests.support.synth import DIFFERENTIAL_PRIVACY, MEMBERSHIP, TYPE, add, new_stack, only, resources

FUNCTION = "AWS::Lambda::Function"
ARN = "arn:aws:lambda:us-east-1:111122223333:function:provider"


def other(number: int) -> str:
    return f"12345678-1111-4222-8333-{number:012}"


def test_templates_of_a_stack_share_one_provider() -> None:
    """One function, one role and one log group serve every template of a stack."""
    stack = new_stack()
    for number in range(5):
        add(stack, f"Budget{number}", membership_id=other(number))
    synthesized = Template.from_stack(stack)
    for type_ in (FUNCTION, "AWS::IAM::Role", "AWS::IAM::Policy", "AWS::Logs::LogGroup"):
        synthesized.resource_count_is(type_, 1)
    tokens = {str(resource["Properties"]["ServiceToken"]) for resource in resources(stack).values()}
    assert len(tokens) == 1


def test_the_policy_does_not_depend_on_the_templates() -> None:
    policies = []
    for count in (1, 4):
        stack = new_stack()
        for number in range(count):
            add(stack, f"Budget{number}", membership_id=other(number))
        policies.append(only(stack, "AWS::IAM::Policy")["Properties"]["PolicyDocument"])
    assert policies[0] == policies[1]


def test_function_has_the_documented_defaults() -> None:
    stack = new_stack()
    add(stack)
    function = only(stack, FUNCTION)["Properties"]
    assert function["Runtime"] == "python3.14"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 512
    assert function["Timeout"] == 300
    assert function["Handler"] == "privacy_budget_handler.function.handler"
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert only(stack, "AWS::Logs::LogGroup")["Properties"] == {"RetentionInDays": 365}


def test_no_retried_event_outlives_cloudformations_wait() -> None:
    stack = new_stack()
    add(stack, provider=PrivacyBudgetProvider(stack, "Provider", timeout=cdk.Duration.seconds(90)))
    invoke = only(stack, "AWS::Lambda::EventInvokeConfig")["Properties"]
    waits = int(only(stack)["Properties"]["ServiceTimeout"])
    assert waits > invoke["MaximumEventAgeInSeconds"] + only(stack, FUNCTION)["Properties"]["Timeout"]
    assert waits <= 3600


def test_every_option_reaches_the_function() -> None:
    stack = new_stack()
    vpc = ec2.Vpc(stack, "Vpc")
    provider = PrivacyBudgetProvider.get_or_create(
        stack,
        memory_size=256,
        timeout=cdk.Duration.minutes(2),
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.X86_64,
        log_retention=logs.RetentionDays.ONE_WEEK,
        vpc=vpc,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        security_groups=[ec2.SecurityGroup(stack, "Group", vpc=vpc)],
        environment_encryption=kms.Key(stack, "Key"),
        reserved_concurrent_executions=3,
    )
    function = only(stack, FUNCTION)["Properties"]
    assert (function["MemorySize"], function["Timeout"], function["Runtime"]) == (256, 120, "python3.13")
    assert function["Architectures"] == ["x86_64"]
    assert function["ReservedConcurrentExecutions"] == 3
    assert "KmsKeyArn" in function
    assert len(function["VpcConfig"]["SecurityGroupIds"]) == 1
    assert only(stack, "AWS::Logs::LogGroup")["Properties"]["RetentionInDays"] == 7
    assert "AWSLambdaVPCAccessExecutionRole" in str(only(stack, "AWS::IAM::Role"))
    assert provider.function.role is provider.role


def test_own_log_group_and_role() -> None:
    stack = new_stack()
    group = logs.LogGroup(stack, "Mine")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    add(stack, provider=PrivacyBudgetProvider(stack, "Provider", log_group=group, role=role))
    synthesized = Template.from_stack(stack)
    synthesized.resource_count_is("AWS::Logs::LogGroup", 1)
    synthesized.resource_count_is("AWS::IAM::Role", 1)
    assert "cleanrooms:CreatePrivacyBudgetTemplate" in str(only(stack, "AWS::IAM::Policy"))


def test_an_imported_role_is_left_as_it_is() -> None:
    stack = new_stack()
    role = iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/provider", mutable=False)
    add(stack, provider=PrivacyBudgetProvider(stack, "Provider", role=role))
    synthesized = Template.from_stack(stack)
    synthesized.resource_count_is("AWS::IAM::Policy", 0)
    synthesized.resource_count_is(FUNCTION, 1)


def test_a_permissions_boundary_comes_from_cdks_own_mechanism() -> None:
    stack = new_stack()
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "limits"))
    add(stack)
    assert "limits" in str(only(stack, "AWS::IAM::Role")["Properties"]["PermissionsBoundary"])


def test_memberships_narrow_the_policy() -> None:
    stack = new_stack(env=cdk.Environment(account="111122223333", region="us-east-1"))
    PrivacyBudgetProvider(stack, "Provider", memberships=[MEMBERSHIP])
    named = re.findall(r"membership/([^/'\"]+)", str(only(stack, "AWS::IAM::Policy")))
    assert set(named) == {MEMBERSHIP}


def test_the_same_options_again_are_the_same_provider() -> None:
    stack = new_stack()
    first = PrivacyBudgetProvider.get_or_create(stack, memory_size=256)
    assert PrivacyBudgetProvider.get_or_create(stack, memory_size=256) is first
    assert PrivacyBudgetProvider.get_or_create(stack) is first
    add(stack)
    Template.from_stack(stack).resource_count_is(FUNCTION, 1)


@pytest.mark.parametrize("options", [{"memory_size": 512}, {"memory_size": 256, "reserved_concurrent_executions": 2}])
def test_other_options_in_one_stack_raise(options: dict[str, Any]) -> None:
    """Options that differ from those of the stack's provider are not ignored."""
    stack = new_stack()
    PrivacyBudgetProvider.get_or_create(stack, memory_size=256)
    with pytest.raises(ValueError, match="before the stack's first template") as raised:
        PrivacyBudgetProvider.get_or_create(stack, **options)
    assert "[Shop/PrivacyBudgetProvider]" in str(raised.value)


def test_options_after_the_first_template_raise() -> None:
    stack = new_stack()
    add(stack)
    with pytest.raises(ValueError, match="memory_size"):
        PrivacyBudgetProvider.get_or_create(stack, memory_size=256)


def test_an_option_that_does_not_exist_raises() -> None:
    with pytest.raises(TypeError, match="memory"):
        PrivacyBudgetProvider.get_or_create(new_stack(), memory=256)  # type: ignore[call-arg]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "subnets without vpc": ({"vpc_subnets": ec2.SubnetSelection()}, "go with vpc"),
    "groups without vpc": ({"security_groups": []}, "go with vpc"),
    "timeout": ({"timeout": cdk.Duration.seconds(60)}, "timeout in seconds must be a whole number from 90 to 900, got 60"),
    "fraction of a second": (
        {"timeout": cdk.Duration.millis(90_500)},
        "timeout in seconds must be a whole number from 90 to 900, got 90.5",
    ),
    "timeout as a number": ({"timeout": 300}, "timeout must be of type Duration, got 300"),
    "little memory": ({"memory_size": 127}, "memory_size must be a whole number from 128 to 10240, got 127"),
    "memory nan": ({"memory_size": float("nan")}, "memory_size must be a whole number from 128 to 10240, got nan"),
    "memory as text": ({"memory_size": "512"}, "memory_size must be a whole number from 128 to 10240, got '512'"),
    "concurrency": (
        {"reserved_concurrent_executions": float("nan")},
        "reserved_concurrent_executions must be a whole number from 0 .*, got nan",
    ),
    "old runtime": ({"runtime": lambda_.Runtime.PYTHON_3_10}, "runtime must be Python 3.11 or later, got 'python3.10'"),
    "another language": ({"runtime": lambda_.Runtime.NODEJS_22_X}, "runtime must be Python 3.11 or later, got 'nodejs22.x'"),
    "runtime as text": ({"runtime": "python3.13"}, "runtime must be of type Runtime, got 'python3.13'"),
    "architecture": ({"architecture": "arm64"}, "architecture must be of type Architecture, got 'arm64'"),
    "retention": ({"log_retention": 30}, "log_retention must be of type RetentionDays, got 30"),
    "role": ({"role": "arn:aws:iam::111122223333:role/mine"}, "role must be a construct, made or imported, got 'arn:"),
    "vpc": ({"vpc": "vpc-1"}, "vpc must be a construct, made or imported, got 'vpc-1'"),
    "one membership": ({"memberships": MEMBERSHIP}, "memberships must be a list, got '1234"),
    "membership as a number": ({"memberships": [3]}, "memberships must each be a lower-case UUID, got 3"),
    "parameter's name as a number": ({"parameter_name": 3}, "parameter_name must be a path of letters.*, got 3"),
    "no memberships": ({"memberships": []}, "memberships must name at least one"),
    "membership": ({"memberships": ["LAB"]}, "memberships must each be a lower-case UUID, got 'LAB'"),
    "parameter's name": ({"parameter_name": "provider"}, "parameter_name must be a path of letters.*, got 'provider'"),
}


@pytest.mark.parametrize("import_", [PrivacyBudgetProvider.from_function_arn, PrivacyBudgetProvider.from_parameter_name])
def test_the_timeout_of_an_imported_provider(import_: Any) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match=r"timeout must be of type Duration, got 300 \[Shop/Shared\]"):
        import_(stack, "Shared", cdk.Fn.import_value("provider"), timeout=300)
    assert stack.node.children == []


def test_options_that_are_tokens() -> None:
    """CloudFormation waits for the longest timeout that a provider takes, since it adds no numbers."""
    stack = new_stack()
    number = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    timeout = cdk.Duration.seconds(number)
    provider = PrivacyBudgetProvider.get_or_create(
        stack, timeout=timeout, memory_size=number, reserved_concurrent_executions=number, memberships=[cdk.Fn.import_value("membership")]
    )
    assert PrivacyBudgetProvider.get_or_create(stack) is provider
    add(stack)
    function = only(stack, FUNCTION)["Properties"]
    assert [function[name] for name in ("Timeout", "MemorySize", "ReservedConcurrentExecutions")] == [{"Ref": "Number"}] * 3
    assert only(stack)["Properties"]["ServiceTimeout"] == str(600 + 900 + 60)


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_options_raise_and_add_nothing(options: dict[str, Any], message: str) -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match=message):
        PrivacyBudgetProvider(stack, "Provider", **options)
    assert stack.node.children == []


def test_a_retention_goes_without_a_log_group() -> None:
    stack = new_stack()
    group = logs.LogGroup(stack, "Mine")
    with pytest.raises(ValueError, match="log_retention goes without log_group"):
        PrivacyBudgetProvider(stack, "Provider", log_group=group, log_retention=logs.RetentionDays.ONE_DAY)


def test_imported_provider_adds_no_function() -> None:
    stack = new_stack()
    provider = PrivacyBudgetProvider.from_function_arn(stack, "Provider", ARN, timeout=cdk.Duration.minutes(1))
    add(stack, provider=provider)
    assert Template.from_stack(stack).to_json()["Resources"].keys() == {"Budget"}
    declared = only(stack)["Properties"]
    assert (declared["ServiceToken"], declared["ServiceTimeout"]) == (ARN, "720")


def test_a_published_provider_is_found_by_its_parameter() -> None:
    name = "/cleanrooms-privacy-budget/provider"
    publishing = new_stack()
    PrivacyBudgetProvider(publishing, "Provider", parameter_name=name)
    parameter = only(publishing, "AWS::SSM::Parameter")["Properties"]
    (function,) = resources(publishing, FUNCTION)
    assert (parameter["Name"], parameter["Value"]) == (name, {"Fn::GetAtt": [function, "Arn"]})

    stack = new_stack()
    provider = PrivacyBudgetProvider.from_parameter_name(stack, "Provider", name)
    add(stack, provider=provider)
    add(stack, "Another", membership_id=other(1), provider=provider)
    synthesized = Template.from_stack(stack).to_json()
    assert synthesized["Resources"].keys() == {"Budget", "Another"}
    ((reference, declared),) = [item for item in synthesized["Parameters"].items() if item[0] != "BootstrapVersion"]
    assert declared == {"Type": "AWS::SSM::Parameter::Value<String>", "Default": name}
    assert synthesized["Resources"]["Budget"]["Properties"]["ServiceToken"] == {"Ref": reference}
    assert synthesized["Resources"]["Budget"]["Properties"]["ServiceTimeout"] == "960"


def test_the_function_tells_its_version() -> None:
    stack = new_stack()
    add(stack)
    assert only(stack, FUNCTION)["Properties"]["Description"].endswith(f"(cleanrooms-privacy-budget {__version__})")


def test_a_provider_of_another_stack_is_passed_on() -> None:
    app = cdk.App()
    shared = PrivacyBudgetProvider(cdk.Stack(app, "Provider"), "Provider")
    stack = cdk.Stack(app, "Shop")
    PrivacyBudgetTemplate(stack, "Budget", membership_id=MEMBERSHIP, budget=DIFFERENTIAL_PRIVACY, provider=shared)
    assert Template.from_stack(stack).find_resources(FUNCTION) == {}
    assert "Fn::ImportValue" in str(only(stack)["Properties"]["ServiceToken"]) or "Fn::GetStackOutput" in str(only(stack))


def test_two_providers_in_one_stack() -> None:
    stack = new_stack()
    add(stack, "A")
    add(stack, "B", membership_id=other(1), provider=PrivacyBudgetProvider(stack, "Second", memory_size=128))
    Template.from_stack(stack).resource_count_is(FUNCTION, 2)
    assert len({str(resource["Properties"]["ServiceToken"]) for resource in resources(stack, TYPE).values()}) == 2
