"""Where the records come from: CloudTrail's event history, and files of a trail.

Source: LookupEvents in the CloudTrail API reference: management events of the last 90 days, by region.
"""

import gzip
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from privacy_budget_core.contract import Operation

from ..errors import CommandError
from .records import SOURCE, Call, UnreadableRecordError, read

SECONDS_OF_EVENT_HISTORY: Final = 90 * 86_400

_NAMES: Final = ("*.json", "*.json.gz", "*.jsonl", "*.jsonl.gz")
_TIME: Final = re.compile(r"eventTime\W+(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
_ORDER: Final = {Operation.CREATE: 0, Operation.DELETE: 2}
_GZIP: Final = b"\x1f\x8b"


@dataclass
class Record:
    """The calls that are on record, and over which time."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    """From when to when there is a record, in seconds since the epoch: one for each source."""
    unreadable: int = 0
    """Records of Clean Rooms that are not as documented."""
    _calls: dict[str, Call] = field(default_factory=dict)

    @property
    def calls(self) -> list[Call]:
        """Each call once, the oldest first.

        The times are whole seconds. Within one, a template's create comes first and its delete last, and the calls on older templates
        come before those on templates that the second created: a recreate deletes first.
        """
        calls = self._calls.values()
        created, deleted = (
            {(call.at, call.template_id) for call in calls if call.operation is operation}
            for operation in (Operation.CREATE, Operation.DELETE)
        )

        def order(call: Call) -> tuple[float, bool, bool, str, int]:
            moment = (call.at, call.template_id)
            return call.at, moment in created, moment not in deleted, call.template_id or "", _ORDER.get(call.operation, 1)

        return sorted(calls, key=order)

    @property
    def begins_at(self) -> float:
        """When the record begins."""
        return min(begin for begin, _ in self.spans)

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """The times between the sources of which there is no record."""
        found, reached = [], self.begins_at
        for begin, end in sorted(self.spans):
            if begin > reached:
                found.append((reached, begin))
            reached = max(reached, end)
        return found

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records, of which only those of templates are kept."""
        for record in records:
            try:
                call = read(record)
            except UnreadableRecordError:
                self.unreadable += 1
                continue
            if call is not None:
                self._calls[call.event_id] = call

    def look_up(self, client: Any, on_page: Callable[[], None] = lambda: None) -> None:
        """Add CloudTrail's event history, by LookupEvents: a lookup for each operation. Raises ClientError and BotoCoreError."""
        now = time.time()
        for operation in Operation:
            attributes = [{"AttributeKey": "EventName", "AttributeValue": operation.value}]
            found: list[dict[str, Any]] = []
            for page in client.get_paginator("lookup_events").paginate(LookupAttributes=attributes):
                found += (json.loads(event["CloudTrailEvent"]) for event in page["Events"])
                on_page()
            self.add(reversed(found))  # the newest comes first, and of one second the order counts
        self.spans.append((now - SECONDS_OF_EVENT_HISTORY, now))

    def read_files(self, paths: Iterable[Path]) -> None:
        """Add files of a trail, and those below folders. Raises CommandError."""
        times: list[float] = []
        for file in _files(paths):
            text = _text(file)
            times += [datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC).timestamp() for day, clock in _TIME.findall(text)]
            if SOURCE in text:
                try:
                    self.add(_records_in(_parsed(text)))
                except ValueError as error:
                    raise CommandError(f"--from-file: {file} is not JSON, as the files of a trail are ({error})") from None
        if not times:
            raise CommandError(
                f"--from-file: there is no CloudTrail record in {', '.join(map(str, paths))}; name files of a trail's bucket,"
                f" or folders with such files ({', '.join(_NAMES)})"
            )
        self.spans.append((min(times), max(times)))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted({file for name in _NAMES for file in path.rglob(name) if file.is_file()})
        else:
            yield path


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
        return (gzip.decompress(content) if content.startswith(_GZIP) else content).decode("utf-8")
    except FileNotFoundError:
        raise CommandError(f"--from-file: {file} does not exist") from None
    except (OSError, EOFError, ValueError) as error:
        raise CommandError(f"--from-file: {file} cannot be read: {error}") from None


def _parsed(text: str) -> Any:
    """A JSON document, or one a line. Raises ValueError."""
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def _records_in(document: Any) -> Iterator[Mapping[str, Any]]:
    """The records anywhere in a document: a trail's file, the output of lookup-events or of a query in CloudTrail Lake."""
    if isinstance(document, list):
        for part in document:
            yield from _records_in(part)
    elif isinstance(document, Mapping):
        if "eventSource" in document and "eventName" in document:
            yield document
            return
        for name, part in document.items():
            # Both hold a record as text.
            yield from _records_in(json.loads(part) if name in ("CloudTrailEvent", "eventJson") and isinstance(part, str) else part)
