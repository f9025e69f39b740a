"""Reading usage: quantities by time and dimension, cut in the account's own time zone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, SQLColumnExpression, Text, cast, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import INTERVAL

from app.db import db
from app.domain.aggregations import Window
from app.domain.periods import BUCKET, bucket_start
from app.errors import Invalid
from app.models import Account, Metric, UsageRollup
from app.services import cache, marks, rollups

GRANULARITIES = ("15m", "hour", "day", "month")
MOST_SPAN = {
    "15m": timedelta(days=31),
    "hour": timedelta(days=93),
    "day": timedelta(days=1100),
    "month": timedelta(days=36600),
}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of one metric in `[start, end)`, for one value of the dimension it is grouped by (if any)."""

    start: datetime
    end: datetime
    metric_id: UUID
    metric: str
    dimensions: dict[str, str | None]
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What of an account's usage is asked for: `[since, until)`, which metric, how fine, by which
    dimension."""

    account: Account
    since: datetime
    until: datetime
    granularity: str = "day"
    metric: Metric | None = None
    group_by: str | None = None


# Start, metric code and dimension value of a row.
Position = tuple[datetime, str, str]


def read(reading: Reading, *, limit: int, after: Position | None = None) -> list[UsageRow]:
    """Return up to `limit` rows, the oldest first; intervals without usage have none.

    Days and months are those of the account's zone. The quantity of an interval is that of all its buckets
    together, by the metric's aggregation. An interval that `since` or `until` cuts has the usage of its part
    only. `after` is the position of the last row of the page before. Kept for five minutes, or until usage of
    the account is metered.

    Raises:
        Invalid: unknown granularity or dimension, an empty time, or one too long for the granularity.
    """
    _check(reading)
    made_from = (marks.usage_of(reading.account.id),)
    key = _key(reading, limit, after)
    return cache.get_or_make(
        key, made_from, marks.USAGE_SECONDS, lambda: _read(reading, limit, after), list[UsageRow]
    )


def _read(reading: Reading, limit: int, after: Position | None) -> list[UsageRow]:
    zone = reading.account.timezone
    # A late page does not add up the earlier ones again.
    since = reading.since if after is None else max(reading.since, after[0])
    used = rollups.of_accounts([reading.account.id], Window(since, reading.until))
    start = _start(used.bucket_at, reading.granularity, zone)
    value = used.dimensions[reading.group_by].astext if reading.group_by else cast(literal(None), Text)
    query = (
        select(
            start.label("start"),
            _end(start, reading.granularity, zone).label("end"),
            Metric.id.label("metric_id"),
            Metric.code,
            value.label("value"),
            Metric.aggregation,
            func.sum(used.quantity).label("total"),
            rollups.states_of(used).label("states"),
            cast(func.sum(used.events), UsageRollup.events.type).label("events"),
        )
        .join(used, true())
        .group_by(start, Metric.id, value)
        .order_by(start, Metric.code, func.coalesce(value, ""))
        .limit(limit)
    )
    if reading.metric is not None:
        query = query.where(Metric.id == reading.metric.id)
    if after is not None:
        position = tuple_(start, Metric.code, func.coalesce(value, ""))
        query = query.having(position > tuple_(*map(literal, after)))
    return [_as_row(reading, row) for row in db.session.execute(query)]


def _key(reading: Reading, limit: int, after: Position | None) -> str:
    """Return the name of a page of rows. Buckets are whole, so all instants within one ask the same."""
    asked = (
        reading.account.id,
        reading.account.timezone,
        _next_bucket(reading.since),
        _next_bucket(reading.until),
        reading.granularity,
        reading.metric and reading.metric.code,
        reading.group_by,
        limit,
        after,
    )
    return f"usage-rows:{sha256(msgspec.json.encode(asked)).hexdigest()[:32]}"


def _next_bucket(at: datetime) -> str:
    start = bucket_start(at)
    return (start if start == at else start + BUCKET).isoformat()


def _as_row(reading: Reading, row: Row[Any]) -> UsageRow:
    window = Window(row.start, row.end)
    quantity = rollups.quantity_of(row.aggregation, row.total, row.states, window)
    dimensions = {reading.group_by: row.value} if reading.group_by else {}
    return UsageRow(row.start, row.end, row.metric_id, row.code, dimensions, quantity, row.events)


def _check(reading: Reading) -> None:
    if reading.granularity not in GRANULARITIES:
        raise Invalid.at("/granularity", f"Choose one of: {', '.join(GRANULARITIES)}.", code="unknown_choice")
    if reading.since >= reading.until:
        raise Invalid.at("/to", "`to` must be after `from`.", code="empty_time")
    if reading.until - reading.since > MOST_SPAN[reading.granularity]:
        days = MOST_SPAN[reading.granularity].days
        message = f"By {reading.granularity} at most {days} days can be read at once."
        raise Invalid.at("/from", message, code="too_long")
    if reading.group_by and reading.metric and reading.group_by not in reading.metric.dimensions:
        known = ", ".join(reading.metric.dimensions) or "none"
        message = f"The metric has no dimension {reading.group_by!r}. It has: {known}."
        raise Invalid.at("/group_by", message, code="unknown_dimension")


def _start(bucket_at: SQLColumnExpression[datetime], granularity: str, zone: str) -> SQLColumnExpression[Any]:
    if granularity == "15m":
        return bucket_at
    return func.date_trunc(granularity, bucket_at, zone)


def _end(start: SQLColumnExpression[Any], granularity: str, zone: str) -> SQLColumnExpression[Any]:
    if granularity == "15m":
        return start + literal(BUCKET)
    if granularity == "hour":
        return start + literal(timedelta(hours=1))
    step = cast(literal(f"1 {granularity}"), INTERVAL)
    return func.timezone(zone, func.timezone(zone, start) + step)
