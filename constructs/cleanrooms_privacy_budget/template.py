"""The privacy budget template as a construct: declared here, made by the provider's function."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

import jsii
from aws_cdk import Annotations, CustomResource, Fn, ITaggableV2, RemovalPolicy, Resource, Stack, TagManager, TagType
from aws_cdk import aws_iam as iam
from constructs import Construct

from privacy_budget_core import contract
from privacy_budget_core.contract import AggregationType, Attribute, AutoRefresh, OnBudgetReset, OnExisting, PrivacyBudgetType, Property

from .budget import PrivacyBudget
from .literals import is_token, not_a_flag, not_among
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
        """Allow reading this template, its tags, and what is left of its membership's budgets."""
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
        """Allow reading this template, its tags, and what is left of its membership's budgets."""
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

    :param membership_id: The id of the membership, a lower-case UUID or a token. After a change the template of the new membership
        is another one, and the old one goes the way of ``removal_policy``.
    :param budget: What the template grants.
    :param on_existing: What happens where a template of this membership and budget type (and table) exists.
        Default: the deployment fails and names it.
    :param on_budget_reset: What happens where an update would reset a consumed budget.
        Default: the deployment fails and says what would be lost.
    :param removal_policy: What becomes of the template when it leaves the stack, or the stack is deleted. Default: it is kept with
        what is left of its budget, except where its own creation is rolled back.
    :param provider: The function that makes it. Default: the stack's own, ``PrivacyBudgetProvider.get_or_create``.
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
        preview_impact: bool = False,
    ) -> None:
        known = provider or PrivacyBudgetProvider.of(scope)
        _check(scope, id, _broken_rules(membership_id, budget, on_existing, on_budget_reset, removal_policy, preview_impact, known))
        if isinstance(known, PrivacyBudgetProvider):
            guardrails = known.guardrails
            _check(scope, id, [*budget.broken_guardrails(guardrails), *guardrails.option_violations(on_existing, on_budget_reset)])
        provider = known or PrivacyBudgetProvider.get_or_create(scope)
        self._membership_id = membership_id
        self._preview_impact = preview_impact
        self._tags = TagManager(TagType.KEY_VALUE, contract.RESOURCE_TYPE)
        for key, value in _tags_of(stack_of(scope)).items():
            self._tags.set_tag(key, value, STACK_TAG_PRIORITY)
        rendered_tags = self._tags.rendered_tags
        properties: dict[str, Any] = {
            Property.MEMBERSHIP_IDENTIFIER.value: membership_id,
            Property.PRIVACY_BUDGET_TYPE.value: budget.budget_type.value,
            **budget.properties,
            Property.TAGS.value: rendered_tags,
        }
        if on_existing != OnExisting.FAIL:
            properties[Property.ON_EXISTING.value] = OnExisting(on_existing).value
        if on_budget_reset != OnBudgetReset.REFUSE:
            properties[Property.ON_BUDGET_RESET.value] = OnBudgetReset(on_budget_reset).value
        if preview_impact:
            properties[Property.PREVIEW_IMPACT.value] = True
        super().__init__(
            scope,
            id,
            service_token=provider.service_token,
            service_timeout=provider.service_timeout,
            resource_type=contract.RESOURCE_TYPE,
            properties=properties,
            removal_policy=removal_policy,
        )
        identity = (str(membership_id), budget.budget_type.value, str(budget.resource_arn or ""))
        is_access_budget = budget.budget_type is PrivacyBudgetType.ACCESS_BUDGET
        validation_of(stack_of(scope)).add(DeclaredTemplate(self, identity, is_access_budget, rendered_tags))
        for warning, message in _warnings(budget, on_budget_reset):
            Annotations.of(self).add_warning_v2(f"{WARNING_PREFIX}{warning}", message)

    @staticmethod
    def from_privacy_budget_template_arn(scope: Construct, id: str, privacy_budget_template_arn: str) -> IPrivacyBudgetTemplate:
        """Import a template by its ARN, which is passed through as it is.

        What the ARN does not tell (the collaboration and, in the ARN's short form, the membership) raises ValueError when it is
        asked for: ``from_privacy_budget_template_attributes`` takes it.
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
        """Import a template by what is known of it; nothing is checked. What is left out raises ValueError when it is asked for.

        :param privacy_budget_template_arn: The template's ARN, in either form.
        :param membership_arn: The ARN of its membership. Default: what the template's ARN tells.
        :param collaboration_arn: The ARN of its collaboration. Default: none.
        """
        return _ImportedTemplate(scope, id, privacy_budget_template_arn, membership_arn, collaboration_arn)

    @property
    def cdk_tag_manager(self) -> TagManager:
        """The template's tags, as ``Tags.of`` sets them."""
        return self._tags

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
        """How many aggregations of a type the budget allows in all, as Clean Rooms tells at each deployment; a token.

        It is for outputs and reviews: a number, or ``unknown`` where Clean Rooms would not tell.

        :param aggregation: The type: what a query computes.
        :raises ValueError: Where the template has no ``preview_impact``.

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
    """A template that another stack, or nobody's, made."""

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
            raise self._untold("membership_arn")
        return self._arn.split("/privacybudgettemplate/")[0]

    @property
    def collaboration_arn(self) -> str:
        if self._collaboration_arn is None:
            raise self._untold("collaboration_arn")
        return self._collaboration_arn

    @property
    def collaboration_id(self) -> str:
        return Fn.select(1, Fn.split("collaboration/", self.collaboration_arn))

    @property
    def arns_to_grant(self) -> list[str]:
        return [self._arn]

    def _untold(self, name: str) -> ValueError:
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
    preview_impact: bool,
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
    yield from not_among("removal_policy", removal_policy, REMOVAL_POLICIES)
    yield from not_a_flag("preview_impact", preview_impact)
    if preview_impact is True and getattr(budget, "budget_type", None) is PrivacyBudgetType.ACCESS_BUDGET:
        yield f"preview_impact goes with differential privacy, got {budget.budget_type.value}"
    if isinstance(provider, PrivacyBudgetProvider):
        yield from provider.broken_rules(membership_id)


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
