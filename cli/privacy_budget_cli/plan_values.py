"""What is known of a stack's values before and after its deployment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .assembly import templates_in
from .deployed import Account, Deployed
from .plan_events import Resource
from .resolve import Scope, Unresolved


@dataclass(frozen=True)
class Values:
    """The values of a stack's two templates: the one that CloudFormation last took, and the one that it would get."""

    before: Scope
    after: Scope
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    @classmethod
    def of(cls, template: Mapping[str, Any], deployed: Deployed, account: Account, given: Mapping[str, Any] | None) -> "Values":
        """The values of a stack, whose parameters are given or else stay as they are."""
        pseudo = {"Partition": "aws", "URLSuffix": "amazonaws.com", "Region": account.region, "AccountId": account.id}
        if deployed.stack_id:
            pseudo |= {"StackId": deployed.stack_id, "StackName": deployed.stack_id.split("/")[1]}
        before = Scope(
            pseudo={f"AWS::{name}": value for name, value in pseudo.items()},
            parameters=deployed.parameters,
            types=_types(deployed.template),
            physical_ids=deployed.physical_ids,
            conditions=deployed.template.get("Conditions", {}),
            exports=lambda: account.exports,
        )
        after = replace(
            before,
            parameters=_parameters(template, deployed.parameters if given is None else given),
            types=_types(template),
            changing=_changing(deployed.template, template),
            conditions=template.get("Conditions", {}),
        )
        return cls(before, after, deployed.template, template)

    def declared_before(self, physical_ids: Mapping[str, str]) -> dict[str, Resource]:
        """The templates that the stack last declared, by their logical ids."""
        found = {id_: _resource(template, self.before) for id_, template in templates_in(self.old).items()}
        return {id_: replace(resource, physical_id=physical_ids.get(id_, "")) for id_, resource in found.items()}

    def declared_now(self) -> dict[str, Resource]:
        """The templates that the app declares, by their logical ids."""
        return {id_: _resource(template, self.after) for id_, template in templates_in(self.new).items()}

    def handed_on(self, nested: str, present: Mapping[str, str]) -> dict[str, Any]:
        """The parameters for a nested stack: what cannot be resolved stays as it is at present where its expression does."""
        old, new = (
            scope.resolve(_resources(template).get(nested, {}).get("Properties", {}).get("Parameters", {}))
            for scope, template in ((self.before, self.old), (self.after, self.new))
        )
        return {name: present[name] if value == old.get(name) and name in present else value for name, value in new.items()}


def _resource(declared: Mapping[str, Any], scope: Scope) -> Resource:
    deletion = declared.get("DeletionPolicy", Resource.deletion_policy)
    replacement = declared.get("UpdateReplacePolicy", Resource.update_replace_policy)
    condition = scope.resolve(scope.conditions[declared["Condition"]]) if "Condition" in declared else None
    return Resource(scope.resolve(declared.get("Properties", {})), deletion, replacement, condition)


def _resources(template: Mapping[str, Any]) -> Mapping[str, Any]:
    resources: Mapping[str, Any] = template.get("Resources", {})
    return resources


def _types(template: Mapping[str, Any]) -> dict[str, str]:
    return {id_: resource["Type"] for id_, resource in _resources(template).items()}


def _parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A template's parameters as they are given, else by their defaults; what an SSM parameter holds that is new here is unknown."""
    values = {}
    for name, parameter in template.get("Parameters", {}).items():
        is_default = "Default" in parameter and not parameter["Type"].startswith("AWS::SSM::")
        default = str(parameter["Default"]) if is_default else Unresolved(json.dumps({"Ref": name}))
        values[name] = given.get(name, default)
    return values


def _changing(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The resources that a deployment may replace: those whose declaration changes, but for tags, and all that refer to them."""
    both = {id_: (_resources(before)[id_], new) for id_, new in _resources(after).items() if id_ in _resources(before)}
    changing: set[str] = set()
    more = {id_ for id_, (old, new) in both.items() if _identifying(old) != _identifying(new)}
    while more:
        changing |= more
        reference = re.compile(rf"\b({'|'.join(changing)})\b")
        more = {id_ for id_, (_, new) in both.items() if id_ not in changing and reference.search(json.dumps(new.get("Properties")))}
    return frozenset(changing)


def _identifying(resource: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a resource may be replaced for."""
    return resource["Type"], {name: value for name, value in resource.get("Properties", {}).items() if name != "Tags"}
