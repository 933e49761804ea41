"""What the local Clean Rooms holds from its first start on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_api._internal import mock_random

from .clean_rooms import dispatch
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
    """Create the demo collaboration and membership."""

    def post(path: str, request: dict[str, Any]) -> Any:
        status, _, body = dispatch.answer("POST", path, {}, json.dumps(request).encode(), account_id=account_id, region=region)
        if status != 200:
            raise RuntimeError(f"Clean Rooms answered {status} to POST {path}: {body.decode()}")
        return json.loads(body)

    collaboration = post(
        "/collaborations",
        {
            "name": "Demo",
            "description": "A collaboration to try privacy budget templates with",
            "members": [],
            "creatorMemberAbilities": ["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
            "creatorDisplayName": "Demo",
            "queryLogStatus": "DISABLED",
        },
    )["collaboration"]
    membership = post("/memberships", {"collaborationIdentifier": collaboration["id"], "queryLogStatus": "DISABLED"})["membership"]
    return Demo(collaboration["id"], membership["id"], f"{membership['arn']}/configuredtableassociation/{mock_random.uuid4()}")
