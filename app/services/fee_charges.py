"""Fixed fees that are to be billed: for each period the prorated price − what issued invoices asked for.

A fee in arrears is due when its period has ended, one in advance when its period begins. What was asked for
is read from the lines of issued invoices, so a fee is billed once, and a subscription that ends within a
period paid in advance gets the rest back.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from app.db import db, lock
from app.domain.groups import NO_USAGE
from app.domain.invoicing import describe
from app.domain.money import plain
from app.domain.periods import Period, local_date, periods_between
from app.domain.proration import share, split
from app.models import Invoice, InvoiceLine, Subscription
from app.models.invoices import LineKind
from app.models.plans import ComponentKind, Timing
from app.services.charges import Debtor, Due, Key, invoiced_row, still_billed
from app.services.price_book import Price, PriceBook
from app.services.rating import Coverage

NOTHING = Decimal(0)
ONE = Decimal(1)
# Which segment is charged a fee that is not prorated, by subscription, component and period.
Wholes = dict[Key, UUID]
# The fees of a segment.
Fees = tuple[Coverage, Sequence[Price]]


def due(debtors: Sequence[Debtor], *, book: PriceBook) -> dict[UUID, list[Due]]:
    """Return for each account the fixed fees that are due, the oldest first.

    `book` has the accounts' subscriptions loaded; those with fees stay locked, so that nobody else bills
    them.
    """
    fees: dict[UUID, list[Fees]] = {}
    for one in debtors:
        listed = ((each, _fees(each, book)) for each in book.tariffs.coverages(one.account.id))
        fees[one.account.id] = [(coverage, prices) for coverage, prices in listed if prices]
    charged = [coverage.subscription_id for found in fees.values() for coverage, _ in found]
    before: dict[Key, Decimal] = {}
    if charged:
        lock(Subscription, charged)
        before = invoiced_to([account_id for account_id, found in fees.items() if found])
    return {one.account.id: _dues(fees[one.account.id], one.until, before, book) for one in debtors}


def _dues(fees: Sequence[Fees], until: datetime, before: dict[Key, Decimal], book: PriceBook) -> list[Due]:
    found = []
    whole = Wholes()
    for coverage, prices in fees:
        # A fee in advance is due at the very instant at which its period starts.
        for period in periods_between(coverage.start_at, until + timedelta.resolution, coverage.cycle):
            for price in prices:
                due_at = period.start if price.timing is Timing.advance else period.end
                if due_at <= until:
                    agreed = book.price_in(coverage, price.component_id, period.start)
                    wanted = fee_of(coverage, agreed, period, whole)
                    found.append(_due(coverage, agreed, period, wanted, before))
    return sorted(
        (one for one in found if one is not None), key=lambda one: (one.period.start, one.price.position)
    )


def invoiced(account_id: UUID) -> dict[Key, Decimal]:
    """Return what issued invoices have asked for each fee of the account."""
    return invoiced_to([account_id])


def invoiced_to(account_ids: Collection[UUID]) -> dict[Key, Decimal]:
    """Return what issued invoices have asked for each fee of these accounts."""
    key = (InvoiceLine.subscription_id, InvoiceLine.component_id, InvoiceLine.period_start)
    query = (
        select(*key, func.sum(InvoiceLine.amount))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(
            Invoice.account_id.in_(account_ids),
            still_billed(),
            InvoiceLine.subscription_id.is_not(None),
            InvoiceLine.component_id.is_not(None),
            InvoiceLine.metric_code.is_(None),
            InvoiceLine.kind.in_((LineKind.fixed, LineKind.adjustment)),
        )
        .group_by(*key)
    )
    return {tuple(row[:3]): row[3] for row in db.session.execute(query)}  # type: ignore[misc]


def covered_days(coverage: Coverage, period: Period) -> tuple[date, date]:
    """Return the local days `[first, after)` of a period that a subscription pays for; the day on which it
    ends belongs to what follows it, and those of a trial are free.
    """
    zone_name = coverage.cycle.zone_name
    paid_from = max(coverage.start_at, coverage.trial_end_at or coverage.start_at)
    first = max(period.start_on, local_date(paid_from, zone_name))
    if coverage.end_at is None:
        return first, period.end_on
    return first, max(first, min(period.end_on, local_date(coverage.end_at, zone_name)))


def fee_of(coverage: Coverage, price: Price, period: Period, whole: Wholes) -> Decimal:
    """Return what a fee comes to for the days of a period that a segment covers.

    It is what the price of the days until its end exceeds that of the days until its start, each rounded:
    so the segments of a period add up to its whole price to the last paisa, however often it is cut. A fee
    that is not prorated is charged whole, once per subscription and period: `whole` remembers for which.
    """
    first, after = covered_days(coverage, period)
    part = share(period, first, after)
    full = price.charge(NO_USAGE).amount
    if price.prorated or not part:
        return split(full, (share(period, period.start_on, first), part), price.currency)[1]
    key = (coverage.origin_id, price.component_id, period.start)
    return full if whole.setdefault(key, coverage.subscription_id) == coverage.subscription_id else NOTHING


def _fees(coverage: Coverage, book: PriceBook) -> Sequence[Price]:
    return [
        price
        for price in book.of(coverage.version_id)
        if price.kind is ComponentKind.fixed and price.currency == coverage.currency
    ]


def _due(
    coverage: Coverage, price: Price, period: Period, wanted: Decimal, before: dict[Key, Decimal]
) -> Due | None:
    first, after = covered_days(coverage, period)
    asked = before.get((coverage.subscription_id, price.component_id, period.start), NOTHING)
    amount = wanted - asked
    if not amount:
        return None
    told = plain(wanted)
    rows = [{"kind": "flat", "tier": 0, "quantity": "0", "unit": "0", "flat": told, "amount": told}]
    if asked:
        rows.append(invoiced_row(ONE, asked))
    days = Period(period.start, period.end, first, max(after, first + timedelta(days=1)))
    return Due(
        price=price,
        subscription_id=coverage.subscription_id,
        period=period,
        kind=LineKind.adjustment if asked else LineKind.fixed,
        description=describe(price.name, days if not asked else period),
        quantity=ONE,
        unit_price=amount,
        amount=amount,
        breakdown=rows,
    )
