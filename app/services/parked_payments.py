"""Money that arrived and could not be booked by itself: a person says where it goes.

It is booked as it was meant, once that is possible; on another invoice; into the wallet; or given back
(`payment_refunds`). What the gateway took counts, not what was asked for.
"""

from datetime import datetime

from app.db import lock
from app.errors import Conflict
from app.models import Invoice, Payment
from app.models.payments import PaymentStatus
from app.permissions import Actor
from app.services import audit, inputs, payment_refunds, settlements
from app.services.inputs import refusals


def book(
    payment: Payment, *, reason: str, at: datetime, actor: Actor, invoice: Invoice | None = None
) -> Payment:
    """Book parked money for what it was paid for, or on another invoice of the account.

    Raises:
        Conflict: the payment is not parked, a part of it was given back, the invoice is another account's, or
            the money cannot be booked there.
        Invalid: no reason.
    """
    payment = _parked(payment)
    with refusals():
        why = inputs.text()(reason, "/reason")
    if payment.refunded or payment_refunds.left_of(payment) != (payment.taken or payment.amount):
        raise Conflict("A part of it was given back: give the rest back too.")
    if invoice is not None:
        if (invoice.account_id, invoice.currency) != (payment.account_id, payment.currency):
            raise Conflict("The invoice is another account's or in another currency.")
        payment.invoice, payment.wallet = invoice, None
    doubt = payment.reason
    settlements.finish(payment, at=at, actor=actor)
    if payment.status is not PaymentStatus.succeeded:
        raise Conflict(payment.reason or "The money could not be booked.")
    after = {"reason": why, "parked_reason": doubt, "invoice_id": payment.invoice_id}
    summary = f"A parked payment of {payment} was booked: {why}"
    audit.record(actor, "payment.released", payment, summary=summary, at=at, after=after)
    return payment


def _parked(payment: Payment) -> Payment:
    (found,) = lock(Payment, [payment.id])
    if found.status is not PaymentStatus.parked:
        raise Conflict(f"The payment is {found.status}, not parked.")
    return found
