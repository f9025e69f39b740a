"""Refunds of payments, and parked payments that a person resolves (docs/api/credit-notes.md)."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, request
from sqlalchemy import Select, select

from app import clock
from app.api.body import Body, Meta, Page, Text
from app.api.endpoint import endpoint
from app.api.envelope import decimal_text, instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard, limit_to_caller
from app.api.idempotency import idempotent
from app.api.payments import payment_resource
from app.api.serializers import need_staff
from app.api.wallet_parts import Amount, amount_of
from app.db import db
from app.errors import NotFound
from app.models import Invoice, Payment, Refund
from app.models.refunds import RefundStatus, RefundTarget
from app.services import parked_payments, payment_refunds

blueprint = Blueprint("refunds", __name__)


class NewRefund(Body):
    """What goes back of a payment, and where."""

    reason: Text
    amount: Annotated[Amount | None, Meta(description="Default: all that is left of it.")] = None
    to: Annotated[
        RefundTarget,
        Meta(description="Through the gateway that took it; by bank, with its reference; or the wallet."),
    ] = RefundTarget.gateway
    reference: Annotated[Text | None, Meta(description="The bank's number of money sent back.")] = None


class Booking(Body):
    """Where parked money is booked: by default where it was meant for."""

    reason: Text
    invoice_id: Annotated[UUID | None, Meta(description="Another invoice of the account.")] = None


class RefundsPage(Page):
    """Which refunds."""

    payment_id: UUID | None = None
    status: RefundStatus | None = None


@blueprint.get("/refunds")
@guard("payments", "read")
@endpoint("List refunds", query=RefundsPage, answers="refund", many=True)
def list_refunds(query: RefundsPage) -> Response:
    """The newest first."""
    chosen = _refunds()
    if query.payment_id is not None:
        chosen = chosen.where(Refund.payment_id == query.payment_id)
    if query.status is not None:
        chosen = chosen.where(Refund.status == query.status)
    rows, cursor = paginate(chosen, query, (Refund.created_at, Refund.id))
    return success([_refund(row) for row in rows], next_cursor=cursor)


@blueprint.get("/refunds/<uuid:refund_id>")
@guard("payments", "read")
@endpoint("Read a refund", answers="refund")
def read_refund(refund_id: UUID) -> Response:
    """How it stands, as far as the gateway has told."""
    row = db.session.scalar(_refunds().where(Refund.id == refund_id))
    if row is None:
        raise NotFound("There is no such refund.")
    return success(_refund(row))


@blueprint.post("/payments/<uuid:payment_id>/refunds")
@guard("payments", "write", needs_recent_sign_in=True)
@idempotent
@endpoint("Refund a payment", body=NewRefund, answers="refund", status=201)
def refund_payment(payment_id: UUID, body: NewRefund) -> Response:
    """The gateway hears of it after this answer: look at `status`. The same `Idempotency-Key` is the same
    refund, and together refunds never exceed the payment. What was paid for an invoice is due again, as far
    as the invoice was not overpaid; what topped up a wallet leaves it now."""
    payment = _payment(payment_id)
    need_staff("Refunding")
    made = payment_refunds.begin(
        payment,
        amount_of(body.amount),
        reason=body.reason,
        target=body.to,
        reference=body.reference,
        key=request.headers.get("Idempotency-Key"),
        at=clock.now(),
        actor=current_actor(),
    )
    return success(_refund(made), 201)


@blueprint.post("/payments/<uuid:payment_id>/book")
@guard("payments", "write")
@idempotent
@endpoint("Book a parked payment", body=Booking, answers="payment")
def book_payment(payment_id: UUID, body: Booking) -> Response:
    """Money that arrived and could not be booked by itself goes where it was meant for, or on another invoice
    of the account. To put it into the wallet, or to give it back, refund it."""
    payment = _payment(payment_id)
    need_staff("Booking payments")
    invoice = None if body.invoice_id is None else db.session.get(Invoice, body.invoice_id)
    if body.invoice_id is not None and invoice is None:
        raise NotFound("There is no such invoice.")
    booked = parked_payments.book(
        payment, reason=body.reason, invoice=invoice, at=clock.now(), actor=current_actor()
    )
    return success(payment_resource(booked))


def _refunds() -> Select[Any]:
    query = select(Refund).join(Payment, Payment.id == Refund.payment_id)
    return limit_to_caller(query, Payment.account_id)


def _payment(payment_id: UUID) -> Payment:
    query = limit_to_caller(select(Payment), Payment.account_id).where(Payment.id == payment_id)
    row: Payment | None = db.session.scalar(query)
    if row is None:
        raise NotFound("There is no such payment.")
    return row


def _refund(row: Refund) -> dict[str, Any]:
    attributes = {
        "status": row.status,
        "to": row.target,
        "gateway": row.gateway,
        "amount": decimal_text(row.amount, row.currency),
        "currency": row.currency,
        "reason": row.reason,
        "reference": row.reference,
        "error": row.error,
        "created_at": instant_text(row.created_at),
        "settled_at": instant_text(row.settled_at),
    }
    links = {
        "payment": related("payment", row.payment_id),
        "credit_note": related("credit_note", row.credit_note_id),
        "transaction": related("wallet_transaction", row.transaction_id),
    }
    return resource("refund", row.id, attributes, links)
