"""What stands in stacks and in Clean Rooms once an example is deployed; that each goes as it came is test_examples_as_written.py."""

from typing import Any

from tests.support.cdk import Cdk
from tests.support.deployed_clean_rooms import held, new_membership
from tests.support.example_apps import deploys


def types(cdk: Cdk, stack: str) -> list[str]:
    """The types of a stack's resources."""
    found = cdk.local_aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return [resource["ResourceType"] for resource in found]


def test_shared_provider(cdk: Cdk, clean_rooms: Any) -> None:
    """The second deployment moves one budget to another membership, by a function that its stack does not hold."""
    sales, research, moved_to = (new_membership(clean_rooms) for _ in range(3))
    outputs = deploys(cdk.local_aws, "shared_provider", {"sales": sales, "research": research}, cdk.folder)
    assert types(cdk, "SharedProvider").count("AWS::Lambda::Function") == 1
    for stack, membership, epsilon in (("SalesBudget", sales, 3), ("ResearchBudget", research, 5)):
        assert types(cdk, stack) == ["Custom::CleanRoomsPrivacyBudgetTemplate"]
        (template,) = held(clean_rooms, membership)
        assert outputs[stack]["TemplateArn"] == template["arn"]
        assert template["parameters"]["differentialPrivacy"]["epsilon"] == epsilon

    updated = deploys(cdk.local_aws, "shared_provider", {"sales": moved_to, "research": research}, cdk.folder)
    (moved,) = held(clean_rooms, moved_to)
    assert updated["SalesBudget"]["TemplateArn"] == moved["arn"]
    assert updated["ResearchBudget"] == outputs["ResearchBudget"]
    assert [template["arn"] for template in held(clean_rooms, sales)] == [outputs["SalesBudget"]["TemplateArn"]]


def test_nested_stack(cdk: Cdk, clean_rooms: Any, memberships: list[str]) -> None:
    sales, research = memberships
    outputs = deploys(cdk.local_aws, "nested_stack", {"sales": sales, "research": research}, cdk.folder)["NestedBudgets"]
    parent = types(cdk, "NestedBudgets")
    assert (parent.count("AWS::Lambda::Function"), parent.count("AWS::CloudFormation::Stack")) == (1, 2)
    (of_sales,), (of_research,) = held(clean_rooms, sales), held(clean_rooms, research)
    assert outputs == {"SalesTemplateArn": of_sales["arn"], "ResearchTemplateArn": of_research["arn"]}
    cdk.deletes("NestedBudgets")
    assert (held(clean_rooms, sales), held(clean_rooms, research)) == ([of_sales], [of_research])
