"""Money of payments that goes back: the intent first, then the gateway, then the books.

A refund is committed before its gateway hears of it, and its id is the gateway's idempotency key: a timeout
is `unknown` and is resolved by asking again with the same key. What is under way counts as given back, so a
payment is never refunded above its amount. Locks are taken in the order payment, invoice, wallet.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from sqlalchemy import func, select

from app import clock
from app.config import current_settings
from app.db import db, lock
from app.domain.money import parse_amount, plain, quantize
from app.domain.numbering import ist_date
from app.domain.states import move
from app.errors import Conflict, IdempotencyMismatch, Invalid, NotFound
from app.formatting import format_money
from app.gateways.payments import GatewayRefund, GatewayStatus, open_gateway
from app.ids import new_id
from app.models import Invoice, Payment, Refund
from app.models.payments import PaymentStatus
from app.models.refunds import RefundStatus, RefundTarget
from app.permissions import Actor
from app.queue import enqueue
from app.services import audit, inputs, intents, invoiced_debts, refunds, settlements, settling, wallets
from app.services.inputs import refusals

NOTHING = Decimal(0)
SYSTEM = Actor.system("refunds")
REFUNDABLE = (PaymentStatus.succeeded, PaymentStatus.partially_refunded, PaymentStatus.parked)
OPEN = (RefundStatus.created, RefundStatus.pending, RefundStatus.unknown)
STATUSES = {
    GatewayStatus.pending: RefundStatus.pending,
    GatewayStatus.succeeded: RefundStatus.succeeded,
    GatewayStatus.failed: RefundStatus.failed,
    GatewayStatus.expired: RefundStatus.failed,
}


def begin(
    payment: Payment,
    amount: object = None,
    *,
    reason: str,
    target: RefundTarget = RefundTarget.gateway,
    reference: str | None = None,
    credit_note: Invoice | None = None,
    key: str | None = None,
    at: datetime,
    actor: Actor,
) -> Refund:
    """Write the intent to give money of a payment back, in the open transaction; without an amount, all that
    is left of it.

    Money for the gateway goes there after the commit. Money that is sent back by bank (`reference` is the
    bank's number) or put into the wallet is given back at once. What a top-up brought leaves the wallet now,
    so that it is not spent meanwhile; a refund that fails brings it back. The same `key` by the same actor is
    the same refund.

    Raises:
        Invalid: the amount is not positive, or more than is left of the payment; no reason, no reference.
        InsufficientFunds: the money of a top-up has been used.
        Conflict: the payment took no money, or the money cannot go there.
        IdempotencyMismatch: the key was used for another refund.
    """
    payment = settlements.locked(payment.id)
    refund_id = new_id() if key is None else uuid5(intents.KEYS, f"refund:{actor.kind}:{actor.id}\n{key}")
    with refusals():
        why = inputs.text()(reason, "/reason")
        wanted = None if amount is None else parse_amount(amount, payment.currency, pointer="/amount")
    existing = db.session.get(Refund, refund_id)
    if existing is not None:
        return _the_same(existing, payment, target, wanted)
    _check(payment, target, reference)
    left = left_of(payment)
    chosen = quantize(left, payment.currency) if wanted is None else wanted
    if not NOTHING < chosen <= left:
        shown = format_money(left, payment.currency)
        raise Invalid.at("/amount", f"{shown} is left of this payment.", code="too_large")
    refund = Refund(
        id=refund_id,
        payment=payment,
        target=target,
        gateway=payment.gateway,
        amount=chosen,
        currency=payment.currency,
        reason=why,
        reference=reference,
        credit_note=credit_note,
        created_by=actor.label,
    )
    db.session.add(refund)
    _note(refund, "started", at, actor)
    _take_out(refund, at, actor)
    if target is RefundTarget.gateway:
        enqueue("jobs.refunds.send")
    else:
        _succeed(refund, at, actor)
    return refund


def left_of(payment: Payment) -> Decimal:
    """Return what can still be given back of a payment: what is under way counts as given."""
    if payment.status not in REFUNDABLE:
        return NOTHING
    query = select(func.sum(Refund.amount)).where(
        Refund.payment_id == payment.id, Refund.status != RefundStatus.failed
    )
    took: Decimal = payment.amount if payment.taken is None else payment.taken
    return took - (db.session.scalar(query) or NOTHING)


def take(refund_id: UUID, found: GatewayRefund, *, at: datetime) -> RefundStatus:
    """Act on what the gateway says of a refund, once; another amount than was asked for stays open for a
    person, with the reason."""
    refund = _locked(refund_id)
    refund.updated_at = at
    if refund.status not in OPEN:
        return refund.status
    refund.gateway_ref = found.ref
    if (found.amount, found.currency) != (quantize(refund.amount, refund.currency), refund.currency):
        refund.error = f"The gateway says {plain(found.amount)} {found.currency}."
        return refund.status
    target = STATUSES[found.status]
    if target is RefundStatus.succeeded:
        _succeed(refund, at, SYSTEM)
    elif target is RefundStatus.failed:
        _fail(refund, "The gateway could not pay it back.", at)
    elif target is not refund.status:
        refund.status = RefundStatus(move("refund", refund.status, target))
    return refund.status


def note_silence(refund_id: UUID, reason: str) -> RefundStatus:
    """Note that the gateway did not answer: the outcome is unknown until it is asked again."""
    refund, at = _locked(refund_id), clock.now()
    refund.updated_at, refund.error = at, reason
    if refund.status is RefundStatus.created:
        refund.status = RefundStatus(move("refund", refund.status, RefundStatus.unknown))
    return refund.status


def note_refusal(refund_id: UUID, reason: str) -> RefundStatus:
    """Note that the gateway said no: nothing goes back, and what the wallet gave is put back."""
    refund, at = _locked(refund_id), clock.now()
    refund.updated_at = at
    if refund.status in OPEN:
        _fail(refund, reason, at)
    return refund.status


def get(refund_id: UUID) -> Refund:
    """Return the refund with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(Refund, refund_id)
    if found is None:
        raise NotFound("There is no such refund.")
    return found


def _the_same(made: Refund, payment: Payment, target: RefundTarget, amount: Decimal | None) -> Refund:
    """Return the refund that was made with a key, if this is the same one."""
    same = (made.payment_id, made.target) == (payment.id, target)
    if not same or (amount is not None and amount != made.amount):
        raise IdempotencyMismatch("This Idempotency-Key was used for another refund.")
    return made


def _check(payment: Payment, target: RefundTarget, reference: str | None) -> None:
    if payment.status not in REFUNDABLE:
        raise Conflict(f"The payment is {payment.status}: there is no money to give back.")
    if target is RefundTarget.gateway:
        gateway = open_gateway(payment.gateway, current_settings())
        if not gateway.hosted:
            raise Conflict("It came by bank: send it back by bank and record the refund with its reference.")
        if payment.gateway_payment_ref is None:
            raise Conflict("The gateway has not told which money this is: ask again later.")
    elif target is RefundTarget.bank and not (reference or "").strip():
        raise Invalid.at("/reference", "Give the bank's reference of the money sent back.", code="required")
    elif target is RefundTarget.wallet:
        if payment.status is not PaymentStatus.parked and payment.wallet_id is not None:
            raise Conflict("The money is in the wallet already.")
        if wallets.find_for(payment.account) is None:
            raise Conflict("The account has no wallet to put the money into.")


def _take_out(refund: Refund, at: datetime, actor: Actor) -> None:
    """Take the money of a top-up out of its wallet, where it was booked."""
    payment = refund.payment
    if payment.wallet is None or payment.status is PaymentStatus.parked:
        return
    # The tax in a top-up never went into the wallet; a refund takes its share with it.
    part = quantize(refund.amount * (payment.amount - payment.tax) / payment.amount, payment.currency)
    made = refunds.refund(
        payment.wallet,
        part,
        at=at,
        actor=actor,
        reason=f"Refund of a payment by {payment.gateway.capitalize()}: {refund.reason}",
        reference=f"refund:{refund.id}",
    )
    refund.transaction_id = made.id


def _succeed(refund: Refund, at: datetime, actor: Actor) -> None:
    payment = settlements.locked(refund.payment_id)
    booked = payment.status is not PaymentStatus.parked
    refund.status = RefundStatus(move("refund", refund.status, RefundStatus.succeeded))
    refund.settled_at, refund.error = at, None
    payment.refunded += refund.amount
    took = payment.amount if payment.taken is None else payment.taken
    whole = payment.refunded >= took
    status = PaymentStatus.refunded if whole else PaymentStatus.partially_refunded
    # A parked payment stays so until all of it has a place.
    if status is not payment.status and (booked or whole):
        payment.status = PaymentStatus(move("payment", payment.status, status))
    if booked and payment.invoice_id is not None:
        take_from_invoice(payment.invoice_id, refund.amount, at=at, actor=actor)
    if refund.target is RefundTarget.wallet:
        _put_into_wallet(refund, at, actor)
    _note(refund, "succeeded", at, actor)


def take_from_invoice(invoice_id: UUID, amount: Decimal, *, at: datetime, actor: Actor) -> None:
    """Note that money of an invoice went back: what it waits for rises, unless it was overpaid."""
    (invoice,) = lock(Invoice, [invoice_id])
    before = {"status": invoice.status, "amount_paid": invoice.amount_paid}
    invoice.amount_paid -= amount
    settling.settle(invoice, on=ist_date(at))
    invoiced_debts.reopen(invoice, at=at, actor=actor)
    after = {"status": invoice.status, "amount_paid": invoice.amount_paid}
    summary = f"{plain(amount)} {invoice.currency} that was paid for {invoice} went back"
    audit.record(actor, "invoice.refunded", invoice, summary=summary, at=at, before=before, after=after)


def _put_into_wallet(refund: Refund, at: datetime, actor: Actor) -> None:
    wallet = wallets.find_for(refund.payment.account)
    assert wallet is not None
    made = wallets.top_up(
        wallet, refund.amount, at=at, actor=actor, reason=refund.reason, reference=f"refund:{refund.id}"
    )
    refund.transaction_id = made.id


def _fail(refund: Refund, reason: str, at: datetime) -> None:
    refund.status = RefundStatus(move("refund", refund.status, RefundStatus.failed))
    refund.settled_at, refund.error = at, reason
    if refund.transaction is not None:
        wallets.reverse(refund.transaction, at=at, actor=SYSTEM, reason=f"The refund failed: {reason}")
    _note(refund, "failed", at, SYSTEM)


def _locked(refund_id: UUID) -> Refund:
    settlements.locked(get(refund_id).payment_id)
    (refund,) = lock(Refund, [refund_id])
    return refund


def _note(refund: Refund, done: str, at: datetime, actor: Actor) -> None:
    shown = format_money(refund.amount, refund.currency)
    summary = f"Refund of {shown} to the {refund.target} {done}: {refund.reason}"
    after = {"status": refund.status, "amount": refund.amount, "error": refund.error}
    audit.record(actor, f"refund.{done}", refund, summary=summary, at=at, after=after)
