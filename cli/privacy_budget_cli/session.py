"""Clients as the user's AWS configuration has them; each keeps within its service's quota by itself."""

import os
from typing import Any, Final

import boto3
from botocore.config import Config

from privacy_budget_core.throttle import throttle

CALLS_PER_SECOND: Final = 5
"""The service's quota for each operation. Source: the Clean Rooms user guide, "Quotas for AWS Clean Rooms"."""
LOOKUPS_PER_SECOND: Final = 2
"""CloudTrail's quota for LookupEvents. Source: the CloudTrail API reference."""
_CONFIG: Final = Config(connect_timeout=10)


def session(profile: str | None, region: str | None) -> boto3.Session:
    """The session for what the user chose. boto3 itself knows AWS_DEFAULT_REGION only. Raises BotoCoreError."""
    return boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)


def clean_rooms(session: boto3.Session, endpoint_url: str | None = None) -> Any:
    """A client of Clean Rooms. Raises BotoCoreError where the configuration is incomplete or wrong."""
    return _throttled(session.client("cleanrooms", endpoint_url=endpoint_url, config=_CONFIG), CALLS_PER_SECOND)


def cloud_trail(session: boto3.Session, endpoint_url: str | None = None) -> Any:
    """A client of CloudTrail for LookupEvents. Raises BotoCoreError where the configuration is incomplete or wrong."""
    return _throttled(session.client("cloudtrail", endpoint_url=endpoint_url, config=_CONFIG), LOOKUPS_PER_SECOND)


def _throttled(client: Any, calls_per_second: float) -> Any:
    throttle(client, calls_per_second)
    return client
