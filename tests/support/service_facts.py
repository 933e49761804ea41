"""What Clean Rooms does where AWS's documentation is silent: a check for each fact of docs/assumptions.md that API calls can settle.

A check writes down what it finds and fails only where the handler would be wrong. ``tests/live`` runs them against a real account;
``tests/handler/test_live_suite.py`` against the local one, so that they stay runnable.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import partial
from time import monotonic, sleep
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from privacy_budget_cli.plan.prediction import NotRollingBack
from privacy_budget_core import lifecycle, ownership
from privacy_budget_core.clean_rooms import CleanRooms
from privacy_budget_core.contract import AccessBudgetPeriod, AutoRefresh, AutoRefreshMode
from privacy_budget_core.errors import RefusalError
from privacy_budget_core.lifecycle import Change
from privacy_budget_core.model import AccessBudget, AccessLimit, Balance, DesiredTemplate, DifferentialPrivacy, Identity
from privacy_budget_core.properties import PreviousTemplate
from privacy_budget_core.reconciler import Reconciler
from privacy_budget_core.retries import Requests, watched

PATIENT: Final = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=5, read_timeout=20)
HASTY: Final = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20, max_pool_connections=20)

RUN: Final = "cleanrooms-live-suite"
"""A tag on everything that the suite makes; its value is the run."""
BURST: Final = 40
DP: Final = "DIFFERENTIAL_PRIVACY"
ACCESS: Final = "ACCESS_BUDGET"
BUDGET: Final = DifferentialPrivacy(epsilon=3, users_noise_per_query=30, auto_refresh=AutoRefresh.NONE)
DAY: Final = {"type": "CALENDAR_DAY", "budget": 1000}
LIFETIME: Final = {"type": "LIFETIME", "budget": 10000}


class NotEmptyError(Exception):
    """The membership holds templates that this run did not make."""


@dataclass
class Bench:
    """A membership to try things on, and what was found. Only what this run made is ever changed or deleted."""

    client: Any
    hasty: Any
    """A second client, which never tries twice."""
    membership: str
    table: str | None = None
    patience: float = 30
    """Seconds to wait for something to show."""
    findings: list[tuple[str, str]] = field(default_factory=list)
    run: str = field(default_factory=lambda: str(uuid.uuid4()))
    made: set[str] = field(default_factory=set)

    def check_empty(self) -> None:
        """Raise NotEmpty if the membership has templates."""
        if held := self.templates():
            raise NotEmptyError(
                f"membership {self.membership} holds {', '.join(sorted(held.values()))}: the live suite works only in a membership"
                " without templates, and it touches none that it did not make"
            )

    def finds(self, fact: str, finding: object) -> None:
        """Write down what was found."""
        self.findings.append((fact, str(finding)))

    def create(self, **request: Any) -> dict[str, Any]:
        """CreatePrivacyBudgetTemplate; differential privacy unless told otherwise. A member that is None is not sent."""
        members = {
            "privacyBudgetType": DP,
            "autoRefresh": "NONE",
            "parameters": {"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
            **request,
            "membershipIdentifier": self.membership,
            "tags": {RUN: self.run, **request.get("tags", {})},
        }
        request = {name: value for name, value in members.items() if value is not None}
        made: dict[str, Any] = self.client.create_privacy_budget_template(**request)["privacyBudgetTemplate"]
        self.made.add(made["id"])
        return made

    def create_access(self, *limits: Mapping[str, Any], **request: Any) -> dict[str, Any]:
        """CreatePrivacyBudgetTemplate with limits on the table."""
        budget = {"accessBudget": {"resourceArn": self.table, "budgetParameters": list(limits)}}
        return self.create(**{"privacyBudgetType": ACCESS, "autoRefresh": None, "parameters": budget, **request})

    def update(self, template: Mapping[str, Any], **parameters: int) -> dict[str, Any]:
        """UpdatePrivacyBudgetTemplate of a differential-privacy template."""
        answer = self.client.update_privacy_budget_template(
            **self.ids(template["id"]), privacyBudgetType=DP, parameters={"differentialPrivacy": parameters}
        )
        return dict(answer["privacyBudgetTemplate"])

    def update_access(self, template: Mapping[str, Any], *limits: Mapping[str, Any]) -> dict[str, Any]:
        """UpdatePrivacyBudgetTemplate of an access budget."""
        answer = self.client.update_privacy_budget_template(
            **self.ids(template["id"]), privacyBudgetType=ACCESS, parameters={"accessBudget": {"budgetParameters": list(limits)}}
        )
        return dict(answer["privacyBudgetTemplate"])

    def get(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """GetPrivacyBudgetTemplate."""
        return dict(self.client.get_privacy_budget_template(**self.ids(template["id"]))["privacyBudgetTemplate"])

    def delete(self, template: Mapping[str, Any]) -> None:
        """DeletePrivacyBudgetTemplate."""
        self.client.delete_privacy_budget_template(**self.ids(template["id"]))

    def ids(self, template_id: str) -> dict[str, str]:
        """What names a template in a request."""
        return {"membershipIdentifier": self.membership, "privacyBudgetTemplateIdentifier": template_id}

    def templates(self) -> dict[str, str]:
        """The membership's templates: ids and ARNs."""
        pages = self.client.get_paginator("list_privacy_budget_templates").paginate(membershipIdentifier=self.membership)
        return {entry["id"]: entry["arn"] for page in pages for entry in page["privacyBudgetTemplateSummaries"]}

    def tags(self, arn: str) -> dict[str, str]:
        """ListTagsForResource."""
        return dict(self.client.list_tags_for_resource(resourceArn=arn)["tags"])

    def budget(self, budget_type: str) -> dict[str, Any] | None:
        """The summary of the one budget of a type, which need not be listed yet; its parts are under ``parts``."""
        answer = self.client.list_privacy_budgets(membershipIdentifier=self.membership, privacyBudgetType=budget_type)
        for summary in answer["privacyBudgetSummaries"]:
            budget = summary["budget"]
            parts = budget["differentialPrivacy"]["aggregations"] if budget_type == DP else budget["accessBudget"]["details"]
            return {**summary, "parts": parts}
        return None

    def listed(self, budget_type: str) -> dict[str, Any]:
        """That summary, waited for."""
        assert self.until(lambda: self.budget(budget_type) is not None) is not None, f"ListPrivacyBudgets lists no {budget_type} budget"
        found = self.budget(budget_type)
        assert found is not None
        return found

    def until(self, holds: Callable[[], bool]) -> float | None:
        """How many seconds it took for something to hold; None where it still does not."""
        began = monotonic()
        while not holds():
            if monotonic() - began > self.patience:
                return None
            sleep(0.5)
        return monotonic() - began

    def clean_up(self) -> None:
        """Delete what this run made, by its id and, where a create's answer was lost, by its tag."""
        for template_id, arn in self.templates().items():
            if template_id not in self.made:
                with suppress(ClientError):
                    if self.tags(arn).get(RUN) == self.run:
                        self.made.add(template_id)
        for template_id in self.made:
            with suppress(self.client.exceptions.ResourceNotFoundException):
                self.client.delete_privacy_budget_template(**self.ids(template_id))
        gone = self.until(lambda: not self.made & self.templates().keys())
        assert gone is not None, f"delete these by hand: {', '.join(self.made & self.templates().keys())} in {self.membership}"


Check = Callable[[Bench], None]


def refusal(call: Callable[[], object]) -> dict[str, Any] | None:
    """The error that a call is refused with, its code and members; None where it goes through."""
    try:
        call()
    except ClientError as error:
        members = {name: value for name, value in error.response.items() if name in ("reason", "resourceId", "resourceType")}
        return {"code": error.response["Error"]["Code"], **members}
    return None


def described(error: Mapping[str, Any] | None) -> str:
    """A refusal in words."""
    if error is None:
        return "accepted"
    members = ", ".join(f"{name} {value}" for name, value in error.items() if name != "code")
    return f"{error['code']} ({members or 'no members'})"


def code(error: Mapping[str, Any] | None) -> str | None:
    """A refusal's error code."""
    return error["code"] if error else None


def seconds(waited: float | None) -> str:
    """A time in words."""
    return "not while the check waited" if waited is None else "at once" if waited < 0.5 else f"after {waited:.0f} s"


def arn_form(bench: Bench) -> None:
    """Which form of a template's ARN the service answers with, and whether the tag operations take it."""
    template = bench.create()
    arn, other = template["arn"], _other_form(template)
    bench.finds("form of a template's ARN", f"{'IAM reference' if ':membership/' in arn else 'service model'}, {len(arn)} characters")
    refused = refusal(lambda: bench.tags(arn))
    bench.finds("tag operations on that ARN", described(refused))
    bench.finds("tag operations on the other form", described(refusal(lambda: bench.tags(other))))
    assert arn.endswith(f"privacybudgettemplate/{template['id']}"), "the handler takes the id from the ARN's last segment"
    assert refused is None, "the handler tags and reads tags by the ARN that the service answered with"


def _other_form(template: Mapping[str, Any]) -> str:
    arn: str = template["arn"]
    if ":membership/" in arn:
        return arn.replace(f"membership/{template['membershipId']}/", "")
    return arn.replace(":privacybudgettemplate/", f":membership/{template['membershipId']}/privacybudgettemplate/")


def auto_refresh_default(bench: Bench) -> None:
    """What a differential-privacy template refreshes by where nothing was said."""
    try:
        finding = bench.create(autoRefresh=None)["autoRefresh"]
    except ClientError as error:
        finding = error.response["Error"]["Code"]
    bench.finds("autoRefresh left out of a create", finding)


def answers_as_declared(bench: Bench) -> None:
    """Whether a template comes back as it was sent, or with members filled in."""
    template = bench.create()
    held = bench.get(template)
    bench.finds("differential-privacy parameters in answers", held["parameters"])
    read = CleanRooms(bench.client).get(bench.membership, template["id"]).budget
    assert read == BUDGET, f"the handler would edit a template that is as declared: {read}"


def second_create(bench: Bench) -> None:
    """How a second template of one identity is refused."""
    standing = bench.create()
    refused = refusal(bench.create)
    bench.finds("second template of one identity", described(refused).replace(standing["id"], "<id of the existing one>"))
    assert code(refused) == "ConflictException", "the handler takes no other error for an existing template"


def lowered_epsilon(bench: Bench) -> None:
    """Whether epsilon can be lowered before anything was consumed; afterwards only queries can tell."""
    template = bench.create()
    bench.update(template, epsilon=5, usersNoisePerQuery=30)
    bench.finds("epsilon lowered before any query", described(refusal(lambda: bench.update(template, epsilon=4, usersNoisePerQuery=30))))


def edit_that_changes_nothing(bench: Bench) -> None:
    """What an edit to the same values does to a differential-privacy template."""
    template = bench.create()
    refused = refusal(lambda: bench.update(template, epsilon=3, usersNoisePerQuery=30))
    moved = bench.get(template)["updateTime"] != template["updateTime"]
    bench.finds("edit to the same epsilon and noise", f"{described(refused)}, updateTime {'moves' if moved else 'stays'}")


def balance_after_create(bench: Bench) -> None:
    """How soon after a create its balance is listed, and whether it is full then."""
    bench.create()
    bench.finds("balance after a create is listed", seconds(bench.until(lambda: bench.budget(DP) is not None)))
    bench.finds("balance after a create", _parts(bench.listed(DP)["parts"]))


def balance_after_edit(bench: Bench) -> None:
    """Whether an unconsumed balance is still full after an edit: the guard takes any other for a consumed one."""
    template = bench.create()
    before = bench.listed(DP)
    bench.update(template, epsilon=4, usersNoisePerQuery=40)
    waited = bench.until(lambda: bench.listed(DP)["parts"] != before["parts"])
    after = bench.listed(DP)
    bench.finds("balance shows an edit", seconds(waited))
    bench.finds(
        "balance after an edit, nothing consumed", f"{_parts(after['parts'])}; id {'kept' if after['id'] == before['id'] else 'new'}"
    )


def _parts(parts: Sequence[Mapping[str, Any]]) -> str:
    if "maxCount" in parts[0]:
        return ", ".join(f"{part['type']} {part['remainingCount']} of {part['maxCount']}" for part in parts)
    return ", ".join(f"{part['budgetType']} {part['remainingBudget']} of {part['budget']}" for part in parts)


def list_follows_create_and_delete(bench: Bench) -> None:
    """How soon List shows a create and a delete, and whether a create may follow a delete at once, as a swap does."""
    first = bench.create()
    bench.finds("List shows a create", seconds(bench.until(lambda: first["id"] in bench.templates())))
    bench.delete(first)
    refused = refusal(bench.create)
    bench.finds("create right after a delete", described(refused))
    bench.finds("List shows the delete", seconds(bench.until(lambda: first["id"] not in bench.templates())))
    assert refused is None, "the handler's swap creates right after it deleted: it would put nothing back"


def missing_template(bench: Bench) -> None:
    """The error for a template that is gone, in a membership that exists."""
    template = bench.create()
    bench.delete(template)
    calls: Mapping[str, Callable[[], object]] = {
        "Get": lambda: bench.get(template),
        "Update": lambda: bench.update(template, epsilon=4, usersNoisePerQuery=30),
        "Delete": lambda: bench.delete(template),
        "ListTagsForResource": lambda: bench.tags(template["arn"]),
        "TagResource": lambda: bench.client.tag_resource(resourceArn=template["arn"], tags={RUN: bench.run}),
    }
    found = {name: refusal(call) for name, call in calls.items()}
    for name, error in found.items():
        bench.finds(f"{name} of a deleted template", described(error).replace(template["id"], "<its id>"))
    for name in ("Get", "Delete", "ListTagsForResource"):
        assert code(found[name]) == "ResourceNotFoundException", f"a Delete of a template that is gone would fail in {name}"


def missing_membership(bench: Bench) -> None:
    """The error for a membership that does not exist, which a Delete may name."""
    gone = str(uuid.uuid4())
    calls: Mapping[str, Callable[[], object]] = {
        "ListPrivacyBudgetTemplates": lambda: bench.client.list_privacy_budget_templates(membershipIdentifier=gone),
        "ListPrivacyBudgets": lambda: bench.client.list_privacy_budgets(membershipIdentifier=gone, privacyBudgetType=DP),
        "GetPrivacyBudgetTemplate": lambda: bench.client.get_privacy_budget_template(
            membershipIdentifier=gone, privacyBudgetTemplateIdentifier=gone
        ),
        "CreatePrivacyBudgetTemplate": lambda: bench.client.create_privacy_budget_template(
            membershipIdentifier=gone,
            privacyBudgetType=DP,
            autoRefresh="NONE",
            parameters={"differentialPrivacy": {"epsilon": 3, "usersNoisePerQuery": 30}},
        ),
    }
    found = {name: refusal(call) for name, call in calls.items()}
    for name, error in found.items():
        bench.finds(f"{name} in a membership that is gone", described(error).replace(gone, "<its id>"))
    listing = code(found["ListPrivacyBudgetTemplates"])
    assert listing == "ResourceNotFoundException", "a Delete would fail where the membership is gone"


def untag_absent_key(bench: Bench) -> None:
    """Whether removing a tag that is not there is an error; the handler does that after an adoption."""
    template = bench.create()
    refused = refusal(lambda: bench.client.untag_resource(resourceArn=template["arn"], tagKeys=[ownership.ADOPTED_FROM]))
    bench.finds("UntagResource of an absent key", described(refused))
    assert refused is None, "every update of a resource with ADOPT would fail"


def marks_as_tags(bench: Bench) -> None:
    """Whether the handler's marks survive as tags: set in the create, with an empty value, with one as long as the model allows."""
    stack = "arn:aws:cloudformation:us-east-1:111122223333:stack/name/" + str(uuid.uuid4())
    marks = {
        ownership.OWNER: ownership.owner(stack, "Budget"),
        ownership.ADOPTED_FROM: "",
        ownership.PHYSICAL_ID: "x" * 256,
        ownership.REQUEST: bench.run,
    }
    template = bench.create(tags=marks)
    waited = bench.until(lambda: marks.items() <= bench.tags(template["arn"]).items())
    bench.finds("tags given in a create are listed", seconds(waited))
    assert waited is not None, f"the handler would not know its own template by {bench.tags(template['arn'])}"


def tag_limit(bench: Bench) -> None:
    """How many tags a template takes: the service model says 200, AWS in general 50."""
    arn = bench.create()["arn"]

    def bring_to(total: int) -> None:
        missing = [f"tag-{number}" for number in range(total - len(bench.tags(arn)))]
        bench.client.tag_resource(resourceArn=arn, tags={f"{key}-of-{total}": "" for key in missing})

    for total in (50, 51, 200, 201):
        refused = refusal(partial(bring_to, total))
        bench.finds(f"{total} tags on a template", described(refused))
        if refused:
            break


def throttling(bench: Bench) -> None:
    """With which error the service throttles, and from how many calls at once."""

    def one(_: int) -> str:
        error = refusal(lambda: bench.hasty.list_privacy_budget_templates(membershipIdentifier=bench.membership))
        return error["code"] if error else "answered"

    began = monotonic()
    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(one, range(BURST)))
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    bench.finds(f"{BURST} calls of one operation in {monotonic() - began:.1f} s", told)
    assert outcomes.keys() <= {"answered", "ThrottlingException"}, "botocore's retries may not know this error for throttling"


def aggregation_counts(bench: Bench) -> None:
    """How many aggregations a budget allows: AWS's secret, which the local AWS stands in for."""
    for epsilon in (3, 10):
        parameters = {"differentialPrivacy": {"epsilon": epsilon, "usersNoisePerQuery": 30}}
        answer = bench.client.preview_privacy_impact(membershipIdentifier=bench.membership, parameters=parameters)
        counts = answer["privacyImpact"]["differentialPrivacy"]["aggregations"]
        told = ", ".join(f"{entry['type']} {entry['maxCount']}" for entry in counts)
        bench.finds(f"aggregations at epsilon {epsilon}, noise 30", told)


def both_kinds_at_once(bench: Bench) -> None:
    """Whether a differential-privacy template and an access budget can exist side by side."""
    bench.create()
    refused = refusal(lambda: bench.create_access(DAY))
    bench.finds("access budget beside a differential-privacy template", described(refused))
    assert refused is None, "the handler replaces one type by the other by a create before the delete"


def second_access_budget(bench: Bench) -> None:
    """How a second access budget of one table is refused."""
    standing = bench.create_access(DAY)
    refused = refusal(lambda: bench.create_access(LIFETIME))
    bench.finds("second access budget of a table", described(refused).replace(standing["id"], "<id of the existing one>"))
    assert code(refused) == "ConflictException", "the handler takes no other error for an existing template"


def limits_filled_in(bench: Bench) -> None:
    """Which members the service fills in for limits, and what the top-level refresh of an access budget is."""
    template = bench.get(bench.create_access(DAY, LIFETIME))
    bench.finds("limits sent without autoRefresh come back as", template["parameters"]["accessBudget"]["budgetParameters"])
    bench.finds("top-level autoRefresh of an access budget, not sent", template["autoRefresh"])
    assert _difference(bench, template, DAY, LIFETIME) is Change.NONE, "the handler would refill a budget that is as declared"


def top_level_auto_refresh(bench: Bench) -> None:
    """Whether an access budget takes a top-level refresh, which the handler never sends."""
    try:
        finding = f"accepted, answered as {bench.create_access(DAY, autoRefresh='CALENDAR_MONTH')['autoRefresh']}"
    except ClientError as error:
        finding = error.response["Error"]["Code"]
    bench.finds("top-level autoRefresh CALENDAR_MONTH for an access budget", finding)


def lifetime_that_does_not_refresh(bench: Bench) -> None:
    """Whether a lifetime limit keeps an explicit DISABLED; if it does not, the handler sees a change in every event."""
    limit = {**LIFETIME, "autoRefresh": "DISABLED"}
    try:
        template = bench.get(bench.create_access(limit))
    except ClientError as error:
        bench.finds("LIFETIME with autoRefresh DISABLED", error.response["Error"]["Code"])
        return
    (held,) = template["parameters"]["accessBudget"]["budgetParameters"]
    bench.finds("LIFETIME with autoRefresh DISABLED", f"comes back as {held}: {_difference(bench, template, limit).value}")


def _difference(bench: Bench, template: Mapping[str, Any], *limits: Mapping[str, Any]) -> Change:
    """What the handler would do to a template that is declared with these limits."""
    declared = AccessBudget(
        resource_arn=template["parameters"]["accessBudget"]["resourceArn"],
        limits=tuple(
            AccessLimit(
                AccessBudgetPeriod(limit["type"]),
                limit["budget"],
                AutoRefreshMode(limit["autoRefresh"]) if "autoRefresh" in limit else None,
            )
            for limit in limits
        ),
    )
    return lifecycle.change(CleanRooms(bench.client).get(bench.membership, template["id"]).budget, declared)


def access_edit_that_changes_nothing(bench: Bench) -> None:
    """Whether an edit to the same limits refills the budget: told by its start, as only queries consume it."""
    template = bench.create_access(DAY, LIFETIME)
    before = bench.listed(ACCESS)
    bench.update_access(template, DAY, LIFETIME)
    same = bench.listed(ACCESS)
    bench.update_access(template, {**DAY, "budget": 999}, LIFETIME)
    assert bench.until(lambda: bench.listed(ACCESS)["parts"] != same["parts"]) is not None, "the balance does not show an edit"
    bench.finds("access budget edited to the same limits", _begun_anew(before, same))
    bench.finds("access budget edited to other limits", _begun_anew(same, bench.listed(ACCESS)))


def _begun_anew(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    starts = [{part["budgetType"]: part["startTime"] for part in budget["parts"]} for budget in (before, after)]
    moved = [period for period, start in starts[1].items() if start != starts[0].get(period)]
    return f"id {'kept' if before['id'] == after['id'] else 'new'}, startTime moved for {', '.join(moved) or 'none'}"


def limits_added_and_removed(bench: Bench) -> None:
    """Whether an edit may add a limit, and take one away: the handler edits in place for both."""
    template = bench.create_access(DAY)
    added = refusal(lambda: bench.update_access(template, DAY, LIFETIME))
    removed = refusal(lambda: bench.update_access(template, LIFETIME))
    bench.finds("edit that adds a limit", described(added))
    bench.finds("edit that removes a limit", described(removed))
    assert (added, removed) == (None, None), "the handler would fail such an update with the service's words"


def calendar_periods(bench: Bench) -> None:
    """When a day and a week begin and end, which the local AWS assumes to be in UTC and on Monday."""
    for period in ("CALENDAR_DAY", "CALENDAR_WEEK"):
        template = bench.create_access({"type": period, "budget": 1000})
        (part,) = bench.listed(ACCESS)["parts"]
        begins, ends = (part[name].astimezone(UTC) for name in ("startTime", "endTime"))
        bench.finds(period, f"{begins:%A %Y-%m-%d %H:%M} to {ends:%A %Y-%m-%d %H:%M} UTC")
        bench.delete(template)
        bench.until(lambda: bench.budget(ACCESS) is None)


CHECKS: Final[Sequence[Check]] = (
    arn_form,
    auto_refresh_default,
    answers_as_declared,
    second_create,
    lowered_epsilon,
    edit_that_changes_nothing,
    balance_after_create,
    balance_after_edit,
    list_follows_create_and_delete,
    missing_template,
    missing_membership,
    untag_absent_key,
    marks_as_tags,
    tag_limit,
    throttling,
    aggregation_counts,
)

TABLE_CHECKS: Final[Sequence[Check]] = (
    both_kinds_at_once,
    second_access_budget,
    limits_filled_in,
    top_level_auto_refresh,
    lifetime_that_does_not_refresh,
    access_edit_that_changes_nothing,
    limits_added_and_removed,
    calendar_periods,
)
"""Those that need a table to put an access budget on."""


class _Spent(CleanRooms):
    """The service, apart from consumed balances: without queries there are none."""

    def balances(self, identity: Identity, template_id: str) -> list[Balance]:
        return [Balance("COUNT", 9, 10)]


def handler_lifecycle(bench: Bench) -> None:
    """A resource's whole life through the handler: create, its repetition, edit, tags, a refused and an allowed reset, delete."""
    requests = Requests()
    with watched(bench.client, requests):
        _handle_a_life(bench, CleanRooms(bench.client), requests)


def _handle_a_life(bench: Bench, clean_rooms: CleanRooms, requests: Requests) -> None:
    owner = ownership.owner(f"arn:aws:cloudformation:us-east-1:111122223333:stack/live/{bench.run}", "Budget")
    handler = Reconciler(clean_rooms, owner, "first-request", NotRollingBack(), requests=requests)
    declared = DesiredTemplate(bench.membership, BUDGET, tags={RUN: bench.run})

    made = handler.create(declared)
    bench.finds("handler: create", f"{requests.count} request")
    assert list(bench.templates().values()) == [made.physical_id] == [made.attributes["Arn"]]

    assert handler.create(declared) == made, "a repeated delivery must find the template of the first"

    edited = declared._replace(budget=BUDGET._replace(epsilon=4, users_noise_per_query=40))
    requests.count = 0
    assert handler.update(made.physical_id, edited, _previous(declared)) == made
    bench.finds("handler: edit", f"{requests.count} requests")
    held = clean_rooms.templates(bench.membership)[0]
    assert held.budget == edited.budget

    bench.client.tag_resource(resourceArn=held.arn, tags={"by-hand": "yes"})
    tagged = edited._replace(tags={**edited.tags, "team": "privacy"})
    assert handler.update(made.physical_id, tagged, _previous(edited)) == made
    assert handler.update(made.physical_id, edited, _previous(tagged)) == made
    own = {RUN: bench.run, ownership.OWNER: owner, ownership.REQUEST: "first-request"}
    assert bench.until(lambda: bench.tags(held.arn) == {**own, "by-hand": "yes"}) is not None, bench.tags(held.arn)

    monthly = edited._replace(budget=BUDGET._replace(auto_refresh=AutoRefresh.CALENDAR_MONTH))
    try:
        replace(handler, clean_rooms=_Spent(bench.client)).update(made.physical_id, monthly, _previous(edited))
    except RefusalError as refused:
        assert "on_budget_reset" in str(refused)
    else:
        raise AssertionError("a reset of a consumed budget must be refused")
    assert clean_rooms.templates(bench.membership) == [held], "a refused reset must change nothing"
    bench.finds("handler: reset of a consumed budget", "refused, nothing changed")

    bench.listed(DP)
    swapped = handler.update(made.physical_id, monthly, _previous(edited))
    assert swapped.physical_id == made.physical_id
    assert swapped.attributes["Arn"] != made.attributes["Arn"]
    assert [template.budget for template in clean_rooms.templates(bench.membership)] == [monthly.budget]
    bench.finds("handler: reset of an unspent budget", "delete and create, same physical id")

    handler.delete(made.physical_id, monthly.identity)
    assert bench.until(lambda: bench.templates() == {}) is not None, "the template must be deleted"
    handler.delete(made.physical_id, monthly.identity)
    bench.finds("handler: delete, and its repetition", "the template is gone, both succeed")


def _previous(declared: DesiredTemplate) -> PreviousTemplate:
    return PreviousTemplate(declared.identity, declared.tags, declared.on_budget_reset)
