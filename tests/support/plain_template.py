"""The provider as a plain template, and plain templates in general."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import yaml

from tools.release import plain_template

REGIONS: tuple[str, ...] = tuple(boto3.Session().get_available_regions("cleanrooms"))
"""The regions of Clean Rooms."""


def write_plain_template(folder: Path) -> Path:
    """Write it with its zip to a folder, and give its path."""
    plain_template.write(folder)
    return folder / plain_template.TEMPLATE


def lint(template: Path, *options: str, regions: Sequence[str] = REGIONS) -> str:
    """What cfn-lint finds in a template: nothing where it is clean."""
    command = [str(Path(sys.executable).parent / "cfn-lint"), *options, "--regions", *regions, "--template", str(template)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


class _ShortForms(yaml.SafeLoader):
    """Takes ``!Ref Name`` for ``{"Ref": "Name"}``, and every other short form likewise."""


_ShortForms.add_multi_constructor("!", lambda loader, function, node: {function: loader.construct_scalar(node)})


def load(template: Path) -> dict[str, Any]:
    """A template in YAML, each short form of a function as an object of one member."""
    loaded: dict[str, Any] = yaml.load(template.read_text(), Loader=_ShortForms)
    return loaded
