"""Account, region and credentials of the local AWS."""

from typing import Final

ACCOUNT_ID: Final = "111122223333"
REGION: Final = "us-east-1"
ACCESS_KEY_ID: Final = "test"
"""The root user's; any other key must be one that the local IAM or STS gave out."""
SECRET_ACCESS_KEY: Final = "test"  # noqa: S105


def endpoint(port: int) -> str:
    """The URL of every service. It holds an IP address: for a host name the SDKs would address buckets as its subdomains."""
    return f"https://127.0.0.1:{port}"
