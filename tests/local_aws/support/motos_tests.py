"""Loaded by pytest into moto's own tests: puts the plugin, or the local AWS, in the place of moto's Clean Rooms.

``MOTO_TESTS_AGAINST`` says which: ``plugin`` (in moto's process), ``server`` (in moto's server, by HTTP) or ``local-aws``.
"""

import os
from collections.abc import Iterator
from typing import Any

import boto3
import moto.core
import moto.core.models
import pytest
from moto import settings
from moto.server import ThreadedMotoServer

from cleanrooms_local_aws import clean_rooms

AGAINST = os.environ["MOTO_TESTS_AGAINST"]
REGION = "us-east-2"

if AGAINST == "local-aws":
    # The tests expect it in ARNs.
    moto.core.DEFAULT_ACCOUNT_ID = os.environ["MOTO_ACCOUNT_ID"]  # type: ignore[attr-defined]
else:
    clean_rooms.install()


def pytest_configure() -> None:
    """Start moto's server, whose address its tests read where they begin."""
    if AGAINST == "server":
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        server.start()
        host, port = server.get_host_and_port()
        os.environ["TEST_SERVER_MODE_ENDPOINT"] = f"http://{host}:{port}"
        settings.TEST_SERVER_MODE = True


@pytest.fixture(autouse=True)
def fresh_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty the local AWS after each test, as moto empties itself; its root user is called test."""
    if AGAINST != "local-aws":
        yield
        return
    monkeypatch.setattr(moto.core.models.ServerModeMockAWS, "reset", lambda self: None)
    monkeypatch.setattr(moto.core.models.MockAWS, "_mock_env_variables", lambda self: None)
    yield
    backend: Any = boto3.client("cleanrooms", region_name=REGION, endpoint_url=os.environ["TEST_SERVER_MODE_ENDPOINT"])
    for member, list_, delete, name in (
        ("membershipSummaries", backend.list_memberships, backend.delete_membership, "membershipIdentifier"),
        ("configuredTableSummaries", backend.list_configured_tables, backend.delete_configured_table, "configuredTableIdentifier"),
        ("collaborationList", backend.list_collaborations, backend.delete_collaboration, "collaborationIdentifier"),
    ):
        for entry in list_()[member]:
            delete(**{name: entry["id"]})
