"""Requests to the local AWS from this process, whatever its environment and the user's configuration say."""

import http.client
import json
import os
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from .account import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from .errors import LocalAwsError


def client(service: str, endpoint: str, certificate: Path) -> Any:
    """Make a boto3 client."""
    nowhere = (None, None, os.devnull, None)
    isolated = botocore.session.Session(
        session_vars={"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    )
    session: Any = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION, botocore_session=isolated)
    return session.client(service, endpoint_url=endpoint, verify=str(certificate), config=Config(proxies={}))


def spend(endpoint: str, certificate: Path, membership_id: str, template_id: str, count: int, aggregation: str | None) -> dict[str, Any]:
    """Use up a part of a budget by the one operation of Clean Rooms that only the local one has. Raises LocalAwsError."""
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
