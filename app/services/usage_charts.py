"""Usage by day for charts: of one customer's accounts, for the customer and for staff alike, and of all.

Read from the rollups, never from events, and kept until usage is metered: of accounts for five minutes at
most, of all for an hour, and made anew before that (`jobs.usage`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, SQLColumnExpression, cast, func, or_, select, true

from app.db import db
from app.domain.aggregations import Window, aggregations
from app.domain.periods import ONE_DAY, day_start
from app.models import Metric, UsageRollup
from app.services import cache, marks, rollups

OTHER = "other"
ALL_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Counted:
    """A metric as a chart names it."""

    id: UUID
    code: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Total:
    """How much of a metric was used in a time, and by how many events."""

    metric: Counted
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The figures of a chart: days, and per line of it a quantity for each day."""

    metric: Counted
    days: list[date]
    lines: list[tuple[str, list[Decimal]]]


@dataclass(frozen=True, slots=True)
class Days:
    """The local days `[first_on, after_on)` of a time zone."""

    first_on: date
    after_on: date
    zone: str

    @property
    def window(self) -> Window:
        """Their instants."""
        return Window(day_start(self.first_on, self.zone), day_start(self.after_on, self.zone))

    @property
    def each(self) -> list[date]:
        """Every one of them."""
        return [self.first_on + timedelta(days=n) for n in range((self.after_on - self.first_on).days)]


def totals(account_ids: Sequence[UUID], days: Days) -> list[Total]:
    """Return what these accounts used of each metric in all of the days, the busiest metric first."""
    made_from = [*map(marks.usage_of, account_ids), marks.METRICS]
    key = _key("usage-totals", account_ids, days)
    return cache.get_or_make(
        key, made_from, marks.USAGE_SECONDS, lambda: _totals(account_ids, days), list[Total]
    )


def trends(account_ids: Sequence[UUID], days: Days) -> list[Trend]:
    """Return what these accounts used of each metric by local day, split by the metric's first dimension."""
    made_from = [*map(marks.usage_of, account_ids), marks.METRICS]
    key = _key("usage-trends-by-date", account_ids, days)
    return cache.get_or_make(
        key, made_from, marks.USAGE_SECONDS, lambda: _trends(account_ids, days), list[Trend]
    )


def of_all(days: Days, *, anew: bool = False) -> dict[date, list[Total]]:
    """Return what all accounts together used of each metric by local day.

    Each day is kept by itself: only those are read again whose usage has grown since, or all `anew`.
    """
    keys = {f"usage-day:{days.zone}:{on}": on for on in days.each}
    wanted = {
        key: [*marks.usage_between(*_whole_day(on, days.zone)), marks.METRICS] for key, on in keys.items()
    }

    def make(missing: list[str]) -> dict[str, list[Total]]:
        made = _of_all([keys[key] for key in missing], days.zone)
        return {key: made[keys[key]] for key in missing}

    found: dict[str, list[Total]] = cache.get_or_make_all(wanted, ALL_SECONDS, make, list[Total], anew=anew)
    return {keys[key]: found[key] for key in keys}


def busiest(by_day: dict[date, list[Total]], most: int) -> list[Counted]:
    """Return the metrics with the most events, those alone that are counted in the unit of the first of them:
    messages and bytes have no common axis.
    """
    events: Counter[Counted] = Counter()
    for day in by_day.values():
        for total in day:
            events[total.metric] += total.events
    ordered = [metric for metric, _ in events.most_common()]
    return [metric for metric in ordered if metric.unit == ordered[0].unit][:most]


def _totals(account_ids: Sequence[UUID], days: Days) -> list[Total]:
    used = rollups.of_accounts(account_ids, days.window)
    query = (
        select(*_METRIC, func.sum(used.quantity), rollups.states_of(used), func.sum(used.events))
        .join(used, true())
        .group_by(Metric.id)
        .order_by(func.sum(used.events).desc(), Metric.code)
    )
    return [
        Total(Counted(*metric), rollups.quantity_of(aggregation, total, states, days.window), int(events))
        for *metric, aggregation, total, states, events in db.session.execute(query)
    ]


def _trends(account_ids: Sequence[UUID], days: Days) -> list[Trend]:
    used = rollups.of_accounts(account_ids, days.window)
    day = _day(used.bucket_at, days.zone)
    value = used.dimensions[Metric.dimensions[1]].astext
    query = (
        select(*_METRIC, Metric.dimensions, day, value, func.sum(used.quantity), rollups.states_of(used))
        .join(used, true())
        .group_by(Metric.id, day, value)
        .order_by(Metric.code)
    )
    found: dict[Counted, dict[str, dict[date, Decimal]]] = {}
    for *columns, aggregation, dimensions, on, name, total, states in db.session.execute(query):
        metric = Counted(*columns)
        line = name or (OTHER if dimensions else metric.unit)
        quantity = rollups.quantity_of(aggregation, total, states, _whole_day(on, days.zone))
        found.setdefault(metric, {}).setdefault(line, {})[on] = quantity
    return [Trend(metric, days.each, _lines(of, days.each)) for metric, of in found.items()]


def _lines(found: dict[str, dict[date, Decimal]], axis: list[date]) -> list[tuple[str, list[Decimal]]]:
    # By name, so that a value has the same colour on every chart of a page.
    names = sorted(found, key=lambda name: (name == OTHER, name))
    return [(name, [found[name].get(on, Decimal(0)) for on in axis]) for name in names]


def _of_all(wanted: list[date], zone: str) -> dict[date, list[Total]]:
    """Read all accounts' usage: by bucket first, which spares finding the local day of every rollup."""
    within = or_(*(_within(window) for window in _joined(wanted, zone)))
    by_bucket = (
        select(
            UsageRollup.metric_id,
            UsageRollup.bucket_at,
            rollups.TOTAL.label("total"),
            func.sum(UsageRollup.events).label("events"),
        )
        .where(within)
        .group_by(UsageRollup.metric_id, UsageRollup.bucket_at)
        .subquery()
    )
    day = _day(by_bucket.c.bucket_at, zone)
    query = (
        select(*_METRIC, day, func.sum(by_bucket.c.total), func.sum(by_bucket.c.events))
        .join(by_bucket, by_bucket.c.metric_id == Metric.id)
        .group_by(Metric.id, day)
        .order_by(Metric.code)
    )
    rows = db.session.execute(query).all()
    states = _states({row[0] for row in rows if not aggregations[row[4]].adds}, within, zone)
    found: dict[date, list[Total]] = {on: [] for on in wanted}
    for *metric, aggregation, on, total, events in rows:
        known = states.get((metric[0], on))
        quantity = rollups.quantity_of(aggregation, total, known, _whole_day(on, zone))
        found[on].append(Total(Counted(*metric), quantity, int(events)))
    return found


def _states(
    metric_ids: set[UUID], within: ColumnElement[bool], zone: str
) -> dict[tuple[UUID, date], list[str]]:
    """Return the states of metrics that do not add, by metric and day; without such a metric nothing is
    read."""
    if not metric_ids:
        return {}
    day = _day(UsageRollup.bucket_at, zone)
    query = (
        select(UsageRollup.metric_id, day, rollups.STATES)
        .where(UsageRollup.metric_id.in_(metric_ids), within)
        .group_by(UsageRollup.metric_id, day)
    )
    return {(metric_id, on): states for metric_id, on, states in db.session.execute(query)}


# What `Counted` is made of, and the aggregation after it.
_METRIC = (Metric.id, Metric.code, Metric.name, Metric.unit, Metric.aggregation)


def _day(bucket_at: SQLColumnExpression[datetime], zone: str) -> ColumnElement[date]:
    return cast(func.timezone(zone, bucket_at), Date)


def _whole_day(on: date, zone: str) -> Window:
    return Window(day_start(on, zone), day_start(on + ONE_DAY, zone))


def _within(window: Window) -> ColumnElement[bool]:
    return (UsageRollup.bucket_at >= window.start) & (UsageRollup.bucket_at < window.end)


def _joined(days: list[date], zone: str) -> list[Window]:
    """Return the windows of these days in their order, those that touch as one."""
    windows: list[Window] = []
    for window in (_whole_day(on, zone) for on in days):
        if windows and windows[-1].end == window.start:
            windows[-1] = Window(windows[-1].start, window.end)
        else:
            windows.append(window)
    return windows


def _key(kind: str, account_ids: Sequence[UUID], days: Days) -> str:
    who: Any = sha256(b"".join(each.bytes for each in account_ids)).hexdigest()[:32]
    return f"{kind}:{who}:{days.first_on}:{days.after_on}:{days.zone}"
