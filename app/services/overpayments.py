"""What was paid beyond what an invoice still asks for: left with it, put into the wallet, or given back."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select

from app.db import db, lock
from app.domain.money import plain, quantize
from app.errors import Conflict
from app.models import Invoice, Payment, Wallet
from app.models.refunds import RefundTarget
from app.permissions import Actor
from app.services import payment_refunds, wallets

NOTHING = Decimal(0)
NO_WALLET = "The account has no wallet: let the money go back to the gateway, or leave it with the invoice."


def lock_payments(invoice: Invoice) -> list[Payment]:
    """Lock the payments of an invoice, before the invoice itself."""
    return lock(Payment, list(db.session.scalars(_payments(invoice))))


def return_money(
    invoice: Invoice,
    note: Invoice,
    *,
    to: str,
    rebill: bool,
    reason: str,
    at: datetime,
    actor: Actor,
) -> None:
    """Give back what a locked invoice was overpaid by a credit note: `to` is wallet, gateway or none.

    What the wallet had paid for usage goes back into it as a credit; what came by payments as paid money, or
    through the gateways that took it, the latest payment first. An invoice that is billed again leaves the
    wallet's part where it is: it will pay the next one.

    Raises:
        Conflict: there is no wallet, or the gateways did not take that much.
    """
    by_payments = max(invoice.amount_paid - invoice.paid_from_wallet - invoice.advance_tax, NOTHING)
    money = min(invoice.overpaid, by_payments)
    of_wallet = invoice.overpaid - money
    if to == RefundTarget.wallet and (money or (of_wallet and not rebill)):
        _need_wallet(invoice)
    if of_wallet and (rebill or to != "none"):
        if not rebill:
            amount = quantize(of_wallet, invoice.currency)
            why = f"Credit note {note.number}: {reason}"
            wallets.credit(
                _need_wallet(invoice), amount, at=at, actor=actor, reason=why, reference=str(note.id)
            )
        invoice.amount_paid -= of_wallet
    if money and to != "none":
        _give_back(invoice, note, quantize(money, invoice.currency), RefundTarget(to), reason, at, actor)


def _give_back(
    invoice: Invoice,
    note: Invoice,
    amount: Decimal,
    target: RefundTarget,
    reason: str,
    at: datetime,
    actor: Actor,
) -> None:
    left = amount
    for payment in reversed(lock_payments(invoice)):
        if target is RefundTarget.gateway and payment.gateway_payment_ref is None:
            continue
        part = min(left, quantize(payment_refunds.left_of(payment), payment.currency))
        if part > NOTHING:
            why = f"Credit note {note.number}: {reason}"
            payment_refunds.begin(
                payment, part, reason=why, target=target, credit_note=note, at=at, actor=actor
            )
            left -= part
    if not left:
        return
    if target is RefundTarget.gateway:
        message = f"The gateways took {plain(amount - left)} of the {plain(amount)} {invoice.currency} to be "
        raise Conflict(message + "given back. Leave the money with the invoice, and send it back by bank.")
    why = f"Credit note {note.number}: {reason}"
    wallets.top_up(_need_wallet(invoice), left, at=at, actor=actor, reason=why, reference=str(note.id))
    payment_refunds.take_from_invoice(invoice.id, left, at=at, actor=actor)


def _need_wallet(invoice: Invoice) -> Wallet:
    found = wallets.find_for(invoice.account)
    if found is None:
        raise Conflict(NO_WALLET)
    return found


def _payments(invoice: Invoice) -> Select[UUID]:
    return select(Payment.id).where(Payment.invoice_id == invoice.id)
