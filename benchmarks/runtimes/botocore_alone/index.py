"""botocore as the construct's function has it, without what the function does with it: one request, no answer to CloudFormation."""

import gc

gc.disable()

from typing import Any  # noqa: E402

from privacy_budget_handler.deferred import deferring  # noqa: E402

with deferring():
    from privacy_budget_handler.aws import new_session

    client: Any = new_session().create_client("cleanrooms")
gc.freeze()
gc.enable()


def handler(event: dict[str, Any], _: object) -> None:
    """Create the template that the event declares."""
    declared = event["ResourceProperties"]
    budget = declared["Parameters"]
    client.create_privacy_budget_template(
        membershipIdentifier=declared["MembershipIdentifier"],
        privacyBudgetType=declared["PrivacyBudgetType"],
        autoRefresh=declared["AutoRefresh"],
        parameters={"differentialPrivacy": {"epsilon": int(budget["Epsilon"]), "usersNoisePerQuery": int(budget["UsersNoisePerQuery"])}},
        tags={tag["Key"]: tag["Value"] for tag in declared["Tags"]},
    )
