"""Usage that a wallet could not pay, once it stands on an invoice: the book `invoiced` of the ledger.

`wallets.bill_receivable` puts it there when the invoice is issued. A payment or a credit note of the invoice
pays it before the tax and the fees, so that no part of a paisa has to be divided: what is open is always
max(0, billed − covered).
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from app.db import db, lock
from app.domain.money import quantize
from app.models import Invoice, Journal, Posting, Wallet
from app.models.wallets import Book, TransactionKind
from app.permissions import Actor
from app.services import ledger, movements

ZERO = Decimal(0)


def pay(
    invoice: Invoice, amount: Decimal, *, at: datetime, actor: Actor, against: Book = Book.cash
) -> Decimal:
    """Book the part of a payment of a locked invoice that pays debt of wallets, and return it. `against` is
    where the money is: what the payer kept as TDS is `withheld`.

    The caller sees to it that a payment is booked once.
    """
    left = quantize(amount, invoice.currency)
    owed = _by_wallet(invoice)
    for wallet in lock(Wallet, owed):
        paid = min(left, quantize(owed[wallet.id], wallet.currency))
        if paid > 0:
            _post(invoice, wallet, paid, against, f"Owed usage paid on invoice {invoice}", at, actor)
            left -= paid
    return quantize(amount, invoice.currency) - left


def forgive(invoice: Invoice, *, at: datetime, actor: Actor) -> None:
    """Book what credit notes of a locked invoice have taken off the debt that stands on it."""
    _square(invoice, Book.adjustment, f"Owed usage credited on invoice {invoice}", at, actor)


def reopen(invoice: Invoice, *, at: datetime, actor: Actor) -> None:
    """Book that money of a locked invoice went back, and debt that it had paid is open again."""
    _square(invoice, Book.cash, f"A payment of invoice {invoice} went back", at, actor)


def restore(invoice: Invoice, *, at: datetime, actor: Actor) -> None:
    """Let wallets owe again what stood on an invoice that is cancelled to be billed anew; the money that paid
    it on the invoice is free for the customer. What a wallet has by then pays it.
    """
    owed, billed = _by_wallet(invoice), _billed(invoice)
    for wallet in lock(Wallet, billed):
        whole, still = billed[wallet.id], owed.get(wallet.id, ZERO)
        sides = {Book.receivable: -whole, Book.invoiced: still, Book.cash: whole - still}
        ledger.post(
            TransactionKind.usage,
            wallet,
            {book: amount for book, amount in sides.items() if amount},
            at=at,
            actor=actor.label,
            reason=f"Invoice {invoice} was cancelled",
            reference=("Invoice", str(invoice.id)),
        )
        movements.settle(wallet, at)


def _square(invoice: Invoice, against: Book, reason: str, at: datetime, actor: Actor) -> None:
    """Bring what is open to what is billed and not covered, wallet by wallet."""
    owed, billed = _by_wallet(invoice), _billed(invoice)
    by_payments = invoice.amount_paid - invoice.paid_from_wallet - invoice.advance_tax
    covered = max(by_payments + invoice.amount_credited, ZERO)
    for wallet in lock(Wallet, billed):
        pays = min(covered, billed[wallet.id])
        covered -= pays
        moved = owed.get(wallet.id, ZERO) - (billed[wallet.id] - pays)
        if moved:
            _post(invoice, wallet, quantize(moved, wallet.currency), against, reason, at, actor)


def _post(
    invoice: Invoice,
    wallet: Wallet,
    amount: Decimal,
    against: Book,
    reason: str,
    at: datetime,
    actor: Actor,
) -> None:
    ledger.post(
        TransactionKind.usage,
        wallet,
        {Book.invoiced: amount, against: -amount},
        at=at,
        actor=actor.label,
        reason=reason,
        reference=("Invoice", str(invoice.id)),
    )


def _by_wallet(invoice: Invoice) -> dict[UUID, Decimal]:
    """Return how much of each wallet's debt an invoice still asks for."""
    query = (
        select(Posting.wallet_id, -func.sum(Posting.amount))
        .join(Posting.journal)
        .where(*_of(invoice), Posting.book == Book.invoiced)
        .group_by(Posting.wallet_id)
    )
    return {wallet_id: owed for wallet_id, owed in db.session.execute(query) if owed}


def _billed(invoice: Invoice) -> dict[UUID, Decimal]:
    """Return what wallets owed that was put on an invoice, and not taken from it again."""
    invoiced = aliased(Posting)
    query = (
        select(Posting.wallet_id, func.sum(Posting.amount))
        .join(Posting.journal)
        .join(invoiced, (invoiced.journal_id == Posting.journal_id) & (invoiced.book == Book.invoiced))
        .where(*_of(invoice), Posting.book == Book.receivable)
        .group_by(Posting.wallet_id)
    )
    return {wallet_id: billed for wallet_id, billed in db.session.execute(query) if billed}


def _of(invoice: Invoice) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Journal.reference_type == "Invoice", Journal.reference_id == str(invoice.id)
