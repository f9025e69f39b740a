"""Usage that is to be billed: for each charge position price(quantity) − invoiced amount (DOMAIN.md §4).

A position that was never invoiced becomes a usage line; usage that came late becomes an adjustment for the
difference only. Nothing is dropped, and no issued invoice changes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import Text, cast, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.domain.groups import NO_USAGE, Total
from app.domain.invoicing import describe, unit_price
from app.domain.money import plain
from app.domain.periods import periods_between
from app.domain.pricing import Charge
from app.domain.proration import share
from app.ids import new_id
from app.models import Account, ChargePosition, UsageRollup
from app.models.invoices import LineKind
from app.models.plans import ComponentKind
from app.services.charges import Due, Key, invoiced_row, period_between
from app.services.fee_charges import covered_days
from app.services.price_book import Price, PriceBook
from app.services.rating import Coverage, for_nothing
from app.services.rollups import Tally, rollups_of

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


def due(account: Account, until: datetime, *, billed_until: datetime | None, book: PriceBook) -> list[Due]:
    """Return what is to be billed for the usage of all periods that ended by `until`, the oldest first.

    `book` has the account's subscriptions loaded. `billed_until` is where the last invoice ended: usage of
    before that came late. The positions returned stay locked.
    """
    coverages = {each.subscription_id: each for each in book.tariffs.coverages(account.id)}
    _cover_periods_without_usage(account, coverages.values(), until, book)
    positions = _lock_open_positions(account, until)
    rated = [_rate(each, coverages[each.subscription_id], book) for each in positions]
    moved = [each for each in rated if each.amount or each.quantity]
    evidence = _evidence(account, [each.position for each in moved], book)
    found = [_due(account, each, billed_until, evidence[key_of(each.position)]) for each in moved]
    return sorted(found, key=lambda one: (one.period.start, one.price.position))


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


def _due(account: Account, rated: Rated, billed_until: datetime | None, evidence: tuple[Total, str]) -> Due:
    position, price, charge = rated.position, rated.price, rated.charge
    period = period_between(position.period_start, position.period_end, account.timezone)
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


def _lock_open_positions(account: Account, until: datetime) -> list[ChargePosition]:
    """Lock and return the positions that may have something left to bill, in the order metering locks
    them. One with groups may have though its quantity was invoiced: usage went from one group to another.
    """
    left = (
        (ChargePosition.quantity != ChargePosition.invoiced_quantity)
        | (ChargePosition.invoiced_quantity == 0)
        | ChargePosition.groups.is_not(None)
    )
    query = (
        select(ChargePosition)
        .where(ChargePosition.account_id == account.id, ChargePosition.period_end <= until, left)
        .order_by(ChargePosition.subscription_id, ChargePosition.component_id, ChargePosition.period_start)
        .with_for_update()
    )
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _evidence(
    account: Account, positions: Sequence[ChargePosition], book: PriceBook
) -> dict[Key, tuple[Total, str]]:
    """Return for each position what the rollups behind it come to and the hash of them: what was used, where
    it was counted, by how many events, and what a bucket remembers where quantities do not add.
    """
    if not positions:
        return {}
    first = min(position.period_start for position in positions)
    after = max(position.period_end for position in positions)
    query = rollups_of(account.id, first).where(UsageRollup.bucket_at < after)
    order = (UsageRollup.metric_id, UsageRollup.bucket_at, cast(UsageRollup.dimensions, Text))
    wanted = {key_of(position) for position in positions}
    found: dict[Key, Tally] = {}
    hashes = {key: sha256() for key in wanted}
    for row in db.session.execute(query.order_by(*order)):
        place = book.tariffs.place(account.id, row.metric_id, row.bucket_at, row.dimensions)
        if place is None or place.key not in wanted:
            continue
        found.setdefault(place.key, Tally(place)).take(row)
        hashes[place.key].update(spelled_bucket(row))
    return {key: (found[key].whole if key in found else NO_USAGE, hashes[key].hexdigest()) for key in wanted}


def spelled_bucket(row: Any) -> bytes:
    """Return a rollup as the hash of a line takes it: its instant, dimension values, quantity, events and
    state."""
    parts = [row.bucket_at.isoformat(), row.dimensions, plain(row.quantity), str(row.events)]
    parts += [row.state] if row.state is not None else []
    return ("|".join(parts) + "\n").encode()


def _cover_periods_without_usage(
    account: Account, coverages: Iterable[Coverage], until: datetime, book: PriceBook
) -> None:
    """Make the missing positions of components that cost something also where nothing was used."""
    rows = []
    for coverage in coverages:
        for period in periods_between(coverage.start_at, until, coverage.cycle):
            if period.end > until or not share(period, *covered_days(coverage, period)):
                continue
            paid = coverage.period_at(period.end - timedelta.resolution)
            rows += [
                {
                    "id": new_id(),
                    "account_id": account.id,
                    "subscription_id": coverage.subscription_id,
                    "component_id": price.component_id,
                    "period_start": paid.start,
                    "period_end": paid.end,
                    "currency": coverage.currency,
                }
                for price in book.in_period(coverage, paid.start)
                if price.kind is ComponentKind.usage
                and price.charged_without_usage
                and price.currency == coverage.currency
            ]
    if rows:
        db.session.execute(insert(ChargePosition).on_conflict_do_nothing(), rows)
