"""Usage from a file: every row through the same door as the events of the API, so importing again adds
nothing.

`prepare` reads the whole file and refuses it while nothing is stored yet; `Import.batches` then yields the
events to be stored by `store`, and `Import.unknown` the senders that `accounts.make` can make accounts for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.errors import RuleBroken
from app.domain.events import LONGEST_NAME, read_instant
from app.errors import FieldError, Invalid
from app.models import Metric
from app.permissions import Actor
from app.services import events, metrics
from app.services.imports import accounts, files
from app.services.imports.files import Survey
from app.services.imports.mapping import EventMapping, make_mapping

BATCH = 1_000
SOURCE = "import"

RawEvent = dict[str, Any]


class TooOld(Invalid):
    """The file has usage older than is taken without a word."""

    code = "too_old"


@dataclass(frozen=True, slots=True)
class Import:
    """A file that can be imported: what it holds, how its rows become events, who sent them and when."""

    survey: Survey
    mapping: EventMapping
    senders: frozenset[str]
    earliest_at: datetime | None
    latest_at: datetime | None

    def batches(self) -> Iterator[list[RawEvent]]:
        """Yield the file's events, a thousand at a time."""
        batch: list[RawEvent] = []
        for event in _events(self.survey, self.mapping):
            batch.append(event)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def unknown(self) -> list[str]:
        """Return the senders that no account is known for."""
        return accounts.find_missing(self.senders)


@dataclass(slots=True)
class Report:
    """What became of the events so far; `reasons` counts the rejected by code, `examples` explains them."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many events have got their answer."""
        return self.accepted + self.duplicates + self.rejected

    def count(self, results: Iterable[events.Result]) -> None:
        """Add the answers to some events."""
        for result in results:
            if result.status is events.Status.accepted:
                self.accepted += 1
            elif result.status is events.Status.duplicate:
                self.duplicates += 1
                self.conflicts += result.conflict
            else:
                code = result.code or "invalid"
                self.rejected += 1
                self.reasons[code] += 1
                self.examples.setdefault(code, result.message or "")


def prepare(
    path: Path,
    maps: Sequence[str] = (),
    *,
    metric: str | None = None,
    dimensions: Sequence[str] = (),
    max_age: timedelta | None = None,
    at: datetime,
) -> Import:
    """Read a whole file and return how it will be imported; nothing is stored.

    Columns that are called like a dimension or the value property of the metric are taken along. `max_age`
    before `at` is the oldest usage that is taken, None takes any.

    Raises:
        UnreadableFile, BadMapping: the file or the mapping cannot be used.
        NotFound: there is no such metric.
        TooOld: some of the usage is older than `max_age`.
    """
    survey = files.survey(path)
    counted = [metrics.get(metric)] if metric else list(db.session.scalars(select(Metric)))
    mapping = make_mapping(
        survey.columns, maps, metric=metric, carried=_carried(counted), dimensions=dimensions
    )
    senders: set[str] = set()
    seen: list[datetime] = []
    old = 0
    for event in _events(survey, mapping):
        sender = event.get("account_id")
        if isinstance(sender, str) and _is_name(sender):
            senders.add(sender)
        instant = _instant(event)
        if instant is not None:
            seen = [min(instant, *seen[:1]), max(instant, *seen[1:])] if seen else [instant, instant]
            old += max_age is not None and at - instant > max_age
    if old and max_age is not None:
        found = f"{old:,} of {survey.rows:,} rows are more than {max_age.days} days old"
        at_field = FieldError("/backfill", TooOld.code, f"{found}. Tick this to take them.")
        raise TooOld(f"{found}: add --backfill to take them.", fields=[at_field])
    first, last = seen or (None, None)
    return Import(survey, mapping, frozenset(senders), first, last)


def store(batch: Sequence[RawEvent], report: Report, *, actor: Actor, at: datetime) -> None:
    """Store a batch of events and add to the report what became of them. It commits by itself.

    Raises:
        Unavailable: the outcome is unknown; import the file again.
    """
    report.count(events.ingest(batch, source=SOURCE, actor=actor, at=at))


def _events(survey: Survey, mapping: EventMapping) -> Iterator[RawEvent]:
    for _line, row in files.rows(survey.path, survey.kind):
        yield mapping.event(row)


def _is_name(sender: str) -> bool:
    """Tell whether an event may name its account so; the others are refused one by one."""
    return len(sender) <= LONGEST_NAME and sender.isprintable() and bool(sender.strip())


def _carried(counted: Iterable[Metric]) -> list[str]:
    """Return the names of the properties that these metrics read."""
    names: dict[str, None] = {}
    for metric in counted:
        names.update(dict.fromkeys(metric.dimensions))
        if metric.value_property:
            names[metric.value_property] = None
    return list(names)


def _instant(event: RawEvent) -> datetime | None:
    try:
        return read_instant(event.get("timestamp"), pointer="/timestamp")
    except RuleBroken:
        return None
