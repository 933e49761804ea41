"""What can be known at synth is told there: rule, value and path, and nothing is added to the tree."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from cleanrooms_privacy_budget import (
    AccessBudgetPeriod,
    AccessLimit,
    AutoRefresh,
    OnBudgetReset,
    OnExisting,
    PrivacyBudget,
    PrivacyBudgetGuardrails,
    PrivacyBudgetProvider,
)
from cleanrooms_privacy_budget.provider import ProviderOptions
from tests.support.synth import ACCESS_BUDGET, DIFFERENTIAL_PRIVACY, MEMBERSHIP, TABLE, add, new_stack, only

TOKEN = cdk.Fn.import_value("value")
OTHER = MEMBERSHIP.replace("1", "9")


class Int64:
    """A whole number of another library, as numpy's is."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


class Array:
    """Many numbers: numpy's arrays have an index that only a single number takes."""

    def __index__(self) -> int:
        raise TypeError("only scalars")

    def __repr__(self) -> str:
        return "an array"


def epsilon(value: Any) -> PrivacyBudget:
    return PrivacyBudget.differential_privacy(epsilon=value, users_noise_per_query=30)


def access(*limits: Any) -> PrivacyBudget:
    return PrivacyBudget.access_budget(resource_arn=TABLE, limits=limits)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"budget": epsilon(float("nan"))}, "epsilon must be a whole number from 1 to 20, got nan"),
    "infinity": ({"budget": epsilon(float("inf"))}, "epsilon must be a whole number from 1 to 20, got inf"),
    "fraction": ({"budget": epsilon(2.5)}, "epsilon must be a whole number from 1 to 20, got 2.5"),
    "decimal": ({"budget": epsilon(Decimal("2.5"))}, "epsilon must be a whole number from 1 to 20, got Decimal('2.5')"),
    "decimal nan": ({"budget": epsilon(Decimal("nan"))}, "epsilon must be a whole number from 1 to 20, got Decimal('NaN')"),
    "signaling nan": ({"budget": epsilon(Decimal("sNaN"))}, "epsilon must be a whole number from 1 to 20, got Decimal('sNaN')"),
    "array": ({"budget": epsilon(Array())}, "epsilon must be a whole number from 1 to 20, got an array"),
    "flag": ({"budget": epsilon(True)}, "epsilon must be a whole number from 1 to 20, got True"),
    "none": ({"budget": epsilon(None)}, "epsilon must be a whole number from 1 to 20, got None"),
    "dict": ({"budget": epsilon({"a": 1})}, "epsilon must be a whole number from 1 to 20, got {'a': 1}"),
    "text": ({"budget": epsilon("3")}, "epsilon must be a whole number from 1 to 20, got '3'"),
    "another library's": ({"budget": epsilon(Int64(21))}, "epsilon must be a whole number from 1 to 20, got 21"),
    "epsilon": ({"budget": epsilon(21)}, "epsilon must be a whole number from 1 to 20, got 21"),
    "noise": (
        {"budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=9)},
        "users_noise_per_query must be a whole number from 10 to 100, got 9",
    ),
    "table": (
        {"budget": PrivacyBudget.access_budget(resource_arn="arn:aws:s3:::b", limits=[AccessLimit.lifetime(1)])},
        "got 'arn:aws:s3:::b'",
    ),
    "no limits": ({"budget": access()}, "limits must be 1 or 2 limits, got []"),
    "two periods": (
        {"budget": access(AccessLimit.per_day(1), AccessLimit.per_week(1))},
        "or one of each, got ['CALENDAR_DAY', 'CALENDAR_WEEK']",
    ),
    "limit": (
        {"budget": access(AccessLimit.per_day(1_000_001))},
        "budget of the CALENDAR_DAY limit must be a whole number from 0 to 1000000, got 1000001",
    ),
    "refresh": (
        {"budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh="none")},
        "auto_refresh must be AutoRefresh.CALENDAR_MONTH or AutoRefresh.NONE, got 'none'",
    ),
    "budget": ({"budget": 3}, "budget must be made by PrivacyBudget.differential_privacy or PrivacyBudget.access_budget, got 3"),
    "budget as a dict": ({"budget": {"epsilon": 3}}, "or PrivacyBudget.access_budget, got {'epsilon': 3}"),
    "no limit": ({"budget": access(100)}, "limits must be made by AccessLimit.per_day, per_week, per_month or lifetime, got 100"),
    "one limit": (
        {"budget": PrivacyBudget.access_budget(resource_arn=TABLE, limits=5)},  # type: ignore[arg-type]
        "limits must be made by AccessLimit.per_day, per_week, per_month or lifetime, got 5",
    ),
    "limit's refresh": (
        {"budget": access(AccessLimit.per_day(1, auto_refresh="yes"))},
        "auto_refresh of the CALENDAR_DAY limit must be True or False, got 'yes'",
    ),
    "limit's budget": ({"budget": access(AccessLimit.per_day(float("nan")))}, "from 0 to 1000000, got nan"),
    "membership's name": ({"membership_id": "LAB"}, "membership_id must be a lower-case UUID, got 'LAB'"),
    "membership": ({"membership_id": 3}, "membership_id must be a lower-case UUID, got 3"),
    "membership nan": ({"membership_id": float("nan")}, "membership_id must be a lower-case UUID, got nan"),
    "on existing": ({"on_existing": "adopt"}, "on_existing must be OnExisting.FAIL or OnExisting.ADOPT, got 'adopt'"),
    "on reset": ({"on_budget_reset": "allow"}, "on_budget_reset must be OnBudgetReset.REFUSE or OnBudgetReset.ALLOW, got 'allow'"),
    "removal": (
        {"removal_policy": "destroy"},
        "removal_policy must be RemovalPolicy.DESTROY, RemovalPolicy.RETAIN or RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, got 'destroy'",
    ),
    "snapshot": ({"removal_policy": cdk.RemovalPolicy.SNAPSHOT}, "got <RemovalPolicy.SNAPSHOT"),
    "removal by a token": ({"removal_policy": TOKEN}, "or RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, got '${Token["),
    "limit's period": (
        {"budget": access(AccessLimit("DAY", 1))},  # type: ignore[arg-type]
        "period must be AccessBudgetPeriod.CALENDAR_DAY, AccessBudgetPeriod.CALENDAR_WEEK, AccessBudgetPeriod.CALENDAR_MONTH or"
        " AccessBudgetPeriod.LIFETIME, got 'DAY'",
    ),
    "provider": ({"provider": TABLE}, "provider must be a PrivacyBudgetProvider, or one that PrivacyBudgetProvider.from_"),
    "no provider": ({"provider": ""}, "provider must be a PrivacyBudgetProvider, or one that PrivacyBudgetProvider.from_"),
    "preview": ({"preview_impact": "yes"}, "preview_impact must be True or False, got 'yes'"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_literal(options: dict[str, Any], message: str) -> None:
    stack = new_stack()
    with pytest.raises(ValueError) as raised:
        add(stack, **options)
    assert message in str(raised.value)
    assert str(raised.value).endswith("[Shop/Budget]")
    assert stack.node.children == []


@pytest.mark.parametrize(
    "three", [3, Int64(3), Decimal(3), 3.0, Fraction(3)], ids=["int", "another library's", "decimal", "float", "fraction"]
)
def test_a_whole_number_of_any_type(three: Any) -> None:
    stack = new_stack()
    add(stack, budget=epsilon(three))
    assert only(stack)["Properties"]["Parameters"]["Epsilon"] == 3


def test_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    stack = new_stack()
    noise = numpy.float32(30)
    add(stack, budget=PrivacyBudget.differential_privacy(epsilon=numpy.int64(3), users_noise_per_query=noise))
    assert only(stack)["Properties"]["Parameters"] == {"Epsilon": 3, "UsersNoisePerQuery": 30}
    with pytest.raises(ValueError, match=r"epsilon must be a whole number from 1 to 20, got array\(\[1, 2\]\)"):
        add(stack, "Array", budget=epsilon(numpy.array([1, 2])))


def chosen() -> Any:
    """A token that is an object, as many of the CDK's functions return it."""
    return cdk.Fn.condition_if("Production", 3, 4)


CHOSEN = {"Fn::If": ["Production", 3, 4]}
IMPORTED = {"Fn::ImportValue": "value"}
TOKENS: dict[str, tuple[Callable[[Any], dict[str, Any]], Callable[[dict[str, Any]], Any]]] = {
    "membership": (lambda token: {"membership_id": token}, lambda made: made["MembershipIdentifier"]),
    "epsilon": (lambda token: {"budget": epsilon(token)}, lambda made: made["Parameters"]["Epsilon"]),
    "refresh": (
        lambda token: {"budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=token)},
        lambda made: made["AutoRefresh"],
    ),
    "table": (
        lambda token: {"budget": PrivacyBudget.access_budget(resource_arn=token, limits=[AccessLimit.per_day(1)])},
        lambda made: made["Parameters"]["ResourceArn"],
    ),
    "limit": (
        lambda token: {"budget": access(AccessLimit.per_day(token))},
        lambda made: made["Parameters"]["BudgetParameters"][0]["Budget"],
    ),
    "limit's refresh": (
        lambda token: {"budget": access(AccessLimit.per_day(1, auto_refresh=token))},
        lambda made: made["Parameters"]["BudgetParameters"][0]["AutoRefresh"],
    ),
    "on existing": (lambda token: {"on_existing": token}, lambda made: made["OnExisting"]),
    "on reset": (lambda token: {"on_budget_reset": token}, lambda made: made["OnBudgetReset"]),
    "preview": (lambda token: {"preview_impact": token}, lambda made: made["PreviewImpact"]),
}


@pytest.mark.parametrize(("options", "property_"), TOKENS.values(), ids=TOKENS.keys())
def test_tokens_pass(options: Callable[[Any], dict[str, Any]], property_: Callable[[dict[str, Any]], Any]) -> None:
    """Each reaches the function as it is: as text, and as an object."""
    for token, expected in ((TOKEN, IMPORTED), (chosen(), CHOSEN)):
        stack = new_stack()
        add(stack, **options(token)).grant_read(iam.AccountRootPrincipal())
        assert property_(only(stack)["Properties"]) == expected


def test_the_options_take_their_values_as_text() -> None:
    stack = new_stack()
    add(stack, on_existing="ADOPT", on_budget_reset="ALLOW")
    assert only(stack)["Properties"]["OnExisting"] == "ADOPT"


def errors(stack: cdk.Stack) -> str:
    with pytest.raises(RuntimeError) as raised:
        cdk.App.of(stack).synth()  # type: ignore[union-attr]
    return str(raised.value)


def warnings(stack: cdk.Stack) -> list[str]:
    messages = cdk.App.of(stack).synth().get_stack_by_name(stack.stack_name).messages  # type: ignore[union-attr]
    return [str(message.entry.data) for message in messages if message.level == cdk.cx_api.SynthesisMessageLevel.WARNING]


TAGS: dict[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "reserved": (
        lambda stack: cdk.Tags.of(stack).add("cleanrooms-privacy-budget:owner", "me"),
        "reserved prefix (aws:, cleanrooms-privacy",
    ),
    "of AWS": (lambda stack: cdk.Tags.of(stack).add("aws:x", "me"), "got 'aws:x' [Shop/Budget]"),
    "long key": (lambda stack: cdk.Tags.of(stack).add("k" * 129, "v"), "tag keys must have 1 to 128 characters, got 'kkk"),
    "empty key": (lambda stack: cdk.Tags.of(stack).add("", "v"), "tag keys must have 1 to 128 characters, got ''"),
    "long value": (
        lambda stack: cdk.Tags.of(stack).add("k", "secret" * 50),
        "at most 256 characters, got 300 in that of 'k' [Shop/Budget]",
    ),
    "too many": (lambda stack: [cdk.Tags.of(stack).add(f"k{number}", "v") for number in range(197)], "tags must be at most 196, got 197"),
}


@pytest.mark.parametrize(("tag", "message"), TAGS.values(), ids=TAGS.keys())
def test_tags_of_the_final_tree(tag: Callable[[cdk.Stack], object], message: str) -> None:
    stack = new_stack()
    add(stack)
    tag(stack)
    told = errors(stack)
    assert message in told
    assert "secretsecret" not in told


def test_tags_that_comply() -> None:
    stack = new_stack()
    template = add(stack)
    for number in range(196):
        cdk.Tags.of(template).add(f"k{number}", "v" * 256)
    cdk.Tags.of(template).add("k0", cdk.Aws.STACK_NAME)
    cdk.Tags.of(template).remove("k1")
    cdk.Tags.of(template).add(cdk.Aws.REGION, "v")
    assert warnings(stack) == []


@pytest.mark.parametrize("budget", [DIFFERENTIAL_PRIVACY, ACCESS_BUDGET], ids=["differential privacy", "access budget"])
@pytest.mark.parametrize(
    "membership",
    [lambda: MEMBERSHIP, lambda: TOKEN, lambda: cdk.Fn.import_value("another token of one value"), chosen],
    ids=["literal", "token", "tokens of one value", "tokens that are objects"],
)
def test_two_templates_of_one_identity(budget: PrivacyBudget, membership: Callable[[], str]) -> None:
    stack = new_stack()
    add(stack, "A", membership_id=membership(), budget=budget)
    add(stack, "B", membership_id=membership(), budget=budget)
    assert "Shop/A declares the same privacy budget" in errors(stack)


def test_templates_of_different_identities() -> None:
    stack = new_stack()
    add(stack, "A")
    add(stack, "B", budget=ACCESS_BUDGET)
    add(stack, "C", membership_id=OTHER)
    add(stack, "D", membership_id=cdk.CfnParameter(stack, "Membership").value_as_string)
    assert warnings(stack) == []


def test_two_templates_of_which_conditions_choose_one() -> None:
    stack = new_stack()
    for name in ("A", "B"):
        condition = cdk.CfnCondition(stack, f"{name}Chosen", expression=cdk.Fn.condition_equals(cdk.Aws.REGION, name))
        add(stack, name).node.default_child.cfn_options.condition = condition  # type: ignore[union-attr]
    assert warnings(stack) == []


REMOVALS: dict[str, Callable[[cdk.Stack, Any], object]] = {
    "apply_removal_policy": lambda _, template: template.apply_removal_policy(cdk.RemovalPolicy.DESTROY),
    "RemovalPolicies": lambda stack, _: cdk.RemovalPolicies.of(stack).destroy(),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS.keys())
def test_an_access_budget_that_is_deleted(remove: Callable[[cdk.Stack, Any], object]) -> None:
    stack = new_stack()
    remove(stack, add(stack, budget=ACCESS_BUDGET))
    (warning,) = warnings(stack)
    assert "makes its table unlimited" in warning
    assert "[ack: cleanrooms-privacy-budget:delete-uncaps-table]" in warning


def test_an_access_budget_that_is_deleted_on_purpose() -> None:
    stack = new_stack()
    template = add(stack, budget=ACCESS_BUDGET, removal_policy=cdk.RemovalPolicy.DESTROY)
    cdk.Annotations.of(template).acknowledge_warning("cleanrooms-privacy-budget:delete-uncaps-table", "a sandbox")
    assert warnings(stack) == []


def test_an_access_budget_that_an_aspect_keeps() -> None:
    stack = new_stack()
    add(stack, budget=ACCESS_BUDGET, removal_policy=cdk.RemovalPolicy.DESTROY)
    cdk.RemovalPolicies.of(stack).retain()
    assert warnings(stack) == []


@pytest.mark.parametrize("budget", [DIFFERENTIAL_PRIVACY, ACCESS_BUDGET], ids=["differential privacy", "access budget"])
def test_a_snapshot_asked_for_later(budget: PrivacyBudget) -> None:
    template = add(new_stack(), budget=budget)
    with pytest.raises(ValueError, match=r"removal_policy must be RemovalPolicy.DESTROY, .*SNAPSHOT.* \[Shop/Budget\]"):
        template.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)
    template.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    assert only(template.stack)["DeletionPolicy"] == "Retain"


def test_a_snapshot_asked_for_by_an_aspect() -> None:
    stack = new_stack()
    add(stack, budget=ACCESS_BUDGET)
    cdk.RemovalPolicies.of(stack).snapshot()
    assert "removal_policy must not be SNAPSHOT, since Clean Rooms has no snapshots [Shop/Budget]" in errors(stack)


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "sa-east-1"])
def test_a_region_without_clean_rooms(region: str) -> None:
    stack = new_stack(env=cdk.Environment(account="111122223333", region=region))
    add(stack)
    (warning,) = warnings(stack)
    assert f"no AWS Clean Rooms in {region}" in warning
    assert "[ack: cleanrooms-privacy-budget:region-without-clean-rooms]" in warning


def test_membership_outside_the_given_provider() -> None:
    """A membership that the given provider is not allowed to work on."""
    stack = new_stack()
    provider = PrivacyBudgetProvider(stack, "Provider", memberships=[MEMBERSHIP])
    add(stack, provider=provider)
    with pytest.raises(ValueError, match=rf"membership_id must be among the provider's memberships \({MEMBERSHIP}\), got '{OTHER}'"):
        add(stack, "Other", provider=provider, membership_id=OTHER)
    assert stack.node.try_find_child("Other") is None
    add(stack, "Token", provider=provider, membership_id=cdk.Fn.import_value("membership"))


def test_membership_outside_the_stacks_provider() -> None:
    stack = new_stack()
    PrivacyBudgetProvider.get_or_create(stack, memberships=[OTHER])
    with pytest.raises(ValueError, match="membership_id must be among the provider's memberships"):
        add(stack)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("arn:aws:lambda:eu-west-1:111122223333:function:provider", "function_arn must be of the stack's region, us-east-1, got 'arn:"),
        ("provider", "function_arn must be the ARN of a Lambda function, got 'provider'"),
        ("arn:aws:sns:us-east-1:111122223333:topic", "function_arn must be the ARN of a Lambda function, got 'arn:aws:sns"),
        (3, "function_arn must be the ARN of a Lambda function, got 3"),
    ],
)
def test_the_arn_of_an_imported_provider(arn: Any, message: str) -> None:
    stack = new_stack(env=cdk.Environment(account="111122223333", region="us-east-1"))
    with pytest.raises(ValueError) as raised:
        PrivacyBudgetProvider.from_function_arn(stack, "Shared", arn)
    assert message in str(raised.value)
    assert str(raised.value).endswith("[Shop/Shared]")


def test_unresolved_arn_of_imported_provider() -> None:
    agnostic = new_stack()
    PrivacyBudgetProvider.from_function_arn(agnostic, "A", "arn:aws:lambda:eu-west-1:111122223333:function:provider:live")
    PrivacyBudgetProvider.from_function_arn(agnostic, "B", cdk.Fn.import_value("provider"))


SAME: dict[str, Callable[[], Any]] = {
    "timeout": lambda: cdk.Duration.minutes(3),
    "runtime": lambda: lambda_.Runtime.PYTHON_3_13,
    "architecture": lambda: lambda_.Architecture.X86_64,
    "memberships": lambda: [MEMBERSHIP],
    "vpc_subnets": lambda: ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
    "guardrails": lambda: PrivacyBudgetGuardrails(max_epsilon=5, max_uses={AccessBudgetPeriod.CALENDAR_DAY: 100}),
}


@pytest.mark.parametrize(("name", "make"), SAME.items(), ids=SAME.keys())
def test_options_are_compared_by_value(name: str, make: Callable[[], Any]) -> None:
    stack = new_stack()
    others: dict[str, Any] = {"vpc": ec2.Vpc(stack, "Vpc")} if name == "vpc_subnets" else {}
    provider = PrivacyBudgetProvider.get_or_create(stack, **others, **{name: make()})
    assert PrivacyBudgetProvider.get_or_create(stack, **others, **{name: make()}) is provider


def test_explicit_default_equals_none() -> None:
    stack = new_stack()
    provider = PrivacyBudgetProvider.get_or_create(stack)
    defaults = ProviderOptions(memory_size=512, timeout=cdk.Duration.minutes(5), runtime=lambda_.Runtime.PYTHON_3_14, vpc=None)
    assert PrivacyBudgetProvider.get_or_create(stack, **defaults) is provider
    with pytest.raises(ValueError, match="made with another memory_size "):
        PrivacyBudgetProvider.get_or_create(stack, memory_size=256)


def test_durations_of_one_length_are_the_same() -> None:
    stack = new_stack()
    PrivacyBudgetProvider.get_or_create(stack, timeout=cdk.Duration.minutes(3))
    PrivacyBudgetProvider.get_or_create(stack, timeout=cdk.Duration.seconds(180))
    with pytest.raises(ValueError, match="another timeout"):
        PrivacyBudgetProvider.get_or_create(stack, timeout=cdk.Duration.minutes(4))


GUARDRAILS = PrivacyBudgetGuardrails(
    max_epsilon=Int64(5),  # type: ignore[arg-type]
    min_users_noise_per_query=20,
    allow_monthly_refresh=False,
    max_uses={AccessBudgetPeriod.CALENDAR_DAY: 100},
    allow_budget_reset=False,
    allow_adoption=False,
)
REMEDY = "Comply with it, or ask the owner of the privacy budget provider to change it."


@jsii.implements(cdk.IStableNumberProducer)
class Later:
    """A number that is known only after the template's own synth."""

    def produce(self) -> float:
        return 3


BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "epsilon": ({"budget": epsilon(6)}, "epsilon must be at most 5, got 6: the provider's guardrail MaxEpsilon."),
    "noise": (
        {"budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=19)},
        "users noise per query must be at least 20, got 19: the provider's guardrail MinUsersNoisePerQuery.",
    ),
    "refresh": (
        {"budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.CALENDAR_MONTH)},
        "auto refresh must be NONE, got CALENDAR_MONTH: the provider's guardrail AllowMonthlyRefresh.",
    ),
    "uses": (
        {"budget": access(AccessLimit.per_month(1000))},
        "a table must have a limit of at most 100 uses per CALENDAR_DAY, got 1000 per CALENDAR_MONTH: the provider's guardrail MaxUses.",
    ),
    "reset": (
        {"on_budget_reset": OnBudgetReset.ALLOW},
        "OnBudgetReset must be REFUSE, got ALLOW: the provider's guardrail AllowBudgetReset.",
    ),
    "adoption": ({"on_existing": OnExisting.ADOPT}, "OnExisting must be FAIL, got ADOPT: the provider's guardrail AllowAdoption."),
}


@pytest.mark.parametrize(("options", "sentence"), BEYOND.values(), ids=BEYOND.keys())
def test_a_template_beyond_a_guardrail(options: dict[str, Any], sentence: str) -> None:
    """The function refuses it with the same sentence: tests/handler/test_guardrails.py."""
    stack = new_stack()
    PrivacyBudgetProvider.get_or_create(stack, guardrails=GUARDRAILS)
    with pytest.raises(ValueError) as raised:
        add(stack, **options)
    assert str(raised.value) == f"{sentence} {REMEDY} [Shop/Budget]"
    assert stack.node.try_find_child("Budget") is None


def test_templates_within_the_guardrails() -> None:
    stack = new_stack()
    provider = PrivacyBudgetProvider(stack, "Provider", guardrails=GUARDRAILS)
    add(stack, "A", provider=provider)
    add(stack, "B", provider=provider, budget=ACCESS_BUDGET)
    parameter = cdk.CfnParameter(stack, "Epsilon", type="Number").value_as_number
    add(stack, "C", provider=provider, membership_id=OTHER, budget=epsilon(parameter))
    (function,) = cdk.assertions.Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    assert function["Properties"]["Environment"]["Variables"]["PRIVACY_BUDGET_GUARDRAILS"] == (
        '{"AllowAdoption": false, "AllowBudgetReset": false, "AllowMonthlyRefresh": false, "MaxEpsilon": 5,'
        ' "MaxUses": {"CALENDAR_DAY": 100}, "MinUsersNoisePerQuery": 20}'
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_epsilon": 21}, "max_epsilon must be a whole number from 1 to 20, got 21"),
        ({"max_epsilon": float("nan")}, "max_epsilon must be a whole number from 1 to 20, got nan"),
        ({"min_users_noise_per_query": 9}, "min_users_noise_per_query must be a whole number from 10 to 100, got 9"),
        ({"max_uses": 3}, "max_uses must be a number for each period, got 3"),
        ({"max_uses": {"DAY": 3}}, "max_uses must name periods out of CALENDAR_DAY, .*, got 'DAY'"),
        ({"max_uses": {"CALENDAR_DAY": -1}}, "max_uses.CALENDAR_DAY must be a whole number from 0 to 1000000, got -1"),
        ({"max_epsilon": cdk.Lazy.number(Later())}, "max_epsilon must be known at synth, where templates are judged by it, got a token"),
        ({"max_uses": {"LIFETIME": cdk.Lazy.number(Later())}}, "max_uses.LIFETIME must be known at synth, .*, got a token"),
        ({"allow_adoption": "no"}, "allow_adoption must be true or false, got 'no'"),
    ],
)
def test_wrong_guardrails(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrivacyBudgetGuardrails(**wrong)


def test_guardrails_of_another_type() -> None:
    stack = new_stack()
    with pytest.raises(ValueError, match="guardrails must be of type PrivacyBudgetGuardrails, got 3"):
        PrivacyBudgetProvider(stack, "Provider", guardrails=3)  # type: ignore[arg-type]
    assert stack.node.children == []
