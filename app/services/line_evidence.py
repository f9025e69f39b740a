"""What was counted for a line that charges usage: its 15-minute buckets, and the proof that they are those
that were billed.

A line keeps a hash over its buckets as they stood when it was made. It is worked out anew here. Where usage
came or was taken back since, what that changed is set aside first: so the proof holds for as long as the
books do, whatever comes later.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, select, text

from app.db import db
from app.domain.aggregations import Observation, Window, aggregations
from app.domain.periods import BUCKET
from app.errors import NotFound
from app.models import InvoiceLine, Metric, UsageRollup
from app.services import archives
from app.services.rating import Place, Tariffs
from app.services.rollups import rollups_of
from app.services.usage_charges import spelled_bucket

NOTHING = Decimal(0)

# The spelling that a rollup's state has in the hash.
SPELLED = text("SELECT CAST(CAST(:state AS jsonb) AS text)")

# The buckets of a metric in a period to which events came, or from which some were taken back, since.
TOUCHED = text("""
    SELECT bucket_at, sum(came), sum(gone) FROM (
        SELECT date_bin('15 minutes', occurred_at, '2000-01-01T00:00Z') AS bucket_at, 1 AS came, 0 AS gone
        FROM usage_events
        WHERE account_id = :account_id AND metric_id = :metric_id AND occurred_at >= :start
            AND occurred_at < :end AND received_at > :at
        UNION ALL
        SELECT bucket_at, 0, 1 FROM event_corrections
        WHERE account_id = :account_id AND metric_id = :metric_id AND bucket_at >= :start
            AND bucket_at < :end AND at > :at
    ) AS since GROUP BY bucket_at
""")

# The events that had come to some buckets by an instant, and whether each had been taken back by then.
KNOWN = text("""
    SELECT b.bucket_at, d.dimensions::text AS dimensions, e.occurred_at, e.event_id, e.quantity,
           e.properties ->> m.value_property AS value,
           EXISTS (
               SELECT FROM event_corrections c
               WHERE c.account_id = :account_id AND c.event_id = e.event_id AND c.at <= :at
           ) AS gone
    FROM unnest(CAST(:buckets AS timestamptz[])) AS b (bucket_at)
    JOIN metrics m ON m.id = :metric_id
    CROSS JOIN LATERAL (
        SELECT occurred_at, event_id, quantity, properties FROM usage_events
        WHERE account_id = :account_id AND metric_id = :metric_id AND occurred_at >= b.bucket_at
            AND occurred_at < b.bucket_at + interval '15 minutes' AND received_at <= :at
        OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(name, e.properties ->> name), '{}') AS dimensions
        FROM unnest(m.dimensions) AS name WHERE e.properties ->> name IS NOT NULL
    ) d
""")


class Verdict(StrEnum):
    """Whether the buckets are those that were billed: as they are, without what came since, or not."""

    matches = "matches"
    matches_then = "matches_then"
    differs = "differs"


class Used(NamedTuple):
    """A bucket that the line charges: what was counted of one set of dimension values in 15 minutes."""

    bucket_at: datetime
    dimensions: str
    quantity: Decimal
    events: int
    state: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The hash that the line keeps and the one of today; how many events came, and were taken back, since.

    `recomputed` is that of the buckets without what came since, where this is what `recorded` matches.
    """

    recorded: str
    recomputed: str
    verdict: Verdict
    buckets: int
    events: int
    came: int = 0
    taken_back: int = 0
    archived: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Tell whether the line was made of exactly this usage."""
        return self.verdict is not Verdict.differs


@dataclass(frozen=True, slots=True)
class Charged:
    """What a line charges: usage of a metric, in one period, under one price of one subscription."""

    line: InvoiceLine
    metric: Metric
    account_id: UUID
    start: datetime
    end: datetime
    tariffs: Tariffs

    def place(self, bucket_at: datetime, dimensions: str) -> Place | None:
        """Return the line's own place for usage that it charges, None for that of another price."""
        found = self.tariffs.place(self.account_id, self.metric.id, bucket_at, dimensions)
        mine = found is not None and found.key == self.key
        return found if mine else None

    @property
    def key(self) -> tuple[UUID | None, UUID | None, datetime]:
        """The key of the charge position behind the line."""
        return self.line.subscription_id, self.line.component_id, self.start


def charged_by(line: InvoiceLine) -> Charged:
    """Return what a line charges.

    Raises:
        NotFound: it charges no usage.
    """
    metric = db.session.scalar(select(Metric).where(Metric.code == line.metric_code))
    if metric is None or not (line.subscription_id and line.component_id):
        raise NotFound("This line charges no usage, so there are no events behind it.")
    assert line.period_start is not None
    assert line.period_end is not None
    account_id = line.invoice.account_id
    tariffs = Tariffs()
    tariffs.load([account_id])
    return Charged(line, metric, account_id, line.period_start, line.period_end, tariffs)


def buckets(charged: Charged, since: datetime | None = None, until: datetime | None = None) -> Iterator[Used]:
    """Yield the buckets that a line charges, by time and dimension values; only those from `since` on and
    before `until` where these are given."""
    first, after = max(since or charged.start, charged.start), min(until or charged.end, charged.end)
    query = rollups_of(charged.account_id, first)
    query = query.where(UsageRollup.metric_id == charged.metric.id, UsageRollup.bucket_at < after)
    order = (UsageRollup.bucket_at, cast(UsageRollup.dimensions, Text))
    for row in db.session.execute(query.order_by(*order)):
        if charged.place(row.bucket_at, row.dimensions) is not None:
            yield Used(row.bucket_at, row.dimensions, row.quantity, row.events, row.state)


def page(
    charged: Charged, since: datetime | None, until: datetime | None, limit: int
) -> tuple[list[Used], datetime | None]:
    """Return at least `limit` buckets, the oldest first, and where the next ones begin; those of one quarter
    of an hour stay together."""
    found: list[Used] = []
    for one in buckets(charged, since, until):
        if len(found) >= limit and one.bucket_at != found[-1].bucket_at:
            return found, one.bucket_at
        found.append(one)
    return found, None


def prove(charged: Charged) -> Proof | None:
    """Return the proof of a line's usage; None for a line that keeps no hash."""
    recorded = charged.line.events_hash
    if recorded is None:
        return None
    now = list(buckets(charged))
    archived = tuple(archives.months_between(charged.start, charged.end))
    proof = Proof(
        recorded, digest(now), Verdict.matches, len(now), sum(one.events for one in now), archived=archived
    )
    if proof.recomputed == recorded:
        return proof
    touched = _touched(charged)
    came, gone = (sum(each[n] for each in touched.values()) for n in (0, 1))
    proof = replace(proof, came=came, taken_back=gone)
    if touched and digest(_as_then(charged, now, set(touched))) == recorded:
        return replace(proof, recomputed=recorded, verdict=Verdict.matches_then)
    return replace(proof, verdict=Verdict.differs)


def digest(used: Sequence[Used]) -> str:
    """Return the hash of buckets, as a line keeps it (`usage_charges`)."""
    whole = sha256()
    for one in used:
        whole.update(spelled_bucket(one))
    return whole.hexdigest()


def _touched(charged: Charged) -> dict[datetime, tuple[int, int]]:
    """Return the buckets that changed since the line was made: how many events came to each, and how many
    were taken back."""
    return {row[0]: (int(row[1]), int(row[2])) for row in db.session.execute(TOUCHED, _asked(charged))}


def _as_then(charged: Charged, now: Sequence[Used], touched: Collection[datetime]) -> list[Used]:
    """Return the buckets as they were when the line was made: the touched ones anew from their events."""
    known: dict[tuple[datetime, str], list[Observation]] = {}
    for *key, at, event_id, quantity, value, gone in db.session.execute(
        KNOWN, {**_asked(charged), "buckets": list(touched)}
    ):
        noted = known.setdefault((key[0], key[1]), [])
        if not gone:
            noted.append(Observation(at, event_id, quantity, value))
    then = []
    for one in now:
        if one.bucket_at not in touched:
            then.append(one)
        elif (observed := known.get(one[:2])) is not None:
            then.append(_counted(charged.metric.aggregation, *one[:2], observed))
    return then


def _counted(aggregation: str, bucket_at: datetime, dimensions: str, observed: list[Observation]) -> Used:
    """Return what the events of a bucket come to, as metering keeps it."""
    entry = aggregations[aggregation]
    window = Window(bucket_at, bucket_at + BUCKET)
    quantity = entry.value(observed, window) if observed else NOTHING
    state = None
    if observed and not entry.adds:
        state = db.session.scalar(SPELLED, {"state": json.dumps(entry.observe(observed))})
    return Used(bucket_at, dimensions, quantity, len(observed), state)


def _asked(charged: Charged) -> dict[str, Any]:
    return {
        "account_id": charged.account_id,
        "metric_id": charged.metric.id,
        "start": charged.start,
        "end": charged.end,
        "at": charged.line.created_at,
    }
