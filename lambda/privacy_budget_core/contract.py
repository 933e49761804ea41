"""What the construct declares and the handler accepts: names, values and ranges, each of them once.

The ranges are those of the Clean Rooms service model (CreatePrivacyBudgetTemplate); a test compares them with botocore's.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

RESOURCE_TYPE: Final = "Custom::CleanRoomsPrivacyBudgetTemplate"

REGIONS: Final = frozenset(
    {
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "us-east-1",
        "us-east-2",
        "us-west-2",
    }
)
"""The regions of Clean Rooms, all in the partition aws; a test compares them with botocore's."""

ADDED_BY_CLOUDFORMATION: Final = frozenset({"ServiceToken", "ServiceTimeout"})


class Property(StrEnum):
    """Names of the resource's top-level properties; the first five are those of the native CloudFormation type."""

    MEMBERSHIP_IDENTIFIER = "MembershipIdentifier"
    PRIVACY_BUDGET_TYPE = "PrivacyBudgetType"
    AUTO_REFRESH = "AutoRefresh"
    PARAMETERS = "Parameters"
    TAGS = "Tags"
    ON_EXISTING = "OnExisting"
    ON_BUDGET_RESET = "OnBudgetReset"
    PREVIEW_IMPACT = "PreviewImpact"


class Attribute(StrEnum):
    """Attribute names for ``Fn::GetAtt``, as of the native CloudFormation type."""

    ARN = "Arn"
    PRIVACY_BUDGET_TEMPLATE_IDENTIFIER = "PrivacyBudgetTemplateIdentifier"
    MEMBERSHIP_ARN = "MembershipArn"
    COLLABORATION_ARN = "CollaborationArn"
    COLLABORATION_IDENTIFIER = "CollaborationIdentifier"


class AggregationType(StrEnum):
    """An aggregation of a query; a differential-privacy budget allows a number of each type.

    Source: ``DifferentialPrivacyAggregationType`` in the Clean Rooms API.
    """

    AVG = "AVG"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    SUM = "SUM"
    STDDEV = "STDDEV"


MAX_AGGREGATIONS: Final = {type_: f"MaxAggregations.{type_}" for type_ in AggregationType}
"""Attribute names for ``Fn::GetAtt`` where PreviewImpact is true: how many aggregations of each type the budget allows, or UNKNOWN."""

UNKNOWN: Final = "unknown"
"""The value of a number that the service did not return."""


class Flag(StrEnum):
    """A boolean property, as the string that CloudFormation passes."""

    TRUE = "true"
    FALSE = "false"


class Operation(StrEnum):
    """The Clean Rooms operations that change a template or its tags."""

    CREATE = "CreatePrivacyBudgetTemplate"
    UPDATE = "UpdatePrivacyBudgetTemplate"
    DELETE = "DeletePrivacyBudgetTemplate"
    TAG = "TagResource"
    UNTAG = "UntagResource"


class PrivacyBudgetType(StrEnum):
    """The budget type, in the service's own values."""

    DIFFERENTIAL_PRIVACY = "DIFFERENTIAL_PRIVACY"
    ACCESS_BUDGET = "ACCESS_BUDGET"


class AutoRefresh(StrEnum):
    """How often a differential-privacy budget refreshes.

    Source: ``autoRefresh`` of the Clean Rooms API operation CreatePrivacyBudgetTemplate.
    """

    CALENDAR_MONTH = "CALENDAR_MONTH"
    """A new budget every calendar month. Queries repeated over the same rows across refreshes can reveal arbitrary amounts."""
    NONE = "NONE"
    """One budget for the whole life of the template."""


class AccessBudgetPeriod(StrEnum):
    """The period over which an access limit counts the uses of a table (``AccessBudgetType`` in the Clean Rooms API)."""

    CALENDAR_DAY = "CALENDAR_DAY"
    CALENDAR_WEEK = "CALENDAR_WEEK"
    CALENDAR_MONTH = "CALENDAR_MONTH"
    LIFETIME = "LIFETIME"


class AutoRefreshMode(StrEnum):
    """Whether an access limit starts anew with each period (``AutoRefreshMode`` in the Clean Rooms API)."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class OnExisting(StrEnum):
    """What a create does if a template of the same identity exists."""

    FAIL = "FAIL"
    """Fail the deployment and name the existing template."""
    ADOPT = "ADOPT"
    """Adopt the existing template, with its tags and its consumed budget."""


class OnBudgetReset(StrEnum):
    """What an update does if it would reset a budget that has been partly consumed."""

    REFUSE = "REFUSE"
    """Fail the deployment and say what would be lost."""
    ALLOW = "ALLOW"
    """Go ahead: everyone who queries the collaboration starts with a fresh budget."""


class Range(NamedTuple):
    """A closed range of whole numbers."""

    minimum: int
    maximum: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.minimum <= value <= self.maximum

    def __str__(self) -> str:
        return f"a whole number from {self.minimum} to {self.maximum}"


EPSILON: Final = Range(1, 20)
USERS_NOISE_PER_QUERY: Final = Range(10, 100)
ACCESS_LIMIT_BUDGET: Final = Range(0, 1_000_000)
ACCESS_LIMITS: Final = Range(1, 2)
TAG_KEY_LENGTH: Final = Range(1, 128)
TAG_VALUE_LENGTH: Final = Range(0, 256)

TAGS_OF_THE_SERVICE: Final = 200
"""Tags that the service takes on one template."""
TAGS_OF_THE_HANDLER: Final = 4
"""Of these, how many the handler keeps for itself (see ``ownership``)."""
TAGS: Final = Range(0, TAGS_OF_THE_SERVICE - TAGS_OF_THE_HANDLER)

TAG_PREFIX_OF_AWS: Final = "aws:"
"""Tags that AWS alone sets."""
RESERVED_TAG_PREFIXES: Final = (TAG_PREFIX_OF_AWS, "cleanrooms-privacy-budget:")

MEMBERSHIP_ID_RULE: Final = "a lower-case UUID"
_MEMBERSHIP_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

RESOURCE_ARN_RULE: Final = (
    "the ARN of a configured table association or intermediate table, of at most 200 characters"
    " (arn:aws:cleanrooms:<region>:<account>:membership/<membership>/configuredtableassociation/<id>)"
)
RESOURCE_ARN_LENGTH: Final = 200
_RESOURCE_ARN: Final = re.compile(
    r"arn:aws:\w+:\w{2}-\w{4,9}-\d:\d{12}:membership/[\w-]+/(configuredtableassociation|intermediatetable)/[\w-]+",
    re.ASCII,
)


def is_membership_id(value: str) -> bool:
    """Whether Clean Rooms takes this string as a membership's identifier."""
    return _MEMBERSHIP_ID.fullmatch(value) is not None


def is_resource_arn(value: str) -> bool:
    """Whether Clean Rooms takes this string as the ARN of a table with an access budget."""
    return len(value) <= RESOURCE_ARN_LENGTH and _RESOURCE_ARN.fullmatch(value) is not None


def wrong_limits(periods: Sequence[str]) -> str | None:
    """The rule that a template's access limits break together, or None.

    Source: the Clean Rooms user guide, "Access budgets": one calendar period, or a lifetime, or one of each.
    """
    if len(periods) not in ACCESS_LIMITS:
        return f"must be {ACCESS_LIMITS.minimum} or {ACCESS_LIMITS.maximum} limits"
    if len(periods) == ACCESS_LIMITS.maximum and periods.count(AccessBudgetPeriod.LIFETIME) != 1:
        return "must be one limit per day, week or month, or a lifetime limit, or one of each"
    return None
