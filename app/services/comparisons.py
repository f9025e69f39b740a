"""What accounts are charged in past months under given tariffs, by the arithmetic of billing.

A fee belongs to the months whose days it pays for; usage to the months in which it was used, by what the
billing period costs until the end of the month more than until its start. So the months of a billing period
add up to what billing asks for it, also where it is longer than a month or crosses its border. What contracts
take off or add afterwards (discounts, coupons, credits, commitments) and taxes are not part of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from app.domain.errors import RuleBroken
from app.domain.periods import Period, periods_between
from app.domain.proration import share, split
from app.errors import DomainError
from app.models import Account
from app.models.plans import ComponentKind
from app.services.charges import Key
from app.services.fee_charges import Wholes, covered_days, fee_of
from app.services.price_book import PriceBook
from app.services.rating import Coverage, Place, Tariffs
from app.services.rollups import Tally
from app.services.scenarios import Candidate, Grid, Scenario, Stretch, grid_of, usage_in

NOTHING = Decimal(0)
NO_SUBSCRIPTION = "No subscription in these months."


class Compared(NamedTuple):
    """One account: what each month cost and would have cost. `problem` says why it was skipped, `failed` that
    this was an error."""

    old: list[Decimal]
    new: list[Decimal]
    problem: str | None = None
    failed: bool = False


@dataclass(slots=True)
class Used:
    """What one component charges in one billing period: its usage in the cells of the grid."""

    place: Place
    rows: list[Row[Any]] = field(default_factory=list)

    def charge(self, before_cell: int, *, whole: bool) -> Decimal:
        """Return what the usage of the cells before one costs; a `whole` period costs its minimum at
        least."""
        listed, period = self.place.price, self.place.period
        if self.place.coverage.in_trial(period.start):
            return NOTHING
        tally = Tally(self.place)
        for row in self.rows:
            if row.cell < before_cell:
                tally.add(row.dimensions, row.quantity, row.events, row.states or ())
        return listed.charge(tally, whole=whole).amount


def compare(
    accounts: Collection[Account], months: Mapping[UUID, tuple[Period, ...]], to: Candidate, book: PriceBook
) -> dict[UUID, Compared]:
    """Return what these accounts paid in their local months, and would have paid on the candidate.

    `book` keeps what is read of versions. One account's trouble is told with it and stops no other.
    """
    real = book.tariffs
    real.load([account.id for account in accounts])
    stretches = {id: Stretch(found[0].start, found[-1].end) for id, found in months.items()}
    assumed = Scenario(to, real, stretches)
    skipped = {
        account.id: problem
        for account in accounts
        if (problem := _skipped(account, real, stretches[account.id], to)) is not None
    }
    grids = {
        account.id: grid_of(months[account.id], [*real.coverages(account.id), *assumed.coverages(account.id)])
        for account in accounts
        if account.id not in skipped
    }
    rows = {id: list(found) for id, found in groupby(usage_in(grids), attrgetter("account_id"))}
    found = {id: Compared([], [], problem) for id, problem in skipped.items()}
    for account_id, grid in grids.items():
        found[account_id] = _compared(account_id, grid, rows.get(account_id, []), (real, assumed), book)
    return found


def _skipped(account: Account, real: Tariffs, stretch: Stretch, to: Candidate) -> str | None:
    if account.currency not in to.currencies:
        return f"The version has no prices in {account.currency}."
    if not any(stretch.meets(each) for each in real.coverages(account.id)):
        return NO_SUBSCRIPTION
    return None


def _compared(
    account_id: UUID, grid: Grid, rows: Sequence[Row[Any]], tariffs: tuple[Tariffs, Tariffs], book: PriceBook
) -> Compared:
    try:
        old, new = (charged(account_id, grid, rows, each, book) for each in tariffs)
    except (DomainError, RuleBroken) as error:
        return Compared([], [], error.message, failed=True)
    return Compared(old, new)


def charged(
    account_id: UUID, grid: Grid, rows: Sequence[Row[Any]], tariffs: Tariffs, book: PriceBook
) -> list[Decimal]:
    """Return what an account is charged in each month of its grid for usage (`rows` of `usage_in`) and fees.

    Raises:
        RuleBroken: terms that a period's total cannot be priced by.
    """
    found = [NOTHING] * len(grid.months)
    starts = [month.start for month in grid.months]
    for used in _used(account_id, grid, rows, tariffs, book):
        for month, amount in _by_month(used, grid, starts):
            found[month] += amount
    for month, amount in _fees(account_id, grid, tariffs, book):
        found[month] += amount
    return found


def _used(
    account_id: UUID, grid: Grid, rows: Sequence[Row[Any]], tariffs: Tariffs, book: PriceBook
) -> Collection[Used]:
    found: dict[Key, Used] = {}
    for row in rows:
        place = tariffs.place(account_id, row.metric_id, grid.borders[row.cell], row.dimensions)
        if place is not None:
            found.setdefault(place.key, Used(place)).rows.append(row)
    for coverage, period in _periods(account_id, grid, tariffs):
        if not share(period, *covered_days(coverage, period)):
            continue
        paid = coverage.period_at(period.end - timedelta.resolution)
        for each in book.in_period(coverage, paid.start):
            owed = each.kind is ComponentKind.usage and each.charged_without_usage
            if owed and each.currency == coverage.currency:
                listed = coverage.priced(tariffs.prices[each.component_id], paid.start)
                place = Place(coverage, listed, paid)
                found.setdefault(place.key, Used(place))
    return found.values()


def _periods(account_id: UUID, grid: Grid, tariffs: Tariffs) -> Iterator[tuple[Coverage, Period]]:
    """Yield the whole billing periods of each segment that reach into the grid."""
    since, until = grid.borders[0], grid.borders[-1]
    for coverage in tariffs.coverages(account_id):
        ends = until if coverage.end_at is None else min(coverage.end_at, until)
        for period in periods_between(max(coverage.start_at, since), ends, coverage.cycle):
            yield coverage, period


def _by_month(used: Used, grid: Grid, starts: Sequence[datetime]) -> Iterator[tuple[int, Decimal]]:
    """Yield what the usage of a billing period costs in each month."""
    period, before = used.place.period, NOTHING
    for moment in _moments(period, grid, starts):
        amount = used.charge(bisect_left(grid.borders, moment), whole=moment == period.end)
        month = bisect_left(starts, moment) - 1
        if month >= 0:
            yield month, amount - before
        before = amount


def _moments(period: Period, grid: Grid, starts: Sequence[datetime]) -> list[datetime]:
    """Return the borders of months within a billing period, and its end if that is not after the last."""
    last = grid.borders[-1]
    inside = [start for start in starts if period.start < start < period.end]
    return [*inside, min(period.end, last)]


def _fees(account_id: UUID, grid: Grid, tariffs: Tariffs, book: PriceBook) -> Iterator[tuple[int, Decimal]]:
    whole = Wholes()
    for coverage, period in _periods(account_id, grid, tariffs):
        for each in book.in_period(coverage, period.start):
            if each.kind is ComponentKind.fixed and each.currency == coverage.currency:
                amount = fee_of(coverage, each, period, whole)
                if amount:
                    days = covered_days(coverage, period)
                    yield from _spread(amount, days, grid.months, each.currency)


def _spread(
    amount: Decimal, days: tuple[date, date], months: Sequence[Period], currency: str
) -> Iterator[tuple[int, Decimal]]:
    """Yield the part of a fee that each month has by its days; the parts add up to the fee."""
    first, after = days
    inside = bisect_right(months, first, key=attrgetter("start_on")) - 1
    if inside >= 0 and after <= months[inside].end_on:
        yield inside, amount
        return
    borders = [first, *(month.start_on for month in months), months[-1].end_on, after]
    cut = [min(max(each, first), after) for each in borders]
    shares = [Fraction((b - a).days, (after - first).days) for a, b in pairwise(cut)]
    yield from enumerate(split(amount, shares, currency)[1:-1])
