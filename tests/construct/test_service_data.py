"""botocore's data in the zip is less than botocore's, and means the same for all that the handler calls."""

import ast
import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore import xform_name
from botocore.exceptions import EndpointVariantError
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.regions import EndpointResolver

from cleanrooms_privacy_budget.asset import handler_asset
from tools.function_bundle.service_data import SERVICES

ROOT = Path(__file__).parents[2]
FULL = Path(botocore.__file__).parent / "data"
OPERATIONS = [pytest.param(service, operation, id=operation) for service, operations in SERVICES.items() for operation in operations]


@pytest.fixture(scope="module")
def shipped() -> Mapping[str, bytes]:
    with zipfile.ZipFile(handler_asset().path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("botocore/data/")}


def models(shipped: Mapping[str, bytes], service: str) -> tuple[ServiceModel, ServiceModel]:
    """A service's model as botocore has it, and as the zip has it."""
    (path,) = (FULL / service).glob("*/service-2.json.gz")
    name = f"botocore/data/{path.relative_to(FULL).as_posix()}".removesuffix(".gz")
    return ServiceModel(json.loads(gzip.decompress(path.read_bytes())), service), ServiceModel(json.loads(shipped[name]), service)


def described(shape: Shape | None, above: tuple[str, ...] = ()) -> Any:
    """All that a request's serializer, a response's parser and the validation ask of a shape."""
    if shape is None or shape.name in above:
        return shape and shape.name
    inner: Any = None
    above = (*above, shape.name)
    if isinstance(shape, StructureShape):
        inner = {name: described(member, above) for name, member in shape.members.items()}
    elif isinstance(shape, ListShape):
        inner = described(shape.member, above)
    elif isinstance(shape, MapShape):
        inner = (described(shape.key, above), described(shape.value, above))
    return shape.name, shape.type_name, shape.serialization, shape.metadata, inner


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_an_operation_is_botocores(shipped: Mapping[str, bytes], service: str, operation: str) -> None:
    full, slim = (model.operation_model(operation) for model in models(shipped, service))
    assert slim.http == full.http
    assert described(slim.input_shape) == described(full.input_shape)
    assert described(slim.output_shape) == described(full.output_shape)
    assert [described(error) for error in slim.error_shapes] == [described(error) for error in full.error_shapes]
    assert full.error_shapes or service == "cloudformation"
    for name in ("name", "deprecated", "endpoint", "auth_type", "http_checksum", "idempotent_members", "auth", "static_context_parameters"):
        assert getattr(slim, name) == getattr(full, name)


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_metadata_is_botocores(shipped: Mapping[str, bytes], service: str) -> None:
    full, slim = models(shipped, service)
    assert slim.metadata == full.metadata
    assert set(slim.operation_names) == set(SERVICES[service])
    rules = [name for name in shipped if name.startswith(f"botocore/data/{service}/") and "endpoint-rule-set" in name]
    assert [shipped[name] for name in rules] != []
    for name in rules:
        assert json.loads(shipped[name]) == json.loads(gzip.decompress((FULL.parent.parent / f"{name}.gz").read_bytes()))


def endpoint(resolver: EndpointResolver, service: str, region: str, dualstack: bool, fips: bool) -> Any:
    """Where a resolver leads to, or why nowhere."""
    try:
        return resolver.construct_endpoint(service, region, use_dualstack_endpoint=dualstack, use_fips_endpoint=fips)
    except EndpointVariantError as error:
        return str(error)


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_endpoints_are_botocores_in_every_region(shipped: Mapping[str, bytes], service: str) -> None:
    full = EndpointResolver(json.loads((FULL / "endpoints.json").read_text()))
    slim = EndpointResolver(json.loads(shipped["botocore/data/endpoints.json"]))
    assert slim.get_available_partitions() == full.get_available_partitions()
    regions = {
        region
        for partition in full.get_available_partitions()
        for region in (*full.get_available_endpoints(service, partition, allow_non_regional=True), "us-east-9", "eu-west-1")
    }
    for region in sorted(regions):
        for dualstack, fips in ((False, False), (True, False), (False, True)):
            assert endpoint(slim, service, region, dualstack, fips) == endpoint(full, service, region, dualstack, fips)
    for region in ("us-east-1", "us-east-9", "eu-west-1", "us-gov-west-1", "cn-north-1"):
        assert slim.get_partition_for_region(region) == full.get_partition_for_region(region)


def test_every_operation_that_the_handler_calls_is_there() -> None:
    called = {
        argument.value
        for file in (ROOT / "lambda").glob("privacy_budget_*/*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("_call", "_pages", "call")
        for argument in node.args
        if isinstance(argument, ast.Constant) and str(argument.value).islower()
    }
    assert called == {xform_name(operation) for operations in SERVICES.values() for operation in operations}


def test_the_data_is_small(shipped: Mapping[str, bytes]) -> None:
    """What a new client parses: botocore's own is fifteen times that."""
    parsed = sum(len(content) for name, content in shipped.items() if name.endswith(("service-2.json", "endpoints.json")))
    assert parsed < 60_000
    assert not [name for name in shipped if name.endswith(".gz")]
