"""Rollups: recomputed from their events where quantities do not add, and combined into longer windows by the
metric's aggregation (DOMAIN.md §3)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Text, cast, func, select, text

from app.db import db
from app.domain.aggregations import Observation, State, Window, aggregations, combine
from app.domain.money import EXACT
from app.domain.periods import BUCKET
from app.models import UsageRollup
from app.services.rating import Place, Tariffs

NOTHING = Decimal(0)
ROWS_AT_ONCE = 5_000

# The dimensions are made of the properties as `dimension_values` made them when the event came.
READ_EVENTS = text("""
    SELECT e.account_id, e.metric_id, b.bucket_at, d.dimensions::text AS dimensions,
           e.occurred_at, e.event_id, e.quantity, e.properties ->> m.value_property AS value
    FROM unnest(CAST(:account_id AS uuid[]), CAST(:metric_id AS uuid[]), CAST(:bucket_at AS timestamptz[]))
        AS b (account_id, metric_id, bucket_at)
    JOIN metrics m ON m.id = b.metric_id
    JOIN usage_events e ON e.account_id = b.account_id AND e.metric_id = b.metric_id
        AND e.occurred_at >= b.bucket_at AND e.occurred_at < b.bucket_at + interval '15 minutes'
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(name, e.properties ->> name), '{}') AS dimensions
        FROM unnest(m.dimensions) AS name WHERE e.properties ->> name IS NOT NULL
    ) d
    WHERE e.occurred_at >= :first AND e.occurred_at < :after
        AND NOT EXISTS (
            SELECT FROM event_corrections c WHERE c.account_id = e.account_id AND c.event_id = e.event_id
        )
""")

WRITE_STATES = text("""
    UPDATE usage_rollups AS r SET quantity = s.quantity, events = s.events, state = s.state::jsonb
    FROM unnest(
        CAST(:account_id AS uuid[]), CAST(:metric_id AS uuid[]), CAST(:bucket_at AS timestamptz[]),
        CAST(:dimensions AS text[]), CAST(:quantity AS numeric[]), CAST(:events AS bigint[]),
        CAST(:state AS text[])
    ) AS s (account_id, metric_id, bucket_at, dimensions, quantity, events, state)
    WHERE r.account_id = s.account_id AND r.metric_id = s.metric_id AND r.bucket_at = s.bucket_at
        AND r.dimensions = s.dimensions::jsonb
""")

READ_SPANS = text("""
    SELECT r.account_id, r.metric_id, r.bucket_at, r.dimensions::text AS dimensions, r.quantity,
           r.events, r.state::text AS state
    FROM unnest(
        CAST(:account_id AS uuid[]), CAST(:metric_id AS uuid[]), CAST(:since AS timestamptz[]),
        CAST(:until AS timestamptz[])
    ) AS s (account_id, metric_id, since, until)
    JOIN usage_rollups r ON r.account_id = s.account_id AND r.metric_id = s.metric_id
        AND r.bucket_at >= s.since AND r.bucket_at < s.until
""")

# What a query over rollups selects to hand it to `quantity_of`: the sum, and the states as JSON texts.
TOTAL: ColumnElement[Decimal] = func.sum(UsageRollup.quantity)
STATES: ColumnElement[Any] = func.array_agg(cast(UsageRollup.state, Text)).filter(
    UsageRollup.state.is_not(None)
)

PlaceKey = tuple[UUID, UUID, datetime]


class Bucket(NamedTuple):
    """The key of a rollup; `dimensions` is the canonical JSON text of the dimension values."""

    account_id: UUID
    metric_id: UUID
    bucket_at: datetime
    dimensions: str


@dataclass(slots=True)
class Tally:
    """What the rollups that one component charges in one period come to."""

    place: Place
    events: int = 0
    added: Decimal = NOTHING
    states: list[State] = field(default_factory=list)

    def take(self, row: Row[Any]) -> None:
        """Add a rollup: its `quantity`, `events` and `state` (JSON text)."""
        self.events += row.events
        if self.place.price.adds:
            self.added = EXACT.add(self.added, row.quantity)
        elif row.state is not None:
            self.states.append(msgspec.json.decode(row.state))

    @property
    def quantity(self) -> Decimal:
        """The quantity of the whole billing period."""
        if self.place.price.adds:
            return self.added
        period = self.place.period
        return combine(
            aggregations[self.place.price.aggregation], self.states, Window(period.start, period.end)
        )


def quantity_of(
    aggregation: str, total: Decimal | None, states: Iterable[str] | None, window: Window
) -> Decimal:
    """Return the quantity of a window from the `TOTAL` and the `STATES` of its rollups.

    Of several accounts or dimension values it is the quantity of all their events together: the greatest
    value of all, the distinct values of all, the mean of all.
    """
    entry = aggregations[aggregation]
    if entry.adds:
        return total or NOTHING
    return combine(entry, map(msgspec.json.decode, states or ()), window)


def rollups_of(account_id: UUID, since: datetime | None = None) -> Select[*tuple[Any, ...]]:
    """Return the query for an account's rollups, their dimensions and states as canonical JSON text."""
    query = select(
        UsageRollup.account_id,
        UsageRollup.metric_id,
        UsageRollup.bucket_at,
        cast(UsageRollup.dimensions, Text).label("dimensions"),
        UsageRollup.quantity,
        UsageRollup.events,
        cast(UsageRollup.state, Text).label("state"),
    ).where(UsageRollup.account_id == account_id)
    return query if since is None else query.where(UsageRollup.bucket_at >= since)


def tally(rows: Iterable[Row[Any]], tariffs: Tariffs) -> dict[PlaceKey, Tally]:
    """Return what rollups come to by charge position; those that no price fits are left out."""
    found: dict[PlaceKey, Tally] = {}
    for row in rows:
        place = tariffs.place(row.account_id, row.metric_id, row.bucket_at, row.dimensions)
        if place is not None:
            found.setdefault(place.key, Tally(place)).take(row)
    return found


def tally_places(places: Collection[Place], tariffs: Tariffs) -> dict[PlaceKey, Tally]:
    """Return what all rollups of these places come to now, read by one statement."""
    spans = {
        (each.coverage.account_id, each.price.metric_id, each.period.start, each.period.end)
        for each in places
    }
    names = ("account_id", "metric_id", "since", "until")
    rows = db.session.execute(READ_SPANS, _columns(names, spans))
    # Periods of two subscriptions may overlap: a rollup of both comes twice.
    return tally({row[:4]: row for row in rows}.values(), tariffs)


def recompute(buckets: Mapping[Bucket, str]) -> None:
    """Bring rollups to what their events say, whatever they held; `buckets` maps each to its aggregation.

    The caller holds the rows locked, by an earlier statement: the events are read by a later one, so of two
    runs the one that writes last has seen the events of both.
    """
    states: dict[Bucket, tuple[State | None, int]] = dict.fromkeys(buckets, (None, 0))
    for bucket, observed in observations_of(buckets):
        entry, (state, events) = aggregations[buckets[bucket]], states[bucket]
        more = entry.observe(observed)
        states[bucket] = (more if state is None else entry.merge([state, more]), events + len(observed))
    written = [
        (*bucket, _own_quantity(buckets[bucket], bucket, state), events, _encoded(state))
        for bucket, (state, events) in sorted(states.items())
    ]
    db.session.execute(WRITE_STATES, _columns((*Bucket._fields, "quantity", "events", "state"), written))


def observations_of(buckets: Collection[Bucket]) -> Iterator[tuple[Bucket, list[Observation]]]:
    """Yield the events that count in these buckets, some thousands at a time: a bucket may come again."""
    if not buckets:
        return
    places = sorted({bucket[:3] for bucket in buckets})
    parameters: dict[str, Any] = {
        **_columns(Bucket._fields[:3], places),
        "first": min(at for *_, at in places),
        "after": max(at for *_, at in places) + BUCKET,
    }
    rows = db.session.execute(READ_EVENTS, parameters, execution_options={"yield_per": ROWS_AT_ONCE})
    for part in rows.partitions():
        grouped: dict[Bucket, list[Observation]] = {}
        for row in part:
            bucket = Bucket(row.account_id, row.metric_id, row.bucket_at, row.dimensions)
            if bucket in buckets:
                observation = Observation(row.occurred_at, row.event_id, row.quantity, row.value)
                grouped.setdefault(bucket, []).append(observation)
        yield from grouped.items()


def _own_quantity(aggregation: str, bucket: Bucket, state: State | None) -> Decimal:
    window = Window(bucket.bucket_at, bucket.bucket_at + BUCKET)
    return combine(aggregations[aggregation], [state], window)


def _encoded(state: State | None) -> str | None:
    return None if state is None else msgspec.json.encode(state).decode()


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return rows as one array per column, as `unnest` takes them."""
    columns = zip(*rows, strict=True)
    return dict(zip(names, map(list, columns), strict=True))
