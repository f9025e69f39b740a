"""Paying back what a customer paid in and has not used (docs/api/holds.md).

Refundable is the balance without what is held or granted, what usage still owes, and what nobody paid
(`app.domain.unpaid`): after grants, credits are spent first, and never paid out. A refund records money that
went back by bank transfer; the tax that came in with it goes back beside it, by refund voucher.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from app.db import db
from app.domain.advances import taken_in_all
from app.domain.money import quantize
from app.domain.unpaid import ZERO, Step, unpaid_after
from app.errors import InsufficientFunds
from app.models import Wallet, WalletTransaction
from app.models.wallets import Book, TransactionKind
from app.permissions import Actor
from app.services import movements, vouchers
from app.services.holds import refresh
from app.services.wallet_rules import locked, need_active, need_reason, note, read_amount

# From the first money on that nobody paid; before it all was paid. What grants paid, or got back, is none of
# the plain money that this is about.
STEPS = text("""
    WITH moved AS (
        SELECT p.seq, t.id, t.kind, t.amount + coalesce(used.amount, 0) AS amount, t.balance_after,
               t.reverses_id, CASE t.kind WHEN 'credit' THEN t.amount ELSE x.unpaid END AS unpaid
        FROM wallet_transactions t
        JOIN postings p ON p.journal_id = t.journal_id AND p.book = 'wallet'
        LEFT JOIN wallet_transfers x ON x.to_transaction_id = t.id
        LEFT JOIN wallet_holds h ON h.transaction_id = t.id
        LEFT JOIN LATERAL (
            SELECT sum(amount) AS amount FROM grant_uses WHERE transaction_id = t.id OR hold_id = h.id
        ) used ON true
        WHERE t.wallet_id = :wallet_id AND t.kind NOT IN ('grant', 'expiry')
    )
    SELECT * FROM moved WHERE seq >= (SELECT min(seq) FROM moved WHERE unpaid > 0) ORDER BY seq
""")


def refund(
    wallet: Wallet, amount: object, *, at: datetime, actor: Actor, reason: str, reference: str | None = None
) -> WalletTransaction:
    """Record money that was paid back from the wallet by bank transfer, with the tax that came in with it.

    `amount` is what leaves the wallet.

    Raises:
        InsufficientFunds: less is refundable; nothing is written.
        Invalid: the amount is zero, negative, too precise or too large, or the reason is missing.
        CurrencyMismatch: it is in another currency.
        Conflict: the wallet is frozen or closed.
    """
    wallet = locked(wallet)
    paid_back = read_amount(amount, wallet)
    need_reason(reason)
    need_active(wallet)
    refresh(wallet, at)
    most = refundable(wallet)
    if paid_back > most:
        most = quantize(most, wallet.currency)
        message = f"{most} {wallet.currency} was paid in and is unused; {paid_back} is asked for."
        raise InsufficientFunds.at("/amount", message)
    takings = vouchers.to_give_back(wallet, paid_back)
    _, tax = taken_in_all(takings)
    sides = {Book.wallet: -paid_back, Book.tax: -tax, Book.cash: paid_back + tax}
    transaction = movements.post_one(
        movements.Move(TransactionKind.refund, wallet, sides, reason, actor.label, reference), at
    )
    told = f"{paid_back} {wallet.currency}" + (f" and {tax} of tax" if tax else "")
    note(actor, "wallet.refunded", f"{told} paid back: {reason}", transaction, at)
    vouchers.give_back(wallet, transaction, takings, at=at, actor=actor)
    return transaction


def refundable(wallet: Wallet) -> Decimal:
    """Return what could be paid back now, never below zero: the balance without what is held or granted, what
    is owed, and what nobody paid.
    """
    return max(ZERO, plain_in(wallet) - wallet.receivable - unpaid_in(wallet))


def plain_in(wallet: Wallet) -> Decimal:
    """Return the money of a wallet that is neither held nor granted; below zero where it is overdrawn."""
    return wallet.balance - wallet.held - wallet.granted


def unpaid_in(wallet: Wallet) -> Decimal:
    """Return how much of the plain money nobody has paid."""
    return unpaid_after(_step(row) for row in db.session.execute(STEPS, {"wallet_id": wallet.id}))


def _step(row: Any) -> Step:
    return Step(
        key=row.id,
        amount=row.amount,
        balance_after=row.balance_after,
        unpaid=row.unpaid or ZERO,
        spends=row.kind != TransactionKind.refund,
        usage=row.kind == TransactionKind.usage,
        undoes=row.reverses_id,
    )
