"""What a reset adds to the epsilon that a template has granted, without a look at earlier templates: ``history`` knows those."""

import time

from privacy_budget_core import lifecycle
from privacy_budget_core.clean_rooms import Template
from privacy_budget_core.contract import AutoRefresh, Property
from privacy_budget_core.errors import InvalidPropertyError
from privacy_budget_core.model import DifferentialPrivacy
from privacy_budget_core.properties import parse

from ..history.exposure import Span, privacy_grants
from ..periods import as_utc
from .prediction import Effect, Prediction


def exposure(prediction: Prediction, existing: Template | None) -> str:
    """The sum before and after a reset that the event does, or that is refused; empty where it is none of differential privacy."""
    if existing is None or existing.created_at is None or prediction.effect not in (Effect.RECREATED, Effect.REFUSED):
        return ""
    try:
        desired = parse({name: value for name, value in prediction.event.properties.items() if name != Property.TAGS})
    except InvalidPropertyError:
        return ""
    is_refused = prediction.effect is Effect.REFUSED
    if not isinstance(desired.budget, DifferentialPrivacy) or existing.identity != desired.identity:
        return ""
    if is_refused and lifecycle.change(existing.budget, desired.budget) is not lifecycle.Change.RECREATE:
        return ""
    granted = sum(grant.epsilon for grant in privacy_grants([Span(existing.created_at, time.time(), existing.budget)]))
    more = (
        f", and {desired.budget.epsilon} more with each further month" if desired.budget.auto_refresh == AutoRefresh.CALENDAR_MONTH else ""
    )
    return (
        f"{'a reset would bring' if is_refused else 'brings'} the epsilon granted since the template's create"
        f" ({as_utc(existing.created_at)}) from {granted} to {granted + desired.budget.epsilon}, by sequential composition{more}"
    )
