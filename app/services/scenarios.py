"""What accounts would have been charged by, had they been on another version: `Tariffs` with that version in
the place of theirs, and the grouped usage that both are compared on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text

from app.db import db
from app.domain.periods import Cycle, Period, periods_between
from app.models import PlanVersion
from app.services.rating import Coverage, Tariffs, prices_of

# One row per account, cell, metric and dimension values. A cell is the time between two borders of an
# account: no price, segment or billing period changes within it. OFFSET 0 has the borders read once per
# account, not once per rollup.
READ_CELLS = text("""
    SELECT r.account_id, width_bucket(r.bucket_at, s.borders) - 1 AS cell, r.metric_id,
           r.dimensions::text AS dimensions, sum(r.quantity) AS quantity, sum(r.events)::bigint AS events,
           array_agg(r.state::text) FILTER (WHERE r.state IS NOT NULL) AS states
    FROM (
        SELECT id, CAST(borders AS timestamptz[]) AS borders
        FROM unnest(CAST(:ids AS uuid[]), CAST(:borders AS text[])) AS given (id, borders)
        OFFSET 0
    ) AS s
    JOIN usage_rollups r ON r.account_id = s.id AND r.bucket_at >= s.borders[1]
        AND r.bucket_at < s.borders[array_upper(s.borders, 1)]
    GROUP BY r.account_id, cell, r.metric_id, r.dimensions
    ORDER BY r.account_id, cell
""")


@dataclass(frozen=True, slots=True)
class Candidate:
    """The version that is tried: how its time is cut, in which currencies it has prices, and which versions
    are of its plan."""

    version_id: UUID
    interval: str
    currencies: frozenset[str]
    siblings: frozenset[UUID]

    @classmethod
    def of(cls, version: PlanVersion) -> "Candidate":
        """Return a version as a candidate."""
        siblings = db.session.scalars(select(PlanVersion.id).where(PlanVersion.plan_id == version.plan_id))
        currencies = frozenset(component.currency for component in version.components)
        return cls(version.id, version.interval, currencies, frozenset(siblings))


class Stretch(NamedTuple):
    """The instants `[start, end)` that are looked at."""

    start: datetime
    end: datetime

    def meets(self, coverage: Coverage) -> bool:
        """True when a segment holds at some time within."""
        ends = coverage.end_at
        return coverage.start_at < self.end and (ends is None or ends > max(self.start, coverage.start_at))


class Scenario(Tariffs):
    """The tariffs of accounts as if each had been on the candidate, within a stretch of its own.

    The candidate takes the place of the segments on its plan; of all segments, for an account that was not on
    the plan then. It brings its own terms: what a contract says of another version's prices says nothing of
    its. Trials stay.
    """

    def __init__(self, candidate: Candidate, real: Tariffs, stretches: Mapping[UUID, Stretch]) -> None:
        super().__init__()
        self._candidate = candidate
        self._assumed = {
            account_id: _assumed(real.coverages(account_id), candidate, stretch)
            for account_id, stretch in stretches.items()
        }
        versions = {each.version_id for found in self._assumed.values() for each in found}
        for version_id, prices in prices_of(versions).items():
            self._by_version[version_id] = prices
            self.prices.update((each.id, each) for each in prices)

    def coverages(self, account_id: UUID) -> list[Coverage]:
        """Return the assumed segments of an account, by their start."""
        return self._assumed.get(account_id, [])


def _assumed(real: Sequence[Coverage], candidate: Candidate, stretch: Stretch) -> list[Coverage]:
    on_plan = [each for each in real if each.version_id in candidate.siblings]
    if any(stretch.meets(each) for each in on_plan):
        return [_moved(each, candidate) if each in on_plan else each for each in real]
    return [_moved(each, candidate) for each in _joined(real)]


def _moved(coverage: Coverage, candidate: Candidate) -> Coverage:
    if coverage.version_id == candidate.version_id:
        return coverage
    cycle = Cycle(candidate.interval, coverage.cycle.zone_name, coverage.cycle.anchor_on)
    return replace(coverage, version_id=candidate.version_id, cycle=cycle, overrides=())


def _joined(real: Sequence[Coverage]) -> list[Coverage]:
    """Return one segment for each stretch of time that some segment covers: an account on two plans at once
    would be on the one candidate."""
    joined: list[Coverage] = []
    for each in real:
        last = joined[-1] if joined else None
        if last is None or (last.end_at is not None and last.end_at < each.start_at):
            joined.append(each)
        elif last.end_at is not None and (each.end_at is None or each.end_at > last.end_at):
            joined[-1] = replace(last, end_at=each.end_at)
    return joined


class Grid(NamedTuple):
    """The time of one account, cut where anything may change. `borders` begin with the first billing period
    that reaches into the months and end with the last month; cell n is between borders n and n + 1.
    """

    months: tuple[Period, ...]
    borders: tuple[datetime, ...]

    @property
    def stretch(self) -> Stretch:
        """The months as one stretch."""
        return Stretch(self.months[0].start, self.months[-1].end)

    @property
    def cells(self) -> list[Stretch]:
        """The cells in their order."""
        return [Stretch(*borders) for borders in pairwise(self.borders)]


def grid_of(months: tuple[Period, ...], coverages: Collection[Coverage]) -> Grid:
    """Return the grid of an account for some local months under all these segments, real and assumed."""
    whole = Stretch(months[0].start, months[-1].end)
    since = min(
        (
            max(each.start_at, each.period_at(max(each.start_at, whole.start)).start)
            for each in coverages
            if whole.meets(each)
        ),
        default=whole.start,
    )
    since = min(since, whole.start)
    borders = {since, whole.end, *(month.start for month in months)}
    for each in coverages:
        ends = min(each.end_at or whole.end, whole.end)
        borders.update((each.start_at, ends, each.trial_end_at or ends))
        borders.update(
            period.start for period in periods_between(max(each.start_at, since), ends, each.cycle)
        )
    return Grid(months, tuple(sorted(each for each in borders if since <= each <= whole.end)))


def usage_in(grids: Mapping[UUID, Grid]) -> Iterable[Row[Any]]:
    """Return the rollups of accounts, grouped by one statement: `account_id`, `cell`, `metric_id`,
    `dimensions` (canonical JSON text), `quantity`, `events` and `states` (JSON texts, or None)."""
    if not grids:
        return []
    borders = ["{" + ",".join(each.isoformat() for each in grid.borders) + "}" for grid in grids.values()]
    return db.session.execute(READ_CELLS, {"ids": list(grids), "borders": borders})
