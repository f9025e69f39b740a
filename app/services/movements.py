"""Movements of a wallet: a journal in the ledger, and beside it the transaction that people read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import make_transient_to_detached

from app.db import db
from app.domain.ledger import available
from app.domain.states import move
from app.ids import new_id
from app.models import Grant, Wallet, WalletTransaction
from app.models.grants import GrantKind
from app.models.wallets import Book, TransactionKind, TransactionState, WalletStatus
from app.permissions import Actor
from app.services import alerts, grant_uses, ledger
from app.services.grant_uses import Flow
from app.services.ledger import Posted

METERING = Actor.system("metering")
EXPIRY = Actor.system("grants")
# Where granted money came from; what lapses of purchased credit stays with us, and is no usage delivered.
GIVEN_FROM = {GrantKind.promotional: Book.promotion, GrantKind.purchased: Book.cash}
LAPSES_TO = {GrantKind.promotional: Book.promotion, GrantKind.purchased: Book.adjustment}
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Move:
    """A movement to be made; `sides` as in `ledger.Entry`, those of zero being left out.

    `grant` is the grant whose own money is taken out; any other money comes as `grant_uses` says.
    """

    kind: TransactionKind
    wallet: Wallet
    sides: ledger.Sides
    reason: str
    actor: str
    reference: str | None = None
    explanation: Sequence[dict[str, str]] = ()
    reverses: WalletTransaction | None = None
    grant: Grant | None = None


def available_in(wallet: Wallet) -> Decimal:
    """Return what the wallet can spend: balance − held + overdraft limit."""
    return available(wallet.balance, wallet.held, wallet.overdraft_limit)


def lapse(wallets: Sequence[Wallet], at: datetime) -> int:
    """Take out of wallets what is left of grants that are over, and return how many there were.

    The wallets are locked by the caller. Whoever is about to ask what a wallet has available calls this; one
    without grants costs nothing. What a hold holds of a grant was taken from it when the hold was placed, so
    it stays until the hold is resolved.
    """
    ended = grant_uses.over(wallets, at)
    if ended:
        by_id = {wallet.id: wallet for wallet in wallets}
        post([_lapse(grant, by_id[grant.wallet_id]) for grant in ended], at)
    return len(ended)


def settle(wallet: Wallet, at: datetime) -> None:
    """Pay what earlier usage still owes from what is available now."""
    lapse([wallet], at)
    pays = min(wallet.receivable, available_in(wallet))
    if pays > 0 and wallet.status is WalletStatus.active:
        sides = {Book.wallet: -pays, Book.receivable: pays}
        reason = "Usage that was owed"
        post([Move(TransactionKind.usage, wallet, sides, reason, METERING.label)], at)


def post(moves: Sequence[Move], at: datetime) -> list[UUID]:
    """Make the movements, in this order, and return the ids of their transactions, which are completed.

    The wallets are locked by the caller.

    Raises:
        Unbalanced, Conflict: as `ledger.post_all` says.
    """
    return [row["id"] for row in _post(moves, at)]


def post_one(each: Move, at: datetime) -> WalletTransaction:
    """Make one movement and return its transaction; raises as `post`."""
    # Made from what was written: reading it again would cost a statement with the wallet locked.
    transaction = WalletTransaction(**_post([each], at)[0])
    make_transient_to_detached(transaction)
    db.session.add(transaction)
    return transaction


def _post(moves: Sequence[Move], at: datetime) -> list[dict[str, Any]]:
    ids = [new_id() for _ in moves]
    booked = [(n, sides) for n, each in enumerate(moves) if (sides := _without_zeros(each.sides))]
    rows: list[dict[str, Any]] = []

    def beside(written: Sequence[Posted]) -> ledger.Written:
        posted = dict(zip((n for n, _ in booked), written, strict=True))
        rows.extend(_row(ids[n], each, posted.get(n), at) for n, each in enumerate(moves))
        return [(WalletTransaction, rows)]

    written = ledger.post_all([_entry(moves[n], sides, ids[n], at) for n, sides in booked], beside)
    flows = [
        _flow(ids[n], moves[n], each.balance_after) for (n, _), each in zip(booked, written, strict=True)
    ]
    if came_back := grant_uses.follow(flows, at):
        lapse(came_back, at)
    alerts.watch({each.wallet.id: each.wallet for each in moves}.values(), at)
    return rows


def _lapse(grant: Grant, wallet: Wallet) -> Move:
    sides = {Book.wallet: -grant.remaining, LAPSES_TO[grant.kind]: grant.remaining}
    reason = f"{'Voided' if grant.voided_at else 'Expired'}: {grant.reason}"
    return Move(TransactionKind.expiry, wallet, sides, reason, EXPIRY.label, f"grant:{grant.id}", grant=grant)


def _flow(transaction_id: UUID, each: Move, balance_after: Decimal) -> Flow:
    amount = each.sides.get(Book.wallet, ZERO)
    undoes = each.reverses.id if each.reverses else None
    return Flow(each.wallet, transaction_id, each.kind, amount, balance_after, each.grant, undoes)


def _without_zeros(sides: ledger.Sides) -> dict[Book, Decimal]:
    return {book: amount for book, amount in sides.items() if amount}


def _row(transaction_id: UUID, each: Move, posted: Posted | None, at: datetime) -> dict[str, Any]:
    return {
        "id": transaction_id,
        "wallet_id": each.wallet.id,
        "kind": each.kind,
        "state": _completed(),
        "amount": each.sides.get(Book.wallet, ZERO),
        "currency": each.wallet.currency,
        "balance_after": posted.balance_after if posted else each.wallet.balance,
        "reason": each.reason,
        "actor": each.actor,
        "reference": each.reference,
        "explanation": list(each.explanation),
        "journal_id": posted.journal_id if posted else None,
        "reverses_id": each.reverses.id if each.reverses else None,
        "created_at": at,
        "completed_at": at,
    }


def _entry(each: Move, sides: ledger.Sides, transaction_id: UUID, at: datetime) -> ledger.Entry:
    reverses_id = each.reverses.journal_id if each.reverses else None
    belongs_to = ("WalletTransaction", str(transaction_id))
    return ledger.Entry(each.kind, each.wallet, sides, at, each.actor, each.reason, belongs_to, reverses_id)


def _completed() -> TransactionState:
    """Return the state at the end of the way that money inside our own books takes at once (specification
    9.1.2).
    """
    state: str = TransactionState.INITIATED
    for step in (TransactionState.PROCESSING, TransactionState.COMPLETED):
        state = move("wallet_transaction", state, step)
    return TransactionState(state)
