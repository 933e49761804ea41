"""Arguments that several subcommands have."""

from argparse import ArgumentParser, ArgumentTypeError

from privacy_budget_core.contract import MEMBERSHIP_ID_RULE, is_membership_id


def membership(text: str) -> str:
    """Parse a membership id."""
    if not is_membership_id(text):
        raise ArgumentTypeError(f"a membership's id must be {MEMBERSHIP_ID_RULE}, got {text!r}")
    return text


def collaboration(text: str) -> str:
    """A collaboration's id, which has the form of a membership's."""
    if not is_membership_id(text):
        raise ArgumentTypeError(f"a collaboration's id must be {MEMBERSHIP_ID_RULE}, got {text!r}")
    return text


def add_account_arguments(parser: ArgumentParser) -> None:
    """Add the profile, the region and the endpoint; their defaults are those of every AWS tool."""
    account = parser.add_argument_group("AWS account (by default as every AWS tool: environment, then configuration files)")
    account.add_argument("--profile", help="a profile of the AWS configuration")
    account.add_argument("--region", help="the region of the memberships")
    account.add_argument("--endpoint-url", type=_url, metavar="URL", help="another address of the service")


def _url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ArgumentTypeError(f"must begin with https:// or http://, got {text!r}")
    return text
