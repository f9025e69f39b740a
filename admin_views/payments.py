"""Payments and refunds, and the inbox of what the gateways tell us."""

from datetime import datetime
from decimal import Decimal

from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.fields import ExactField
from admin_views.lookups import Lookup, LookupField
from admin_views.operations import Operation
from admin_views.records import Related
from admin_views.registry import screen
from app.formatting import format_money
from app.models import Invoice, Payment, Refund, WebhookMessage
from app.models.payments import PaymentStatus
from app.models.refunds import RefundTarget
from app.permissions import Actor
from app.services import parked_payments, payment_refunds

TARGETS = [
    SelectChoice(RefundTarget.gateway.value, "Back through the gateway that took it"),
    SelectChoice(RefundTarget.bank.value, "It was sent back by bank"),
    SelectChoice(RefundTarget.wallet.value, "Into the customer's wallet"),
]
REASON = StringField(
    "Reason", validators=[InputRequired(), Length(max=300)], description="It stays in the audit trail."
)


def is_refundable(payment: Payment) -> bool:
    """Tell whether money of it can go back."""
    return payment.status in payment_refunds.REFUNDABLE


def is_parked(payment: Payment) -> bool:
    """Tell whether a person has to say where the money goes."""
    return payment.status is PaymentStatus.parked


def refund(
    payment: Payment,
    *,
    amount: Decimal,
    target: str,
    reference: str,
    reason: str,
    at: datetime,
    actor: Actor,
) -> str:
    """Give money of a payment back."""
    made = payment_refunds.begin(
        payment,
        amount,
        reason=reason,
        target=RefundTarget(target),
        reference=reference or None,
        at=at,
        actor=actor,
    )
    return f"{format_money(made.amount, made.currency)} go back: the refund is {made.status}."


def book(payment: Payment, *, invoice: Invoice | None, reason: str, at: datetime, actor: Actor) -> str:
    """Book parked money."""
    booked = parked_payments.book(payment, reason=reason, invoice=invoice, at=at, actor=actor)
    where = booked.invoice.number if booked.invoice else "the wallet"
    return f"The money is booked on {where}."


def effect(payment: Payment | None) -> str:
    """Return what a refund does, in words."""
    if payment is None:
        return ""
    left = format_money(payment_refunds.left_of(payment), payment.currency)
    told = f"{left} of this payment can go back. "
    if payment.status is PaymentStatus.parked:
        return told + "The money is booked nowhere yet, so nothing else changes."
    if payment.wallet_id is not None:
        return told + "It leaves the wallet now, with the tax that came in with it."
    return told + "The invoice waits for that much again, as far as it was not paid too much."


@screen(Payment, category="Billing", resource="payments", icon="credit-card", place=3)
class PaymentScreen(ModelScreen):
    """Every intent to take money, for a wallet or for an invoice."""

    column_list = (
        "created_at",
        "account",
        "gateway",
        "status",
        "amount",
        "tax",
        "refunded",
        "invoice",
        "wallet",
        "gateway_ref",
    )
    search = ("=gateway_ref", "=gateway_payment_ref", "account.name")
    filters = ("status", "gateway", "currency", "account", "created_at")
    labels = {"gateway_ref": "Gateway reference"}
    empty = "A customer pays or tops up in the portal; the payment shows here from its first moment."
    operations = (
        Operation(
            "refund",
            "Refund",
            run=refund,
            icon="receipt-refund",
            when=is_refundable,
            explain=effect,
            needs_recent_sign_in=True,
            inputs={
                "amount": ExactField(label="Amount", scale=4, validators=[InputRequired()]),
                "target": SelectField("Where to", choices=TARGETS),
                "reference": StringField(
                    "Bank reference",
                    validators=[Length(max=200)],
                    description="The bank's number, where it was sent back by bank.",
                ),
                "reason": REASON,
            },
            initial=lambda payment: {"amount": payment_refunds.left_of(payment)},
        ),
        Operation(
            "book",
            "Book it",
            run=book,
            icon="check",
            when=is_parked,
            confirm=(
                "The money that arrived is booked where it was meant for, or on the invoice that you choose. "
                "To put it into the wallet or give it back, refund it."
            ),
            inputs={
                "invoice": LookupField(Lookup("invoice", Invoice), label="Another invoice of the account"),
                "reason": REASON,
            },
        ),
    )
    related = (
        Related(
            Refund,
            by="payment_id",
            columns=("created_at", "target", "status", "amount", "reason", "settled_at"),
            empty="Nothing went back.",
        ),
    )


@screen(Refund, category="Billing", resource="payments", icon="receipt-refund", place=4)
class RefundScreen(ModelScreen):
    """Money of payments that goes back."""

    column_list = ("created_at", "payment", "target", "status", "amount", "reason", "error", "settled_at")
    search = ("=gateway_ref", "=reference")
    filters = ("status", "target", "gateway", "created_at")
    labels = {"gateway_ref": "Gateway reference", "target": "Where to", "credit_note": "Credit note"}
    intro = "A refund is begun on the page of its payment, or by a credit note."
    empty = "Nothing was given back yet."


@screen(
    WebhookMessage,
    category="Operations",
    resource="payments",
    title="Gateway messages",
    icon="inbox",
    place=4,
)
class WebhookMessageScreen(ModelScreen):
    """What the gateways told us, verified and stored before it was acted on."""

    column_list = ("received_at", "gateway", "kind", "reference", "status", "error", "processed_at")
    search = ("=reference",)
    filters = ("status", "gateway")
    empty = "What a payment gateway tells us shows here with what became of it."
    big = True
