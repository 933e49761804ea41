"""The resources of Clean Rooms in the resource groups tagging API, as moto's backend lists them for moto's own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moto.cleanrooms.models import cleanrooms_backends
from moto.core.resource_tagging import TaggedResource

from . import emulator
from .clean_rooms.models import LOCK, backend


def install() -> None:
    """Have the tagging API list, tag and untag them."""
    tagging = emulator.module("services.tagging")
    matches_type = tagging._matches_type_filters

    def collect() -> Iterator[tuple[str, list[dict[str, str]]]]:
        for arn, resource in _resources().items():
            if resource.tags:
                yield arn, tagging._normalise_flat(resource.tags)

    def write(_: Any, arn: str, tags: Mapping[str, str]) -> None:
        with LOCK:
            _require(arn)
            backend(*_scope()).tag_resource(arn, tags)

    def remove(_: Any, arn: str, keys: Iterable[str]) -> None:
        with LOCK:
            _require(arn)
            backend(*_scope()).untag_resource(arn, list(keys))

    def _require(arn: str) -> None:
        if arn not in _resources():
            raise tagging._ResourceNotFound(arn)

    def matches_type_of_resource(arn: str, filters: list[str]) -> bool:
        resource = _resources().get(arn) if filters else None  # an ARN below a membership's would pass for a membership
        if resource is None:
            return bool(matches_type(arn, filters))
        return any(wanted in (resource.resource_type, "cleanrooms") for wanted in filters)

    tagging._COLLECTORS["cleanrooms"] = collect
    tagging._WRITERS["cleanrooms"] = write
    tagging._REMOVERS["cleanrooms"] = remove
    tagging._matches_type_filters = matches_type_of_resource


def _scope() -> tuple[str, str]:
    responses = emulator.module("core.responses")
    return responses.get_account_id(), responses.get_region()


def _resources() -> dict[str, TaggedResource]:
    """The resources of the request's account and region, by their ARNs."""
    account, region = _scope()
    if region not in cleanrooms_backends[account]:
        return {}
    with LOCK:
        return {resource.arn: resource for resource in backend(account, region).iter_tagged_resources()}
