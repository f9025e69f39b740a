"""Rollups: recomputed from their events where quantities do not add, and combined into longer windows by the
metric's aggregation (docs/adr/0006)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Result, Row, Select, Text, cast, func, select, text
from sqlalchemy.orm import aliased

from app.db import db
from app.domain.aggregations import State, Window, aggregations, combine
from app.domain.aggregations.core import total
from app.domain.groups import Total, spelled
from app.domain.money import EXACT
from app.domain.periods import BUCKET
from app.models import Metric, UsageRollup
from app.services.rating import Place, Tariffs

NOTHING = Decimal(0)

# What the buckets of each aggregation that does not add have to remember, made where the events are: the same
# as `Aggregation.observe`, which the proof of the books holds against it. Event ids are compared as Python
# compares them.
_MICROSECONDS = "(extract(epoch FROM e.occurred_at) * 1000000)::bigint"
_PLAIN = "trim_scale({})::text"
_VALUE = _PLAIN.format("e.quantity")
STATES_OF_EVENTS = {
    "max": f"to_jsonb({_PLAIN.format('max(e.quantity)')})",
    "min": f"to_jsonb({_PLAIN.format('min(e.quantity)')})",
    "average": f"jsonb_build_array({_PLAIN.format('sum(e.quantity)')}, count(*))",
    "latest": f"""(array_agg(
        jsonb_build_array({_MICROSECONDS}, e.event_id, {_VALUE})
        ORDER BY e.occurred_at DESC, e.event_id COLLATE "C" DESC))[1]""",
    # Of a key that comes again the last one stays.
    "unique_count": f"""jsonb_object_agg(
        e.properties ->> m.value_property,
        jsonb_build_array({_MICROSECONDS}, e.event_id, (e.quantity > 0)::int)
        ORDER BY e.occurred_at, e.event_id COLLATE "C")""",
    "weighted_sum": f"""jsonb_build_array(
        {_PLAIN.format("sum(e.quantity)")}, {_PLAIN.format(f"sum(e.quantity * {_MICROSECONDS})")})""",
}

# The dimensions are made of the properties as `dimension_values` made them when the event came. OFFSET 0 has
# the planner look into the index once per bucket, where it might join everything with everything.
EVENTS_IN_BUCKETS = """
    FROM unnest(CAST(:account_id AS uuid[]), CAST(:metric_id AS uuid[]), CAST(:bucket_at AS timestamptz[]))
        AS b (account_id, metric_id, bucket_at)
    JOIN metrics m ON m.id = b.metric_id
    CROSS JOIN LATERAL (
        SELECT occurred_at, event_id, quantity, properties FROM usage_events
        WHERE account_id = b.account_id AND metric_id = b.metric_id
            AND occurred_at >= b.bucket_at AND occurred_at < b.bucket_at + interval '15 minutes'
            AND occurred_at >= :first AND occurred_at < :after
        OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(name, e.properties ->> name), '{}') AS dimensions
        FROM unnest(m.dimensions) AS name WHERE e.properties ->> name IS NOT NULL
    ) d
    WHERE NOT EXISTS (
        SELECT FROM event_corrections c WHERE c.account_id = b.account_id AND c.event_id = e.event_id
    )
"""
READ_STATES = {
    name: text(f"""
        SELECT b.account_id, b.metric_id, b.bucket_at, d.dimensions::text AS dimensions,
               count(*) AS events, ({state})::text AS state {EVENTS_IN_BUCKETS}
        GROUP BY b.account_id, b.metric_id, b.bucket_at, d.dimensions
    """)
    for name, state in STATES_OF_EVENTS.items()
}

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
    ORDER BY r.metric_id, r.bucket_at, r.dimensions::text
""")


def states_of(rollup: type[UsageRollup]) -> ColumnElement[Any]:
    """Return the states of rollups as JSON texts; NULL where their metric adds."""
    return func.array_agg(cast(rollup.state, Text)).filter(rollup.state.is_not(None))


# What a query over rollups selects to hand it to `quantity_of`: the sum, and the states as JSON texts.
TOTAL: ColumnElement[Decimal] = func.sum(UsageRollup.quantity)
STATES = states_of(UsageRollup)

PlaceKey = tuple[UUID, UUID, datetime]


class Bucket(NamedTuple):
    """The key of a rollup; `dimensions` is the canonical JSON text of the dimension values."""

    account_id: UUID
    metric_id: UUID
    bucket_at: datetime
    dimensions: str


@dataclass(slots=True)
class Part:
    """What the rollups of one group come to."""

    events: int = 0
    added: Decimal = NOTHING
    states: list[State] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What the rollups that one component charges in one period come to, by the groups that are priced by
    themselves."""

    place: Place
    parts: dict[str, Part] = field(default_factory=dict)

    def take(self, row: Row[Any]) -> None:
        """Add a rollup: its `dimensions`, `quantity`, `events` and `state` (JSON text)."""
        self.add(row.dimensions, row.quantity, row.events, () if row.state is None else (row.state,))

    def add(self, dimensions: str, quantity: Decimal, events: int, states: Iterable[str]) -> None:
        """Add some rollups of the same dimension values."""
        group = self.place.price.group_of(dimensions)
        part = self.parts.get(group)
        if part is None:
            part = self.parts[group] = Part()
        part.events += events
        if self.place.price.adds:
            part.added = EXACT.add(part.added, quantity)
        else:
            part.states += map(msgspec.json.decode, states)

    @property
    def events(self) -> int:
        """The number of events."""
        return sum(part.events for part in self.parts.values())

    @property
    def quantity(self) -> Decimal:
        """The quantity of the whole billing period: that of all groups added."""
        return total(map(self._quantity, self.parts.values()))

    @property
    def groups(self) -> dict[str, list[Any]] | None:
        """What each group comes to; None where all usage is priced together."""
        if self.place.price.group_by is None:
            return None
        return spelled((value, self._quantity(part), part.events) for value, part in self.parts.items())

    @property
    def whole(self) -> Total:
        """All of it, worked out."""
        return Total(self.quantity, self.events, self.groups)

    def _quantity(self, part: Part) -> Decimal:
        listed, period = self.place.price, self.place.period
        if listed.adds:
            return part.added
        return combine(aggregations[listed.aggregation], part.states, Window(period.start, period.end))


def of_accounts(account_ids: Sequence[UUID], window: Window) -> type[UsageRollup]:
    """Return the rollups of these accounts in a window, to be joined laterally to `Metric`.

    Each account's part of each metric is one stretch of the primary key. Asked for all metrics at once, the
    planner reads what all accounts used in that time.
    """
    there = (
        select(UsageRollup)
        .where(
            UsageRollup.account_id.in_(account_ids),
            UsageRollup.metric_id == Metric.id,
            UsageRollup.bucket_at >= window.start,
            UsageRollup.bucket_at < window.end,
        )
        .correlate(Metric)
        # Keeps the planner from turning the stretches into a scan of everything.
        .offset(0)
        .lateral()
    )
    return aliased(UsageRollup, there)


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
    # Periods of two subscriptions may overlap: a rollup of both comes twice.
    return tally({row[:4]: row for row in in_spans(spans)}.values(), tariffs)


def in_spans(spans: Collection[tuple[UUID, UUID, datetime, datetime]]) -> Result[Any]:
    """Return the rollups of accounts and metrics in `[since, until)`, by metric, instant, dimensions."""
    return db.session.execute(READ_SPANS, _columns(("account_id", "metric_id", "since", "until"), spans))


def recompute(buckets: Mapping[Bucket, str]) -> None:
    """Bring rollups to what their events say, whatever they held; `buckets` maps each to its aggregation.

    The caller holds the rows locked, by an earlier statement: the events are read by a later one, so of two
    runs the one that writes last has seen the events of both.
    """
    states: dict[Bucket, tuple[str | None, int]] = dict.fromkeys(buckets, (None, 0))
    for aggregation in sorted(set(buckets.values())):
        alike = [bucket for bucket, name in buckets.items() if name == aggregation]
        for row in db.session.execute(READ_STATES[aggregation], columns_of(alike)):
            bucket = Bucket(*row[:4])
            if bucket in states:
                states[bucket] = (row.state, row.events)
    written = [
        (*bucket, _own_quantity(buckets[bucket], bucket, state), events, state)
        for bucket, (state, events) in sorted(states.items())
    ]
    db.session.execute(WRITE_STATES, _columns((*Bucket._fields, "quantity", "events", "state"), written))


def columns_of(buckets: Iterable[Bucket]) -> dict[str, Any]:
    """Return the parameters of `EVENTS_IN_BUCKETS` for at least one bucket, of whatever dimensions."""
    places = sorted({bucket[:3] for bucket in buckets})
    instants = [at for *_, at in places]
    bounds = {"first": min(instants), "after": max(instants) + BUCKET}
    return {**_columns(Bucket._fields[:3], places), **bounds}


def _own_quantity(aggregation: str, bucket: Bucket, state: str | None) -> Decimal:
    window = Window(bucket.bucket_at, bucket.bucket_at + BUCKET)
    return quantity_of(aggregation, None, [state] if state is not None else [], window)


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return rows as one array per column, as `unnest` takes them."""
    columns = zip(*rows, strict=True)
    return dict(zip(names, map(list, columns), strict=True))
