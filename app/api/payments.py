"""Payments: those that run through a gateway's own page, and those that a person records."""

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
from app.api.serializers import need_staff
from app.api.wallet_parts import amount_of
from app.db import db
from app.errors import Invalid, NotFound
from app.models import Invoice, Payment, Wallet
from app.models.payments import PaymentStatus
from app.services import payments

blueprint = Blueprint("payments", __name__)

MANUAL = "manual"


class NewPayment(Body):
    """What is to be paid: exactly one of an invoice and a wallet."""

    gateway: Annotated[
        Text, Meta(description="`stripe`, `razorpay`, or `manual` for money that came by bank.")
    ]
    invoice_id: UUID | None = None
    wallet_id: UUID | None = None
    amount: Annotated[
        Any, Meta(description='A decimal such as "118.00"; for an invoice by default all that is due.')
    ] = None
    reference: Annotated[Text | None, Meta(description="The bank's reference of a manual payment.")] = None
    tds_amount: Annotated[
        Any, Meta(description="Income tax that the payer kept, of a manual payment: it counts as paid too.")
    ] = None
    tds_section: Annotated[
        Text | None, Meta(description="`194C` or `194J-2` (2 % of the taxable value), `194J` (10 %).")
    ] = None
    gst_tds_amount: Annotated[
        Any, Meta(description="GST that a government buyer kept: 2 % of the taxable value (s.51).")
    ] = None
    certificate_number: Annotated[Text | None, Meta(description="Where the certificate is here already.")] = (
        None
    )


class PaymentsPage(Page):
    """Which payments a list shows."""

    invoice_id: UUID | None = None
    wallet_id: UUID | None = None
    status: PaymentStatus | None = None


@blueprint.get("/payments")
@guard("payments", "read")
@endpoint("List payments", query=PaymentsPage, answers="payment", many=True)
def list_payments(query: PaymentsPage) -> Response:
    """The newest first."""
    chosen = _visible()
    if query.invoice_id is not None:
        chosen = chosen.where(Payment.invoice_id == query.invoice_id)
    if query.wallet_id is not None:
        chosen = chosen.where(Payment.wallet_id == query.wallet_id)
    if query.status is not None:
        chosen = chosen.where(Payment.status == query.status)
    rows, cursor = paginate(chosen, query, (Payment.created_at, Payment.id))
    return success([payment_resource(row) for row in rows], next_cursor=cursor)


@blueprint.get("/payments/<uuid:payment_id>")
@guard("payments", "read")
@endpoint("Read a payment", answers="payment")
def read_payment(payment_id: UUID) -> Response:
    """How it stands, as far as the gateway has told."""
    payment = db.session.scalar(_visible().where(Payment.id == payment_id))
    if payment is None:
        raise NotFound("There is no such payment.")
    return success(payment_resource(payment))


@blueprint.post("/payments")
@guard("payments", "write")
@endpoint("Begin or record a payment", body=NewPayment, answers="payment", status=201, keyed=True)
def create_payment(body: NewPayment) -> Response:
    """Send the customer to `checkout_url`; the money counts once the gateway has it.

    The same `Idempotency-Key` is the same payment. For a wallet, `amount` is what it is to get: the payment's
    own `amount` is that with the `tax` which falls due on money in advance. A `manual` payment of an invoice
    is recorded as paid at once; its bank reference is taken once, and TDS that the payer kept counts as paid.
    """
    if (body.invoice_id is None) == (body.wallet_id is None):
        raise Invalid.at("/invoice_id", "Give exactly one of invoice_id and wallet_id.")
    if body.gateway != MANUAL and (body.tds_amount or body.gst_tds_amount or body.tds_section):
        raise Invalid.at("/tds_amount", "TDS is recorded with a manual payment.")
    amount = amount_of(body.amount)
    if body.gateway == MANUAL:
        return _record(body, amount)
    key, actor = request.headers.get("Idempotency-Key"), current_actor()
    if body.wallet_id is not None:
        wallet = _own(Wallet, body.wallet_id, "wallet")
        started = payments.start_top_up(wallet, amount, gateway=body.gateway, actor=actor, key=key)
    else:
        invoice = _own(Invoice, body.invoice_id, "invoice")
        started = payments.start_invoice_payment(
            invoice, gateway=body.gateway, actor=actor, amount=amount, key=key
        )
    return success(payment_resource(started), 201)


def payment_resource(payment: Payment) -> dict[str, Any]:
    """Return a payment as the wire shows it."""
    attributes = {
        "gateway": payment.gateway,
        "status": payment.status,
        "amount": decimal_text(payment.amount, payment.currency),
        "tax": decimal_text(payment.tax, payment.currency),
        "currency": payment.currency,
        "invoice_id": payment.invoice_id,
        "wallet_id": payment.wallet_id,
        "checkout_url": payment.checkout_url,
        "fee": decimal_text(payment.fee, payment.currency),
        "refunded": decimal_text(payment.refunded, payment.currency),
        "reason": payment.reason,
        "created_at": instant_text(payment.created_at),
        "settled_at": instant_text(payment.settled_at),
    }
    relationships = {
        "account": related("account", payment.account_id),
        "invoice": related("invoice", payment.invoice_id),
        "wallet": related("wallet", payment.wallet_id),
    }
    return resource("payment", payment.id, attributes, relationships)


@idempotent
def _record(body: NewPayment, amount: object) -> Response:
    need_staff("Recording money that came by bank")
    if body.invoice_id is None:
        raise Invalid.at("/wallet_id", "Money that came by bank for a wallet is given as a top-up by staff.")
    invoice = _own(Invoice, body.invoice_id, "invoice")
    made = payments.record_manual(
        invoice,
        amount,
        reference=body.reference or "",
        at=clock.now(),
        actor=current_actor(),
        tds_amount=body.tds_amount,
        tds_section=body.tds_section,
        gst_tds_amount=body.gst_tds_amount,
        certificate_number=body.certificate_number,
    )
    return success(payment_resource(made), 201)


def _visible() -> Select[Any]:
    return limit_to_caller(select(Payment), Payment.account_id)


def _own(model: type[Any], key: UUID | None, name: str) -> Any:
    found = db.session.scalar(limit_to_caller(select(model).where(model.id == key), model.account_id))
    if found is None:
        raise NotFound(f"There is no such {name}.")
    return found
