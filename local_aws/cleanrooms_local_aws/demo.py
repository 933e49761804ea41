"""Example memberships and tables; a template needs a membership."""

import json
from dataclasses import asdict, dataclass

from .folder import Folder, write_atomically


@dataclass(frozen=True)
class Demo:
    """The resources that exist in Clean Rooms from the first start."""

    collaboration_id: str
    membership_id: str
    table_association_arn: str
    """A configured table association of the membership."""
    second_table_association_arn: str
    """Another one of the same membership."""
    second_membership_id: str
    """A membership in a collaboration of its own."""


def read(folder: Folder) -> Demo:
    """Read which ids it has."""
    return Demo(**json.loads(folder.demo.read_bytes()))


def write(folder: Folder, demo: Demo) -> None:
    """Keep which ids it has."""
    write_atomically(folder.demo, json.dumps(asdict(demo)).encode())
