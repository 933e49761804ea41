"""CloudFormation's own types of Clean Rooms: their properties, what ``Fn::GetAtt`` gives, and which changes replace a resource.

Source: the types' schemas in the CloudFormation registry; a test compares these tables with the copies that cfn-lint has. Which
values are allowed is left to the service's own model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "AWS::CleanRooms::"


@dataclass(frozen=True)
class NativeType:
    """A type and its schema; the names are those of properties."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    create_only: tuple[str, ...]
    identifier: tuple[str, ...]
    """The properties that form the physical id; the first is the service's own id."""
    attributes: Mapping[str, str]
    """Attributes for ``Fn::GetAtt``, and the member of the service's response that holds each."""
    delete_first: bool = False
    """Whether a replacement deletes the old resource before it creates the new one, as both cannot exist at once."""
    rules: str = ""
    """The property that holds analysis rules, which have operations of their own."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Members of requests that have another name than their property, by ``operation.property``."""

    @property
    def type(self) -> str:
        """The type's full name."""
        return PREFIX + self.name

    @property
    def member(self) -> str:
        """The member of an answer that holds the resource."""
        return self.name[0].lower() + self.name[1:]


TYPES: Final = (
    NativeType(
        name="Collaboration",
        required=("CreatorDisplayName", "Name", "Description", "QueryLogStatus"),
        optional=(
            "AllowedResultRegions",
            "AnalyticsEngine",
            "AutoApprovedChangeTypes",
            "CreatorMLMemberAbilities",
            "CreatorMemberAbilities",
            "CreatorPaymentConfiguration",
            "DataEncryptionMetadata",
            "IsMetricsEnabled",
            "JobLogStatus",
            "Members",
            "Tags",
        ),
        create_only=(
            "AllowedResultRegions",
            "AutoApprovedChangeTypes",
            "CreatorDisplayName",
            "CreatorMLMemberAbilities",
            "CreatorMemberAbilities",
            "CreatorPaymentConfiguration",
            "DataEncryptionMetadata",
            "JobLogStatus",
            "Members",
            "QueryLogStatus",
        ),
        identifier=("CollaborationIdentifier",),
        attributes={"Arn": "arn", "CollaborationIdentifier": "id"},
        renamed={"Create.AutoApprovedChangeTypes": "autoApprovedChangeRequestTypes"},
    ),
    NativeType(
        name="Membership",
        required=("CollaborationIdentifier", "QueryLogStatus"),
        optional=(
            "DefaultJobResultConfiguration",
            "DefaultResultConfiguration",
            "IsMetricsEnabled",
            "JobLogStatus",
            "PaymentConfiguration",
            "Tags",
        ),
        create_only=("CollaborationIdentifier",),
        identifier=("MembershipIdentifier",),
        attributes={
            "Arn": "arn",
            "CollaborationArn": "collaborationArn",
            "CollaborationCreatorAccountId": "collaborationCreatorAccountId",
            "MembershipIdentifier": "id",
        },
        renamed={"Update.PaymentConfiguration": "membershipPaymentConfiguration"},
    ),
    NativeType(
        name="ConfiguredTable",
        required=("AllowedColumns", "AnalysisMethod", "Name", "TableReference"),
        optional=("AnalysisRules", "Description", "SelectedAnalysisMethods", "Tags"),
        create_only=(),
        identifier=("ConfiguredTableIdentifier",),
        attributes={"Arn": "arn", "ConfiguredTableIdentifier": "id"},
        rules="AnalysisRules",
    ),
    NativeType(
        name="ConfiguredTableAssociation",
        required=("ConfiguredTableIdentifier", "MembershipIdentifier", "Name", "RoleArn"),
        optional=("ConfiguredTableAssociationAnalysisRules", "Description", "Tags"),
        create_only=("ConfiguredTableIdentifier", "MembershipIdentifier", "Name"),
        identifier=("ConfiguredTableAssociationIdentifier", "MembershipIdentifier"),
        attributes={"Arn": "arn", "ConfiguredTableAssociationIdentifier": "id"},
        delete_first=True,
        rules="ConfiguredTableAssociationAnalysisRules",
    ),
    NativeType(
        name="PrivacyBudgetTemplate",
        required=("AutoRefresh", "MembershipIdentifier", "Parameters", "PrivacyBudgetType"),
        optional=("Tags",),
        create_only=("AutoRefresh", "MembershipIdentifier", "Parameters/ResourceArn", "PrivacyBudgetType"),
        identifier=("PrivacyBudgetTemplateIdentifier", "MembershipIdentifier"),
        attributes={
            "Arn": "arn",
            "CollaborationArn": "collaborationArn",
            "CollaborationIdentifier": "collaborationId",
            "MembershipArn": "membershipArn",
            "PrivacyBudgetTemplateIdentifier": "id",
        },
        delete_first=True,
    ),
)
