"""The history of a membership's budgets as a person and a program read it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from privacy_budget_core.model import Budget, DifferentialPrivacy, Identity
from privacy_budget_core.ownership import readable

from ..periods import as_iso, as_utc
from ..status.budgets import parameters
from .cloud_trail import Record
from .exposure import Exposure, exposure
from .lives import Change, Entry, Life

_STYLES = {
    Change.CREATED: "green",
    Change.RECREATED: "bold red",
    Change.EDITED: "yellow",
    Change.DELETED: "bold red",
    Change.GONE: "bold red",
}


@dataclass(frozen=True)
class History:
    """The budgets of one membership, from a moment on."""

    membership_id: str
    lives: list[Life]
    record: Record
    since: float
    """Seconds since the epoch; 0 for all that is known."""
    now: float

    @property
    def exposure(self) -> Exposure:
        """The sum of what was granted."""
        return exposure(self.lives, self.since, self.now)

    @property
    def caveats(self) -> list[str]:
        """What the sums do not know, or do not mean."""
        return list(_caveats(self))

    def by_identity(self) -> Iterator[tuple[Identity | None, list[Life]]]:
        """The lives of each budget, those of an unknown type last."""
        relevant = [life for life in self.lives if life.deleted_at is None or life.deleted_at > self.since]
        for identity, same in groupby(sorted(relevant, key=lambda life: _order(life.identity)), lambda life: life.identity):
            yield identity, list(same)

    def entries(self, life: Life) -> list[Entry]:
        """The changes of a template since the history's beginning."""
        return [entry for entry in life.entries if entry.at is None or entry.at >= self.since]


def shown(history: History) -> RenderableType:
    """The changes of each budget, the sum, and its caveats. By whom a change was is not repeated below one by the same."""
    if not history.lives:
        return Text(f"Membership {history.membership_id}: neither Clean Rooms nor CloudTrail knows a privacy budget template of it.")
    parts: list[RenderableType] = [Text(f"Privacy budgets of membership {history.membership_id}:", style="bold")]
    for identity, lives in history.by_identity():
        parts.append(Text(_title(identity), no_wrap=True, overflow="ignore"))
        parts.append(Padding(_table(history, lives), (0, 0, 0, 2), expand=False))
    parts += [Padding(Text(line, style="bold"), (0, 0, 0, 2), expand=False) for line in _sums(history)]
    parts += [Padding(Text(line), (0, 0, 0, 2), expand=False) for line in history.caveats]
    return Group(*parts, "")


def as_json(history: History) -> dict[str, Any]:
    """All of it, budgets in the service's own names."""
    granted = history.exposure
    return {
        "membershipId": history.membership_id,
        "recordBegins": as_iso(history.record.begins_at),
        "since": as_iso(history.since) if history.since else None,
        "templates": [
            {
                "id": life.template_id,
                "privacyBudgetType": life.identity.budget_type if life.identity else None,
                "resourceArn": life.identity.resource_arn if life.identity else None,
                "created": _moment(life.created_at),
                "deleted": _moment(life.deleted_at),
                "exists": life.ended is None,
                "isComplete": life.is_complete,
                "changes": [_entry(entry) for entry in history.entries(life)],
            }
            for _, lives in history.by_identity()
            for life in lives
        ],
        "granted": {
            "differentialPrivacy": {
                "budgets": len(granted.privacy),
                "epsilon": granted.epsilon,
                "grants": [{"from": as_iso(grant.raises[0][0]), "epsilon": grant.epsilon} for grant in granted.privacy],
            },
            "accessBudgets": [{"resourceArn": one.resource_arn, "budgets": one.budgets, "uses": one.uses} for one in granted.uses],
            "unknownTemplates": granted.unknown,
        },
        "caveats": history.caveats,
    }


def _order(identity: Identity | None) -> tuple[bool, str, str]:
    return identity is None, str(identity.budget_type) if identity else "", (identity.resource_arn or "") if identity else ""


def _title(identity: Identity | None) -> str:
    if identity is None:
        return "Templates of which the record has neither type nor parameters"
    return f"{identity.budget_type} of {identity.resource_arn}" if identity.resource_arn else str(identity.budget_type)


def _table(history: History, lives: Iterable[Life]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column()
    table.add_column(overflow="fold")
    above = ""
    for life in lives:
        entries = history.entries(life)
        if not entries or (entries[0] is not life.entries[0] and history.since):
            at_first = next((budget for at, budget in reversed(life.budgets) if at < history.since), None)
            table.add_row(as_utc(history.since), "exists", str(at_first or "its budget is not known"))
        for entry in entries:
            when = as_utc(entry.at) if entry.at is not None else "at an unknown time"
            whose = _whose(entry)
            details = [part for part in (_details(entry), whose if whose != above else "") if part]
            above = whose
            table.add_row(when, Text(entry.change.value, _STYLES.get(entry.change, "")), "\n".join(details))
    return table


def _details(entry: Entry) -> str:
    """The budget, or from what to what."""
    if entry.change is Change.EDITED:
        return changed(entry.before, entry.after)
    if entry.change in (Change.CREATED, Change.RECREATED):
        return str(entry.after) if entry.after else "with a budget that is not known"
    return f"with {entry.before}" if entry.before and entry.change is not Change.OWNER_CHANGED else ""


def changed(before: Budget | None, after: Budget | None) -> str:
    """From what to what; of differential privacy only what differs."""
    if before is None or after is None:
        return f"{before or 'unknown'} → {after or 'unknown'}"
    if not isinstance(before, DifferentialPrivacy) or not isinstance(after, DifferentialPrivacy):
        return f"{before} → {after}, which refills the balance"
    values = {
        "epsilon": (before.epsilon, after.epsilon),
        "noise": (before.users_noise_per_query, after.users_noise_per_query),
        "auto refresh": (before.auto_refresh, after.auto_refresh),
    }
    return ", ".join(f"{name} {old} → {new}" for name, (old, new) in values.items() if old != new) or "nothing"


def _whose(entry: Entry) -> str:
    """By whom, and for which stack."""
    caller = f"by {entry.caller.name}" if entry.caller else "no record of the call"
    return f"{caller}\n{f'owner {readable(entry.owner)}' if entry.owner else 'no owner'}"


def _sums(history: History) -> Iterator[str]:
    granted = history.exposure
    since = f" since {as_utc(history.since)}" if history.since else " in all"
    at_least = "at least " if granted.unknown else ""
    if granted.privacy:
        budgets = f"{len(granted.privacy)} differential privacy budget{'s' if len(granted.privacy) > 1 else ''}"
        yield f"Granted{since}: {at_least}{budgets}, epsilon {granted.calculation} by sequential composition."
    for one in granted.uses:
        yield f"Granted{since}: {one.budgets} balance{'s' if one.budgets > 1 else ''}, {one.uses} uses of {one.resource_arn}."


def _caveats(history: History) -> Iterator[str]:
    granted, record = history.exposure, history.record
    if granted.privacy:
        yield "The sum is an upper bound: what queriers could learn if they used up every budget and put all results together."
    if granted.uses:
        yield "An access budget has no epsilon: it limits how often a table is used, not what a use reveals."
    older = [life for life in history.lives if not life.is_complete and (life.deleted_at is None or life.deleted_at > history.since)]
    if older:
        yield (
            f"The record begins at {as_utc(record.begins_at)}, after the create of {len(older)} of the templates. They count with the"
            " values that the record and Clean Rooms have; templates deleted before are not counted. Files of a trail reach further"
            " back: --from-file."
        )
    elif not history.since or history.since < record.begins_at:
        yield f"The record begins at {as_utc(record.begins_at)}; templates deleted before are not counted."
    if granted.unknown:
        yield f"The record has no budget of {granted.unknown} of the templates, so the sums leave them out."
    if any(life.ended is Change.GONE for life in history.lives):
        yield "A template that is gone without a record of its delete counts up to now."
    for begin, end in record.gaps:
        yield f"There is no record from {as_utc(begin)} to {as_utc(end)}: what happened in between is not known."
    if record.unreadable:
        yield f"{record.unreadable} records of Clean Rooms are not as CloudTrail documents them, and are left out."


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "time": _moment(entry.at),
        "change": entry.change.name,
        "before": parameters(entry.before) if entry.before else None,
        "after": parameters(entry.after) if entry.after else None,
        "owner": entry.owner,
        "by": {"name": entry.caller.name, "arn": entry.caller.arn} if entry.caller else None,
    }


def _moment(moment: float | None) -> str | None:
    return as_iso(moment) if moment is not None else None
