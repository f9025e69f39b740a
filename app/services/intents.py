"""Payment intents: the row that says what is to be paid, written before any gateway hears of it.

All of this happens in the caller's transaction. `app.services.payments` commits it and asks the gateway
afterwards.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

import app.gateways
from app import clock
from app.config import current_settings
from app.db import db, lock
from app.domain.money import Money, parse_amount, quantize, quantize_payable
from app.domain.numbering import ist_date
from app.errors import Conflict, CurrencyMismatch, IdempotencyMismatch, Invalid
from app.formatting import format_money
from app.gateways.payments import PaymentGateway, open_gateway, payment_gateways, to_minor
from app.ids import new_id
from app.models import Invoice, Payment, PaymentMethod
from app.models.invoices import InvoiceStatus
from app.models.payments import PaymentStatus
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.registry import load_package
from app.services import advance_tax, audit, wallets
from app.services.inputs import refusals

load_package(app.gateways)

OPEN = (PaymentStatus.created, PaymentStatus.pending, PaymentStatus.unknown)
# A parked payment took money that a person has yet to book.
UNDER_WAY = (*OPEN, PaymentStatus.parked)
PAYABLE = (
    InvoiceStatus.issued,
    InvoiceStatus.partially_paid,
    InvoiceStatus.overdue,
    InvoiceStatus.uncollectible,
)
# The namespace of the ids that are made from an Idempotency-Key.
KEYS = UUID("6f1e0c52-5d0a-4c59-9a53-0f6a3a8b7f10")


def begin_top_up(
    wallet_id: UUID,
    amount: object,
    *,
    gateway: str,
    actor: Actor,
    key: str | None,
    method: PaymentMethod | None = None,
) -> UUID:
    """Write the intent to top up a wallet and return its id. `amount` is what the wallet is to get: the
    payment asks for the tax on it as well.

    `method` is charged instead of asking the customer. Where the wallet fills itself up, the gateway is asked
    to keep the way to pay.

    Raises:
        NotFound, Conflict: no such wallet; it is closed.
        Invalid, GatewayRefused, IdempotencyMismatch: as `app.services.payments.start_top_up` says.
    """
    wallet = wallets.get(wallet_id)
    if wallet.status is WalletStatus.closed:
        raise Conflict("The wallet is closed.")
    split = advance_tax.to_collect(
        wallet.account, _payable(amount, wallet.currency), on=ist_date(clock.now())
    )
    values = {
        "account_id": wallet.account_id,
        "wallet_id": wallet.id,
        "amount": quantize_payable(split.amount, wallet.currency),
        "tax": split.tax,
        "currency": wallet.currency,
    }
    kept = {"saves_method": bool(wallet.auto_top_up), "method_id": method.id if method else None}
    return _begin(values, gateway=gateway, actor=actor, key=key, kept=kept)


def begin_invoice_payment(
    invoice_id: UUID,
    amount: object,
    *,
    gateway: str,
    actor: Actor,
    key: str | None,
    method: PaymentMethod | None = None,
) -> UUID:
    """Write the intent to pay an invoice, or find the one under way, and return its id; `method` is charged
    instead of asking the customer.

    Raises:
        Conflict: not payable, or another payment of it is under way or parked.
        Invalid, GatewayRefused, IdempotencyMismatch: as `app.services.payments.start_top_up` says.
    """
    (invoice,) = lock(Invoice, [invoice_id])
    values = values_for_invoice(invoice, amount)
    under_way = select(Payment).where(Payment.invoice_id == invoice.id, Payment.status.in_(UNDER_WAY))
    for other in db.session.scalars(under_way):
        if (other.gateway, other.amount) == (gateway, values["amount"]) and other.status in OPEN:
            return other.id
        shown = format_money(other.amount, other.currency)
        raise Conflict(f"A payment of {shown} by {other.gateway} is under way for this invoice.")
    kept = {"method_id": method.id} if method else None
    return _begin(values, gateway=gateway, actor=actor, key=key, kept=kept)


def values_for_invoice(invoice: Invoice, amount: object, *, withheld: Decimal = Decimal(0)) -> dict[str, Any]:
    """Return the columns of a payment of a locked invoice; without an amount, of all that is due less what
    the payer has `withheld`.

    Raises:
        Conflict: the invoice is not payable. Invalid: the amount is not positive, or more than is due.
    """
    if invoice.status not in PAYABLE or invoice.amount_due <= 0:
        raise Conflict(f"The invoice is {invoice.status} and has nothing to be paid.")
    due = invoice.amount_due - withheld
    chosen = _payable(quantize(due, invoice.currency) if amount is None else amount, invoice.currency)
    if chosen > due:
        beside = f" beside {format_money(withheld, invoice.currency)} of TDS" if withheld else ""
        told = f"Only {format_money(due, invoice.currency)} is due{beside}."
        raise Invalid.at("/amount", told, code="too_large")
    return {
        "account_id": invoice.account_id,
        "invoice_id": invoice.id,
        "amount": chosen,
        "currency": invoice.currency,
    }


def _payable(amount: object, currency: str) -> Decimal:
    if isinstance(amount, Money):
        if amount.currency != currency:
            raise CurrencyMismatch.at("/amount", f"Pay in {currency}, not in {amount.currency}.")
        amount = amount.amount
    with refusals():
        chosen = parse_amount(amount, currency, pointer="/amount")
        if chosen != quantize_payable(chosen, currency):
            raise Invalid.at(
                "/amount", f"An amount in {currency} is paid in whole units.", code="too_many_decimals"
            )
    return chosen


def _begin(
    values: dict[str, Any],
    *,
    gateway: str,
    actor: Actor,
    key: str | None,
    kept: Mapping[str, Any] | None = None,
) -> UUID:
    """Write the intent; the same key gives the payment that was made with it, whatever `kept` says by now."""
    chosen = _hosted_gateway(gateway)
    to_minor(values["amount"], chosen.minor_exponent(values["currency"]))
    payment_id = new_id() if key is None else uuid5(KEYS, f"{actor.kind}:{actor.id}\n{key}")
    values = {**values, "id": payment_id, "gateway": gateway}
    if insert_payment({**values, **(kept or {})}, actor) is None:
        existing = db.session.get_one(Payment, payment_id)
        if any(getattr(existing, name) != value for name, value in values.items()):
            raise IdempotencyMismatch("This Idempotency-Key was used for another payment.")
    return payment_id


def insert_payment(values: dict[str, Any], actor: Actor) -> Payment | None:
    """Write the row and its audit record; None when its id or reference is there already."""
    row = {**values, "status": PaymentStatus.created, "created_by": actor.label, "created_at": clock.now()}
    payment: Payment | None = db.session.scalar(
        insert(Payment).values(row).on_conflict_do_nothing().returning(Payment)
    )
    if payment is not None:
        shown = format_money(payment.amount, payment.currency)
        audit.record(
            actor, "payment.started", payment, summary=f"Payment of {shown} by {payment.gateway} started"
        )
    return payment


def _hosted_gateway(name: str) -> PaymentGateway:
    if name not in payment_gateways:
        raise Invalid.at("/gateway", f"Choose one of: {', '.join(payment_gateways)}.", code="unknown_choice")
    gateway = open_gateway(name, current_settings())
    if not gateway.hosted:
        raise Invalid.at("/gateway", f"{gateway.title} has no online page; record the payment instead.")
    return gateway
