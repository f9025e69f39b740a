"""What is taken off an invoice before tax: discounts, then coupons, then credits, each of what is left
(docs/adr/0009).

Discounts and coupons reduce the charges of the price list (usage, fees and their adjustments), neither a
true-up nor a person's lines; credits reduce everything whose price is stated without tax. What a wallet was
charged for is paid already, and nothing is taken off it. No total goes below zero; the rest of a credit stays
for the next invoice.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from sqlalchemy import func, select, union

from app.db import Base, db
from app.domain.contracts import Item, Part, Remainders, Wanted
from app.domain.invoicing import Line
from app.domain.money import plain
from app.domain.periods import Period
from app.domain.tax import Supply
from app.models import (
    Account,
    AccountCredit,
    Commitment,
    Coupon,
    CouponRedemption,
    Discount,
    Invoice,
    InvoiceLine,
    Subscription,
)
from app.models.invoices import LineKind
from app.services.charges import Due, Extra, explained, still_billed
from app.services.discounts import worth
from app.services.price_book import PriceBook
from app.services.taxes import Rates

M = TypeVar("M", bound=Base)
NOTHING = Decimal(0)


def with_contract(account_ids: Collection[UUID]) -> set[UUID]:
    """Return those accounts to whose invoices something may be added, or taken off them."""
    committed = (
        select(Subscription.account_id)
        .join(Commitment, Subscription.origin_id == Commitment.subscription_id)
        .where(Subscription.account_id.in_(account_ids))
    )
    given = (
        select(kind.account_id).where(kind.account_id.in_(account_ids))
        for kind in (Discount, CouponRedemption, AccountCredit)
    )
    return set(db.session.scalars(union(committed, *given)))


def due(
    account: Account,
    period: Period,
    dues: Sequence[Due],
    true_ups: Sequence[Extra],
    manual: Sequence[Line],
    *,
    supply: Supply,
    rates: Rates,
    book: PriceBook,
) -> list[Extra]:
    """Return what is taken off the invoice of a period with these charges, as lines below zero.

    The discounts, redeemed coupons and credits looked at stay locked.

    Raises:
        Conflict: no tax rate is entered for a service code.
    """

    def rate(sac: str) -> Decimal:
        return rates.of(sac) if supply.taxes else NOTHING

    origins = {each.subscription_id: each.origin_id for each in book.tariffs.coverages(account.id)}
    items = [
        Item(
            one.amount - one.from_wallet,
            rate(one.price.sac),
            one.price.sac,
            one.period.start_on,
            origins[one.subscription_id],
            one.price.plan_code,
        )
        for one in dues
    ]
    items += [Item(one.amount, rate(one.sac), one.sac, contractual=False) for one in true_ups]
    items += [
        Item(line.amount, rate(line.sac), line.sac, contractual=False)
        for line in manual
        if not line.tax_inclusive
    ]
    rest = Remainders(items, account.currency)
    return [
        *_discounts(account, period, rest),
        *_coupons(account, period, rest),
        *_credits(account, rest),
    ]


def taken(account_id: UUID, period_start: datetime, sources: Collection[UUID]) -> dict[UUID, Decimal]:
    """Return what these discounts or redeemed coupons have taken off issued invoices of a period."""
    if not sources:
        return {}
    query = (
        select(InvoiceLine.source_id, -func.sum(InvoiceLine.amount))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(
            InvoiceLine.source_id.in_(sources),
            InvoiceLine.kind.in_((LineKind.discount, LineKind.coupon)),
            Invoice.account_id == account_id,
            Invoice.period_start == period_start,
            still_billed(),
        )
        .group_by(InvoiceLine.source_id)
    )
    return {source: amount for source, amount in db.session.execute(query) if source}


def _locked(kind: type[M], *conditions: object) -> list[M]:
    query = select(kind).where(*conditions).order_by(kind.id)  # type: ignore[arg-type, attr-defined]
    locked = query.with_for_update(of=kind).execution_options(populate_existing=True)
    return list(db.session.scalars(locked))


def _discounts(account: Account, period: Period, rest: Remainders) -> Iterator[Extra]:
    found = _locked(Discount, Discount.account_id == account.id)
    before = taken(account.id, period.start, [each.id for each in found])
    for discount in sorted(found, key=lambda each: (each.start_on, each.id)):
        wanted = _of_discount(discount)
        if discount.percent is not None:
            parts = rest.take_percent(discount.percent, wanted)
        else:
            assert discount.amount is not None
            parts = rest.take_amount(discount.amount - before.get(discount.id, NOTHING), wanted)
        description = f"{discount.name}, {worth(discount)}"
        yield from _lines(LineKind.discount, description, discount.id, parts, discount.percent)


def _of_discount(discount: Discount) -> Wanted:
    def wanted(item: Item) -> bool:
        if not item.contractual or item.on is None or item.on < discount.start_on:
            return False
        own = discount.subscription_id in (None, item.subscription)
        return own and (discount.end_on is None or item.on < discount.end_on)

    return wanted


def _coupons(account: Account, period: Period, rest: Remainders) -> Iterator[Extra]:
    found = _locked(CouponRedemption, CouponRedemption.account_id == account.id)
    before = taken(account.id, period.start, [each.id for each in found])
    coupons = {row.id: row for row in _coupons_of({each.coupon_id for each in found})}
    for redemption in found:
        again = redemption.id in before
        if not again and redemption.periods is not None and redemption.used >= redemption.periods:
            continue
        coupon = coupons[redemption.coupon_id]
        wanted = _of_coupon(coupon)
        if rest.base(wanted) <= NOTHING:
            continue
        if coupon.percent is not None:
            parts = rest.take_percent(coupon.percent, wanted)
        else:
            assert coupon.amount is not None
            parts = rest.take_amount(coupon.amount - before.get(redemption.id, NOTHING), wanted)
        description = f"{coupon.name} ({coupon.code}), {worth(coupon)}"
        yield from _lines(LineKind.coupon, description, redemption.id, parts, coupon.percent)


def _coupons_of(ids: Collection[UUID]) -> Sequence[Coupon]:
    return db.session.scalars(select(Coupon).where(Coupon.id.in_(ids))).all() if ids else ()


def _of_coupon(coupon: Coupon) -> Wanted:
    def wanted(item: Item) -> bool:
        return item.contractual and (not coupon.plan_codes or item.plan in coupon.plan_codes)

    return wanted


def _credits(account: Account, rest: Remainders) -> Iterator[Extra]:
    found = _locked(AccountCredit, AccountCredit.account_id == account.id, AccountCredit.remaining > 0)
    for credit in found:
        parts = rest.take_amount(credit.remaining, lambda item: True)
        yield from _lines(LineKind.credit, f"Credit: {credit.reason}", credit.id, parts, None)


def _lines(
    kind: LineKind, description: str, source_id: UUID, parts: Sequence[Part], percent: Decimal | None
) -> Iterator[Extra]:
    for part in parts:
        unit = "0" if percent is None else plain(-percent / 100)
        row = explained(
            "amount_off" if percent is None else "percent_off",
            -part.amount,
            quantity=plain(part.base),
            unit=unit,
        )
        yield Extra(kind, description, -part.amount, part.sac, [row], source_id)
