"""The privacy budget template as a construct, which the provider's function creates."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

import jsii
from aws_cdk import (
    Annotations,
    CfnResource,
    CustomResource,
    Fn,
    IResolvable,
    ITaggableV2,
    RemovalPolicy,
    Resource,
    Stack,
    TagManager,
    TagType,
    Token,
)
from aws_cdk import aws_iam as iam
from constructs import Construct

from privacy_budget_core import contract
from privacy_budget_core.contract import AggregationType, Attribute, AutoRefresh, OnBudgetReset, OnExisting, PrivacyBudgetType, Property

from .budget import PrivacyBudget
from .literals import is_token, not_a_flag, not_among, rendered
from .permissions import CHANGE, READ, READ_BALANCE, template_arns
from .provider import IPrivacyBudgetProvider, PrivacyBudgetProvider, stack_of
from .validation import WARNING_PREFIX, DeclaredTemplate, validation_of

STACK_TAG_PRIORITY: Final = 0
"""Tags that a stack was made with give way to every ``Tags.of(...)``, whose priority is 100 by default."""

REMOVAL_POLICIES: Final = (RemovalPolicy.DESTROY, RemovalPolicy.RETAIN, RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
"""All but SNAPSHOT: Clean Rooms has no snapshots."""


class IPrivacyBudgetTemplate(Protocol):
    """A privacy budget template: of this app, or imported."""

    @property
    def stack(self) -> Stack:
        """The stack that declares or imports it."""
        ...

    @property
    def privacy_budget_template_arn(self) -> str:
        """The template's ARN as Clean Rooms has it now."""
        ...

    @property
    def privacy_budget_template_id(self) -> str:
        """The template's id, a UUID."""
        ...

    @property
    def membership_id(self) -> str:
        """The id of the membership that the template belongs to, a UUID."""
        ...

    @property
    def membership_arn(self) -> str:
        """The ARN of that membership."""
        ...

    @property
    def collaboration_arn(self) -> str:
        """The ARN of the collaboration that the template belongs to."""
        ...

    @property
    def collaboration_id(self) -> str:
        """The id of that collaboration, a UUID."""
        ...

    @property
    def arns_to_grant(self) -> list[str]:
        """The ARNs that a policy on this template must name: every form that IAM may compare with."""
        ...

    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow IAM actions on this template."""
        ...

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading this template, its tags, and the remaining budgets of its membership."""
        ...

    def grant_manage(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading this template, editing it, tagging it and deleting it."""
        ...


class _Grants:
    """The grants of a template, by its ARNs."""

    def grant(self: IPrivacyBudgetTemplate, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow IAM actions on this template.

        :param grantee: Who is allowed to.
        :param actions: The actions, such as ``cleanrooms:TagResource``.
        """
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=self.arns_to_grant)

    def grant_read(self: IPrivacyBudgetTemplate, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading this template, its tags, and the remaining budgets of its membership."""
        listed = [self.membership_arn, f"{self.membership_arn}/privacybudgettemplate/*"]
        balances = iam.Grant.add_to_principal(grantee=grantee, actions=list(READ_BALANCE), resource_arns=listed)
        return self.grant(grantee, *READ).combine(balances)

    def grant_manage(self: IPrivacyBudgetTemplate, grantee: iam.IGrantable) -> iam.Grant:
        """Allow reading this template, editing it, tagging it and deleting it."""
        return self.grant_read(grantee).combine(self.grant(grantee, *CHANGE))


@jsii.implements(ITaggableV2)
class PrivacyBudgetTemplate(CustomResource, _Grants):
    """A privacy budget template on a Clean Rooms membership.

    It is one CloudFormation resource of type ``Custom::CleanRoomsPrivacyBudgetTemplate``. Tags come from ``Tags.of(...)`` and from
    the stack's own tags.

    Source: "Privacy budget templates" in the AWS Clean Rooms user guide, and CreatePrivacyBudgetTemplate in its API reference.

    :param membership_id: The id of the membership, a lower-case UUID or a token. A change creates a template on the new
        membership; ``removal_policy`` decides what happens to the old one.
    :param budget: What the template grants.
    :param on_existing: What happens if a template of this membership and budget type (and table) exists.
        Default: the deployment fails and names it.
    :param on_budget_reset: What happens if an update would reset a budget that has been partly consumed. Default: the deployment fails
        and says what would be lost.
    :param removal_policy: What happens to the template when it leaves the stack, or the stack is deleted; any but SNAPSHOT. Default:
        it is kept with its remaining budget, unless its own creation is rolled back.
    :param provider: The function that manages it. Default: the stack's own, ``PrivacyBudgetProvider.get_or_create``.
    :param preview_impact: Whether Clean Rooms is asked, at each deployment, how many aggregations the budget allows: see
        ``max_aggregations``. For differential privacy only. Default: no.
    :raises ValueError: A literal breaks a rule of the service; nothing was added to the tree.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        membership_id: str,
        budget: PrivacyBudget,
        on_existing: OnExisting = OnExisting.FAIL,
        on_budget_reset: OnBudgetReset = OnBudgetReset.REFUSE,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        provider: IPrivacyBudgetProvider | None = None,
        preview_impact: bool | IResolvable = False,
    ) -> None:
        known = PrivacyBudgetProvider.of(scope) if provider is None else provider
        _check(scope, id, _broken_rules(membership_id, budget, on_existing, on_budget_reset, removal_policy, preview_impact, known))
        if isinstance(known, PrivacyBudgetProvider):
            guardrails = known.guardrails
            _check(scope, id, [*budget.broken_guardrails(guardrails), *guardrails.option_violations(on_existing, on_budget_reset)])
        provider = known or PrivacyBudgetProvider.get_or_create(scope)
        self._membership_id = membership_id if isinstance(membership_id, str) else Token.as_string(membership_id)
        self._preview_impact = preview_impact
        self._tag_manager: TagManager | None = None
        properties: dict[str, Any] = {
            Property.MEMBERSHIP_IDENTIFIER.value: membership_id,
            Property.PRIVACY_BUDGET_TYPE.value: budget.budget_type.value,
            **budget.properties,
        }
        if on_existing != OnExisting.FAIL:
            properties[Property.ON_EXISTING.value] = rendered(on_existing)
        if on_budget_reset != OnBudgetReset.REFUSE:
            properties[Property.ON_BUDGET_RESET.value] = rendered(on_budget_reset)
        if preview_impact:
            properties[Property.PREVIEW_IMPACT.value] = preview_impact
        super().__init__(
            scope,
            id,
            service_token=provider.service_token,
            service_timeout=provider.service_timeout,
            resource_type=contract.RESOURCE_TYPE,
            properties=properties,
            removal_policy=removal_policy,
        )
        identity = (membership_id, budget.budget_type.value, budget.resource_arn or "")
        is_access_budget = budget.budget_type is PrivacyBudgetType.ACCESS_BUDGET
        self._declared = DeclaredTemplate(self, identity, is_access_budget)
        validation_of(stack_of(scope)).add(self._declared)
        for key, value in _tags_of(stack_of(scope)).items():
            self.cdk_tag_manager.set_tag(key, value, STACK_TAG_PRIORITY)
        for warning, message in _warnings(budget, on_budget_reset):
            Annotations.of(self).add_warning_v2(f"{WARNING_PREFIX}{warning}", message)

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Set what happens to the template when it leaves the stack, or the stack is deleted.

        :param policy: Any but SNAPSHOT.
        :raises ValueError: The policy is SNAPSHOT, or none of CDK's: Clean Rooms has no snapshots.
        """
        for rule in not_among("removal_policy", policy, REMOVAL_POLICIES, may_be_token=False):
            raise ValueError(f"{rule} [{self.node.path}]")
        super().apply_removal_policy(policy)

    @staticmethod
    def from_privacy_budget_template_arn(scope: Construct, id: str, privacy_budget_template_arn: str) -> IPrivacyBudgetTemplate:
        """Import a template by its ARN, which is passed through as it is.

        An attribute that is not in the ARN (the collaboration and, in the ARN's short form, the membership) raises ValueError when it
        is read; ``from_privacy_budget_template_attributes`` accepts it.
        """
        return _ImportedTemplate(scope, id, privacy_budget_template_arn)

    @staticmethod
    def from_privacy_budget_template_attributes(
        scope: Construct,
        id: str,
        *,
        privacy_budget_template_arn: str,
        membership_arn: str | None = None,
        collaboration_arn: str | None = None,
    ) -> IPrivacyBudgetTemplate:
        """Import a template by its attributes, which are not checked. An attribute that is left out raises ValueError when it is read.

        :param privacy_budget_template_arn: The template's ARN, in either form.
        :param membership_arn: The ARN of its membership. Default: the one in the template's ARN.
        :param collaboration_arn: The ARN of its collaboration. Default: none.
        """
        return _ImportedTemplate(scope, id, privacy_budget_template_arn, membership_arn, collaboration_arn)

    @property
    def cdk_tag_manager(self) -> TagManager:
        """The template's tags, as ``Tags.of`` sets them."""
        if self._tag_manager is None:  # made when somebody asks: most templates have no tags, and each call of jsii takes time
            self._tag_manager = TagManager(TagType.KEY_VALUE, contract.RESOURCE_TYPE)
            self._declared.tags = self._tag_manager.rendered_tags
            cast(CfnResource, self.node.default_child).add_property_override(Property.TAGS.value, self._declared.tags)
        return self._tag_manager

    @property
    def privacy_budget_template_arn(self) -> str:
        """The template's ARN as Clean Rooms has it now; ``ref`` is the ARN that it was created with."""
        return self.get_att_string(Attribute.ARN)

    @property
    def privacy_budget_template_id(self) -> str:
        """The template's id, a UUID."""
        return self.get_att_string(Attribute.PRIVACY_BUDGET_TEMPLATE_IDENTIFIER)

    @property
    def membership_id(self) -> str:
        """The id of the membership that the template belongs to, as it was declared."""
        return self._membership_id

    @property
    def membership_arn(self) -> str:
        """The ARN of that membership."""
        return self.get_att_string(Attribute.MEMBERSHIP_ARN)

    @property
    def collaboration_arn(self) -> str:
        """The ARN of the collaboration that the template belongs to."""
        return self.get_att_string(Attribute.COLLABORATION_ARN)

    @property
    def collaboration_id(self) -> str:
        """The id of that collaboration, a UUID."""
        return self.get_att_string(Attribute.COLLABORATION_IDENTIFIER)

    def max_aggregations(self, aggregation: AggregationType) -> str:
        """How many aggregations of a type the budget allows in all, as Clean Rooms reports it at each deployment; a token.

        It is for outputs and reviews: a number, or ``unknown`` if Clean Rooms did not answer.

        :param aggregation: The type: what a query computes.
        :raises ValueError: The template has no ``preview_impact``.

        Source: PreviewPrivacyImpact in the Clean Rooms API reference.
        """
        if not self._preview_impact:
            raise ValueError(f"max_aggregations goes with preview_impact=True, got False [{self.node.path}]")
        return self.get_att_string(contract.MAX_AGGREGATIONS[AggregationType(aggregation)])

    @property
    def arns_to_grant(self) -> list[str]:
        """The ARNs that a policy on this template must name: every form that IAM may compare with."""
        return template_arns(self.stack, self._membership_id, self.privacy_budget_template_id)


class _ImportedTemplate(Resource, _Grants):
    """A template that was created outside this stack."""

    def __init__(
        self, scope: Construct, id: str, arn: str, membership_arn: str | None = None, collaboration_arn: str | None = None
    ) -> None:
        super().__init__(scope, id)
        self._arn = arn
        self._membership_arn = membership_arn
        self._collaboration_arn = collaboration_arn

    @property
    def privacy_budget_template_arn(self) -> str:
        return self._arn

    @property
    def privacy_budget_template_id(self) -> str:
        return Fn.select(1, Fn.split("privacybudgettemplate/", self._arn))

    @property
    def membership_id(self) -> str:
        return Fn.select(1, Fn.split("membership/", self.membership_arn))

    @property
    def membership_arn(self) -> str:
        if self._membership_arn is not None:
            return self._membership_arn
        if is_token(self._arn) or ":membership/" not in self._arn:
            raise self._not_known("membership_arn")
        return self._arn.split("/privacybudgettemplate/")[0]

    @property
    def collaboration_arn(self) -> str:
        if self._collaboration_arn is None:
            raise self._not_known("collaboration_arn")
        return self._collaboration_arn

    @property
    def collaboration_id(self) -> str:
        return Fn.select(1, Fn.split("collaboration/", self.collaboration_arn))

    @property
    def arns_to_grant(self) -> list[str]:
        return [self._arn]

    def _not_known(self, name: str) -> ValueError:
        return ValueError(
            f"{name} is not in the ARN that the template was imported by, got {self._arn!r} [{self.node.path}]: import it with"
            f" from_privacy_budget_template_attributes and give {name}"
        )


@functools.cache
def _tags_of(stack: Stack) -> Mapping[str, str]:
    """The tags that a stack was created with; read once a stack, since every call of jsii takes time."""
    return stack.tags.tag_values()


def _broken_rules(
    membership_id: str,
    budget: PrivacyBudget,
    on_existing: OnExisting,
    on_budget_reset: OnBudgetReset,
    removal_policy: RemovalPolicy,
    preview_impact: bool | IResolvable,
    provider: IPrivacyBudgetProvider | None,
) -> Iterator[str]:
    """The rules that literal values break, the guardrails of the provider last."""
    if not contract.is_membership_id(str(membership_id)) and not is_token(membership_id):
        yield f"membership_id must be {contract.MEMBERSHIP_ID_RULE}, got {membership_id!r}"
    if isinstance(budget, PrivacyBudget):
        yield from budget.broken_rules()
    else:
        yield f"budget must be made by PrivacyBudget.differential_privacy or PrivacyBudget.access_budget, got {budget!r}"
    yield from not_among("on_existing", on_existing, OnExisting)
    yield from not_among("on_budget_reset", on_budget_reset, OnBudgetReset)
    yield from not_among("removal_policy", removal_policy, REMOVAL_POLICIES, may_be_token=False)
    yield from not_a_flag("preview_impact", preview_impact)
    if preview_impact is not False and getattr(budget, "budget_type", None) is PrivacyBudgetType.ACCESS_BUDGET:
        yield f"preview_impact goes with differential privacy, got {budget.budget_type.value}"
    if isinstance(provider, PrivacyBudgetProvider):
        yield from provider.broken_rules(membership_id)
    elif provider is not None and not hasattr(provider, "service_token"):
        yield f"provider must be a PrivacyBudgetProvider, or one that PrivacyBudgetProvider.from_function_arn imports, got {provider!r}"


def _check(scope: Construct, id: str, rules: Iterable[str]) -> None:
    """Raise for the rules that are broken, before anything is added to the tree."""
    if broken := [*rules]:
        path = f"{scope.node.path}/{id}".lstrip("/")
        raise ValueError(f"{'; '.join(broken)} [{path}]")


def _warnings(budget: PrivacyBudget, on_budget_reset: OnBudgetReset) -> Iterator[tuple[str, str]]:
    """What the service's own documentation warns of, by ids that ``Annotations.of(...).acknowledge_warning`` takes."""
    if budget.auto_refresh == AutoRefresh.CALENDAR_MONTH:
        yield (
            "calendar-month",
            "A budget that refreshes every calendar month lets queries that are repeated over the same rows, across refreshes, reveal"
            " arbitrary amounts about them. Use AutoRefresh.NONE unless new data arrives regularly.",
        )
    if on_budget_reset == OnBudgetReset.ALLOW:
        yield (
            "allows-budget-reset",
            "OnBudgetReset.ALLOW lets any later edit reset the consumed budget. Put OnBudgetReset.REFUSE back once the"
            " reset that it was for is deployed.",
        )
