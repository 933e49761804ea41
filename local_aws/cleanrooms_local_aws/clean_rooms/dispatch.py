"""Clean Rooms without a server of its own, for a server that already knows whose request it is."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from moto.cleanrooms.models import cleanrooms_backends
from moto.core.request import Request

from .exceptions import CleanRoomsError, ValidationException
from .responses import PrivacyBudgetResponse

Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers and body."""

_CHOOSES_ACCOUNT_OR_REGION: Final = frozenset({"x-moto-account-id", "host"})


class _ResponseTo(PrivacyBudgetResponse):
    """Answers for one account, whatever the request, its key or the environment say."""

    def __init__(self, account_id: str) -> None:
        super().__init__()
        self._account_id = account_id

    def get_current_account(self) -> str:
        return self._account_id


def answer(method: str, url: str, headers: Mapping[str, str], body: bytes, *, account_id: str, region: str) -> Answer:
    """Answer a request to any Clean Rooms path; of the URL, path and query string count."""
    if region not in cleanrooms_backends[account_id]:
        return _refusal(ValidationException(f"the region must be one that has Clean Rooms, got {region!r}"))
    try:
        body.decode()
    except UnicodeDecodeError:
        return _refusal(ValidationException("the body must be UTF-8 text, got other bytes"))
    parts = urlsplit(url)
    if "%2f" in parts.path.lower() and not parts.path.startswith("/tags/"):
        # moto routes by the decoded path: such a request would be another one than the server allowed.
        return _refusal(ValidationException(f"the identifiers in the path must have no slash, got {parts.path!r}"))
    request = Request.from_primitives(
        method,
        f"https://cleanrooms.{region}.amazonaws.com{parts.path}" + (f"?{parts.query}" if parts.query else ""),
        {name: value for name, value in headers.items() if name.lower() not in _CHOOSES_ACCOUNT_OR_REGION},
        body,
    )
    try:
        status, sent, answered = _ResponseTo(account_id)._dispatch(request)
    except NotImplementedError as error:
        return 501, {"Content-Type": "application/json"}, json.dumps({"message": str(error)}).encode()
    text = answered if isinstance(answered, bytes) else str(answered).encode()
    return status, {name: str(value) for name, value in sent.items() if name.lower() != "status"}, text


def _refusal(error: CleanRoomsError) -> Answer:
    return error.status, {"Content-Type": "application/json", "X-Amzn-ErrorType": error.code}, json.dumps(error.body).encode()
