"""What a privacy budget template becomes in the CloudFormation template."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match, Template

from cleanrooms_privacy_budget import (
    AccessLimit,
    AggregationType,
    AutoRefresh,
    OnBudgetReset,
    OnExisting,
    PrivacyBudget,
    PrivacyBudgetProvider,
    PrivacyBudgetTemplate,
)
from privacy_budget_core import properties
from tests.support.stack import as_strings
from tests.support.synth import ACCESS_BUDGET, DIFFERENTIAL_PRIVACY, MEMBERSHIP, TABLE, add, new_stack, only, resources


def test_differential_privacy_has_the_native_types_properties() -> None:
    stack = new_stack()
    add(stack)
    declared = only(stack)["Properties"]
    assert declared.pop("ServiceToken")["Fn::GetAtt"][1] == "Arn"
    assert declared == {
        "ServiceTimeout": "960",
        "MembershipIdentifier": MEMBERSHIP,
        "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
        "AutoRefresh": "NONE",
        "Parameters": {"Epsilon": 3, "UsersNoisePerQuery": 30},
    }


def test_an_access_budget_has_the_native_types_properties() -> None:
    stack = new_stack()
    add(stack, budget=ACCESS_BUDGET)
    declared = only(stack)["Properties"]
    assert "AutoRefresh" not in declared
    assert declared["PrivacyBudgetType"] == "ACCESS_BUDGET"
    assert declared["Parameters"] == {
        "ResourceArn": TABLE,
        "BudgetParameters": [
            {"Type": "CALENDAR_DAY", "Budget": 100, "AutoRefresh": "ENABLED"},
            {"Type": "LIFETIME", "Budget": 1000},
        ],
    }


@pytest.mark.parametrize(
    ("limit", "rendered"),
    [
        (AccessLimit.per_day(1), {"Type": "CALENDAR_DAY", "Budget": 1, "AutoRefresh": "ENABLED"}),
        (AccessLimit.per_week(2, auto_refresh=False), {"Type": "CALENDAR_WEEK", "Budget": 2, "AutoRefresh": "DISABLED"}),
        (AccessLimit.per_month(3), {"Type": "CALENDAR_MONTH", "Budget": 3, "AutoRefresh": "ENABLED"}),
        (AccessLimit.lifetime(0), {"Type": "LIFETIME", "Budget": 0}),
    ],
)
def test_each_limit(limit: AccessLimit, rendered: dict[str, Any]) -> None:
    stack = new_stack()
    add(stack, budget=PrivacyBudget.access_budget(resource_arn=TABLE, limits=[limit]))
    assert only(stack)["Properties"]["Parameters"]["BudgetParameters"] == [rendered]


def test_options_other_than_the_defaults_are_declared() -> None:
    stack = new_stack()
    budget = PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.CALENDAR_MONTH)
    add(stack, budget=budget, on_existing=OnExisting.ADOPT, on_budget_reset=OnBudgetReset.ALLOW)
    declared = only(stack)["Properties"]
    assert declared["AutoRefresh"] == "CALENDAR_MONTH"
    assert declared["OnExisting"] == "ADOPT"
    assert declared["OnBudgetReset"] == "ALLOW"


@pytest.mark.parametrize("budget", [DIFFERENTIAL_PRIVACY, ACCESS_BUDGET])
def test_the_handler_takes_what_the_construct_declares(budget: PrivacyBudget) -> None:
    stack = new_stack(tags={"team": "privacy"})
    add(stack, budget=budget, on_existing=OnExisting.ADOPT, on_budget_reset=OnBudgetReset.ALLOW)
    desired = properties.parse(as_strings(only(stack)["Properties"]))
    assert desired.identity.budget_type == budget.budget_type
    assert desired.tags == {"team": "privacy"}
    assert (desired.on_existing, desired.on_budget_reset) == (OnExisting.ADOPT, OnBudgetReset.ALLOW)


def test_template_is_retained_except_on_create() -> None:
    stack = new_stack()
    add(stack)
    resource = only(stack)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_a_template_that_may_go_goes() -> None:
    stack = new_stack()
    add(stack, removal_policy=cdk.RemovalPolicy.DESTROY)
    resource = only(stack)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Delete", "Delete")


def test_attributes_are_the_native_types() -> None:
    stack = new_stack()
    template = add(stack)
    attributes = {
        "Arn": template.privacy_budget_template_arn,
        "PrivacyBudgetTemplateIdentifier": template.privacy_budget_template_id,
        "MembershipArn": template.membership_arn,
        "CollaborationArn": template.collaboration_arn,
        "CollaborationIdentifier": template.collaboration_id,
    }
    for name, value in attributes.items():
        assert stack.resolve(value) == {"Fn::GetAtt": ["Budget", name]}


def test_tokens_pass() -> None:
    stack = new_stack()
    membership = cdk.CfnParameter(stack, "Membership").value_as_string
    epsilon = cdk.CfnParameter(stack, "Epsilon", type="Number").value_as_number
    table = cdk.Fn.import_value("table")
    add(stack, "A", membership_id=membership, budget=PrivacyBudget.differential_privacy(epsilon=epsilon, users_noise_per_query=epsilon))
    limits = [AccessLimit.per_day(cdk.Token.as_number({"Ref": "Epsilon"}))]
    add(stack, "B", budget=PrivacyBudget.access_budget(resource_arn=table, limits=limits))
    declared = resources(stack)
    assert declared["A"]["Properties"]["MembershipIdentifier"] == {"Ref": "Membership"}
    assert declared["A"]["Properties"]["Parameters"]["Epsilon"] == {"Ref": "Epsilon"}
    parameters = declared["B"]["Properties"]["Parameters"]
    assert parameters["ResourceArn"] == {"Fn::ImportValue": "table"}
    assert parameters["BudgetParameters"][0]["Budget"] == {"Ref": "Epsilon"}


def test_nearest_tag_wins() -> None:
    """Tags come from every level of the tree, and the nearest wins."""
    stack = new_stack(tags={"team": "privacy", "stage": "dev", "gone": "x"})
    template = add(stack)
    cdk.Tags.of(stack.node.root).add("stage", "prod")
    cdk.Tags.of(template).add("owner", "me")
    cdk.Tags.of(template).remove("gone")
    declared = {tag["Key"]: tag["Value"] for tag in only(stack)["Properties"]["Tags"]}
    assert declared == {"team": "privacy", "stage": "prod", "owner": "me"}


@pytest.mark.parametrize("explicit", [True, False])
def test_stack_tags_ignore_the_feature_flag(explicit: bool) -> None:
    app = cdk.App(context={"@aws-cdk/core:explicitStackTags": explicit})
    stack = cdk.Stack(app, "Shop", tags={"team": "privacy"})
    add(stack)
    cdk.Tags.of(app).add("app", "shop")
    declared = {tag["Key"]: tag["Value"] for tag in only(stack)["Properties"]["Tags"]}
    assert declared == {"team": "privacy", "app": "shop"}


def test_a_stage_and_a_nested_stack_synthesize() -> None:
    app = cdk.App()
    stage = cdk.Stage(app, "Prod")
    stack = cdk.Stack(stage, "Shop")
    nested = cdk.NestedStack(stack, "Nested")
    add(stack)
    add(nested)
    assembly = stage.synth()
    assert "Budget" in assembly.get_stack_by_name("Prod-Shop").template["Resources"]
    assert "Budget" in Template.from_stack(nested).to_json()["Resources"]


WARNED = {
    "calendar-month": {
        "budget": PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.CALENDAR_MONTH)
    },
    "allows-budget-reset": {"on_budget_reset": OnBudgetReset.ALLOW},
    "delete-uncaps-table": {"budget": ACCESS_BUDGET, "removal_policy": cdk.RemovalPolicy.DESTROY},
}


@pytest.mark.parametrize(("warning", "options"), WARNED.items(), ids=WARNED.keys())
def test_warnings_can_be_acknowledged(warning: str, options: dict[str, Any]) -> None:
    stack = new_stack()
    add(stack, **options)
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    assert [f"[ack: cleanrooms-privacy-budget:{warning}]" in str(entry.entry.data) for entry in found] == [True]
    quiet = new_stack()
    template = add(quiet, **options)
    cdk.Annotations.of(template).acknowledge_warning(f"cleanrooms-privacy-budget:{warning}")
    assert Annotations.from_stack(quiet).find_warning("*", Match.any_value()) == []


def test_no_warning_without_a_reason() -> None:
    stack = new_stack()
    add(stack)
    add(stack, "Access", budget=ACCESS_BUDGET)
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


SHORT = f"arn:aws:cleanrooms:us-east-1:111122223333:privacybudgettemplate/{MEMBERSHIP}"
LONG = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}/privacybudgettemplate/{MEMBERSHIP}"


@pytest.mark.parametrize("arn", [SHORT, LONG])
def test_an_import_passes_its_arn_through(arn: str) -> None:
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_arn(new_stack(), "Imported", arn)
    assert imported.privacy_budget_template_arn == arn
    assert imported.privacy_budget_template_id == MEMBERSHIP


def test_an_import_never_validates() -> None:
    stack = new_stack()
    arn = cdk.Fn.import_value("arn")
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, "Imported", arn)
    assert stack.resolve(imported.privacy_budget_template_arn) == {"Fn::ImportValue": "arn"}
    other = PrivacyBudgetTemplate.from_privacy_budget_template_arn(stack, "Other", "whatever")
    assert other.privacy_budget_template_arn == "whatever"


def test_import_reads_membership_from_arn() -> None:
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_arn(new_stack(), "Imported", LONG)
    assert imported.membership_arn == f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}"


def test_import_names_the_remedy_for_missing_parts() -> None:
    """An attribute that an import's ARN does not contain raises an error that names the remedy."""
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_arn(new_stack(), "Imported", SHORT)
    with pytest.raises(ValueError, match="from_privacy_budget_template_attributes and give membership_arn"):
        imported.membership_arn  # noqa: B018
    with pytest.raises(ValueError, match="give collaboration_arn"):
        imported.collaboration_arn  # noqa: B018


def test_an_import_by_attributes_tells_them() -> None:
    collaboration = f"arn:aws:cleanrooms:us-east-1:111122223333:collaboration/{MEMBERSHIP}"
    imported = PrivacyBudgetTemplate.from_privacy_budget_template_attributes(
        new_stack(),
        "Imported",
        privacy_budget_template_arn=SHORT,
        membership_arn="arn:aws:cleanrooms:us-east-1:111122223333:membership/m",
        collaboration_arn=collaboration,
    )
    assert imported.membership_arn.endswith("membership/m")
    assert imported.collaboration_arn == collaboration
    assert imported.collaboration_id == MEMBERSHIP


def test_grants_name_both_forms_of_the_arn() -> None:
    stack = new_stack(env=cdk.Environment(account="111122223333", region="us-east-1"))
    role = cdk.aws_iam.Role(stack, "Role", assumed_by=cdk.aws_iam.AccountRootPrincipal())
    provider = PrivacyBudgetProvider.from_function_arn(stack, "Provider", "arn:aws:lambda:us-east-1:111122223333:function:f")
    template = add(stack, provider=provider)
    template.grant_manage(role)
    statements = only(stack, "AWS::IAM::Policy")["Properties"]["PolicyDocument"]["Statement"]
    allowed = {action: statement["Resource"] for statement in statements for action in statement["Action"]}
    assert set(allowed) == {
        "cleanrooms:GetPrivacyBudgetTemplate",
        "cleanrooms:ListTagsForResource",
        "cleanrooms:ListPrivacyBudgetTemplates",
        "cleanrooms:ListPrivacyBudgets",
        "cleanrooms:DeletePrivacyBudgetTemplate",
        "cleanrooms:UpdatePrivacyBudgetTemplate",
        "cleanrooms:TagResource",
        "cleanrooms:UntagResource",
    }
    membership = {"Fn::GetAtt": ["Budget", "MembershipArn"]}
    assert allowed["cleanrooms:ListPrivacyBudgetTemplates"] == [
        membership,
        {"Fn::Join": ["", [membership, "/privacybudgettemplate/*"]]},
    ]
    written = [arn["Fn::Join"][1] for arn in allowed["cleanrooms:UpdatePrivacyBudgetTemplate"]]
    template_id = {"Fn::GetAtt": ["Budget", "PrivacyBudgetTemplateIdentifier"]}
    prefix = ["arn:", {"Ref": "AWS::Partition"}]
    assert written == [
        [*prefix, f":cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}/privacybudgettemplate/", template_id],
        [*prefix, ":cleanrooms:us-east-1:111122223333:privacybudgettemplate/", template_id],
    ]


def test_allowed_aggregations_are_an_attribute() -> None:
    stack = new_stack()
    template = add(stack, preview_impact=True)
    cdk.CfnOutput(stack, "Counts", value=template.max_aggregations(AggregationType.COUNT))
    assert only(stack)["Properties"]["PreviewImpact"] is True
    (output,) = [output for name, output in Template.from_stack(stack).to_json()["Outputs"].items() if name == "Counts"]
    assert output["Value"] == {"Fn::GetAtt": ["Budget", "MaxAggregations.COUNT"]}


def test_what_was_not_asked_for_is_no_attribute() -> None:
    stack = new_stack()
    template = add(stack)
    assert "PreviewImpact" not in only(stack)["Properties"]
    with pytest.raises(ValueError, match=r"max_aggregations goes with preview_impact=True, got False \[Shop/Budget\]"):
        template.max_aggregations(AggregationType.COUNT)


def test_an_access_budget_has_no_privacy_impact() -> None:
    with pytest.raises(ValueError, match=r"preview_impact goes with differential privacy, got ACCESS_BUDGET \[Shop/Budget\]"):
        add(new_stack(), budget=ACCESS_BUDGET, preview_impact=True)
