"""Requests to the local AWS from this process, whatever its environment and the user's configuration say."""

import http.client
import json
import os
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import boto3
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from .account import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from .errors import LocalAwsError

_session_lock: Final = threading.Lock()
"""Held while a client is made: a session must not make two at once."""


def client(service: str, endpoint: str, certificate: Path) -> Any:
    """Make a boto3 client."""
    with _session_lock:
        return _session().client(service, endpoint_url=endpoint, verify=str(certificate), config=Config(proxies={}))


@cache
def _session() -> Any:
    """The session of all clients, which reads the services' models once."""
    nowhere = (None, None, os.devnull, None)
    isolated = botocore.session.Session(
        session_vars={"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    )
    return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION, botocore_session=isolated)


def find_template(client: Any, membership_id: str | None, template: str | None) -> dict[str, Any]:
    """Find a template by its id or ARN, or a membership's only one. Raises LocalAwsError."""
    lacks = "No membership has" if membership_id is None else f"Membership {membership_id} does not have"
    try:
        held = list(_templates(client, [membership_id] if membership_id is not None else _memberships(client)))
    except client.exceptions.ResourceNotFoundException as error:
        raise LocalAwsError(f"There is no membership {membership_id}. There are {', '.join(_memberships(client))}.") from error
    if not held:
        raise LocalAwsError(f"{lacks} a privacy budget template to spend from. Deploy one first.")
    wanted = [entry for entry in held if template in (None, entry["id"], entry["arn"])]
    if len(wanted) == 1:
        return wanted[0]
    ids = ", ".join(entry["id"] for entry in held)
    if template is None:
        raise LocalAwsError(f"Name the privacy budget template to spend from. There are {ids}.")
    raise LocalAwsError(f"{lacks} a privacy budget template {template}. There are {ids}.")


def _memberships(client: Any) -> list[str]:
    pages = client.get_paginator("list_memberships").paginate()
    return [entry["id"] for page in pages for entry in page["membershipSummaries"]]


def _templates(client: Any, memberships: Iterable[str]) -> Iterator[dict[str, Any]]:
    for membership_id in memberships:
        for page in client.get_paginator("list_privacy_budget_templates").paginate(membershipIdentifier=membership_id):
            yield from page["privacyBudgetTemplateSummaries"]


def spend(endpoint: str, certificate: Path, membership_id: str, template_id: str, count: int, aggregation: str | None) -> dict[str, Any]:
    """Consume a part of a budget; only the local Clean Rooms has this operation. Raises LocalAwsError."""
    body = json.dumps({"amount": {"uses": count} if aggregation is None else {"type": aggregation, "count": count}})
    path = f"/local/memberships/{quote(membership_id, safe='')}/privacybudgettemplates/{quote(template_id, safe='')}/spend"
    request = AWSRequest("POST", endpoint + path, data=body)
    SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "cleanrooms", REGION).add_auth(request)
    trusted = ssl.create_default_context(cafile=certificate)
    with closing(http.client.HTTPSConnection(urlsplit(endpoint).netloc, context=trusted)) as connection:
        connection.request("POST", path, body, dict(request.headers))
        response = connection.getresponse()
        answer = json.loads(response.read())
    if response.status != 200:
        raise LocalAwsError(f"The budget was not spent: {answer['message']}")
    summary: dict[str, Any] = answer["privacyBudgetSummary"]
    return summary
