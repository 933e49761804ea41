"""PreviewImpact: what a budget allows is told at each deployment, and a service that does not tell fails nothing."""

from typing import Any

import pytest
from moto.cleanrooms.models import cleanrooms_backends

from cleanrooms_local_aws.clean_rooms import exceptions
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from tests.support.stack import Backend, HandledEvent, Stack, differential_privacy

NAMES = {f"MaxAggregations.{type_}" for type_ in ("AVG", "COUNT", "COUNT_DISTINCT", "SUM", "STDDEV")}


def impact(answered: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in answered["Data"].items() if name.startswith("MaxAggregations")}


def seen(backend: Backend, membership: str, **parameters: int) -> dict[str, str]:
    """What the service itself says of a budget."""
    told = backend.client.preview_privacy_impact(
        membershipIdentifier=membership, parameters={"differentialPrivacy": {"usersNoisePerQuery": 30, **parameters}}
    )
    aggregations = told["privacyImpact"]["differentialPrivacy"]["aggregations"]
    return {f"MaxAggregations.{entry['type']}": str(entry["maxCount"]) for entry in aggregations}


def test_create_and_update_return_allowed_aggregations(backend: Backend, membership: str, stack: Stack) -> None:
    before = differential_privacy(membership, PreviewImpact=True)
    created = stack.create(before)
    assert impact(created) == seen(backend, membership, epsilon=3)
    assert impact(created).keys() == NAMES
    assert HandledEvent.latest.requests.count == 2
    after = differential_privacy(membership, PreviewImpact=True, epsilon=5)
    updated = stack.update(created["PhysicalResourceId"], before, after)
    assert impact(updated) == seen(backend, membership, epsilon=5) != impact(created)


def test_nothing_is_asked_unless_it_is_wanted(membership: str, stack: Stack) -> None:
    answered = stack.create(differential_privacy(membership, PreviewImpact=False))
    assert impact(answered) == {}
    assert HandledEvent.latest.requests.count == 1


@pytest.mark.parametrize("error", [exceptions.AccessDeniedException, exceptions.ValidationException], ids=["denied", "refused"])
def test_a_refusal_is_a_warning_and_fails_nothing(membership: str, stack: Stack, error: Any, settings: Settings) -> None:
    def refuse(operation: str, moment: Moment) -> None:
        if operation == "PreviewPrivacyImpact":
            raise error("not for you")

    PrivacyBudgetBackend.settings = Settings(faults=refuse)
    cleanrooms_backends.clear()
    membership = Backend().membership()
    answered = stack.create(differential_privacy(membership, PreviewImpact=True))
    assert answered["Status"] == "SUCCESS"
    assert impact(answered) == dict.fromkeys(NAMES, "unknown")
    (warning,) = HandledEvent.latest.record.warnings
    assert warning.startswith("could not tell how many aggregations the budget allows: ")
    assert "from PreviewPrivacyImpact: not for you" in warning
