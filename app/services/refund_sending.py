"""Handing refunds to their gateways, and asking again about those whose outcome is not known.

These functions hold no transaction while they talk to a gateway: call them with none open. Asking again with
the id of the same refund is the same refund, so a crash or a timeout gives nothing back twice.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select, text

from app import clock
from app.config import current_settings
from app.db import db, has_transaction, in_transaction
from app.errors import GatewayRefused, GatewayUnavailable
from app.gateways.payments import PaymentGateway, open_gateway
from app.models import Payment, Refund
from app.models.refunds import RefundStatus, RefundTarget
from app.services import payment_refunds

BATCH = 100
# New ones at once, then after 20 seconds, then after a quarter of their age.
RESTED = text(
    "(refunds.status = 'created' OR "
    "refunds.updated_at < :at - greatest(interval '20 seconds', (:at - refunds.created_at) / 4))"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a gateway is asked, read in one transaction and carried out of it."""

    gateway: PaymentGateway
    payment_ref: str
    amount: Decimal
    currency: str
    ref: str | None


def has_due() -> bool:
    """True when a gateway should hear of a refund now."""
    return bool(db.session.scalar(select(_due().exists())))


def send() -> dict[str, int]:
    """Ask the gateways for the refunds that are due; returns how many were asked, how many answered."""
    return ask_about(in_transaction(lambda: list(db.session.scalars(_due().limit(BATCH)))))


def ask_about_payment(payment_id: UUID) -> dict[str, int]:
    """Ask about the open refunds of a payment, as one of its gateway's messages suggests."""
    mine = select(Refund.id).where(
        Refund.payment_id == payment_id,
        Refund.status.in_(payment_refunds.OPEN),
        Refund.target == RefundTarget.gateway,
    )
    return ask_about(in_transaction(lambda: list(db.session.scalars(mine))))


def payment_of(reference: str) -> UUID | None:
    """Return the payment whose money a gateway calls by this reference."""
    return db.session.scalar(select(Payment.id).where(Payment.gateway_payment_ref == reference))


def ask_about(refund_ids: Iterable[UUID]) -> dict[str, int]:
    """Apply the gateways' word to each refund; one silent gateway does not keep the others waiting."""
    counts = {"asked": 0, "answered": 0}
    for refund_id in refund_ids:
        counts["asked"] += 1
        counts["answered"] += ask(refund_id) is not RefundStatus.unknown
    return counts


def ask(refund_id: UUID) -> RefundStatus:
    """Ask the gateway for one refund, or how it stands, and act on the answer.

    Raises:
        NotFound: no such refund.
    """
    if has_transaction():
        raise RuntimeError("A gateway must not be asked inside a transaction: the refund is not committed.")
    question = in_transaction(lambda: _question(refund_id))
    gateway = question.gateway
    try:
        if question.ref is not None:
            found = gateway.fetch_refund(question.payment_ref, question.ref)
        else:
            amount, currency = question.amount, question.currency
            found = gateway.refund(question.payment_ref, amount, currency, key=str(refund_id))
    except GatewayUnavailable as error:
        log.warning("gateway did not answer", extra={"refund": str(refund_id), "reason": error.message})
        silence = error.message
        return in_transaction(lambda: payment_refunds.note_silence(refund_id, silence))
    except GatewayRefused as error:
        refusal = error.message
        return in_transaction(lambda: payment_refunds.note_refusal(refund_id, refusal))
    return in_transaction(lambda: payment_refunds.take(refund_id, found, at=clock.now()))


def _due() -> Select[UUID]:
    query = select(Refund.id).where(
        Refund.status.in_(payment_refunds.OPEN),
        Refund.target == RefundTarget.gateway,
        RESTED.bindparams(at=clock.now()),
    )
    return query.order_by(Refund.updated_at)


def _question(refund_id: UUID) -> Question:
    refund = payment_refunds.get(refund_id)
    payment = refund.payment
    assert payment.gateway_payment_ref
    return Question(
        open_gateway(refund.gateway, current_settings()),
        payment.gateway_payment_ref,
        refund.amount,
        refund.currency,
        refund.gateway_ref,
    )
