"""Responses of the emulator, completed with members that it leaves out."""

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from .. import emulator

Response = tuple[int, dict[str, str], bytes]


def error(code: str, message: str) -> Response:
    """The response with an error."""
    response: Response = emulator.module("services.cloudformation.helpers")._error(code, message)
    return response


def is_true(parameters: Mapping[str, Any], name: str) -> bool:
    """Whether a request sets a flag."""
    return str((parameters.get(name) or [""])[0]).lower() == "true"


class Element:
    """An element of a response, whose members are named without their namespace."""

    def __init__(self, element: ET.Element, namespace: str) -> None:
        self._element = element
        self._namespace = namespace

    def text(self, name: str) -> str | None:
        """The text of a member; None where it is not there."""
        return self._element.findtext(self._namespace + name)

    def member(self, name: str) -> "Element":
        """A member that is there."""
        found = self._element.find(self._namespace + name)
        if found is None:
            raise LookupError(f"The emulator's response has no {name}.")
        return Element(found, self._namespace)

    def list(self, name: str) -> list["Element"]:
        """The entries of a member that is a list."""
        entries = self._element.findall(f"{self._namespace}{name}/{self._namespace}member")
        return [Element(entry, self._namespace) for entry in entries]

    def set(self, name: str, value: str | bool | None) -> None:
        """Set a member; None leaves it as it is."""
        if value is None:
            return
        found = self._element.find(self._namespace + name)
        member = ET.SubElement(self._element, self._namespace + name) if found is None else found
        member.text = str(value).lower() if isinstance(value, bool) else value


def completed(response: Response, complete: Callable[[Element], None]) -> Response:
    """The response with its result, the element below its root, completed; an error stays as it is."""
    status, headers, body = response
    if status != 200:
        return response
    root = ET.fromstring(body)  # noqa: S314 # the emulator's own
    namespace = root.tag.partition("}")[0] + "}"
    complete(Element(root[0], namespace))
    return status, headers, ET.tostring(root, encoding="utf-8", xml_declaration=True, default_namespace=namespace[1:-1])
