"""All that the local Clean Rooms holds, as JSON bytes: what must outlive its process.

moto's own entries are plain objects, so they are written as their attributes; the versions of moto that wrote and read them must
agree. Writing the bytes to disk atomically is up to the caller.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from moto.cleanrooms.models import Collaboration, ConfiguredTable, Membership, cleanrooms_backends

from .models import LOCK, PrivacyBudgetBackend, backend

_FORMAT: Final = 2
_ENTRIES: Final[Mapping[str, type[Collaboration | Membership | ConfiguredTable]]] = {
    "collaborations": Collaboration,
    "memberships": Membership,
    "configured_tables": ConfiguredTable,
}


def dump() -> bytes:
    """Give the state of every account and region."""
    with LOCK:
        held = [(account, region) for account, region, _ in cleanrooms_backends.iter_backends()]
        rooms = [_to_json(account, region, backend(account, region)) for account, region in held]
        return json.dumps({"format": _FORMAT, "backends": rooms}).encode()


def load(state: bytes) -> None:
    """Replace everything by what ``dump`` gave. Raises ValueError, and changes nothing, where that is of another format."""
    read = json.loads(state)
    if read.get("format") != _FORMAT:
        raise ValueError(f"the state's format must be {_FORMAT}, got {read.get('format')!r}")
    loaded = [(entry["account"], entry["region"], _from_json(entry)) for entry in read["backends"]]
    with LOCK:
        cleanrooms_backends.clear()
        for account, region, rooms in loaded:
            cleanrooms_backends[account][region] = rooms


def _to_json(account: str, region: str, rooms: PrivacyBudgetBackend) -> dict[str, Any]:
    return {
        "account": account,
        "region": region,
        **{name: [vars(entry) for entry in getattr(rooms, name).values()] for name in _ENTRIES},
        "tags": rooms.tagger.tags,
        "ledger": rooms.ledger.to_json(),
        "tables": rooms.tables.to_json(),
        "attributes": rooms.attributes.entries,
    }


def _from_json(state: Mapping[str, Any]) -> PrivacyBudgetBackend:
    rooms = PrivacyBudgetBackend(state["region"], state["account"])
    for name, type_ in _ENTRIES.items():
        for attributes in state[name]:
            entry = type_.__new__(type_)
            vars(entry).update(attributes)
            getattr(rooms, name)[attributes["id"]] = entry
    rooms.tagger.tags = state["tags"]
    rooms.ledger.load_json(state["ledger"])
    rooms.tables.load_json(state["tables"])
    rooms.attributes.entries = state["attributes"]
    return rooms
