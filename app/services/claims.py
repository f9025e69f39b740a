"""Taking what the lines of a draft rest on, when it becomes an invoice: nothing of a contract is used twice.

Every count and every remainder moves by a conditional update in the transaction that issues the invoice. A
draft that somebody else has overtaken is refused, and drafted again.
"""

from decimal import Decimal
from uuid import UUID

from app.db import lock
from app.errors import Conflict
from app.models import CouponRedemption, Discount, Invoice, InvoiceLine, Subscription
from app.models.invoices import LineKind
from app.services import commitments, coupons, discounts, reductions
from app.services.charges import invoiced_before

NOTHING = Decimal(0)
OVERTAKEN = "Make the draft again."


def take(invoice: Invoice) -> None:
    """Note that the contract lines of an invoice are used, or see that its true-ups still hold.

    Raises:
        Conflict: another invoice has used it since the draft was made.
    """
    _check_true_ups(invoice)
    _use_discounts(invoice)
    _use_coupons(invoice)
    for credit_id, amount in _by_source(invoice, LineKind.credit).items():
        discounts.use_credit(credit_id, amount)


def _lines(invoice: Invoice, kind: LineKind) -> list[InvoiceLine]:
    return [line for line in invoice.lines if line.kind is kind]


def _by_source(invoice: Invoice, kind: LineKind) -> dict[UUID, Decimal]:
    """Return what the lines of a kind take off, by the part of the contract, in the order of their ids."""
    found: dict[UUID, Decimal] = {}
    for line in _lines(invoice, kind):
        assert line.source_id
        found[line.source_id] = found.get(line.source_id, NOTHING) - line.amount
    return dict(sorted(found.items()))


def _use_discounts(invoice: Invoice) -> None:
    used = _by_source(invoice, LineKind.discount)
    rows = lock(Discount, used) if used else []
    before = reductions.taken(invoice.account_id, invoice.period_start, used)
    for row in rows:
        _check_left(row.amount, before.get(row.id, NOTHING), used[row.id], row.name)


def _use_coupons(invoice: Invoice) -> None:
    used = _by_source(invoice, LineKind.coupon)
    rows = lock(CouponRedemption, used) if used else []
    before = reductions.taken(invoice.account_id, invoice.period_start, used)
    for row in rows:
        _check_left(row.coupon.amount, before.get(row.id, NOTHING), used[row.id], row.coupon.code)
        if row.id not in before:
            coupons.use(row.id)


def _check_left(most: Decimal | None, before: Decimal, amount: Decimal, name: str) -> None:
    """Return if an amount per period is not exceeded; a percentage has none."""
    if most is not None and before + amount > most:
        raise Conflict(f"{name}: another invoice of the period has used it since. {OVERTAKEN}")


def _check_true_ups(invoice: Invoice) -> None:
    lines = _lines(invoice, LineKind.commitment)
    if not lines:
        return
    lock(Subscription, {line.subscription_id for line in lines})
    asked = commitments.asked(invoice.account_id)
    for line in lines:
        assert line.subscription_id
        assert line.period_start
        if asked.get((line.subscription_id, line.period_start), NOTHING) != invoiced_before(line.breakdown):
            raise Conflict(f"{line.description}: another invoice has billed it since. {OVERTAKEN}")
