"""Stacks of Clean Rooms' own types, and what Clean Rooms has of them."""

from collections.abc import Mapping
from typing import Any

from cleanrooms_local_aws import LocalAws
from tests.local_aws.support.stacks import TAKEN, Stack

ROLE = "arn:aws:iam::111122223333:role/reader"

Resource = dict[str, Any]


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, name]}


def resource(type_: str, properties: Mapping[str, Any], **more: Any) -> Resource:
    return {"Type": f"AWS::CleanRooms::{type_}", "Properties": dict(properties), **more}


def rule(*allowed: str) -> list[Resource]:
    return [
        {"Type": "CUSTOM", "Policy": {"V1": {"Custom": {"AllowedAnalyses": list(allowed), "AllowedAnalysisProviders": ["444455556666"]}}}}
    ]


def budget(**changed: Any) -> Resource:
    properties = {
        "MembershipIdentifier": attribute("Membership", "MembershipIdentifier"),
        "AutoRefresh": "NONE",
        "PrivacyBudgetType": "DIFFERENTIAL_PRIVACY",
        "Parameters": {"Epsilon": 3, "UsersNoisePerQuery": "30"},
    }
    return resource("PrivacyBudgetTemplate", {**properties, **changed})


def access_budget(*limits: Mapping[str, Any], table: Any = None, **changed: Any) -> Resource:
    parameters = {"ResourceArn": table or attribute("Association", "Arn"), "BudgetParameters": list(limits)}
    return budget(**{"PrivacyBudgetType": "ACCESS_BUDGET", "Parameters": parameters, **changed})


def template(**changed: Resource) -> dict[str, Any]:
    """A collaboration, a membership and, beside what the test names, a table that is associated with it."""
    resources = {
        "Collaboration": resource(
            "Collaboration",
            {
                "Name": "lab",
                "Description": "for tests",
                "CreatorDisplayName": "me",
                "CreatorMemberAbilities": ["CAN_QUERY"],
                "Members": [{"AccountId": 444455556666, "DisplayName": "partner", "MemberAbilities": ["CAN_RECEIVE_RESULTS"]}],
                "QueryLogStatus": "DISABLED",
            },
        ),
        "Membership": resource(
            "Membership",
            {"CollaborationIdentifier": attribute("Collaboration", "CollaborationIdentifier"), "QueryLogStatus": "DISABLED"},
        ),
        "Table": resource(
            "ConfiguredTable",
            {
                "Name": "sales",
                "TableReference": {"Glue": {"DatabaseName": "shop", "TableName": "sales"}},
                "AllowedColumns": ["customer"],
                "AnalysisMethod": "DIRECT_QUERY",
                "AnalysisRules": rule("ANY_QUERY"),
            },
        ),
        "Association": resource(
            "ConfiguredTableAssociation",
            {
                "Name": "sales",
                "ConfiguredTableIdentifier": attribute("Table", "ConfiguredTableIdentifier"),
                "MembershipIdentifier": attribute("Membership", "MembershipIdentifier"),
                "RoleArn": ROLE,
            },
        ),
        **changed,
    }
    return {"Resources": resources, "Outputs": {"Budget": {"Value": attribute("Budget", "Arn")}} if "Budget" in changed else {}}


def broken(after: str) -> Resource:
    """A resource that cannot be made, after another one."""
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Name": TAKEN, "Type": "String", "Value": "x"}, "DependsOn": after}


class Budget:
    """The stack's privacy budget template, as Clean Rooms has it."""

    def __init__(self, local_aws: LocalAws, stack: Stack) -> None:
        self._aws, self._stack = local_aws, stack
        self._client = local_aws.client("cleanrooms")
        self.id, self.membership = stack.physical_id("Budget").split("|")

    def get(self) -> dict[str, Any]:
        found = self._client.get_privacy_budget_template(membershipIdentifier=self.membership, privacyBudgetTemplateIdentifier=self.id)
        return dict(found["privacyBudgetTemplate"])

    def exists(self) -> bool:
        try:
            self.get()
        except self._client.exceptions.ResourceNotFoundException:
            return False
        return True

    def spend(self, count: int) -> None:
        self._aws.spend(self.membership, self.id, count, "COUNT")

    def spent(self) -> int:
        budgets = self._client.list_privacy_budgets(membershipIdentifier=self.membership, privacyBudgetType="DIFFERENTIAL_PRIVACY")
        (found,) = budgets["privacyBudgetSummaries"]
        (count,) = (entry for entry in found["budget"]["differentialPrivacy"]["aggregations"] if entry["type"] == "COUNT")
        return int(count["maxCount"] - count["remainingCount"])

    def delete(self) -> None:
        """Delete it, where a stack has not."""
        if self.exists():
            self._client.delete_privacy_budget_template(membershipIdentifier=self.membership, privacyBudgetTemplateIdentifier=self.id)

    def tags(self) -> dict[str, str]:
        return dict(self._client.list_tags_for_resource(resourceArn=self.get()["arn"])["tags"])


def remains(local_aws: LocalAws) -> set[str]:
    """The ids of what exists in Clean Rooms."""
    backend = local_aws.client("cleanrooms")
    memberships = [entry["id"] for entry in backend.list_memberships()["membershipSummaries"]]
    associations = [backend.list_configured_table_associations(membershipIdentifier=id_) for id_ in memberships]
    return {
        *memberships,
        *(entry["id"] for entry in backend.list_collaborations()["collaborationList"]),
        *(entry["id"] for entry in backend.list_configured_tables()["configuredTableSummaries"]),
        *(entry["id"] for of_one in associations for entry in of_one["configuredTableAssociationSummaries"]),
    }
