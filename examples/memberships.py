"""Memberships of the same app: their ids are known only once they are deployed, and the templates take them as they are.

Use it where one app makes the collaborations too. There are two: in ``Research`` the partner queries under differential privacy; in
``Sales`` the partner may use one table of yours so many times. CloudFormation makes each membership before its template, and deletes
it after.

Deploy with the partner's account, a table of your Glue catalog with the columns that may be queried, and the role by which Clean
Rooms reads it:

    cdk deploy --app "python examples/memberships.py" -c partner=<account id> \
        -c database=<Glue database> -c table=<Glue table> -c columns=<name,name> -c role=<role ARN>

Clean Rooms deletes no membership that has a template left. So the templates go with the memberships here, and what is consumed goes
with them; termination protection keeps that from happening by accident. To do it on purpose, take the protection off first:

    aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name Memberships

    cdk destroy --app "python examples/memberships.py" -c partner=<account id> \
        -c database=<Glue database> -c table=<Glue table> -c columns=<name,name> -c role=<role ARN>
"""

import sys

import aws_cdk as cdk
from aws_cdk import aws_cleanrooms as cleanrooms

from cleanrooms_privacy_budget import AccessLimit, PrivacyBudget, PrivacyBudgetTemplate

app = cdk.App()
stack = cdk.Stack(app, "Memberships", termination_protection=True)
partner = app.node.try_get_context("partner") or sys.exit("A value is missing: -c partner=<account id>")


def join_new_collaboration(name: str) -> cleanrooms.CfnMembership:
    """Make a collaboration in which the partner queries, and be a member of it."""
    collaboration = cleanrooms.CfnCollaboration(
        stack,
        f"{name}Collaboration",
        name=name,
        description=f"{name} with our partner",
        creator_display_name="Owner",
        creator_member_abilities=[],
        members=[
            cleanrooms.CfnCollaboration.MemberSpecificationProperty(
                account_id=partner,
                display_name="Partner",
                member_abilities=["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
            )
        ],
        query_log_status="ENABLED",
    )
    return cleanrooms.CfnMembership(
        stack,
        f"{name}Membership",
        collaboration_identifier=collaboration.attr_collaboration_identifier,
        query_log_status="ENABLED",
    )


research = join_new_collaboration("Research")
PrivacyBudgetTemplate(
    stack,
    "ResearchBudget",
    membership_id=research.attr_membership_identifier,
    budget=PrivacyBudget.differential_privacy(epsilon=3, users_noise_per_query=30),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)

sales = join_new_collaboration("Sales")
table = cleanrooms.CfnConfiguredTable(
    stack,
    "SalesTable",
    name="sales",
    table_reference=cleanrooms.CfnConfiguredTable.TableReferenceProperty(
        glue=cleanrooms.CfnConfiguredTable.GlueTableReferenceProperty(
            database_name=app.node.try_get_context("database") or sys.exit("A value is missing: -c database=<Glue database>"),
            table_name=app.node.try_get_context("table") or sys.exit("A value is missing: -c table=<Glue table>"),
        )
    ),
    allowed_columns=(app.node.try_get_context("columns") or sys.exit("A value is missing: -c columns=<name,name>")).split(","),
    analysis_method="DIRECT_QUERY",
    analysis_rules=[
        cleanrooms.CfnConfiguredTable.AnalysisRuleProperty(
            type="CUSTOM",
            policy=cleanrooms.CfnConfiguredTable.ConfiguredTableAnalysisRulePolicyProperty(
                v1=cleanrooms.CfnConfiguredTable.ConfiguredTableAnalysisRulePolicyV1Property(
                    custom=cleanrooms.CfnConfiguredTable.AnalysisRuleCustomProperty(
                        allowed_analyses=["ANY_QUERY"], allowed_analysis_providers=[partner]
                    )
                )
            ),
        )
    ],
)
association = cleanrooms.CfnConfiguredTableAssociation(
    stack,
    "SalesAssociation",
    name="sales",
    configured_table_identifier=table.attr_configured_table_identifier,
    membership_identifier=sales.attr_membership_identifier,
    role_arn=app.node.try_get_context("role") or sys.exit("A value is missing: -c role=<role ARN>"),
)
sales_budget = PrivacyBudgetTemplate(
    stack,
    "SalesBudget",
    membership_id=sales.attr_membership_identifier,
    budget=PrivacyBudget.access_budget(
        resource_arn=association.attr_arn,
        limits=[AccessLimit.per_day(100), AccessLimit.lifetime(10_000)],
    ),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)
cdk.Annotations.of(sales_budget).acknowledge_warning(
    "cleanrooms-privacy-budget:delete-uncaps-table", "the table's association goes with it"
)

app.synth()
