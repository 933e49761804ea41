"""Events for changes of privacy budget templates that no provider made, from CloudTrail through EventBridge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard, cast

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct


def _parameter(name: str) -> str:
    return events.EventField.from_path(f"$.detail.requestParameters.{name}")


def _membership() -> str:
    return f"membership {_parameter('membershipIdentifier')}"


def _template() -> str:
    return f"privacy budget template {_parameter('privacyBudgetTemplateIdentifier')} of membership {_parameter('membershipIdentifier')}"


def _resource() -> str:
    return _parameter("resourceArn")


@dataclass(frozen=True)
class _Changes:
    """Operations whose requests name what they change in the same way, so that one sentence fits all."""

    description: str
    operations: tuple[str, ...]
    subject: Callable[[], str]
    """What was changed, in the words of the message."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What else the request's parameters must match."""


CHANGES: Final = {
    "MembershipChanges": _Changes(
        description="Templates created and memberships deleted",
        operations=("CreatePrivacyBudgetTemplate", "DeleteMembership"),
        subject=_membership,
    ),
    "TemplateChanges": _Changes(
        description="Templates updated and deleted",
        operations=("UpdatePrivacyBudgetTemplate", "DeletePrivacyBudgetTemplate"),
        subject=_template,
    ),
    "TagChanges": _Changes(
        description="Tags of templates changed",
        operations=("TagResource", "UntagResource"),
        subject=_resource,
        # CloudTrail may write an ARN from a request's path with its colons and slashes escaped.
        parameters={"resourceArn": [{"wildcard": "*privacybudgettemplate*"}]},
    ),
}
"""Construct id of each rule, and what it watches."""


def add_rules(
    scope: Construct, actions: Sequence[events.IRuleTarget | sns.ITopic], expected_roles: Sequence[iam.IRole]
) -> list[events.Rule]:
    """Send each successful change by anybody but these roles to the targets; a topic gets a sentence, any other target what it asks for."""
    rules = []
    for id_, changes in CHANGES.items():
        rule = events.Rule(
            scope, id_, description=f"{changes.description} by anybody but the provider", event_pattern=_pattern(changes, expected_roles)
        )
        for action in actions:
            rule.add_target(_target(action, changes))
        rules.append(rule)
    return rules


def _target(action: events.IRuleTarget | sns.ITopic, changes: _Changes) -> events.IRuleTarget:
    if _is_topic(action):
        return cast(events.IRuleTarget, targets.SnsTopic(action, message=_message(changes)))
    return cast(events.IRuleTarget, action)


def _pattern(changes: _Changes, expected_roles: Sequence[iam.IRole]) -> events.EventPattern:
    roles = [role.role_arn for role in expected_roles]
    # A user and the root have no session issuer, which anything-but does not match.
    issuer = [{"anything-but": roles}, {"exists": False}]
    return events.EventPattern(
        source=["aws.cleanrooms"],
        detail_type=["AWS API Call via CloudTrail"],
        detail={
            "eventSource": ["cleanrooms.amazonaws.com"],
            "eventName": list(changes.operations),
            "errorCode": [{"exists": False}],
            **({"requestParameters": dict(changes.parameters)} if changes.parameters else {}),
            **({"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": issuer}}}} if roles else {}),
        },
    )


def _message(changes: _Changes) -> events.RuleTargetInput:
    path = events.EventField.from_path
    return events.RuleTargetInput.from_text(
        f"{path('$.detail.userIdentity.arn')} called {path('$.detail.eventName')} on {changes.subject()} at {path('$.detail.eventTime')}"
        f" in account {path('$.account')}, {path('$.region')}, outside the privacy budget provider."
        f" CloudTrail event: {path('$.detail.eventID')}"
    )


def _is_topic(action: events.IRuleTarget | sns.ITopic) -> TypeGuard[sns.ITopic]:
    return hasattr(action, "topic_arn")
