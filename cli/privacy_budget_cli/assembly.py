"""The stacks that a synthesized app declares: read from a cloud assembly (cdk.out), or from one stack's template."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

from privacy_budget_handler import contract

from .errors import Problem

NESTED_STACK: Final = "AWS::CloudFormation::Stack"


class NotAnAssembly(Problem):
    """There is no cloud assembly and no template; the message says what it should be."""


@dataclass(frozen=True)
class Declared:
    """A stack as the app declares it."""

    name: str
    template: Mapping[str, Any] = field(default_factory=dict)
    nested: Mapping[str, "Declared"] = field(default_factory=dict)
    """Its nested stacks by their logical ids."""
    region: str | None = None
    """None where the stack takes that of the credentials."""
    account: str | None = None
    lookup_role: str | None = None
    """ARN of the role that the CDK's bootstrap made for reading, if it did."""


def stacks(folder: Path) -> Iterator[Declared]:
    """The stacks of a cloud assembly, those of its stages included, each after those that it depends on. Raises NotAnAssembly."""
    try:
        manifest = _json(folder / "manifest.json")
    except FileNotFoundError:
        raise NotAnAssembly(
            f"{folder} must be the output of cdk synth (cdk.out, or a stage's folder in it) or a stack's template, got no manifest.json"
        ) from None
    published = _published(folder)
    artifacts = manifest.get("artifacts", {})
    for id_ in TopologicalSorter({id_: artifact.get("dependencies", ()) for id_, artifact in artifacts.items()}).static_order():
        artifact = artifacts[id_]
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:cloud-assembly":
            yield from stacks(folder / properties["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            account, region = (None if part.startswith("unknown-") else part for part in artifact["environment"][6:].split("/"))
            template = _json(folder / properties["templateFile"])
            yield Declared(
                name=properties.get("stackName", artifact.get("displayName")),
                template=template,
                nested=_nested(template, published),
                account=account,
                region=region,
                lookup_role=properties.get("lookupRole", {}).get("arn"),
            )


def stack(file: Path, name: str) -> Declared:
    """The stack of one template, with the nested ones whose templates lie beside it as in a cloud assembly. Raises NotAnAssembly."""
    template = _json(file)
    return Declared(name, template, _nested(template, _published(file.parent)))


def templates_in(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The resources of this package in a CloudFormation template, by their logical ids."""
    resources: Mapping[str, Any] = template.get("Resources", {})
    return {id_: resource for id_, resource in resources.items() if resource["Type"] == contract.RESOURCE_TYPE}


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text())
    except ValueError as error:
        raise NotAnAssembly(f"{file} must be JSON, as cdk synth writes it, got something else: {error}") from None
    if not isinstance(read, dict):
        raise NotAnAssembly(f"{file} must hold a JSON object, as cdk synth writes it")
    return read


def _published(folder: Path) -> dict[str, Path]:
    """The files that a deployment uploads, by their keys in the bucket."""
    return {
        destination["objectKey"]: folder / asset["source"]["path"]
        for path in folder.glob("*.assets.json")
        for asset in _json(path).get("files", {}).values()
        for destination in asset["destinations"].values()
    }


def _nested(template: Mapping[str, Any], published: Mapping[str, Path]) -> dict[str, Declared]:
    found = {}
    for id_, resource in template.get("Resources", {}).items():
        if resource["Type"] == NESTED_STACK:
            url = json.dumps(resource["Properties"]["TemplateURL"])
            files = [file for key, file in published.items() if key in url]
            if not files:
                raise NotAnAssembly(f"the template of the nested stack {id_} must be beside its parent's, as cdk synth writes it, got none")
            inner = _json(files[0])
            found[id_] = Declared(id_, inner, _nested(inner, published))
    return found
