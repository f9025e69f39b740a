"""What a gateway's word does to a payment and to the money behind it.

Each function locks the payment's row, and a payment moves forward only, so duplicates, disorder and replays
of what a gateway says end in the same state. Locks are taken in the order payment, then invoice or wallet.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app import clock
from app.db import db, lock
from app.domain.money import quantize
from app.domain.states import allowed
from app.errors import DomainError, NotFound
from app.formatting import format_money
from app.gateways.payments import Checkout, GatewayPayment, GatewayStatus
from app.models import Payment
from app.models.payments import PaymentStatus
from app.permissions import Actor
from app.services import advances, audit, invoices, payment_methods

SYSTEM = Actor.system("payments")
NOTHING = Decimal(0)
STATUSES = {
    GatewayStatus.pending: PaymentStatus.pending,
    GatewayStatus.succeeded: PaymentStatus.succeeded,
    GatewayStatus.failed: PaymentStatus.failed,
    GatewayStatus.expired: PaymentStatus.expired,
}


def take(payment_id: UUID, found: GatewayPayment, *, at: datetime) -> PaymentStatus:
    """Act on what the gateway says of a payment and return the status it has now.

    Money moves once, when the payment succeeds and amount and currency are those of the intent. Anything else
    that took money is parked for a person: another amount, a wallet that is closed, an invoice that was paid
    meanwhile.

    Raises:
        NotFound: no such payment.
    """
    payment = locked(payment_id)
    payment.updated_at = at
    target, reason = _judge(payment, found)
    if target not in allowed("payment", payment.status):
        return payment.status
    payment.gateway_payment_ref = found.payment_ref or payment.gateway_payment_ref
    payment.fee = found.fee
    if target is PaymentStatus.parked and found.currency == payment.currency:
        payment.taken = found.amount
    if target is PaymentStatus.succeeded:
        payment_methods.remember(payment, found.saved, at=at, actor=SYSTEM)
        target, reason = settle(payment, at=at, actor=SYSTEM)
    return _move(payment, target, reason, at=at, actor=SYSTEM)


def advance(payment_id: UUID, target: PaymentStatus, reason: str) -> PaymentStatus:
    """Note an outcome that moves no money; returns the status the payment has now.

    Raises:
        NotFound: no such payment.
    """
    payment, at = locked(payment_id), clock.now()
    payment.updated_at = at
    if target not in allowed("payment", payment.status):
        payment.reason = reason if target == payment.status else payment.reason
        return payment.status
    return _move(payment, target, reason, at=at, actor=SYSTEM)


def keep_checkout(payment_id: UUID, checkout: Checkout) -> PaymentStatus:
    """Note the gateway's page for a payment, the same one however often it is told.

    Raises:
        NotFound: no such payment.
    """
    payment, at = locked(payment_id), clock.now()
    payment.updated_at = at
    if payment.gateway_ref is None:
        payment.gateway_ref, payment.checkout_url = checkout.ref, checkout.url or None
    if PaymentStatus.pending not in allowed("payment", payment.status):
        return payment.status
    return _move(payment, PaymentStatus.pending, "", at=at, actor=SYSTEM)


def postpone(payment_id: UUID) -> None:
    """Note that the gateway was asked in vain, so that it is asked again after a pause."""
    locked(payment_id).updated_at = clock.now()


def settle(
    payment: Payment, *, at: datetime, actor: Actor, withheld: Decimal = NOTHING
) -> tuple[PaymentStatus, str]:
    """Move the money of a payment that arrived to its wallet or invoice; returns what the payment becomes and
    why.

    Where it cannot go there it stays with the payment, which is parked. The wallet is credited what was paid
    less the tax in it, an invoice what was paid and what the payer has `withheld` of it as TDS.
    """
    took = payment.amount if payment.taken is None else payment.taken
    amount = quantize(took, payment.currency)
    try:
        with db.session.begin_nested():
            if payment.wallet is not None:
                advances.receive(
                    payment.wallet,
                    amount,
                    payment=payment,
                    at=at,
                    actor=actor,
                    reason=f"Top-up by {payment.gateway.capitalize()}",
                    reference=f"payment:{payment.id}",
                )
            elif payment.invoice is not None:
                invoices.record_payment(payment.invoice, amount, withheld=withheld, at=at, actor=actor)
    except DomainError as error:
        return PaymentStatus.parked, f"The money arrived and could not be booked: {error.message}"
    return PaymentStatus.succeeded, ""


def locked(payment_id: UUID) -> Payment:
    """Return the payment, its row locked.

    Raises:
        NotFound: no such payment.
    """
    found = lock(Payment, [payment_id])
    if not found:
        raise NotFound("There is no such payment.")
    return found[0]


def finish(payment: Payment, *, at: datetime, actor: Actor, withheld: Decimal = NOTHING) -> Payment:
    """Settle a payment that a person vouches for, and note how it went."""
    target, reason = settle(payment, at=at, actor=actor, withheld=withheld)
    _move(payment, target, reason, at=at, actor=actor)
    return payment


def _judge(payment: Payment, found: GatewayPayment) -> tuple[PaymentStatus, str]:
    """Return what the payment should become; money that differs from the intent is never booked by itself."""
    if found.status is not GatewayStatus.succeeded:
        return STATUSES[found.status], found.reason
    if (found.amount, found.currency) == (payment.amount, payment.currency):
        return PaymentStatus.succeeded, ""
    taken = format_money(found.amount, found.currency)
    return PaymentStatus.parked, (
        f"The gateway took {taken} {found.currency}, "
        f"but {format_money(payment.amount, payment.currency)} {payment.currency} was asked for."
    )


def _move(
    payment: Payment, target: PaymentStatus, reason: str, *, at: datetime, actor: Actor
) -> PaymentStatus:
    before = payment.status
    payment.status, payment.reason = target, reason or None
    if target in {PaymentStatus.succeeded, PaymentStatus.parked}:
        payment.settled_at = at
    audit.record(
        actor,
        f"payment.{target}",
        payment,
        summary=f"Payment of {format_money(payment.amount, payment.currency)} by {payment.gateway}: {target}",
        at=at,
        before={"status": before},
        after={"status": target, "reason": reason or None},
    )
    return target
