"""The function's session is less than botocore's whole one, and does the same for the services that it calls."""

from typing import Any

import botocore.session
import pytest
from botocore.handlers import BUILTIN_HANDLERS

from privacy_budget_handler.aws import SERVICES, concerns, new_session

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}


def test_omitted_handlers_are_other_services() -> None:
    """Every handler that is left out belongs to another service."""
    services = {model.service_id.hyphenize() for model in map(botocore.session.get_session().get_service_model, SERVICES)}
    assert services == set(SERVICES), "events are named by the service's id"
    known = {"docs", *(event.partition(".")[0] for event, *_ in BUILTIN_HANDLERS)}
    left_out = [event for event, *_ in BUILTIN_HANDLERS if not concerns(event)]
    assert left_out
    for event in left_out:
        first, service, *_ = event.split(".")
        assert first in known
        assert service not in (*SERVICES, "*") or first == "docs", event


def test_handlers_and_order_are_botocores() -> None:
    """The service's events have botocore's handlers, in botocore's order."""
    sessions = (new_session(KEYS), botocore.session.get_session())
    builtin = {id(handler) for _, handler, *_ in BUILTIN_HANDLERS}  # powertools registers one of its own
    names = {event.partition(".")[0] for event, *_ in BUILTIN_HANDLERS} - {"docs"}
    for service in SERVICES:
        for name in sorted(names):
            for event in (name, f"{name}.{service}", f"{name}.{service}.AnyOperation"):
                emitters = [session.get_component("event_emitter")._emitter for session in sessions]
                mine, whole = ([one for one in emitter._handlers.prefix_search(event) if id(one) in builtin] for emitter in emitters)
                assert mine == whole, event


def test_credentials_are_the_environments() -> None:
    credentials: Any = new_session(KEYS).get_credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == tuple(KEYS.values())


@pytest.mark.parametrize("environment", [{}, {"AWS_ACCESS_KEY_ID": "key"}, {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2026-01-01T00:00:00Z"}])
def test_other_credentials_are_botocores_to_find(environment: dict[str, str]) -> None:
    session: Any = new_session(environment)
    assert session._credentials is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "NO_PROXY"])
def test_a_proxy_is_botocores_to_find(name: str) -> None:
    assert new_session({name: "proxy.example:3128"}).get_default_client_config() is None
    config: Any = new_session({}).get_default_client_config()
    assert config.proxies == {}


def test_a_client_goes_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    client: Any = new_session().create_client("cleanrooms", region_name="us-east-1")
    assert client._endpoint.http_session._proxy_config.proxy_url_for("https://x.example") == "http://proxy.example:3128"
