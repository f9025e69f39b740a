"""Usage that a wallet could not pay, once it stands on an invoice: the book `invoiced` of the ledger.

`wallets.bill_receivable` puts it there when the invoice is issued. A payment of the invoice pays it before
the tax and the fees, so that no part of a paisa has to be divided: what is open is always
max(0, billed − paid).
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select

from app.db import db, lock
from app.domain.money import quantize
from app.models import Invoice, Journal, Posting, Wallet
from app.models.wallets import Book, TransactionKind
from app.permissions import Actor
from app.services import ledger

ZERO = Decimal(0)


def open_debt(invoice: Invoice) -> Decimal:
    """Return how much of a wallet's debt an invoice still asks for."""
    return sum(_by_wallet(invoice).values(), ZERO)


def pay(invoice: Invoice, amount: Decimal, *, at: datetime, actor: Actor) -> Decimal:
    """Book the part of a payment of a locked invoice that pays debt of wallets, and return it.

    The caller sees to it that a payment is booked once.
    """
    left = quantize(amount, invoice.currency)
    owed = _by_wallet(invoice)
    for wallet in lock(Wallet, owed):
        paid = min(left, quantize(owed[wallet.id], wallet.currency))
        if paid > 0:
            ledger.post(
                TransactionKind.usage,
                wallet,
                {Book.invoiced: paid, Book.cash: -paid},
                at=at,
                actor=actor.label,
                reason=f"Owed usage paid on invoice {invoice}",
                reference=("Invoice", str(invoice.id)),
            )
            left -= paid
    return quantize(amount, invoice.currency) - left


def _by_wallet(invoice: Invoice) -> dict[object, Decimal]:
    query = (
        select(Posting.wallet_id, -func.sum(Posting.amount))
        .join(Posting.journal)
        .where(
            Journal.reference_type == "Invoice",
            Journal.reference_id == str(invoice.id),
            Posting.book == Book.invoiced,
        )
        .group_by(Posting.wallet_id)
    )
    return {wallet_id: owed for wallet_id, owed in db.session.execute(query) if owed}
