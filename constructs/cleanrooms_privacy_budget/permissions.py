"""IAM actions and resources of privacy budget templates.

Source: "Actions, resources, and condition keys for AWS Clean Rooms" in the Service Authorization Reference.
"""

from typing import Final

from aws_cdk import Stack

CREATE_AND_FIND: Final = (
    "cleanrooms:CreatePrivacyBudgetTemplate",
    "cleanrooms:ListPrivacyBudgetTemplates",
    "cleanrooms:ListPrivacyBudgets",
    "cleanrooms:PreviewPrivacyImpact",
)
"""What is authorised on the membership, for the first two on its templates as well."""

READ: Final = ("cleanrooms:GetPrivacyBudgetTemplate", "cleanrooms:ListTagsForResource")
"""Reading one template."""

CHANGE: Final = (
    "cleanrooms:DeletePrivacyBudgetTemplate",
    "cleanrooms:TagResource",
    "cleanrooms:UntagResource",
    "cleanrooms:UpdatePrivacyBudgetTemplate",
)
"""Changing one template."""

READ_BALANCE: Final = ("cleanrooms:ListPrivacyBudgetTemplates", "cleanrooms:ListPrivacyBudgets")
"""Reading the remaining budgets of a membership; the first is authorised on its templates as well."""

LIST_BALANCES: Final = "cleanrooms:ListPrivacyBudgets"
"""Reading the remaining budgets of a membership, and nothing else."""

LIST_COLLABORATION_BALANCES: Final = "cleanrooms:ListCollaborationPrivacyBudgets"
"""Reading the remaining budgets of every member of a collaboration, and nothing else."""


def membership_arn(stack: Stack, membership_id: str) -> str:
    """The ARN of a membership of the stack's account and region."""
    return f"{_account(stack)}:membership/{membership_id}"


def collaboration_arn(stack: Stack, collaboration_id: str) -> str:
    """The ARN of a collaboration of the stack's region, of whichever account created it."""
    return f"arn:{stack.partition}:cleanrooms:{stack.region}:*:collaboration/{collaboration_id}"


def template_arns(stack: Stack, membership_id: str, template_id: str) -> list[str]:
    """Both forms of the ARN of a template there: IAM's reference gives the first, the service model the second."""
    return [
        f"{membership_arn(stack, membership_id)}/privacybudgettemplate/{template_id}",
        f"{_account(stack)}:privacybudgettemplate/{template_id}",
    ]


def _account(stack: Stack) -> str:
    return f"arn:{stack.partition}:cleanrooms:{stack.region}:{stack.account}"
