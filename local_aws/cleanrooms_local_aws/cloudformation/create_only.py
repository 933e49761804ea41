"""Properties inside of other properties that replace their resource, such as ``Parameters/ResourceArn`` of a privacy budget template.

The emulator decides by the names of a resource's own properties. In its table of replacing properties, a name with a slash is a path.
Upstream could take this: the schemas have such paths in ``createOnlyProperties``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .. import emulator
from . import patching


def install() -> None:
    """Have the emulator replace on such properties too."""
    patching.replace("_replacing_change", _by_paths)


def _by_paths(replacing_change: Callable[..., bool]) -> Callable[..., bool]:
    return lambda type_, old, new: replacing_change(type_, by_path(type_, old), by_path(type_, new))


def by_path(type_: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties, with those that replace the resource under their paths instead of inside others."""
    replacing = emulator.module("services.cloudformation.provisioners")._REPLACING_PROPERTIES.get(type_) or ()
    found = dict(properties)
    for path in replacing:
        outer, _, inner = path.partition("/")
        if inner and isinstance(found.get(outer), dict) and inner in found[outer]:
            found[path] = found[outer][inner]
            found[outer] = {name: value for name, value in found[outer].items() if name != inner}
    return found


def at(properties: Any, path: str) -> Any:
    """The value at a path; None if there is none."""
    for name in path.split("/"):
        properties = properties.get(name) if isinstance(properties, Mapping) else None
    return properties
