"""What a change, a pause or a cancellation would do to the amounts of a subscription: it is done, looked at,
and undone."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.db import db
from app.domain.invoicing import describe
from app.domain.periods import Period, period_containing, periods_between
from app.models import ChargePosition, Subscription
from app.models.plans import ComponentKind
from app.services import fee_charges
from app.services.charges import Key
from app.services.price_book import PriceBook
from app.services.rating import Coverage, Place, Tariffs

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fee:
    """A fixed fee of one segment in one period, before tax: what it came to, what it will come to, and what
    invoices have asked for it."""

    description: str
    version_label: str
    period: Period
    before: Decimal
    after: Decimal
    billed: Decimal

    @property
    def due(self) -> Decimal:
        """What is still to be asked for; below zero it is given back."""
        return self.after - self.billed


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen at `effective_at`; `usage_before` and `usage_after` are of what was used so far and
    changes its price."""

    effective_at: datetime
    version_label: str
    currency: str
    fees: tuple[Fee, ...]
    usage_before: Decimal
    usage_after: Decimal

    @property
    def fees_before(self) -> Decimal:
        """The sum of the fees as they are."""
        return sum((each.before for each in self.fees), NOTHING)

    @property
    def fees_after(self) -> Decimal:
        """The sum of the fees as they will be."""
        return sum((each.after for each in self.fees), NOTHING)

    @property
    def difference(self) -> Decimal:
        """What all of it comes to: above zero, more is to be paid."""
        return self.fees_after - self.fees_before + self.usage_after - self.usage_before


def preview(subscription: Subscription, act: Callable[[], Subscription]) -> Preview:
    """Return what `act` would do to the fees of the periods around it and to the usage metered so far. It
    leaves nothing behind.

    Raises:
        DomainError: what `act` raises.
    """
    account_id, currency = subscription.account_id, subscription.account.currency
    book = PriceBook()
    before = _coverages(subscription, book)
    used_before = _usage(account_id)
    billed = fee_charges.invoiced(account_id)
    attempt = db.session.begin_nested()
    try:
        stands = act()
        at = stands.start_at if stands.end_at is None else stands.end_at
        label = stands.version.label
        after = _coverages(subscription, book)
        used_after = _usage(account_id)
    finally:
        attempt.rollback()
    changed = {
        key for key in used_before.keys() | used_after.keys() if used_before.get(key) != used_after.get(key)
    }
    return Preview(
        at,
        label,
        currency,
        _fees(at, before, after, billed, book),
        sum((used_before.get(key, NOTHING) for key in changed), NOTHING),
        sum((used_after.get(key, NOTHING) for key in changed), NOTHING),
    )


def _coverages(subscription: Subscription, book: PriceBook) -> list[Coverage]:
    book.tariffs.load([subscription.account_id])
    found = book.tariffs.coverages(subscription.account_id)
    return [each for each in found if each.origin_id == subscription.origin_id]


def _usage(account_id: UUID) -> dict[Key, Decimal]:
    """Return what the metered usage of an account costs, by charge position."""
    tariffs = Tariffs()
    tariffs.load([account_id])
    coverages = {each.subscription_id: each for each in tariffs.coverages(account_id)}
    columns = (
        ChargePosition.subscription_id,
        ChargePosition.component_id,
        ChargePosition.period_start,
        ChargePosition.quantity,
        ChargePosition.events,
        ChargePosition.groups,
    )
    found = {}
    for row in db.session.execute(select(*columns).where(ChargePosition.account_id == account_id)):
        coverage = coverages[row.subscription_id]
        price = coverage.priced(tariffs.prices[row.component_id], row.period_start)
        place = Place(coverage, price, coverage.period_at(row.period_start))
        found[tuple(row[:3])] = place.charge(row).amount
    return found


def _fees(
    at: datetime,
    before: Collection[Coverage],
    after: Collection[Coverage],
    billed: dict[Key, Decimal],
    book: PriceBook,
) -> tuple[Fee, ...]:
    """Return the fees that differ in the billing periods that hold the instant."""
    old, new = _wanted(at, before, book), _wanted(at, after, book)
    rows = []
    for key in {**old, **new}:
        description, label, period, _ = new.get(key) or old[key]
        was = old[key][3] if key in old else NOTHING
        will = new[key][3] if key in new else NOTHING
        if was != will:
            rows.append(Fee(description, label, period, was, will, billed.get(key, NOTHING)))
    return tuple(sorted(rows, key=lambda fee: (fee.period.start, fee.version_label, fee.description)))


def _wanted(
    at: datetime, coverages: Collection[Coverage], book: PriceBook
) -> dict[Key, tuple[str, str, Period, Decimal]]:
    """Return each fee that is owed for the period around an instant, with how it is described."""
    ends = [period_containing(at, each.cycle).end for each in coverages]
    until = max(ends, default=at)
    whole: fee_charges.Wholes = {}
    found = {}
    for coverage in coverages:
        for period in periods_between(coverage.start_at, until, coverage.cycle):
            for price in book.in_period(coverage, period.start) if period.end > at else ():
                if price.kind is not ComponentKind.fixed or price.currency != coverage.currency:
                    continue
                first, after = fee_charges.covered_days(coverage, period)
                days = Period(period.start, period.end, first, after) if after > first else period
                key = (coverage.subscription_id, price.component_id, period.start)
                amount = fee_charges.fee_of(coverage, price, period, whole)
                found[key] = (describe(price.name, days), price.version_label, period, amount)
    return found
