"""Payments through the gateways: the intent first, then the question, then the money.

An intent is committed before its gateway hears of it, and its id is the gateway's idempotency key. What a
gateway says is fetched, compared with the intent, and only then moves money; a payment moves forward only. So
these functions hold no transaction while they talk to a gateway: call them with none open.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select, text

from app import clock
from app.config import current_settings
from app.db import db, has_transaction, in_transaction, lock
from app.errors import (
    Conflict,
    GatewayRefused,
    GatewayUnavailable,
    Invalid,
    NotFound,
)
from app.gateways.payments import (
    PaymentGateway,
    PaymentIntent,
    SavedMethod,
    open_gateway,
)
from app.ids import new_id
from app.models import Invoice, Payment, Wallet
from app.models.payments import PaymentStatus
from app.permissions import Actor
from app.services import intents, settlements, tds

LIFETIME = timedelta(hours=23)
RETURN_PATH = "/portal/payments/{id}"
# A failed attempt can be followed by one that succeeds, for as long as the gateway's page takes money.
ASKED = (*intents.OPEN, PaymentStatus.failed)
RESTED = text("payments.updated_at < :at - greatest(interval '20 seconds', (:at - payments.created_at) / 4)")
BATCH = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a gateway is asked about, read in one transaction and carried out of it."""

    gateway: PaymentGateway
    intent: PaymentIntent
    status: PaymentStatus
    ref: str | None


def start_top_up(
    wallet: Wallet, amount: object, *, gateway: str, actor: Actor, key: str | None = None
) -> Payment:
    """Take money for a wallet: commit the intent, open the gateway's page, return the payment with its
    address.

    The same `key` by the same actor is the same payment. The payment may come back `unknown` (the gateway did
    not answer; it is asked again by itself) or `failed` (it said no).

    Raises:
        Invalid: no such gateway, or an amount that cannot be paid.
        Conflict: the wallet is closed.
        GatewayRefused: the gateway is not set up, or cannot count this amount; nothing was written.
        IdempotencyMismatch: the key was used for another payment.
    """
    _need_no_transaction()
    return open_checkout(
        in_transaction(lambda: intents.begin_top_up(wallet.id, amount, gateway=gateway, actor=actor, key=key))
    )


def start_invoice_payment(
    invoice: Invoice, *, gateway: str, actor: Actor, amount: object = None, key: str | None = None
) -> Payment:
    """Take money for an invoice, by default all that is due; as `start_top_up` otherwise.

    While one payment of an invoice is under way no second one begins: asking again gives the first one.

    Raises:
        Conflict: the invoice is not payable, or its payment is under way by another gateway or amount.
        Invalid, GatewayRefused, IdempotencyMismatch: as `start_top_up`.
    """
    _need_no_transaction()
    return open_checkout(
        in_transaction(
            lambda: intents.begin_invoice_payment(invoice.id, amount, gateway=gateway, actor=actor, key=key)
        )
    )


def open_checkout(payment_id: UUID) -> Payment:
    """Open the gateway's page for a committed intent, or charge what it kept, once; asking again resolves an
    unknown outcome.

    Raises:
        NotFound: no such payment.
    """
    _need_no_transaction()
    question = in_transaction(lambda: _question(payment_id))
    if question.ref is None and question.status in intents.OPEN and question.gateway.hosted:
        ask = question.gateway.charge_saved if question.intent.method else question.gateway.create_checkout
        try:
            checkout = ask(question.intent)
        except GatewayUnavailable as error:
            reason = error.message
            in_transaction(lambda: settlements.advance(payment_id, PaymentStatus.unknown, reason))
        except GatewayRefused as error:
            reason = error.message
            in_transaction(lambda: settlements.advance(payment_id, PaymentStatus.failed, reason))
        else:
            in_transaction(lambda: settlements.keep_checkout(payment_id, checkout))
    return in_transaction(lambda: get(payment_id))


def apply_gateway_state(payment_id: UUID) -> PaymentStatus:
    """Ask the gateway how a payment stands, and act on the answer. Doing it again changes nothing.

    Raises:
        NotFound: no such payment.
        GatewayUnavailable: no answer; the payment is as before.
    """
    payment = open_checkout(payment_id)
    if payment.gateway_ref is None or payment.status not in ASKED:
        return payment.status
    question = in_transaction(lambda: _question(payment_id))
    try:
        found = question.gateway.fetch(question.ref or "")
    except GatewayRefused as error:
        reason = error.message
        return in_transaction(lambda: settlements.advance(payment_id, PaymentStatus.parked, reason))
    return in_transaction(lambda: settlements.take(payment_id, found, at=clock.now()))


def record_manual(
    invoice: Invoice,
    amount: object,
    *,
    reference: str,
    at: datetime,
    actor: Actor,
    tds_amount: object = None,
    tds_section: str | None = None,
    gst_tds_amount: object = None,
    certificate_number: str | None = None,
) -> Payment:
    """Record money for an invoice that came by bank transfer or cheque, in the open transaction.

    `reference` is the bank's; the same one is taken once. `amount` is what came, by default all that is due
    less what the payer kept as TDS: income tax under a section of `app.domain.tds`, and GST where it is a
    government buyer. Both count as paid.

    Raises:
        Invalid: the amount is not positive, or with the TDS more than is due; the TDS is more than its rate
            of the taxable value; the section or the reference is missing.
        Conflict: the invoice is not payable, or the reference was recorded before.
    """
    if not reference.strip():
        message = "Give the bank's reference, so that it is not recorded twice."
        raise Invalid.at("/reference", message, code="required")
    (invoice,) = lock(Invoice, [invoice.id])
    kept = tds.read(invoice, tds_amount=tds_amount, tds_section=tds_section, gst_tds_amount=gst_tds_amount)
    withheld = sum((each.amount for each in kept), Decimal(0))
    payment_id = new_id()
    values = intents.values_for_invoice(invoice, amount, withheld=withheld)
    made = intents.insert_payment(
        {**values, "id": payment_id, "gateway": "manual", "gateway_ref": reference.strip()}, actor
    )
    if made is None:
        raise Conflict.at("/reference", "A payment with this reference was recorded before.", code="taken")
    settlements.finish(made, at=at, actor=actor, withheld=withheld)
    tds.record(made, invoice, kept, certificate_number=certificate_number, at=at, actor=actor)
    return made


def get(payment_id: UUID) -> Payment:
    """Return the payment with this id.

    Raises:
        NotFound: there is none.
    """
    payment = db.session.get(Payment, payment_id)
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def has_due() -> bool:
    """True when a gateway should be asked about a payment now."""
    return bool(db.session.scalar(select(_due(clock.now()).exists())))


def reconcile() -> dict[str, int]:
    """Ask the gateways about payments that are still open; returns how many were asked and how many answered.

    The older a payment, the longer the pauses. This finds every missed webhook by itself.
    """
    _need_no_transaction()
    return ask_about(in_transaction(lambda: list(db.session.scalars(_due(clock.now()).limit(BATCH)))))


def reconcile_failed() -> dict[str, int]:
    """Ask about failed payments whose page may still have taken money since."""
    _need_no_transaction()
    still = Payment.created_at > clock.now() - LIFETIME - timedelta(hours=1)
    query = select(Payment.id).where(Payment.status == PaymentStatus.failed, still).order_by(Payment.id)
    return ask_about(in_transaction(lambda: list(db.session.scalars(query))))


def ask_about(payment_ids: Iterable[UUID]) -> dict[str, int]:
    """Apply the gateways' word to each payment; one silent gateway does not keep the others waiting."""
    counts = {"asked": 0, "answered": 0}
    for payment_id in payment_ids:
        counts["asked"] += 1
        try:
            apply_gateway_state(payment_id)
            counts["answered"] += 1
        except GatewayUnavailable as error:
            log.warning("gateway did not answer", extra={"payment": str(payment_id), "reason": error.message})
            in_transaction(lambda asked=payment_id: settlements.postpone(asked))  # type: ignore[misc]
    return counts


def _due(at: datetime) -> Select[UUID]:
    """Return the query for payments to ask about: first after 20 seconds, then after a quarter of their
    age."""
    rested = RESTED.bindparams(at=at)
    query = select(Payment.id).where(Payment.status.in_(intents.OPEN), Payment.gateway != "manual", rested)
    return query.order_by(Payment.created_at)


def _question(payment_id: UUID) -> Question:
    payment = get(payment_id)
    method = payment.method
    subject = f"Invoice {payment.invoice.number}" if payment.invoice else "Wallet top-up"
    intent = PaymentIntent(
        id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        description=f"{subject}, {payment.account.name}",
        return_url=current_settings().public_url.rstrip("/") + RETURN_PATH.format(id=payment.id),
        expires_at=payment.created_at + LIFETIME,
        email=payment.account.customer.email,
        save_method=payment.saves_method,
        method=SavedMethod(method.customer_ref, method.method_ref, method.label) if method else None,
    )
    gateway = open_gateway(payment.gateway, current_settings())
    return Question(gateway, intent, payment.status, payment.gateway_ref)


def _need_no_transaction() -> None:
    if has_transaction():
        raise RuntimeError(
            "A gateway must not be asked inside a transaction: the intent is not committed yet."
        )
