"""The initial resources of the local Clean Rooms."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_api._internal import mock_random

from .clean_rooms import dispatch
from .clean_rooms.models import backend
from .demo import Demo


@contextmanager
def _the_same_ids_everywhere() -> Iterator[None]:
    """Have moto make the same ids on every machine, so that an app's configuration can name them."""
    mock_random.seed("cleanrooms-local-aws")
    try:
        yield
    finally:
        mock_random.seed()


@_the_same_ids_everywhere()
def create_demo(account_id: str, region: str) -> Demo:
    """Create two memberships, each of a collaboration of its own, and two tables in the first."""

    def post(path: str, request: dict[str, Any]) -> Any:
        status, _, body = dispatch.answer("POST", path, {}, json.dumps(request).encode(), account_id=account_id, region=region)
        if status != 200:
            raise RuntimeError(f"Clean Rooms answered {status} to POST {path}: {body.decode()}")
        (created,) = json.loads(body).values()
        return created

    def join_new_collaboration(name: str) -> Any:
        collaboration = post(
            "/collaborations",
            {
                "name": name,
                "description": "A collaboration to try privacy budget templates with",
                "members": [],
                "creatorMemberAbilities": ["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
                "creatorDisplayName": "Demo",
                "queryLogStatus": "DISABLED",
            },
        )
        return post("/memberships", {"collaborationIdentifier": collaboration["id"], "queryLogStatus": "DISABLED"})

    def associate(membership: Any, name: str) -> str:
        table = post(
            "/configuredTables",
            {
                "name": name,
                "tableReference": {"glue": {"databaseName": "demo", "tableName": name}},
                "allowedColumns": ["customer", "amount"],
                "analysisMethod": "DIRECT_QUERY",
            },
        )
        role = f"arn:aws:iam::{account_id}:role/demo-{name}"
        # Not by a request, which would count against the quota.
        return backend(account_id, region).tables.associate(membership["id"], table["id"], name, role, None).arn

    first = join_new_collaboration("Demo")  # its ids are in this repository's cdk.json
    second = join_new_collaboration("Second demo")
    return Demo(first["collaborationId"], first["id"], associate(first, "sales"), associate(first, "trial"), second["id"])
