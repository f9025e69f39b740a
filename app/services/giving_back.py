"""Giving back what a cancelled invoice had billed, so that the next one bills it again.

Usage counts as invoiced by its charge positions, coupons and credits by their own counters; fees, true-ups
and discounts by the lines of invoices that are not `rebilled`.
"""

from collections.abc import Mapping
from decimal import Decimal

from sqlalchemy import exists, update

from app.db import db
from app.errors import Conflict
from app.models import AccountCredit, ChargePosition, CouponRedemption, Invoice, InvoiceLine
from app.models.invoices import LineKind
from app.services import credited, usage_charges
from app.services.charges import Key, still_billed

NOTHING = Decimal(0)


def lock_positions(invoice: Invoice) -> dict[Key, ChargePosition]:
    """Lock the positions that the lines of an invoice charge, before anything else is locked."""
    return usage_charges.lock_positions([_key(line) for line in _usage(invoice)])


def check(invoice: Invoice) -> None:
    """Return if all of a locked invoice can be billed again.

    Raises:
        Conflict: a part of it was credited before, it took up advances with their tax, or it carried
            something on that may be spent.
    """
    if credited.notes_of(invoice):
        raise Conflict(f"{invoice} has credit notes: what is left of it can be cancelled, not billed again.")
    if invoice.advance_tax:
        raise Conflict(f"{invoice} took up advances: it can be cancelled, not billed again.")
    if any(line.kind is LineKind.carried for line in invoice.lines):
        raise Conflict(f"{invoice} carried an amount on: it can be cancelled, not billed again.")


def give_back(invoice: Invoice, positions: Mapping[Key, ChargePosition]) -> None:
    """Note that nothing of a cancelled invoice is billed any more. Its positions are locked."""
    for line in _usage(invoice):
        position = positions[_key(line)]
        position.invoiced_quantity -= line.quantity
        position.invoiced_amount -= line.amount
    invoice.rebilled = True
    db.session.flush()
    for line in sorted(invoice.lines, key=lambda one: str(one.source_id)):
        if line.kind is LineKind.credit:
            _give_credit_back(line)
    for source_id in sorted({str(line.source_id) for line in invoice.lines if line.kind is LineKind.coupon}):
        _give_coupon_back(invoice, source_id)


def _give_credit_back(line: InvoiceLine) -> None:
    row = update(AccountCredit).where(AccountCredit.id == line.source_id)
    db.session.execute(row.values(remaining=AccountCredit.remaining - line.amount))


def _give_coupon_back(invoice: Invoice, source_id: str) -> None:
    """Count one period less, where no other invoice of the period has used the coupon."""
    another = exists().where(
        InvoiceLine.source_id == source_id,
        InvoiceLine.kind == LineKind.coupon,
        Invoice.id == InvoiceLine.invoice_id,
        Invoice.period_start == invoice.period_start,
        still_billed(),
    )
    row = update(CouponRedemption).where(CouponRedemption.id == source_id, ~another)
    db.session.execute(row.values(used=CouponRedemption.used - 1))


def _usage(invoice: Invoice) -> list[InvoiceLine]:
    return [line for line in invoice.lines if line.metric_code is not None]


def _key(line: InvoiceLine) -> Key:
    assert line.subscription_id
    assert line.component_id
    assert line.period_start
    return line.subscription_id, line.component_id, line.period_start
