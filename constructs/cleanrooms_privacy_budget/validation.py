"""What only the final tree can tell of a stack's templates: their tags, their removal policies, and whether two are one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import jsii
from aws_cdk import Annotations, CfnDeletionPolicy, CfnResource, IResolvable, Stack
from constructs import Construct, IValidation

from privacy_budget_core import contract

from .literals import is_token

WARNING_PREFIX: Final = "cleanrooms-privacy-budget:"


@dataclass(frozen=True)
class DeclaredTemplate:
    """A template that is judged once the tree is final."""

    construct: Construct
    identity: tuple[str, ...]
    """Membership, budget type and table: Clean Rooms allows one template of each."""
    is_access_budget: bool
    tags: IResolvable
    """Its tags, as they are rendered."""


@jsii.implements(IValidation)
class StackValidation:
    """The validation of a stack's templates: one for all of them, as every call of jsii takes time."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._templates: list[DeclaredTemplate] = []
        stack.node.add_validation(self)
        _warn_of_region(stack)

    def add(self, template: DeclaredTemplate) -> None:
        """Judge a template once the tree is final."""
        self._templates.append(template)

    def validate(self) -> list[str]:
        """The rules that the templates break, each with the path of its template. Called by the CDK, after all aspects."""
        errors = [*_declared_twice(self._templates)]
        resolved: list[dict[str, list[dict[str, Any]]]] = self._stack.resolve([{"Tags": template.tags} for template in self._templates])
        for template, properties in zip(self._templates, resolved, strict=True):
            _warn_of_removal(template)
            errors += [f"{rule} [{template.construct.node.path}]" for rule in _broken_tag_rules(properties.get("Tags", []))]
        return errors


_OF_STACKS: Final[dict[Stack, StackValidation]] = {}


def validation_of(stack: Stack) -> StackValidation:
    """The validation of a stack, added to the tree with the stack's first template."""
    if stack not in _OF_STACKS:
        _OF_STACKS[stack] = StackValidation(stack)
    return _OF_STACKS[stack]


def _declared_twice(templates: list[DeclaredTemplate]) -> Iterator[str]:
    """Two templates of one identity in one stack, unless each depends on a condition: only one of them could exist."""
    first: dict[tuple[str, ...], DeclaredTemplate] = {}
    for template in templates:
        other = first.setdefault(template.identity, template)
        if other is not template and not (_is_conditional(other) and _is_conditional(template)):
            yield (
                f"{other.construct.node.path} declares the same privacy budget: Clean Rooms allows one template of a membership, budget"
                f" type and table. Remove one of them [{template.construct.node.path}]"
            )


def _is_conditional(template: DeclaredTemplate) -> bool:
    return _resource(template).cfn_options.condition is not None


def _resource(template: DeclaredTemplate) -> CfnResource:
    return cast(CfnResource, template.construct.node.default_child)


def _broken_tag_rules(tags: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rules that tags break. A tag's value may be a secret, so only its length is shown."""
    if len(tags) not in contract.TAGS:
        yield f"tags must be at most {contract.TAGS.maximum}, got {len(tags)}"
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if key.startswith(contract.RESERVED_TAG_PREFIXES):
            yield f"tag keys must not start with a reserved prefix ({', '.join(contract.RESERVED_TAG_PREFIXES)}), got {key!r}"
        if len(key) not in contract.TAG_KEY_LENGTH and not is_token(key):
            yield f"tag keys must have {contract.TAG_KEY_LENGTH.minimum} to {contract.TAG_KEY_LENGTH.maximum} characters, got {key!r}"
        if len(value) not in contract.TAG_VALUE_LENGTH and not is_token(value):
            yield f"tag values must have at most {contract.TAG_VALUE_LENGTH.maximum} characters, got {len(value)} in that of {key!r}"


def _warn_of_removal(template: DeclaredTemplate) -> None:
    """Warn of an access budget that its stack deletes, whichever way it was told to."""
    if template.is_access_budget and _resource(template).cfn_options.deletion_policy in (CfnDeletionPolicy.DELETE, None):
        Annotations.of(template.construct).add_warning_v2(
            f"{WARNING_PREFIX}delete-uncaps-table",
            "Deleting an access budget makes its table unlimited, and this template is deleted with its stack. Use"
            " RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE to keep the limits.",
        )


def _warn_of_region(stack: Stack) -> None:
    if stack.region not in contract.REGIONS and not is_token(stack.region):
        Annotations.of(stack).add_warning_v2(
            f"{WARNING_PREFIX}region-without-clean-rooms",
            f"This version knows no AWS Clean Rooms in {stack.region}; its regions are {', '.join(sorted(contract.REGIONS))}. Deploy the"
            " stack to one of them, or acknowledge this warning where the region is new.",
        )
