"""The resources of Clean Rooms' own CloudFormation types, made through the local Clean Rooms as CloudFormation makes them.

Upstream could take these types where it takes Clean Rooms itself.
"""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import botocore.session

from .. import emulator
from ..clean_rooms_service import CleanRoomsService
from ..cloud_trail import caller_by_service
from ..cloudformation.stack_roles import acting_principal
from ..errors import CleanRoomsCallError, NativeResourceError
from .schemas import TYPES, NativeType

_SECONDS_TO_RETRY: Final = 60.0
_SECONDS_BETWEEN: Final = 0.25

Properties = Mapping[str, Any]
Provisioned = tuple[str, dict[str, Any]]
"""A physical id and attributes."""
_Request = tuple[str, str, Mapping[str, Any]]
"""An operation's verb, what of the resource it is about, and members besides those that name the resource."""
_Change = tuple[_Request, _Request]
"""A request, and the one that undoes it."""

_HANDLER_ERRORS: Final = {
    "AccessDeniedException": "AccessDenied",
    "ConflictException": "ResourceConflict",
    "InternalServerException": "ServiceInternalError",
    "ResourceNotFoundException": "NotFound",
    "ServiceQuotaExceededException": "ServiceLimitExceeded",
    "ThrottlingException": "Throttling",
    "ValidationException": "InvalidRequest",
}


class Handler:
    """Creates, updates and deletes the resources of one type."""

    def __init__(self, type_: NativeType, clean_rooms: CleanRoomsService) -> None:
        self._type = type_
        self._clean_rooms = clean_rooms
        self._deleted: set[str] = set()

    def create(self, logical_id: str, properties: Properties, _: str) -> Provisioned:
        """Create a resource with its tags and rules. Raises NativeResourceError."""
        self._check(logical_id, properties)
        request = self._request("Create", properties)
        tags = _tags(properties)
        made = self._call("Create", {**request, **({"tags": tags} if tags else {})})
        physical_id = self._physical_id(made["id"], properties)
        try:
            self._apply(physical_id, self._rule_changes({}, properties))
        except NativeResourceError:
            self.delete(physical_id, properties)
            raise
        return physical_id, self._attributes(made)

    def update(self, physical_id: str, old: Properties, new: Properties, _: str, logical_id: str) -> Provisioned:
        """Change a resource in place. Raises NativeResourceError."""
        self._check(logical_id, new)
        self._refuse_what_stays(old, new)
        self._apply(physical_id, [*self._edit(old, new), *self._rule_changes(old, new)])
        found = self._call("Get", self._ids(physical_id))
        self._set_tags(found["arn"], _tags(old), _tags(new))
        return physical_id, self._attributes(found)

    def delete(self, physical_id: str, _: Properties) -> None:
        """Delete a resource; one that is gone already is no error. Raises NativeResourceError."""
        if physical_id in self._deleted:  # the emulator's cleanup comes again for what a replacement deleted first
            return
        try:
            self._call("Delete", self._ids(physical_id))
        except NativeResourceError as failed:
            if not isinstance(failed.__cause__, CleanRoomsCallError) or failed.__cause__.status != 404:
                raise
        self._deleted.add(physical_id)

    def take(self, identifier: Mapping[str, str]) -> Provisioned:
        """Import a resource by its identifier. Raises NativeResourceError."""
        physical_id = "|".join(identifier[name] for name in self._type.identifier)
        return physical_id, self._attributes(self._call("Get", self._ids(physical_id)))

    def missing(self, *identifier: str) -> str | None:
        """Say why a resource cannot be imported; None where it can."""
        try:
            self.take(dict(zip(self._type.identifier, identifier, strict=True)))
        except NativeResourceError as failed:
            return str(failed)
        return None

    def exists(self, physical_id: str) -> bool:
        """Whether there is a resource of this physical id."""
        return self.missing(*physical_id.split("|")) is None

    def _check(self, logical_id: str, properties: Properties) -> None:
        """Refuse what the schema does not know, and what it misses."""
        wrong = [
            *(f"#: required key [{name}] not found" for name in self._type.required if name not in properties),
            *(
                f"#: extraneous key [{name}] is not permitted"
                for name in properties
                if name not in (*self._type.required, *self._type.optional)
            ),
        ]
        if wrong:
            raise NativeResourceError(f"Properties validation failed for resource {logical_id} with message:\n[{', '.join(wrong)}]")

    def _request(self, verb: str, properties: Properties) -> dict[str, Any]:
        """Write the members of a request: those properties that its operation has, apart from the tags."""
        members = _operation(verb + self._type.name).input_shape.members
        written = {}
        for name, value in _spelled_out(properties, updating=verb == "Update").items():
            member = self._member(verb, name)
            if member in members and name != "Tags" and not (verb == "Update" and name in self._type.identifier):
                written[member] = _typed(members[member], value, name)
        return written

    def _refuse_what_stays(self, old: Properties, new: Properties) -> None:
        """Refuse a change for which the service has no operation, although the schema has it updated in place."""
        members = _operation(f"Update{self._type.name}").input_shape.members
        for name in self._type.optional:
            if name in ("Tags", self._type.rules) or name in self._type.create_only or old.get(name) == new.get(name):
                continue
            if self._member("Update", name) not in members:
                raise NativeResourceError(
                    f"{name} cannot be updated, as Update{self._type.name} has no such member: got {new.get(name)!r}."
                )

    def _edit(self, old: Properties, new: Properties) -> Iterator[_Change]:
        request, undone = self._request("Update", new), self._request("Update", old)
        if request != undone:
            yield ("Update", "", request), ("Update", "", undone)

    def _rule_changes(self, old: Properties, new: Properties) -> Iterator[_Change]:
        """The changes that bring the analysis rules to the property's value; a rule is deleted before another one is created."""
        before, after = ({rule["Type"]: rule["Policy"] for rule in of.get(self._type.rules) or ()} for of in (old, new))
        for type_ in sorted(before.keys() | after.keys(), key=after.__contains__):
            policies = before.get(type_), after.get(type_)
            if policies[0] != policies[1]:
                yield self._rule_request(type_, *policies), self._rule_request(type_, *reversed(policies))

    def _rule_request(self, type_: str, old: Properties | None, new: Properties | None) -> _Request:
        verb = "Delete" if new is None else "Create" if old is None else "Update"
        members: dict[str, Any] = {"analysisRuleType": type_}
        if new is not None:
            shape = _operation(f"{verb}{self._type.name}AnalysisRule").input_shape.members["analysisRulePolicy"]
            members["analysisRulePolicy"] = _typed(shape, new, f"{self._type.rules}/Policy")
        return verb, "AnalysisRule", members

    def _apply(self, physical_id: str, changes: Iterable[_Change]) -> None:
        """Change a resource; where a request is refused, undo those before it. Raises NativeResourceError."""
        ids, undo = self._ids(physical_id), list[_Request]()
        for (verb, of, members), undone in list(changes):
            try:
                self._call(verb, {**ids, **members}, of)
            except NativeResourceError:
                for verb_back, of_back, members_back in reversed(undo):
                    self._call(verb_back, {**ids, **members_back}, of_back)
                raise
            undo.append(undone)

    def _set_tags(self, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        if changed:
            self._send("TagResource", {"resourceArn": arn, "tags": changed})
        if old.keys() - new.keys():
            self._send("UntagResource", {"resourceArn": arn, "tagKeys": sorted(old.keys() - new.keys())})

    def _member(self, verb: str, name: str) -> str:
        """The member of a request that holds a property."""
        members = _operation(verb + self._type.name).input_shape.members
        return self._type.renamed.get(f"{verb}.{name}") or _spelling(members, name)

    def _ids(self, physical_id: str) -> dict[str, str]:
        """The members of a request that name a resource."""
        return {name[0].lower() + name[1:]: value for name, value in zip(self._type.identifier, physical_id.split("|"), strict=True)}

    def _physical_id(self, id_: str, properties: Properties) -> str:
        return "|".join([id_, *(str(properties[name]) for name in self._type.identifier[1:])])

    def _attributes(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: found[member] for name, member in self._type.attributes.items()}

    def _call(self, verb: str, members: Mapping[str, Any], of: str = "") -> dict[str, Any]:
        answer = self._send(verb + self._type.name + of, members)
        resource: dict[str, Any] = answer.get(self._type.member, {})
        return resource

    def _send(self, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call in the stack's name, and wait out what passes. Raises NativeResourceError."""
        account = emulator.module("core.responses").get_account_id()
        caller = caller_by_service(acting_principal(), account, "cloudformation.amazonaws.com")
        deadline = time.monotonic() + _SECONDS_TO_RETRY
        while True:
            try:
                return self._clean_rooms.call(operation, members, caller)
            except CleanRoomsCallError as failed:
                if failed.code == "ThrottlingException" and time.monotonic() < deadline:
                    time.sleep(_SECONDS_BETWEEN)
                    continue
                code = "AlreadyExists" if failed.reason == "ALREADY_EXISTS" else _HANDLER_ERRORS.get(failed.code, "GeneralServiceException")
                raise NativeResourceError(
                    f'Resource handler returned message: "{failed} (Service: CleanRooms, Status Code: {failed.status})"'
                    f" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})"
                ) from failed


def install(clean_rooms: CleanRoomsService) -> dict[str, Handler]:
    """Have stacks make, import and tag these types, and give their handlers."""
    provisioners = emulator.module("services.cloudformation.provisioners")
    lookups = emulator.module("services.cloudformation.changesets")._IMPORT_LOOKUPS
    handlers = {type_.type: Handler(type_, clean_rooms) for type_ in TYPES}
    for type_ in TYPES:
        handler = handlers[type_.type]
        provisioners._RESOURCE_HANDLERS[type_.type] = {
            "create": handler.create,
            "update": handler.update,
            "update_with_logical_id": True,
            "delete": handler.delete,
            "import": handler.take,
        }
        provisioners._STACK_TAG_PROPERTY[type_.type] = ("Tags", "list")
        lookups[type_.type] = (type_.identifier, handler.missing)
    return handlers


@cache
def _service() -> Any:
    return botocore.session.get_session().get_service_model("cleanrooms")


def _operation(name: str) -> Any:
    return _service().operation_model(name)


def _spelled_out(properties: Properties, *, updating: bool) -> dict[str, Any]:
    """Write a template's parameters as the service has them: below the name of their budget type."""
    if "PrivacyBudgetType" not in properties:
        return dict(properties)
    type_ = properties["PrivacyBudgetType"]
    parameters = {name: value for name, value in properties["Parameters"].items() if not (updating and name == "ResourceArn")}
    member = {"DIFFERENTIAL_PRIVACY": "DifferentialPrivacy", "ACCESS_BUDGET": "AccessBudget"}.get(type_, type_)
    return {**properties, "Parameters": {member: parameters}}


def _typed(shape: Any, value: Any, path: str) -> Any:
    """Write a property's value under the service's names and in its types, as CloudFormation converts what templates hold as text.

    What cannot be converted stays, for the service to refuse. Raises NativeResourceError for a name that the service does not know.
    """
    match shape.type_name, value:
        case "structure", dict():
            unknown = [name for name in value if _spelling(shape.members, name) not in shape.members]
            if unknown:
                raise NativeResourceError(
                    f"Properties validation failed with message:\n[#/{path}: extraneous key [{unknown[0]}] is not permitted]"
                )
            members = {_spelling(shape.members, name): (name, entry) for name, entry in value.items()}
            return {member: _typed(shape.members[member], entry, f"{path}/{name}") for member, (name, entry) in members.items()}
        case "list", list():
            return [_typed(shape.member, entry, f"{path}/{index}") for index, entry in enumerate(value)]
        case "string", bool() | int() | float():
            return json.dumps(value)
        case (("integer" | "long"), str()) if value.removeprefix("-").isdecimal():
            return int(value)
        case (("double" | "float"), str()) if value.replace(".", "", 1).isdecimal():
            return float(value)
        case "boolean", "true" | "false":
            return value == "true"
    return value


def _spelling(members: Mapping[str, Any], name: str) -> str:
    """The member of a shape that a property's name means; the two differ in capitals."""
    return next((member for member in members if member.lower() == name.lower()), name)


def _tags(properties: Properties) -> dict[str, str]:
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in properties.get("Tags") or ()}
