"""Rules that only the final tree can break: on the tags of templates, on their removal policies, and on two templates of one identity."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import jsii
from aws_cdk import Annotations, CfnDeletionPolicy, CfnResource, IResolvable, Stack
from constructs import Construct, IValidation

from privacy_budget_core import contract

from .literals import is_token

WARNING_PREFIX: Final = "cleanrooms-privacy-budget:"


@dataclass
class DeclaredTemplate:
    """A template that is judged once the tree is final."""

    construct: Construct
    identity: tuple[Any, ...]
    """Membership, budget type and table, of which any may be a token: Clean Rooms allows one template of each."""
    is_access_budget: bool
    tags: IResolvable | None = None
    """Its tags, as they are rendered; None where nothing has set a tag."""


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
        unresolved = [{"Identity": list(template.identity), "Tags": template.tags} for template in self._templates]
        resolved: list[dict[str, Any]] = self._stack.resolve(unresolved)
        errors = [*_declared_twice(self._templates, [json.dumps(values["Identity"], sort_keys=True) for values in resolved])]
        for template, values in zip(self._templates, resolved, strict=True):
            rules = [*_broken_removal_rules(template), *_broken_tag_rules(values.get("Tags") or [])]
            errors += [f"{rule} [{template.construct.node.path}]" for rule in rules]
        return errors


_OF_STACKS: Final[dict[Stack, StackValidation]] = {}


def validation_of(stack: Stack) -> StackValidation:
    """The validation of a stack, added to the tree with the stack's first template."""
    if stack not in _OF_STACKS:
        _OF_STACKS[stack] = StackValidation(stack)
    return _OF_STACKS[stack]


def _declared_twice(templates: Sequence[DeclaredTemplate], identities: Sequence[str]) -> Iterator[str]:
    """Two templates of one identity in one stack, unless each depends on a condition: only one of them could exist."""
    first: dict[str, DeclaredTemplate] = {}
    for template, identity in zip(templates, identities, strict=True):
        other = first.setdefault(identity, template)
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
    """The rules that literal tags break. A tag's value may be a secret, so only its length is shown."""
    if len(tags) not in contract.TAGS:
        yield f"tags must be at most {contract.TAGS.maximum}, got {len(tags)}"
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if isinstance(key, str) and key.startswith(contract.RESERVED_TAG_PREFIXES):
            yield f"tag keys must not start with a reserved prefix ({', '.join(contract.RESERVED_TAG_PREFIXES)}), got {key!r}"
        if isinstance(key, str) and len(key) not in contract.TAG_KEY_LENGTH:
            yield f"tag keys must have {contract.TAG_KEY_LENGTH.minimum} to {contract.TAG_KEY_LENGTH.maximum} characters, got {key!r}"
        if isinstance(value, str) and len(value) not in contract.TAG_VALUE_LENGTH:
            yield f"tag values must have at most {contract.TAG_VALUE_LENGTH.maximum} characters, got {len(value)} in that of {key!r}"


def _broken_removal_rules(template: DeclaredTemplate) -> Iterator[str]:
    """The rule that an access budget's final removal policy breaks; where the policy deletes it, a warning.

    Other templates are not asked: it would take a third of their synth, and CloudFormation refuses snapshots before it deploys anything.
    """
    if not template.is_access_budget:
        return
    policy = _resource(template).cfn_options.deletion_policy
    if policy == CfnDeletionPolicy.SNAPSHOT:
        yield "removal_policy must not be SNAPSHOT, since Clean Rooms has no snapshots"
    elif policy in (CfnDeletionPolicy.DELETE, None):
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
