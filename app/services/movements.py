"""Movements of a wallet: a journal in the ledger, and beside it the transaction that people read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.db import db
from app.domain.ledger import available
from app.domain.states import move
from app.ids import new_id
from app.models import Wallet, WalletTransaction
from app.models.wallets import Book, TransactionKind, TransactionState, WalletStatus
from app.permissions import Actor
from app.services import ledger

METERING = Actor.system("metering")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Move:
    """A movement to be made; `sides` as in `ledger.Entry`, those of zero being left out."""

    kind: TransactionKind
    wallet: Wallet
    sides: ledger.Sides
    reason: str
    actor: str
    reference: str | None = None
    explanation: Sequence[dict[str, str]] = ()
    reverses: WalletTransaction | None = None


def available_in(wallet: Wallet) -> Decimal:
    """Return what the wallet can spend: balance − held + overdraft limit."""
    return available(wallet.balance, wallet.held, wallet.overdraft_limit)


def settle(wallet: Wallet, at: datetime) -> None:
    """Pay what earlier usage still owes from what is available now."""
    pays = min(wallet.receivable, available_in(wallet))
    if pays > 0 and wallet.status is WalletStatus.active:
        sides = {Book.wallet: -pays, Book.receivable: pays}
        reason = "Usage that was owed"
        post([Move(TransactionKind.usage, wallet, sides, reason, METERING.label)], at)


def post(moves: Sequence[Move], at: datetime) -> list[WalletTransaction]:
    """Make the movements, in this order, and return their transactions, completed. The wallets are locked by
    the caller.

    Raises:
        Unbalanced, Conflict: as `ledger.post_all` says.
    """
    transactions, entries = [], []
    for each in moves:
        sides = {book: amount for book, amount in each.sides.items() if amount}
        transaction = WalletTransaction(
            id=new_id(),
            wallet_id=each.wallet.id,
            kind=each.kind,
            state=_completed(),
            amount=each.sides.get(Book.wallet, ZERO),
            currency=each.wallet.currency,
            reason=each.reason,
            actor=each.actor,
            reference=each.reference,
            explanation=list(each.explanation),
            reverses_id=each.reverses.id if each.reverses else None,
            created_at=at,
            completed_at=at,
        )
        transactions.append(transaction)
        if sides:
            entries.append((transaction, _entry(each, sides, transaction, at)))
    journals = ledger.post_all([entry for _, entry in entries])
    for (transaction, _), journal_id in zip(entries, journals, strict=True):
        transaction.journal_id = journal_id
    for transaction, each in zip(transactions, moves, strict=True):
        transaction.balance_after = each.wallet.balance
    db.session.add_all(transactions)
    db.session.flush()
    return transactions


def _entry(each: Move, sides: ledger.Sides, transaction: WalletTransaction, at: datetime) -> ledger.Entry:
    reverses_id = each.reverses.journal_id if each.reverses else None
    belongs_to = ("WalletTransaction", str(transaction.id))
    return ledger.Entry(each.kind, each.wallet, sides, at, each.actor, each.reason, belongs_to, reverses_id)


def _completed() -> TransactionState:
    """Return the state at the end of the way that money inside our own books takes at once (specification
    9.1.2).
    """
    state: str = TransactionState.INITIATED
    for step in (TransactionState.PROCESSING, TransactionState.COMPLETED):
        state = move("wallet_transaction", state, step)
    return TransactionState(state)
