"""The stacks of a synthesized app: their names, their templates, and the roles of the CDK's bootstrap that deploy and read them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from ..errors import CommandError


@dataclass(frozen=True)
class Role:
    """A role of the CDK's bootstrap, as the manifest names it."""

    arn: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of AssumeRole."""


@dataclass(frozen=True)
class TemplateAsset:
    """The template of a stack or of a nested stack, which a deployment uploads."""

    file: Path
    bucket: str
    key: str
    role: Role | None = None


@dataclass(frozen=True)
class DeclaredStack:
    """A stack to plan."""

    name: str
    template: Path | None = None
    """None where only a change set is read."""
    region: str | None = None
    """None for the region of the credentials."""
    account: str | None = None
    deploy_role: Role | None = None
    execution_role: str | None = None
    lookup_role: Role | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    assets: tuple[TemplateAsset, ...] = ()
    """The stack's template and those of its nested stacks; empty for a single template."""

    def mentions(self, *texts: str) -> bool:
        """Whether its template contains all of these texts."""
        text = read_text(self.template) if self.template else ""
        return all(one in text for one in texts)


def stacks(folder: Path) -> Iterator[DeclaredStack]:
    """The stacks of a cloud assembly and of its stages, each after its dependencies. Raises CommandError."""
    manifest_file = folder / "manifest.json"
    if not manifest_file.exists():
        raise CommandError(
            f"{folder} must be the output of cdk synth (cdk.out, or a stage's folder in it) or a stack's template, got no manifest.json"
        )
    artifacts = _json(manifest_file).get("artifacts", {})
    assets = _template_assets(folder)
    for id_ in TopologicalSorter({id_: artifact.get("dependencies", ()) for id_, artifact in artifacts.items()}).static_order():
        artifact = artifacts.get(id_, {"type": "of another assembly"})
        if artifact["type"] == "cdk:cloud-assembly":
            yield from stacks(folder / artifact["properties"]["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            yield _stack(folder, artifact, assets)


def _stack(folder: Path, artifact: Mapping[str, Any], assets: tuple[TemplateAsset, ...]) -> DeclaredStack:
    properties = artifact["properties"]
    template = folder / properties["templateFile"]
    account, region = (None if part.startswith("unknown-") else part for part in artifact["environment"].removeprefix("aws://").split("/"))
    text = read_text(template)
    return DeclaredStack(
        name=properties.get("stackName", artifact.get("displayName")),
        template=template,
        region=region,
        account=account,
        deploy_role=_role(properties, "assumeRole"),
        execution_role=properties.get("cloudFormationExecutionRoleArn"),
        lookup_role=_role(properties.get("lookupRole", {}), ""),
        parameters=properties.get("parameters", {}),
        tags=properties.get("tags", {}),
        assets=tuple(asset for asset in assets if asset.file == template or asset.key in text or ".nested." in asset.file.name),
    )


def _role(properties: Mapping[str, Any], prefix: str) -> Role | None:
    """A role by its members arn, externalId and additionalOptions; a prefix comes before each name."""
    arn, external, additional = ("assumeRoleArn", "assumeRoleExternalId", "assumeRoleAdditionalOptions")
    if not prefix:
        arn = "arn"
    if arn not in properties:
        return None
    options = dict(properties.get(additional, {}))
    if external in properties:
        options["ExternalId"] = properties[external]
    return Role(properties[arn], options)


def _template_assets(folder: Path) -> tuple[TemplateAsset, ...]:
    return tuple(
        TemplateAsset(
            folder / asset["source"]["path"], destination["bucketName"], destination["objectKey"], _role(destination, "assumeRole")
        )
        for file in sorted(folder.glob("*.assets.json"))
        for asset in _json(file).get("files", {}).values()
        if asset["source"].get("path", "").endswith(".template.json")
        for destination in asset["destinations"].values()
    )


def read_text(file: Path) -> str:
    """A file's text, in UTF-8. Raises CommandError."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} must be text in UTF-8, got something else: {error}") from None


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(read_text(file))
    except ValueError as error:
        raise CommandError(f"{file} must be JSON, as cdk synth writes it, got something else: {error}") from None
    if not isinstance(read, dict):
        raise CommandError(f"{file} must hold a JSON object, as cdk synth writes it")
    return read
