"""The privacy budget templates that a synthesized app declares, stack by stack: read from a cloud assembly (cdk.out)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from privacy_budget_handler import contract

_NESTED_STACK: Final = "AWS::CloudFormation::Stack"


class NotAnAssembly(ValueError):
    """The folder holds no cloud assembly; the message says what it should be."""


@dataclass(frozen=True)
class Declared:
    """A stack as the app declares it."""

    name: str
    template: Mapping[str, Any]
    nested: Mapping[str, "Declared"]
    """Its nested stacks by their logical ids."""
    region: str | None = None
    """None where the stack takes that of the credentials."""
    account: str | None = None
    lookup_role: str | None = None
    """ARN of the role that the CDK's bootstrap made for reading, if it did."""


def stacks(folder: Path) -> Iterator[Declared]:
    """The stacks of a cloud assembly, those of its stages included. Raises NotAnAssembly."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        raise NotAnAssembly(
            f"{folder} must be the output of cdk synth (cdk.out, or a stage's folder in it), got no manifest.json"
        ) from None
    published = _published(folder)
    for artifact in manifest.get("artifacts", {}).values():
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:cloud-assembly":
            yield from stacks(folder / properties["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            account, region = (None if part.startswith("unknown-") else part for part in artifact["environment"][6:].split("/"))
            template = json.loads((folder / properties["templateFile"]).read_text())
            yield Declared(
                name=properties.get("stackName", artifact.get("displayName")),
                template=template,
                nested=_nested(template, published),
                account=account,
                region=region,
                lookup_role=properties.get("lookupRole", {}).get("arn"),
            )


def templates_in(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The resources of this package in a CloudFormation template, by their logical ids."""
    resources: Mapping[str, Any] = template.get("Resources", {})
    return {id_: resource for id_, resource in resources.items() if resource["Type"] == contract.RESOURCE_TYPE}


def _published(folder: Path) -> dict[str, Path]:
    """The files that a deployment uploads, by their keys in the bucket."""
    manifests = [json.loads(path.read_text()) for path in folder.glob("*.assets.json")]
    return {
        destination["objectKey"]: folder / asset["source"]["path"]
        for manifest in manifests
        for asset in manifest.get("files", {}).values()
        for destination in asset["destinations"].values()
    }


def _nested(template: Mapping[str, Any], published: Mapping[str, Path]) -> dict[str, Declared]:
    found = {}
    for id_, resource in template.get("Resources", {}).items():
        if resource["Type"] == _NESTED_STACK:
            url = json.dumps(resource["Properties"]["TemplateURL"])
            for file in (file for key, file in published.items() if key in url):
                inner = json.loads(file.read_text())
                found[id_] = Declared(id_, inner, _nested(inner, published))
    return found
