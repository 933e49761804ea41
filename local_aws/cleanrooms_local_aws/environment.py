"""The environment in which a command talks to the local AWS, and to no account of the user's."""

from collections.abc import Mapping
from typing import Final

from .account import ACCESS_KEY_ID, ACCOUNT_ID, REGION, SECRET_ACCESS_KEY
from .folder import Folder

_TRUST: Final = frozenset({"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"})
"""Each of them would make some client distrust the server's certificate."""
_NO_OPTION_OF_THE_CLI: Final = frozenset({"CDK_VALIDATION"})
"""The app's own; every other CDK_ variable is an option of the CDK CLI, which may lead to an account."""
_NEVER_BY_PROXY: Final = "127.0.0.1,localhost"


def environment(inherited: Mapping[str, str], folder: Folder, endpoint: str) -> dict[str, str]:
    """The whole environment for a command: what it inherits, without anything that leads to an account of the user's."""
    kept = {name: value for name, value in inherited.items() if not _leads_elsewhere(name)}
    direct = ",".join(filter(None, (inherited.get("NO_PROXY") or inherited.get("no_proxy"), _NEVER_BY_PROXY)))
    return {
        **kept,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": str(folder.certificate),
        "AWS_CONFIG_FILE": str(folder.home / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder.home / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NODE_EXTRA_CA_CERTS": str(folder.certificate),
        "CDK_HOME": str(folder.cdk),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT_ID,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _leads_elsewhere(name: str) -> bool:
    """Whether a variable may lead to an account of the user's, or to distrust of the server."""
    return name in _TRUST or (name.startswith(("AWS_", "CDK_")) and name not in _NO_OPTION_OF_THE_CLI)
