"""All that the local Clean Rooms holds, as JSON bytes: what must outlive its process.

moto's own entries are plain objects, so they are written as their attributes; the versions of moto that wrote and read them must
agree. Writing the bytes to disk atomically is up to the caller.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from moto.cleanrooms.models import Collaboration, ConfiguredTable, Membership, cleanrooms_backends

from .models import LOCK, PrivacyBudgetBackend, backend

_FORMAT: Final = 3
_ENTRIES: Final[Mapping[str, type[Collaboration | Membership | ConfiguredTable]]] = {
    "collaborations": Collaboration,
    "memberships": Membership,
    "configured_tables": ConfiguredTable,
}


def dump() -> bytes:
    """The state of every account and region."""
    with LOCK:
        held = [(account, region) for account, region, _ in cleanrooms_backends.iter_backends()]
        backends = [_to_json(account, region, backend(account, region)) for account, region in held]
        return json.dumps({"format": _FORMAT, "backends": backends}).encode()


def load(state: bytes) -> None:
    """Replace everything by what ``dump`` gave. Raises ValueError, and changes nothing, where that is of another format."""
    read = json.loads(state)
    if read.get("format") != _FORMAT:
        raise ValueError(f"the state's format must be {_FORMAT}, got {read.get('format')!r}")
    loaded = [(entry["account"], entry["region"], _from_json(entry)) for entry in read["backends"]]
    with LOCK:
        cleanrooms_backends.clear()
        for account, region, loaded_backend in loaded:
            cleanrooms_backends[account][region] = loaded_backend


def _to_json(account: str, region: str, account_backend: PrivacyBudgetBackend) -> dict[str, Any]:
    return {
        "account": account,
        "region": region,
        **{name: [vars(entry) for entry in getattr(account_backend, name).values()] for name in _ENTRIES},
        "tags": account_backend.tagger.tags,
        "ledger": account_backend.ledger.to_json(),
        "tables": account_backend.tables.to_json(),
        "attributes": account_backend.attributes.entries,
    }


def _from_json(state: Mapping[str, Any]) -> PrivacyBudgetBackend:
    account_backend = PrivacyBudgetBackend(state["region"], state["account"])
    for name, type_ in _ENTRIES.items():
        for attributes in state[name]:
            entry = type_.__new__(type_)
            vars(entry).update(attributes)
            getattr(account_backend, name)[attributes["id"]] = entry
    account_backend.tagger.tags = state["tags"]
    account_backend.ledger.load_json(state["ledger"])
    account_backend.tables.load_json(state["tables"])
    account_backend.attributes.entries = state["attributes"]
    return account_backend
