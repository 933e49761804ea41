"""The service's core: which privacy budget templates exist, under which rules they change, and what remains of each budget.

Requests come here checked by ``request_validation``. Rules: the Clean Rooms user guide and API reference; where these are silent, the
docstring says what was assumed.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any, ClassVar, Final
from uuid import uuid4

from . import arns, templates
from .arns import ArnForm
from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException, ValidationException
from .impact import max_counts
from .periods import Period, start_of
from .spending import Aggregations, Amount
from .templates import BudgetType, Membership, Meter, Template

ACCESS_BUDGETS_PER_COLLABORATION: Final = 25
TAGS_PER_TEMPLATE: Final = 200


class Ledger:
    """The templates of one account in one region; ``membership`` finds a membership by its id, ``clock`` tells epoch seconds."""

    LOWERED_EPSILON: ClassVar[type[ValidationException] | type[ConflictException]] = ValidationException
    """How a lowered epsilon is refused once querying began; which error the live service answers with is unknown."""

    def __init__(
        self,
        account_id: str,
        region: str,
        membership: Callable[[str], Membership | None],
        clock: Callable[[], float],
        arn_form: ArnForm = ArnForm.SERVICE_MODEL,
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._membership = membership
        self._clock = clock
        self._arn_form = arn_form
        self._templates: dict[str, Template] = {}
        self._created = 0

    def create(
        self,
        membership_id: str,
        budget_type: BudgetType,
        parameters: Mapping[str, Any],
        auto_refresh: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Template:
        """Create a template with a fresh budget. There is no client token: a repeated create conflicts with the first."""
        membership = self._known_membership(membership_id)
        given = _of_budget_type(budget_type, parameters)
        if budget_type is BudgetType.ACCESS_BUDGET:
            _check_limits(given["budgetParameters"])
        self._check_identity(membership, budget_type, given.get("resourceArn"))
        now = self._clock()
        template_id = str(uuid4())
        self._created += 1
        template = Template(
            id=template_id,
            number=self._created,
            arn=arns.template_arn(self._arn_form, self._region, self._account_id, membership.id, template_id),
            account_id=self._account_id,
            membership=membership,
            budget_type=budget_type,
            auto_refresh=auto_refresh or "NONE",
            parameters=_filled_in(budget_type, given),
            tags=dict(tags or {}),
            create_time=now,
            update_time=now,
            budget_id=str(uuid4()),
            budget_update_time=now,
        )
        template.meters = _fresh_meters(template, now)
        self._templates[template.id] = template
        return template

    def get(self, membership_id: str, template_id: str) -> Template:
        """Find a template by its id, under its membership."""
        self._known_membership(membership_id)
        template = self._templates.get(template_id)
        if template is None or template.membership.id != membership_id:
            raise ResourceNotFoundException(
                f"privacyBudgetTemplateIdentifier must name a template of membership {membership_id}, got {template_id!r}",
                template_id,
                "MEMBERSHIP",
            )
        template.roll(self._clock())
        return template

    def update(
        self, membership_id: str, template_id: str, budget_type: BudgetType, parameters: Mapping[str, Any] | None = None
    ) -> Template:
        """Edit a template's parameters, nothing else.

        The consumed part of a differential-privacy budget stays consumed; any edit of an access budget refills it, even one that
        changes nothing (for that one, and for an edit without parameters, an assumption).
        """
        template = self.get(membership_id, template_id)
        if budget_type is not template.budget_type:
            raise ValidationException(f"privacyBudgetType must be the template's own, {template.budget_type}, got {budget_type}")
        given = _of_budget_type(budget_type, parameters) if parameters is not None else {}
        now = self._clock()
        if budget_type is BudgetType.DIFFERENTIAL_PRIVACY:
            self._edit_differential_privacy(template, given)
        else:
            if given:
                _check_limits(given["budgetParameters"])
            template.parameters = _filled_in(budget_type, {**template.parameters[budget_type.member], **given})
            template.meters = _fresh_meters(template, now)
        template.update_time = template.budget_update_time = now
        return template

    def delete(self, membership_id: str, template_id: str) -> None:
        """Delete a template, its tags and what was consumed of its budget."""
        del self._templates[self.get(membership_id, template_id).id]

    def of_membership(self, membership_id: str) -> list[Template]:
        """List a membership's templates, in the order of their creation."""
        self._known_membership(membership_id)
        return self._where(lambda template: template.membership.id == membership_id)

    def of_collaboration(self, collaboration_id: str) -> list[Template]:
        """List this account's templates in a collaboration, in the order of their creation; empty where it is unknown."""
        return self._where(lambda template: template.membership.collaboration_id == collaboration_id)

    def all_templates(self) -> list[Template]:
        """List every template, in the order of their creation."""
        return self._where(lambda _: True)

    def preview(self, membership_id: str, epsilon: int, users_noise_per_query: int) -> dict[str, int]:
        """By type of aggregation, give how many of them such a budget would allow (see ``impact``: a stand-in)."""
        self._known_membership(membership_id)
        return max_counts(epsilon, users_noise_per_query)

    def spend(self, membership_id: str, template_id: str, amount: Amount) -> Template:
        """Use up a part of a budget, the whole amount or nothing."""
        template = self.get(membership_id, template_id)
        if isinstance(amount, Aggregations) is not (template.budget_type is BudgetType.DIFFERENTIAL_PRIVACY):
            wanted = "aggregations" if template.budget_type is BudgetType.DIFFERENTIAL_PRIVACY else "uses of a table"
            raise ValidationException(f"the amount must be {wanted} for a budget of type {template.budget_type}, got {amount}")
        names = [amount.type] if isinstance(amount, Aggregations) else list(template.meters)
        for name in names:
            if name not in template.meters:
                raise ValidationException(f"the aggregation's type must be one of {', '.join(template.meters)}, got {name!r}")
            left = template.meters[name].remaining
            if amount.count > left:
                raise ValidationException(f"at most {left} is left of {name}, got {amount.count}", "INVALID_QUERY")
        for name in names:
            template.meters[name].used += amount.count
        template.querying_began = True
        template.budget_update_time = self._clock()
        return template

    def tags(self, arn: str) -> dict[str, str]:
        """List a template's tags, by its ARN of either form."""
        return dict(self._by_arn(arn).tags)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags or replace their values; more than the service allows on one template are refused (the error is assumed)."""
        template = self._by_arn(arn)
        together = {**template.tags, **tags}
        if len(together) > TAGS_PER_TEMPLATE:
            raise ValidationException(f"a template must have at most {TAGS_PER_TEMPLATE} tags, got {len(together)}")
        template.tags = together

    def untag(self, arn: str, keys: Iterable[str]) -> None:
        """Remove tags; keys that are not there are no error."""
        template = self._by_arn(arn)
        removed = set(keys)
        template.tags = {key: value for key, value in template.tags.items() if key not in removed}

    def to_json(self) -> dict[str, Any]:
        """All that must outlive the process."""
        return {"created": self._created, "templates": [asdict(template) for template in self._templates.values()]}

    def load_json(self, state: Mapping[str, Any]) -> None:
        """Replace everything by what ``to_json`` gave."""
        loaded = [templates.from_json(entry) for entry in state["templates"]]
        self._created = state["created"]
        self._templates = {template.id: template for template in loaded}

    def _known_membership(self, membership_id: str) -> Membership:
        membership = self._membership(membership_id)
        if membership is None:
            raise ResourceNotFoundException(
                f"membershipIdentifier must name a membership of account {self._account_id} in {self._region}, got {membership_id!r}",
                membership_id,
                "MEMBERSHIP",
            )
        return membership

    def _where(self, condition: Callable[[Template], bool]) -> list[Template]:
        now = self._clock()
        found = [template for template in self._templates.values() if condition(template)]
        for template in found:
            template.roll(now)
        return found

    def _by_arn(self, arn: str) -> Template:
        template = self._templates.get(arns.template_id(arn) or "")
        if template is not None:
            for form in ArnForm:
                if arn == arns.template_arn(form, self._region, self._account_id, template.membership.id, template.id):
                    return template
        raise ResourceNotFoundException(f"resourceArn must name an existing template, got {arn!r}", arn, "MEMBERSHIP")

    def _check_identity(self, membership: Membership, budget_type: BudgetType, resource_arn: str | None) -> None:
        """Refuse a second template of one identity, and one access budget too many."""
        for template in self._where(lambda template: template.membership.id == membership.id and template.budget_type is budget_type):
            if template.resource_arn == resource_arn:
                what = f"{budget_type} for {resource_arn}" if resource_arn else budget_type
                raise ConflictException(
                    f"membership {membership.id} must have only one privacy budget template of type {what},"
                    f" got one more beside {template.id}",
                    "ALREADY_EXISTS",
                    resourceId=template.id,
                )
        if budget_type is BudgetType.ACCESS_BUDGET:
            existing = [one for one in self.of_collaboration(membership.collaboration_id) if one.budget_type is budget_type]
            if len(existing) >= ACCESS_BUDGETS_PER_COLLABORATION:
                raise ServiceQuotaExceededException(
                    f"a collaboration must have at most {ACCESS_BUDGETS_PER_COLLABORATION} access budgets, got one more",
                    "Access budgets per collaboration",
                    ACCESS_BUDGETS_PER_COLLABORATION,
                )

    def _edit_differential_privacy(self, template: Template, given: Mapping[str, int]) -> None:
        present = template.parameters[BudgetType.DIFFERENTIAL_PRIVACY.member]
        if template.querying_began and given.get("epsilon", present["epsilon"]) < present["epsilon"]:
            raise self.LOWERED_EPSILON(
                f"epsilon must be at least {present['epsilon']}, as querying began under this budget, got {given['epsilon']}"
            )
        present.update(given)
        for aggregation, maximum in max_counts(present["epsilon"], present["usersNoisePerQuery"]).items():
            template.meters[aggregation].maximum = maximum


def _of_budget_type(budget_type: BudgetType, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the parameters' one member, which must be that of the budget type."""
    if budget_type.member not in parameters:
        raise ValidationException(f"parameters must hold {budget_type.member} for {budget_type}, got {', '.join(parameters)}")
    given: Mapping[str, Any] = parameters[budget_type.member]
    return given


def _check_limits(limits: Iterable[Mapping[str, Any]]) -> None:
    """Allow one calendar period, a lifetime, or one of each; a lifetime does not refresh."""
    periods = [Period(limit["type"]) for limit in limits]
    if len(periods) > 1 and periods.count(Period.LIFETIME) != len(periods) - 1:
        raise ValidationException(
            f"budgetParameters must be one calendar period, or {Period.LIFETIME}, or one of each, got {', '.join(periods)}"
        )
    for limit in limits:
        if limit["type"] == Period.LIFETIME and limit.get("autoRefresh") == "ENABLED":
            raise ValidationException(f"autoRefresh must not be ENABLED for {Period.LIFETIME}, got ENABLED")


def _filled_in(budget_type: BudgetType, given: Mapping[str, Any]) -> dict[str, Any]:
    """Write parameters as the service answers them: an access budget's calendar period refreshes where nothing was said."""
    parameters = deepcopy(dict(given))
    for limit in parameters.get("budgetParameters", ()):
        if limit["type"] != Period.LIFETIME:
            limit.setdefault("autoRefresh", "ENABLED")
    return {budget_type.member: parameters}


def _fresh_meters(template: Template, now: float) -> dict[str, Meter]:
    """Make meters of which nothing is used: one for each type of aggregation, or for each access limit."""
    parameters = template.parameters[template.budget_type.member]
    if template.budget_type is BudgetType.ACCESS_BUDGET:
        return {
            limit["type"]: Meter(
                maximum=limit["budget"],
                period=Period(limit["type"]),
                refreshes=limit.get("autoRefresh") == "ENABLED",
                start=start_of(Period(limit["type"]), now),
            )
            for limit in parameters["budgetParameters"]
        }
    refreshes = template.auto_refresh == Period.CALENDAR_MONTH
    period = Period.CALENDAR_MONTH if refreshes else Period.LIFETIME
    return {
        aggregation: Meter(maximum, period, refreshes, start_of(period, now))
        for aggregation, maximum in max_counts(parameters["epsilon"], parameters["usersNoisePerQuery"]).items()
    }
