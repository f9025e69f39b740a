"""Usage that is to be billed: for each charge position price(quantity) − invoiced amount.

A position that was never invoiced becomes a usage line; usage that came late becomes an adjustment for the
difference only. Nothing is dropped, and no issued invoice changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.domain.groups import NO_USAGE, Total
from app.domain.invoicing import describe, unit_price
from app.domain.money import plain
from app.domain.periods import periods_between
from app.domain.pricing import Charge
from app.domain.proration import share
from app.ids import new_id
from app.models import ChargePosition
from app.models.invoices import LineKind
from app.models.plans import ComponentKind
from app.services import rollups
from app.services.charges import Debtor, Due, Key, invoiced_row, period_between
from app.services.fee_charges import covered_days
from app.services.price_book import Price, PriceBook
from app.services.rating import Coverage, for_nothing
from app.services.rollups import Tally

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rated:
    """A position with its price and what it costs; `amount` and `quantity` are what no invoice has asked
    for."""

    position: ChargePosition
    price: Price
    charge: Charge
    prepaid: bool

    @property
    def amount(self) -> Decimal:
        """What is still to be asked for; below zero it is given back."""
        return self.charge.amount - self.position.invoiced_amount

    @property
    def quantity(self) -> Decimal:
        """What is new."""
        return self.position.quantity - self.position.invoiced_quantity


def due(debtors: Sequence[Debtor], *, book: PriceBook) -> dict[UUID, list[Due]]:
    """Return for each account what is to be billed for its usage, the oldest period first.

    `book` has the accounts' subscriptions loaded. The positions returned stay locked.
    """
    owing = {one.account.id: one for one in debtors}
    coverages = {
        each.subscription_id: each for account_id in owing for each in book.tariffs.coverages(account_id)
    }
    _cover_periods_without_usage(debtors, book)
    positions = _lock_open_positions(debtors)
    rated = [_rate(each, coverages[each.subscription_id], book) for each in positions]
    moved = [each for each in rated if each.amount or each.quantity]
    evidence = _evidence(moved, book)
    found: dict[UUID, list[Due]] = {account_id: [] for account_id in owing}
    for each in moved:
        account_id = each.position.account_id
        found[account_id].append(_due(owing[account_id], each, evidence[key_of(each.position)]))
    for dues in found.values():
        dues.sort(key=lambda one: (one.period.start, one.price.position))
    return found


def key_of(position: ChargePosition) -> Key:
    """Return the key by which lines and positions find each other."""
    return position.subscription_id, position.component_id, position.period_start


def lock_positions(keys: Collection[Key]) -> dict[Key, ChargePosition]:
    """Lock these positions, in the order in which metering locks them, and return them freshly read."""
    columns = (ChargePosition.subscription_id, ChargePosition.component_id, ChargePosition.period_start)
    query = select(ChargePosition).where(tuple_(*columns).in_(list(keys))).order_by(*columns)
    locked = query.with_for_update().execution_options(populate_existing=True)
    return {key_of(each): each for each in db.session.scalars(locked)} if keys else {}


def from_wallet(position: ChargePosition, amount: Decimal) -> Decimal:
    """Return the part of a line's amount that the wallet was charged for and no invoice has shown yet."""
    charged = position.charged_amount - position.invoiced_amount
    return max(min(charged, max(amount, NOTHING)), min(amount, NOTHING))


def _rate(position: ChargePosition, coverage: Coverage, book: PriceBook) -> Rated:
    price = book.price_in(coverage, position.component_id, position.period_start)
    in_trial = coverage.in_trial(position.period_start)
    charge = for_nothing(position.quantity) if in_trial else price.charge(position)
    return Rated(position, price, charge, coverage.prepaid)


def _due(debtor: Debtor, rated: Rated, evidence: tuple[Total, str]) -> Due:
    position, price, charge = rated.position, rated.price, rated.charge
    period = period_between(position.period_start, position.period_end, debtor.account.timezone)
    billed_until = debtor.billed_until
    rows = charge.breakdown_json()
    seen = bool(position.invoiced_quantity or position.invoiced_amount)
    if seen:
        rows.append(invoiced_row(position.invoiced_quantity, position.invoiced_amount))
    late = seen or (billed_until is not None and position.period_end <= billed_until)
    used, digest = evidence
    problem = None
    if used.quantity != position.quantity:
        problem = f"{price.code}: {plain(position.quantity)} was rated, {plain(used.quantity)} was used."
    elif (used.groups or {}) != (position.groups or {}):
        problem = f"{price.code}: what was rated is of other values of {price.group_by} than what was used."
    return Due(
        price=price,
        subscription_id=position.subscription_id,
        period=period,
        kind=LineKind.adjustment if late else LineKind.usage,
        description=describe(f"{price.name}, late usage" if late else price.name, period),
        quantity=rated.quantity,
        unit_price=unit_price(charge),
        amount=rated.amount,
        breakdown=rows,
        from_wallet=from_wallet(position, rated.amount) if rated.prepaid else NOTHING,
        events_hash=digest,
        position=position,
        problem=problem,
    )


def _lock_open_positions(debtors: Sequence[Debtor]) -> list[ChargePosition]:
    """Lock and return the positions that may have something left to bill, in the order metering locks
    them. One with groups may have though its quantity was invoiced: usage went from one group to another.
    """
    left = (
        (ChargePosition.quantity != ChargePosition.invoiced_quantity)
        | (ChargePosition.invoiced_quantity == 0)
        | ChargePosition.groups.is_not(None)
    )
    until: defaultdict[datetime, list[UUID]] = defaultdict(list)
    for one in debtors:
        until[one.until].append(one.account.id)
    ended = (
        ChargePosition.account_id.in_(ids) & (ChargePosition.period_end <= last)
        for last, ids in until.items()
    )
    query = (
        select(ChargePosition)
        .where(or_(*ended), left)
        .order_by(ChargePosition.subscription_id, ChargePosition.component_id, ChargePosition.period_start)
        .with_for_update()
    )
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _evidence(moved: Sequence[Rated], book: PriceBook) -> dict[Key, tuple[Total, str]]:
    """Return for each position what the rollups behind it come to and the hash of them: what was used, where
    it was counted, by how many events, and what a bucket remembers where quantities do not add.
    """
    hashes = {key_of(each.position): sha256() for each in moved}
    found: dict[Key, Tally] = {}
    for row in _rollups_behind(moved):
        place = book.tariffs.place(row.account_id, row.metric_id, row.bucket_at, row.dimensions)
        if place is None:
            continue
        key = place.key
        if key in hashes:
            found.setdefault(key, Tally(place)).take(row)
            hashes[key].update(spelled_bucket(row))
    return {
        key: (found[key].whole if key in found else NO_USAGE, spelled.hexdigest())
        for key, spelled in hashes.items()
    }


def _rollups_behind(moved: Sequence[Rated]) -> Iterable[Row[Any]]:
    """Return the rollups of the metrics and times of some positions, in the order lines hash them."""
    spans: dict[tuple[UUID, UUID], tuple[datetime, datetime]] = {}
    for each in moved:
        position = each.position
        assert each.price.metric_id
        key = (position.account_id, each.price.metric_id)
        first, after = spans.get(key, (position.period_start, position.period_end))
        spans[key] = (min(first, position.period_start), max(after, position.period_end))
    return rollups.in_spans([(*key, *times) for key, times in spans.items()]) if spans else ()


def spelled_bucket(row: Any) -> bytes:
    """Return a rollup as the hash of a line takes it: its instant, dimension values, quantity, events and
    state."""
    parts = [row.bucket_at.isoformat(), row.dimensions, plain(row.quantity), str(row.events)]
    parts += [row.state] if row.state is not None else []
    return ("|".join(parts) + "\n").encode()


def _cover_periods_without_usage(debtors: Sequence[Debtor], book: PriceBook) -> None:
    """Make the missing positions of components that cost something also where nothing was used."""
    rows = [
        row
        for one in debtors
        for coverage in book.tariffs.coverages(one.account.id)
        for row in _charged_without_usage(coverage, one.until, book)
    ]
    if rows:
        rows.sort(key=lambda row: (row["subscription_id"], row["component_id"], row["period_start"]))
        db.session.execute(insert(ChargePosition).on_conflict_do_nothing(), rows)


def _charged_without_usage(coverage: Coverage, until: datetime, book: PriceBook) -> Iterator[dict[str, Any]]:
    for period in periods_between(coverage.start_at, until, coverage.cycle):
        if period.end > until or not share(period, *covered_days(coverage, period)):
            continue
        paid = coverage.period_at(period.end - timedelta.resolution)
        for price in book.in_period(coverage, paid.start):
            costs = price.kind is ComponentKind.usage and price.charged_without_usage
            if costs and price.currency == coverage.currency:
                yield {
                    "id": new_id(),
                    "account_id": coverage.account_id,
                    "subscription_id": coverage.subscription_id,
                    "component_id": price.component_id,
                    "period_start": paid.start,
                    "period_end": paid.end,
                    "currency": coverage.currency,
                }
