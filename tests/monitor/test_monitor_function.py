"""One run of the monitor's function: what it publishes, what it warns of, and when it fails."""

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cleanrooms_local_aws.clean_rooms import pages
from cleanrooms_local_aws.clean_rooms.exceptions import AccessDeniedException, ThrottlingException
from cleanrooms_local_aws.clean_rooms.models import PrivacyBudgetBackend
from cleanrooms_local_aws.clean_rooms.settings import Moment, Settings
from privacy_budget_core.contract import AccessBudgetPeriod, AggregationType
from privacy_budget_core.metrics import NAMESPACE
from privacy_budget_monitor import function, readings
from tests.fakes.cloudwatch import Values, published
from tests.support.stack import Backend

Template = Mapping[str, Any]


@pytest.fixture(autouse=True)
def sleepless(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which nobody makes."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def calls() -> Iterator[list[tuple[str, str]]]:
    """The membership and the budget type of each ListPrivacyBudgets."""
    sent: list[tuple[str, str]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        sent.append((params["url_path"].split("/")[2], params["query_string"]["privacyBudgetType"]))

    event = "before-call.cleanrooms.ListPrivacyBudgets"
    function.clean_rooms.client.meta.events.register(event, note)
    yield sent
    function.clean_rooms.client.meta.events.unregister(event, note)


def differential_privacy(backend: Backend, membership: str | None = None) -> Template:
    made: Template = backend.client.create_privacy_budget_template(
        membershipIdentifier=membership or backend.membership(),
        privacyBudgetType="DIFFERENTIAL_PRIVACY",
        autoRefresh="NONE",
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    )["privacyBudgetTemplate"]
    return made


def access_budget(backend: Backend, membership: str, name: str = "sales", **limits: int) -> Template:
    made: Template = backend.client.create_privacy_budget_template(
        membershipIdentifier=membership,
        privacyBudgetType="ACCESS_BUDGET",
        parameters={
            "accessBudget": {
                "resourceArn": backend.table(membership, name),
                "budgetParameters": [{"type": type_, "budget": budget} for type_, budget in limits.items()],
            }
        },
    )["privacyBudgetTemplate"]
    return made


def run(*templates: Template) -> None:
    listed = [{"membershipId": template["membershipId"], "templateId": template["id"]} for template in templates]
    function.handler({"templates": listed}, None)


def of(template: Template, **detail: str) -> tuple[str, ...]:
    dimensions = {"MembershipId": template["membershipId"], "PrivacyBudgetTemplateId": template["id"], **detail}
    return tuple(f"{name}={dimensions[name]}" for name in sorted(dimensions))


def printed(capsys: pytest.CaptureFixture[str]) -> Values:
    """The metrics of a run."""
    return published(capsys.readouterr().out, NAMESPACE)


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in log.records if record.levelname == "WARNING"]


def test_differential_privacy_metrics(backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Each aggregation and the lowest fraction are published."""
    template = differential_privacy(backend)
    allowed = backend.client.preview_privacy_impact(
        membershipIdentifier=template["membershipId"],
        parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
    )["privacyImpact"]["differentialPrivacy"]["aggregations"]
    backend.spend(template, type="COUNT", count=7)
    run(template)
    metrics = printed(capsys)
    (summary,) = backend.client.list_privacy_budgets(
        membershipIdentifier=template["membershipId"], privacyBudgetType="DIFFERENTIAL_PRIVACY"
    )["privacyBudgetSummaries"]
    left = {one["type"]: one["remainingCount"] for one in summary["budget"]["differentialPrivacy"]["aggregations"]}
    maximum = {one["type"]: one["maxCount"] for one in allowed}
    assert left["COUNT"] == maximum["COUNT"] - 7
    assert metrics == {
        ("RemainingFraction", *of(template)): min(left[type_] / maximum[type_] for type_ in left),
        **{("Remaining", *of(template, Aggregation=type_)): left[type_] for type_ in AggregationType},
        **{("Maximum", *of(template, Aggregation=type_)): maximum[type_] for type_ in AggregationType},
    }
    assert caplog.messages == ["published 1 of 1 privacy budgets"]


def test_access_budget_metrics(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """Each limit and the lowest fraction are published."""
    template = access_budget(backend, backend.membership(), CALENDAR_DAY=10, LIFETIME=1000)
    backend.spend(template, uses=4)
    run(template)
    day, lifetime = of(template, Period=AccessBudgetPeriod.CALENDAR_DAY), of(template, Period=AccessBudgetPeriod.LIFETIME)
    assert printed(capsys) == {
        ("RemainingFraction", *of(template)): 0.6,
        ("Remaining", *day): 6,
        ("Maximum", *day): 10,
        ("Remaining", *lifetime): 996,
        ("Maximum", *lifetime): 1000,
    }


def test_limit_of_zero_has_fraction_zero(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    template = access_budget(backend, backend.membership(), LIFETIME=0)
    run(template)
    assert printed(capsys)["RemainingFraction", *of(template)] == 0


def test_each_template_is_published_once(backend: Backend, capsys: pytest.CaptureFixture[str], calls: list[tuple[str, str]]) -> None:
    """For many templates in many memberships."""
    memberships = [backend.membership() for _ in range(40)]
    templates = [differential_privacy(backend, membership) for membership in memberships]
    templates += [access_budget(backend, memberships[0], f"table{number}", LIFETIME=number + 1) for number in range(25)]
    run(*templates, templates[0])
    metrics = printed(capsys)
    assert {metric for metric in metrics if metric[0] == "RemainingFraction"} == {("RemainingFraction", *of(one)) for one in templates}
    assert calls == [
        (memberships[0], "DIFFERENTIAL_PRIVACY"),
        (memberships[0], "ACCESS_BUDGET"),
        *((membership, "DIFFERENTIAL_PRIVACY") for membership in memberships[1:]),
    ]


def test_every_page_is_read(
    backend: Backend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, str]]
) -> None:
    membership = backend.membership()
    templates = [access_budget(backend, membership, f"table{number}", LIFETIME=9) for number in range(5)]
    monkeypatch.setattr(pages, "LARGEST_PAGE", 2)
    run(*templates)
    assert sum(metric[0] == "RemainingFraction" for metric in printed(capsys)) == 5
    assert calls.count((membership, "ACCESS_BUDGET")) == 3


def test_unlisted_templates_are_not_published(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    watched = differential_privacy(backend)
    access_budget(backend, watched["membershipId"], LIFETIME=9)
    run(watched)
    assert {metric[2] for metric in printed(capsys) if metric[0] == "RemainingFraction"} == {f"PrivacyBudgetTemplateId={watched['id']}"}


def test_unreadable_membership_does_not_hide_others(
    backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in a warning."""
    readable, also_readable = differential_privacy(backend), differential_privacy(backend)
    gone = {"membershipId": str(uuid.uuid4()), "id": str(uuid.uuid4())}
    with pytest.raises(function.UnreadBudgetsError, match=r"^1 of 3 privacy budgets could not be read, so nothing is published for them\."):
        run(readable, gone, also_readable)
    metrics = printed(capsys)
    assert {metric for metric in metrics if metric[0] == "RemainingFraction"} == {
        ("RemainingFraction", *of(template)) for template in (readable, also_readable)
    }
    (warning,) = warnings(caplog)
    assert warning.startswith(f"membership {gone['membershipId']} could not be read (ResourceNotFoundException from ListPrivacyBudgets: ")
    assert f"nothing is published for {gone['id']}." in warning
    assert "allowed cleanrooms:ListPrivacyBudgets on it" in warning


def test_a_run_that_can_read_nothing_fails(backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    def denied(operation: str, moment: Moment) -> None:
        raise AccessDeniedException("not authorized")

    templates = [differential_privacy(backend), differential_privacy(backend)]
    PrivacyBudgetBackend.settings = Settings(faults=denied)
    with pytest.raises(function.UnreadBudgetsError, match=r"^2 of 2 privacy budgets"):
        run(*templates)
    metrics = printed(capsys)
    assert metrics == {}
    assert len(warnings(caplog)) == 2


def test_template_without_balance_fails_the_run(
    backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names it."""
    standing = differential_privacy(backend)
    gone = {**standing, "id": str(uuid.uuid4())}
    with pytest.raises(function.UnreadBudgetsError, match=r"^1 of 2 privacy budgets"):
        run(standing, gone)
    metrics = printed(capsys)
    assert ("RemainingFraction", *of(standing)) in metrics
    (warning,) = warnings(caplog)
    assert warning.startswith(f"Clean Rooms lists no balance for template {gone['id']} of membership {standing['membershipId']}.")


def collaboration_of(backend: Backend, membership: str) -> str:
    return str(backend.client.get_membership(membershipIdentifier=membership)["membership"]["collaborationId"])


def in_collaboration(collaboration: str, template: Template, **detail: str) -> tuple[str, ...]:
    dimensions = {"CollaborationId": collaboration, "PrivacyBudgetTemplateId": template["id"], **detail}
    return tuple(f"{name}={dimensions[name]}" for name in sorted(dimensions))


def test_collaboration_metrics(backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Every budget and the lowest fraction of all are published."""
    privacy = differential_privacy(backend)
    uses = access_budget(backend, privacy["membershipId"], CALENDAR_DAY=10, LIFETIME=1000)
    backend.spend(uses, uses=4)
    lab = collaboration_of(backend, privacy["membershipId"])
    elsewhere = differential_privacy(backend)
    function.handler({"collaborations": [lab, lab]}, None)
    metrics = printed(capsys)
    assert {metric: value for metric, value in metrics.items() if metric[0] == "RemainingFraction"} == {
        ("RemainingFraction", f"CollaborationId={lab}"): 0.6,
        ("RemainingFraction", *in_collaboration(lab, privacy)): 1,
        ("RemainingFraction", *in_collaboration(lab, uses)): 0.6,
    }
    day = in_collaboration(lab, uses, Period="CALENDAR_DAY")
    assert (metrics["Remaining", *day], metrics["Maximum", *day]) == (6, 10)
    assert {metric[1] for metric in metrics if "Aggregation=" in str(metric)} == {f"Aggregation={type_}" for type_ in AggregationType}
    assert elsewhere["id"] not in str(metrics)
    assert caplog.messages == ["published 2 of 2 privacy budgets"]


def test_template_also_in_collaboration_has_both_metrics(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """A template that is watched by itself and in a collaboration has both sets of metrics."""
    template = access_budget(backend, backend.membership(), LIFETIME=9)
    lab = collaboration_of(backend, template["membershipId"])
    listed = [{"membershipId": template["membershipId"], "templateId": template["id"]}]
    function.handler({"templates": listed, "collaborations": [lab]}, None)
    metrics = printed(capsys)
    assert metrics["Remaining", *of(template, Period="LIFETIME")] == 9
    assert metrics["Remaining", *in_collaboration(lab, template, Period="LIFETIME")] == 9


def test_a_collaboration_without_budgets_publishes_nothing(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    function.handler({"collaborations": [collaboration_of(backend, backend.membership())]}, None)
    assert printed(capsys) == {}


def test_unreadable_collaboration_does_not_hide_others(
    backend: Backend, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in a warning."""
    template = access_budget(backend, backend.membership(), LIFETIME=9)
    lab, gone = collaboration_of(backend, template["membershipId"]), str(uuid.uuid4())
    missing = {"membershipId": str(uuid.uuid4()), "templateId": str(uuid.uuid4())}
    with pytest.raises(function.UnreadBudgetsError, match=r"^1 of 2 privacy budgets and 1 of 2 collaborations could not be read, so "):
        function.handler(
            {
                "templates": [{"membershipId": template["membershipId"], "templateId": template["id"]}, missing],
                "collaborations": [gone, lab],
            },
            None,
        )
    assert ("RemainingFraction", f"CollaborationId={lab}") in printed(capsys)
    warning = warnings(caplog)[-1]
    assert warning.startswith(f"collaboration {gone} could not be read (")
    assert "from ListCollaborationPrivacyBudgets: " in warning
    assert "allowed cleanrooms:ListCollaborationPrivacyBudgets on it" in warning


def test_throttling_is_waited_out(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    template = differential_privacy(backend)
    left = 3

    def throttled(operation: str, moment: Moment) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise ThrottlingException("slow down")

    PrivacyBudgetBackend.settings = Settings(faults=throttled)
    run(template)
    assert ("RemainingFraction", *of(template)) in printed(capsys)


def test_budget_types_have_own_dimensions() -> None:
    assert {budget_type.value: dimension.value for budget_type, dimension in readings.DETAIL.items()} == {
        "DIFFERENTIAL_PRIVACY": "Aggregation",
        "ACCESS_BUDGET": "Period",
    }
