"""Whose account the local AWS is, where, and how to sign in."""

from typing import Final

ACCOUNT_ID: Final = "111122223333"
REGION: Final = "us-east-1"
ACCESS_KEY_ID: Final = "test"
"""The root user's; any other key must be one that the local IAM or STS gave out."""
SECRET_ACCESS_KEY: Final = "test"  # noqa: S105


def endpoint(port: int) -> str:
    """Give the URL of every service. It names an address: by a host's name the SDKs would look for buckets as its subdomains."""
    return f"https://127.0.0.1:{port}"
