"""Apps, stacks and budgets for the tests of the construct."""

from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template

from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetTemplate

MEMBERSHIP = "12345678-1111-4222-8333-444455556666"
TABLE = f"arn:aws:cleanrooms:us-east-1:111122223333:membership/{MEMBERSHIP}/configuredtableassociation/{MEMBERSHIP}"
TYPE = "Custom::CleanRoomsPrivacyBudgetTemplate"

DIFFERENTIAL_PRIVACY = PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30)
ACCESS_BUDGET = PrivacyBudget.access_budget(resource_arn=TABLE, limits=[AccessLimit.per_day(100), AccessLimit.lifetime(1000)])


def new_stack(**options: Any) -> cdk.Stack:
    """A stack in an app of its own."""
    return cdk.Stack(cdk.App(), "Shop", **options)


def add(stack: cdk.Stack, id: str = "Budget", **options: Any) -> PrivacyBudgetTemplate:
    """A template with differential privacy, unless told otherwise."""
    return PrivacyBudgetTemplate(stack, id, **{"membership_id": MEMBERSHIP, "budget": DIFFERENTIAL_PRIVACY, **options})


def resources(stack: cdk.Stack, type_: str = TYPE) -> dict[str, Any]:
    """The synthesized resources of a type by their logical ids."""
    return dict(Template.from_stack(stack).find_resources(type_))


def only(stack: cdk.Stack, type_: str = TYPE) -> dict[str, Any]:
    """The one synthesized resource of a type."""
    (resource,) = resources(stack, type_).values()
    return dict(resource)
