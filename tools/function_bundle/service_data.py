"""botocore's data without the parts that the functions' clients never use. A new client spends most of its time on parsing it.

Endpoints lose the other services, service models the other operations, the shapes that only these have, and the documentation.
"""

import gzip
import json
from collections.abc import Collection, Iterator
from typing import Any, Final

SERVICES: Final = {
    "cleanrooms": (
        "CreatePrivacyBudgetTemplate",
        "DeletePrivacyBudgetTemplate",
        "GetCollaborationPrivacyBudgetTemplate",
        "GetPrivacyBudgetTemplate",
        "ListCollaborationPrivacyBudgetTemplates",
        "ListCollaborationPrivacyBudgets",
        "ListMemberships",
        "ListPrivacyBudgetTemplates",
        "ListPrivacyBudgets",
        "ListTagsForResource",
        "PreviewPrivacyImpact",
        "TagResource",
        "UntagResource",
        "UpdatePrivacyBudgetTemplate",
    ),
    "cloudformation": ("DescribeStacks",),
}
"""The services and operations that the packages below ``lambda`` call."""

_ENDPOINTS: Final = "botocore/data/endpoints.json"
_MODEL: Final = "/service-2.json.gz"


def trimmed(name: str, content: bytes) -> tuple[str, bytes]:
    """The name and the content in the zip of a distribution's file; only botocore's data changes."""
    if name == _ENDPOINTS:
        return name, _json(_endpoints(json.loads(content)))
    if name.startswith("botocore/data/") and name.endswith(".json.gz"):
        data = json.loads(gzip.decompress(content))
        return name.removesuffix(".gz"), _json(_model(data, SERVICES[name.split("/")[2]]) if name.endswith(_MODEL) else data)
    return name, content


def _endpoints(endpoints: dict[str, Any]) -> dict[str, Any]:
    partitions = [
        {**partition, "services": {name: service for name, service in partition["services"].items() if name in SERVICES}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _model(model: dict[str, Any], operations: Collection[str]) -> dict[str, Any]:
    kept = {name: operation for name, operation in model["operations"].items() if name in operations}
    wanted, shapes = list(_shapes_of(kept)), set[str]()
    while wanted:
        shape = wanted.pop()
        if shape not in shapes:
            shapes.add(shape)
            wanted += _shapes_of(model["shapes"][shape])
    slim: dict[str, Any] = _undocumented(
        {**model, "operations": kept, "shapes": {name: shape for name, shape in model["shapes"].items() if name in shapes}}
    )
    return slim


def _shapes_of(part: Any) -> Iterator[str]:
    """The names of the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _shapes_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_of(value)


def _undocumented(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _undocumented(value) for key, value in part.items() if not (key == "documentation" and isinstance(value, str))}
    if isinstance(part, list):
        return [_undocumented(value) for value in part]
    return part


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()
