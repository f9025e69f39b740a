"""What is behind a line of an invoice, down to the single events (docs/api/explanations.md): in words, the
steps of its price, the days and the 15-minute buckets of its usage, and the proof of them.

Staff and customers read the same.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true, tuple_
from sqlalchemy.orm import contains_eager, joinedload

from app.db import db
from app.domain.aggregations import aggregations
from app.domain.money import EXACT
from app.domain.periods import BUCKET, ONE_DAY, bucket_start, day_start, local_date
from app.domain.rating import dimension_values
from app.errors import NotFound
from app.models import EventCorrection, Invoice, InvoiceLine, UsageEvent
from app.services import line_evidence, line_words
from app.services.charges import still_billed
from app.services.invoice_document import step
from app.services.line_evidence import Charged, Proof, Used, charged_by
from app.services.line_words import Fact

NOTHING = Decimal(0)
EVENTS_SHOWN = 100
Keep = Callable[[UsageEvent], bool]


@dataclass(frozen=True, slots=True)
class Steps:
    """How a price came about, a sentence per step, each beside its row of the breakdown; of one `group` where
    each value of a dimension is priced by itself ("" is usage without it), else of None."""

    group: str | None
    amount: Decimal
    rows: Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Day:
    """What a line counts of a local day; `quantity` is None where quantities of buckets do not add."""

    on: date
    quantity: Decimal | None
    events: int
    buckets: int


@dataclass(frozen=True, slots=True)
class Closer:
    """The usage of a line looked at closer: its `days`; the `quarters` (15-minute buckets) of the day `on`;
    or the `events` of one bucket."""

    charged: Charged
    on: date | None
    bucket_at: datetime | None
    days: Sequence[Day] = ()
    quarters: Sequence[Used] = ()
    events: Sequence[UsageEvent] = ()
    next: str | None = None

    def told(self, used: Used) -> str:
        """Return the dimension values of a bucket as a person reads them."""
        values = json.loads(used.dimensions)
        return ", ".join(f"{name} {value}" for name, value in sorted(values.items())) or "none"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A line explained. `asked_before` are the lines of earlier invoices for the same, the oldest first;
    `proof` is that of the usage, None for what is not used."""

    line: InvoiceLine
    says: str
    facts: Sequence[Fact]
    steps: Sequence[Steps]
    asked_before: Sequence[InvoiceLine]
    proof: Proof | None


def find_line(invoice: Invoice, n: int) -> InvoiceLine:
    """Return line `n` of an invoice.

    Raises:
        NotFound: there is none.
    """
    line = next((line for line in invoice.lines if line.n == n), None)
    if line is None:
        raise NotFound("There is no such line.")
    return line


def explain(line: InvoiceLine) -> Explanation:
    """Return what a line was made of. Nothing is written."""
    usage = line_words.counts(line)
    return Explanation(
        line=line,
        says=line_words.says(line),
        facts=line_words.facts(line),
        steps=_steps(line),
        asked_before=_asked_before(line),
        proof=line_evidence.prove(charged_by(line)) if usage else None,
    )


def days(charged: Charged) -> list[Day]:
    """Return the local days on which a line counts something, the oldest first."""
    adds = aggregations[charged.metric.aggregation].adds
    zone = charged.line.invoice.account.timezone
    found: dict[date, Day] = {}
    for one in line_evidence.buckets(charged):
        on = local_date(one.bucket_at, zone)
        day = found.get(on, Day(on, NOTHING if adds else None, 0, 0))
        total = None if day.quantity is None else EXACT.add(day.quantity, one.quantity)
        found[on] = Day(on, total, day.events + one.events, day.buckets + 1)
    return list(found.values())


def closer(line: InvoiceLine, *, on: date | None, bucket_at: datetime | None, after: str = "") -> Closer:
    """Return the usage of a line as a page shows it: its days; of the day `on` the buckets; of a bucket the
    events, some at a time: `after` names the last one that was shown (`Closer.next`).

    Raises:
        NotFound: the line charges no usage.
    """
    charged = charged_by(line)
    zone = line.invoice.account.timezone
    if bucket_at is not None:
        query, keep = events_behind(line, bucket_at)
        order = (UsageEvent.occurred_at, UsageEvent.event_id)
        if after:
            at, _, event_id = after.partition(" ")
            query = query.where(tuple_(*order) > (_instant(at), event_id))
        rows = list(db.session.scalars(query.order_by(*order).limit(EVENTS_SHOWN + 1)))
        shown = rows[:EVENTS_SHOWN]
        more = f"{shown[-1].occurred_at.isoformat()} {shown[-1].event_id}" if len(rows) > len(shown) else None
        return Closer(
            charged, local_date(bucket_at, zone), bucket_at, events=list(filter(keep, shown)), next=more
        )
    if on is not None:
        since, until = day_start(on, zone), day_start(on + ONE_DAY, zone)
        return Closer(charged, on, None, quarters=list(line_evidence.buckets(charged, since, until)))
    return Closer(charged, None, None, days=days(charged))


def read_day(text: str) -> date | None:
    """Return the day that an address names, None for none.

    Raises:
        NotFound: it is no day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise NotFound("There is no such day.") from None


def read_bucket(text: str) -> datetime | None:
    """Return the start of the bucket that an address names by an instant in it, None for none.

    Raises:
        NotFound: it is no instant.
    """
    return bucket_start(_instant(text)) if text else None


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotFound("There is no such time.") from None


def group_of(charged: Charged, used: Used) -> str | None:
    """Return the group that a bucket is priced in; None where all usage is priced together."""
    place = charged.place(used.bucket_at, used.dimensions)
    assert place is not None
    return None if place.price.group_by is None else place.price.group_of(used.dimensions)


def events_behind(line: InvoiceLine, bucket_at: datetime | None = None) -> tuple[Select[Any], Keep]:
    """Return the query of the events that the line's component charges in the line's period, or in one of its
    buckets, whenever they arrived, and a last test for each: another subscription may have charged it. What
    was taken back before the invoice was issued is not among them; what was taken back since says so by its
    `status`.

    Raises:
        NotFound: the line charges no usage.
    """
    charged = charged_by(line)
    metric = charged.metric
    start, end = charged.start, charged.end
    if bucket_at is not None:
        start, end = max(start, bucket_at), min(end, bucket_at + BUCKET)

    def keep(event: UsageEvent) -> bool:
        values = dimension_values(event.properties, metric.dimensions, pointer="")
        at = bucket_start(event.occurred_at)
        return charged.place(at, json.dumps(values, sort_keys=True)) is not None

    dimensions = dict.fromkeys(one.dimensions for one in line_evidence.buckets(charged, start, end))
    query = select(UsageEvent).options(joinedload(UsageEvent.correction))
    query = query.where(
        ~_taken_back(line.invoice.issued_at),
        UsageEvent.account_id == charged.account_id,
        UsageEvent.metric_id == metric.id,
        UsageEvent.occurred_at >= start,
        UsageEvent.occurred_at < end,
        or_(False, *(_has(json.loads(text), metric.dimensions) for text in dimensions)),
    )
    return query, keep


def _steps(line: InvoiceLine) -> list[Steps]:
    found: dict[str | None, list[tuple[str, Mapping[str, Any]]]] = {}
    for row in line.breakdown:
        without = {name: value for name, value in row.items() if name != "group"}
        found.setdefault(row.get("group"), []).append((step(without, line.invoice.currency), row))
    return [
        Steps(group, sum((Decimal(row["amount"]) for _, row in rows), NOTHING), rows)
        for group, rows in found.items()
    ]


def _asked_before(line: InvoiceLine) -> list[InvoiceLine]:
    """Return the lines by which earlier invoices asked for the same component and period."""
    if line.subscription_id is None or line.component_id is None:
        return []
    query = (
        select(InvoiceLine)
        .join(InvoiceLine.invoice)
        .options(contains_eager(InvoiceLine.invoice))
        .where(
            InvoiceLine.subscription_id == line.subscription_id,
            InvoiceLine.component_id == line.component_id,
            InvoiceLine.period_start == line.period_start,
            Invoice.id != line.invoice_id,
            still_billed(),
            true() if line.invoice.issued_at is None else Invoice.issued_at < line.invoice.issued_at,
        )
    )
    return list(db.session.scalars(query.order_by(Invoice.issued_at, Invoice.id, InvoiceLine.n)))


def _taken_back(before: datetime | None) -> ColumnElement[bool]:
    """Return the condition that an event was taken back, before an instant or at all."""
    found = (
        EventCorrection.account_id == UsageEvent.account_id,
        EventCorrection.event_id == UsageEvent.event_id,
    )
    return exists().where(*found, true() if before is None else EventCorrection.at < before)


def _has(values: Mapping[str, str], names: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that an event has exactly these values of the metric's dimensions."""
    found = (func.jsonb_extract_path_text(UsageEvent.properties, name) for name in names)
    wanted = (values.get(name) for name in names)
    return and_(True, *(one.is_not_distinct_from(value) for one, value in zip(found, wanted, strict=True)))
