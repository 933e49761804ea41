"""CloudFormation's side of the custom-resource protocol, in place of the emulator's, which takes any answer for a success.

A request is one event to a function, which Lambda delivers asynchronously, and one answer at the event's pre-signed URL. Source:
"Custom resource reference" in the CloudFormation user guide. AWS does not publish the words in which CloudFormation refuses an
answer; those here say the same in their own.
"""

import json
import secrets
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from .. import emulator
from ..errors import CustomResourceError
from . import patching

MAX_ANSWER_BYTES: Final = 4096
SECONDS_TO_ANSWER: Final = 3600
"""How long CloudFormation waits for an answer where the resource has no ``ServiceTimeout``."""

PATH: Final = "/cloudformation-custom-resource-response/"
"""Below this path are the answers' URLs."""


@dataclass
class _Request:
    """A request and, once it is there, the bytes that were put as its answer."""

    stack_id: str
    logical_id: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: bytes | None = None
    answered: threading.Event = field(default_factory=threading.Event)

    def put(self, body: bytes) -> None:
        """Take the first answer; what comes later counts no more."""
        if not self.answered.is_set():
            self.answer = body
            self.answered.set()


class CustomResources:
    """All requests of this server; their URLs are known to nobody else."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._requests: dict[str, _Request] = {}

    def put(self, target: str, content_type: str, body: bytes) -> int:
        """Take what was put at a URL and give the HTTP status: as S3 does, whose signature covers the target and an empty type."""
        request = self._requests.get(target)
        if request is None or content_type:
            return 403
        request.put(body)
        return 200

    def invoke(
        self,
        request_type: str,
        logical_id: str,
        properties: Mapping[str, Any],
        stack_name: str,
        stack_id: str,
        resource_type: str,
        physical_id: str | None = None,
        old_props: Mapping[str, Any] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Send a request and wait, on a thread of its own, for the answer's physical id and attributes. Raises CustomResourceError."""
        function = _function(properties.get("ServiceToken"))
        request = _Request(stack_id, logical_id)
        target = f"{PATH}{quote(f'{stack_id}|{logical_id}|{request.id}', safe='')}?X-Amz-Signature={secrets.token_hex(32)}"
        self._requests[target] = request
        normalise = emulator.module("services.cloudformation.custom_resource")._normalise_resource_properties
        event = {
            "RequestType": request_type,
            "ServiceToken": properties.get("ServiceToken"),
            "ResponseURL": self._endpoint + target,
            "StackId": stack_id,
            "RequestId": request.id,
            "LogicalResourceId": logical_id,
            "ResourceType": resource_type,
            "ResourceProperties": normalise(properties),
        }
        if physical_id is not None:
            event["PhysicalResourceId"] = physical_id
        if old_props is not None:
            event["OldResourceProperties"] = normalise(old_props)
        created = _start_creation(stack_name, logical_id, resource_type, properties) if request_type == "Create" else {}
        emulator.module("services.lambda_svc").invoke_async_with_retry(function, event)
        request.answered.wait(int(properties.get("ServiceTimeout", SECONDS_TO_ANSWER)))
        try:
            return _read(request)
        except CustomResourceError as failed:
            created["ResourceStatus"] = "CREATE_FAILED"
            if failed.physical_id:
                created["PhysicalResourceId"] = failed.physical_id
            raise


def _read(request: _Request) -> tuple[str, dict[str, Any]]:
    """Check an answer as CloudFormation does, and give its physical id and attributes. Raises CustomResourceError."""
    body = request.answer
    if body is None:
        raise CustomResourceError(
            f"CloudFormation did not receive a response from your custom resource. Please check your logs for requestId [{request.id}]."
        )
    if len(body) > MAX_ANSWER_BYTES:
        raise CustomResourceError(f"Response object is too long: it must have at most {MAX_ANSWER_BYTES} bytes, got {len(body)}.")
    answer = _parse(body)
    _check_addressee(answer, request)
    status, physical_id = answer.get("Status"), answer.get("PhysicalResourceId")
    if status not in ("SUCCESS", "FAILED"):
        raise CustomResourceError(f"Invalid Status in the response object: it must be SUCCESS or FAILED, got {status!r}.")
    if not isinstance(physical_id, str) or not physical_id:
        raise CustomResourceError(f"Invalid PhysicalResourceId: it must be a string that is not empty, got {physical_id!r}.")
    if status == "FAILED":
        reason = answer.get("Reason") or "(no reason)"
        raise CustomResourceError(
            f"Received response status [FAILED] from custom resource. Message returned: {reason} (RequestId: {request.id})",
            physical_id,
        )
    data = answer.get("Data") or {}
    if not isinstance(data, dict):
        raise CustomResourceError(f"Invalid Data in the response object: it must be a JSON object, got {data!r}.")
    return physical_id, data


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CustomResourceError("Invalid response object: it must be a JSON object.")
    return answer


def _check_addressee(answer: Mapping[str, Any], request: _Request) -> None:
    """Raise CustomResourceError unless the answer is for this request."""
    for name, expected in (
        ("StackId", request.stack_id),
        ("RequestId", request.id),
        ("LogicalResourceId", request.logical_id),
    ):
        if answer.get(name) != expected:
            raise CustomResourceError(f"Invalid {name} in the response object: it must be {expected!r}, got {answer.get(name)!r}.")


def _function(service_token: object) -> Any:
    """Look a function up by its ARN. Raises CustomResourceError."""
    functions = emulator.module("services.lambda_svc")
    region = emulator.module("core.responses").get_region()
    token = str(service_token)
    if token.startswith(f"arn:aws:lambda:{region}:"):
        record, configuration, _ = functions._get_func_record_for_ref(token)
        if record is not None and configuration is not None:
            return functions._execution_record_for_config(record, configuration)
    raise CustomResourceError(f"Invalid service token: it must be the ARN of a Lambda function in {region} that exists, got {token!r}.")


def _start_creation(stack_name: str, logical_id: str, resource_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Put a resource into its stack before it is created, so that it is deleted however the creation ends.

    Where no answer gives an id, CloudFormation invents one of this form.
    """
    resource = {
        "PhysicalResourceId": f"{stack_name}-{logical_id}-{secrets.token_hex(6).upper()}",
        "ResourceType": resource_type,
        "ResourceStatus": "CREATE_IN_PROGRESS",
        "LogicalResourceId": logical_id,
        "Properties": dict(properties),
        "Attributes": {},
        "Timestamp": emulator.module("core.responses").now_iso(),
    }
    emulator.module("services.cloudformation")._stacks[stack_name]["_resources"][logical_id] = resource
    return resource


def install(custom_resources: CustomResources) -> None:
    """Have stacks use this protocol, and delete what a failed create may have left."""
    emulator.module("services.cloudformation.custom_resource").invoke_custom_resource = custom_resources.invoke
    patching.replace("_roll_back_operation", _with_failed_create)


def _with_failed_create(roll_back: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def roll_back_with_failed_create(
        stack_name: str, stack_id: str, stack: Mapping[str, Any], operation: Mapping[str, Any], *reason: str, **options: str
    ) -> None:
        failed = operation.get("failed_logical_id")
        if stack["_resources"].get(failed, {}).get("ResourceStatus") == "CREATE_FAILED":
            operation = {**operation, "created": [*operation["created"], failed]}
        await roll_back(stack_name, stack_id, stack, operation, *reason, **options)

    return roll_back_with_failed_create
