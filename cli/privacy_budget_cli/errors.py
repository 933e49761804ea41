"""The command's error messages: one sentence each, with the remedy."""

import re
from collections.abc import Callable
from typing import Final

import boto3
from botocore import exceptions
from botocore.exceptions import ClientError

from privacy_budget_core.errors import PrivacyBudgetError, ServiceError

from .session import CALLS_A_SECOND, LOOKUPS_A_SECOND


class CommandError(PrivacyBudgetError):
    """The command cannot do what it was asked; the message is a sentence with the remedy."""


_ENDPOINT: Final = re.compile(r"//cleanrooms\.([a-z0-9-]+)\.amazonaws\.com")
_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_SIGN_IN: Final = "sign in again (aws sso login or aws login), or renew what your environment or profile holds"


def explain(error: Exception, region: str | None) -> str:
    """The message for an error of an AWS client, raised as it is or as the cause of a ServiceError."""
    cause = error.__cause__ if isinstance(error, ServiceError) else error
    if isinstance(cause, ClientError):
        return _error_response(cause, region)
    for kinds, sentence in _FAILURES:
        if isinstance(cause, kinds):
            return sentence(cause)
    return str(cause)


def _error_response(error: ClientError, region: str | None) -> str:
    """The message for an error response of AWS."""
    code, operation = error.response["Error"]["Code"], error.operation_name
    told = error.response["Error"].get("Message") or code
    service, quota = ("cloudtrail", LOOKUPS_A_SECOND) if operation == "LookupEvents" else ("cleanrooms", CALLS_A_SECOND)
    match code:
        case "ResourceNotFoundException":
            noun = "collaboration" if "Collaboration" in operation else "membership"
            return f"region {region} of this account has no such {noun}; check its id, --region and --profile (AWS says: {told})"
        case "AccessDeniedException" | "AccessDenied":
            named = _ACTION.search(told)
            return f"these credentials may not do this; allow them {named[1] if named else f'{service}:{operation}'} (AWS says: {told})"
        case "ExpiredTokenException" | "ExpiredToken" | "RequestExpired":
            return f"the credentials have expired; {_SIGN_IN}"
        case "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" | "SignatureDoesNotMatch":
            return f"AWS does not take these credentials; check --profile, or {_SIGN_IN} (AWS says: {told})"
        case "ThrottlingException" | "Throttling" | "TooManyRequestsException":
            return f"{operation} was throttled, as all callers in an account and region share {quota} calls a second; try again later"
    return f"{operation} failed with {code}; AWS says: {told}"


def _unreachable(error: Exception) -> str:
    """The message where AWS did not answer. A region without Clean Rooms has no endpoint."""
    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    known = boto3.Session().get_available_regions("cleanrooms")
    found = _ENDPOINT.search(url)
    if found and found[1] not in known:
        return f"region {found[1]} has no Clean Rooms that can be reached; choose another by --region: {', '.join(known)}"
    return f"AWS cannot be reached; check the network, the proxy and the endpoint's address ({error})"


_FAILURES: Final[tuple[tuple[tuple[type[Exception], ...], Callable[[Exception], str]], ...]] = (
    (
        (exceptions.NoCredentialsError,),
        lambda _: "no AWS credentials were found; name a profile by --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        (
            exceptions.LoginError,
            exceptions.SSOError,
            exceptions.TokenRetrievalError,
            exceptions.CredentialRetrievalError,
            exceptions.PartialCredentialsError,
        ),
        lambda error: f"no AWS credentials could be had; {_SIGN_IN} ({error})",
    ),
    ((exceptions.NoRegionError,), lambda _: "no region is set; give --region, or set AWS_REGION, or put one into the profile"),
    ((exceptions.ProfileNotFound,), lambda error: f"{error}; aws configure list-profiles lists those that there are"),
    ((exceptions.ConnectionError, exceptions.HTTPClientError), _unreachable),
)
