"""A botocore session with what the function's clients need, by botocore's own options: a whole one takes three times as long to make."""

import os
from collections.abc import Mapping
from typing import Final

from botocore.config import Config
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.session import Session

SERVICES: Final = ("cleanrooms", "cloudformation")
"""The services that the function calls."""


def new_session(environment: Mapping[str, str] = os.environ) -> Session:
    """A session for SERVICES. Lambda puts the credentials into the environment; elsewhere, botocore looks for them as usual."""
    session = Session(include_builtin_handlers=False)
    hooks = session.get_component("event_emitter")
    register = {REGISTER_FIRST: hooks.register_first, REGISTER_LAST: hooks.register_last}
    for event, handler, *order in BUILTIN_HANDLERS:
        if concerns(event):
            register.get(order[0] if order else None, hooks.register)(event, handler)
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if key and secret and "AWS_CREDENTIAL_EXPIRATION" not in environment:
        session.set_credentials(key, secret, environment.get("AWS_SESSION_TOKEN"))
    if not any(name.lower().endswith("_proxy") for name in environment):
        session.set_default_client_config(Config(proxies={}))  # botocore would ask urllib.request, which takes as long to import
    return session


def concerns(event: str) -> bool:
    """Whether an event of botocore's is one of SERVICES; those of every service are named by one word."""
    _, _, service = event.partition(".")
    return not service or service.split(".")[0] in SERVICES
