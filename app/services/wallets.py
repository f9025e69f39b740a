"""Prepaid money: what people and gateways put into a wallet and take out of it.

Each operation locks the wallet's row first; who moves several wallets locks them in id order. Charge
positions are locked before wallets, never after.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db import db, lock
from app.domain.money import quantize
from app.domain.states import move
from app.errors import Conflict, CurrencyMismatch, Invalid, NotFound
from app.ids import new_id
from app.models import Account, Invoice, Posting, Wallet, WalletTransaction
from app.models.wallets import Book, TransactionKind, TransactionState, WalletStatus
from app.permissions import Actor
from app.services import audit, holds, ledger, movements, vouchers
from app.services.inputs import refusals
from app.services.wallet_rules import locked, need_active, need_available, need_reason, note, read_amount

# Kinds of movement that are not reversed, and what is done instead.
UNREVERSED = {
    TransactionKind.usage: "Usage is corrected by cancelling its events.",
    TransactionKind.reversal: "A reversal is not reversed itself.",
    TransactionKind.transfer: "A transfer is undone by a transfer back.",
    TransactionKind.grant: "A grant is taken back by voiding it.",
    TransactionKind.expiry: "What has lapsed is granted again.",
}


def open(
    account: Account, *, actor: Actor, currency: str | None = None, at: datetime | None = None
) -> Wallet:
    """Open the wallet of an account, in the account's currency.

    Raises:
        CurrencyMismatch: `currency` is given and is not the account's, whose usage it could never pay.
        Conflict: the account has one.
    """
    if currency not in (None, account.currency):
        raise CurrencyMismatch.at(
            "/currency", f"The account is kept in {account.currency}, so its wallet is too."
        )
    db.session.flush()
    made = insert(Wallet).values(id=new_id(), account_id=account.id, currency=account.currency)
    wallet: Wallet | None = db.session.scalar(made.on_conflict_do_nothing().returning(Wallet))
    if wallet is None:
        raise Conflict(f"The account has a wallet in {account.currency} already.")
    summary = f"Wallet in {wallet.currency} opened for {account.name}"
    audit.record(actor, "wallet.opened", wallet, summary=summary, at=at, after={"account_id": account.id})
    return wallet


def get(wallet_id: UUID) -> Wallet:
    """Return the wallet with this id.

    Raises:
        NotFound: there is none.
    """
    wallet = db.session.get(Wallet, wallet_id)
    if wallet is None:
        raise NotFound("There is no such wallet.")
    return wallet


def find_for(account: Account) -> Wallet | None:
    """Return the wallet of an account in its own currency, if it has one."""
    query = select(Wallet).where(Wallet.account_id == account.id, Wallet.currency == account.currency)
    return db.session.scalar(query)


def top_up(
    wallet: Wallet,
    amount: object,
    *,
    at: datetime,
    actor: Actor,
    reason: str,
    reference: str | None = None,
    tax: Decimal = movements.ZERO,
) -> WalletTransaction:
    """Put money into the wallet that arrived at a gateway or the bank; what usage owes is paid from it at
    once.

    `amount` is a Decimal, its text, or Money, and `tax` came beside it (`app.services.advances.receive` works
    out both and issues the voucher). The caller sees to it that one payment tops up once.

    Raises:
        Invalid: the amount is zero, negative, too precise or too large, or the reason is missing.
        CurrencyMismatch: it is in another currency.
        Conflict: the wallet is closed.
    """
    return _take_in(TransactionKind.top_up, Book.cash, wallet, amount, at, actor, reason, reference, tax)


def credit(
    wallet: Wallet, amount: object, *, at: datetime, actor: Actor, reason: str, reference: str | None = None
) -> WalletTransaction:
    """Give the wallet money that nobody paid; what usage owes is paid from it at once. Raises as `top_up`."""
    return _take_in(TransactionKind.credit, Book.adjustment, wallet, amount, at, actor, reason, reference)


def debit(
    wallet: Wallet, amount: object, *, at: datetime, actor: Actor, reason: str, reference: str | None = None
) -> WalletTransaction:
    """Take money out of the wallet.

    Raises:
        InsufficientFunds: the wallet has less available; nothing is written.
        Invalid, CurrencyMismatch: as `top_up`.
        Conflict: the wallet is frozen or closed.
    """
    wallet = locked(wallet)
    taken = read_amount(amount, wallet)
    need_reason(reason)
    need_active(wallet)
    holds.refresh(wallet, at)
    need_available(wallet, taken)
    sides = {Book.wallet: -taken, Book.adjustment: taken}
    out = movements.Move(TransactionKind.debit, wallet, sides, reason, actor.label, reference)
    transaction = movements.post_one(out, at)
    note(actor, "wallet.debited", f"{taken} {wallet.currency} debited: {reason}", transaction, at)
    return transaction


def reverse(transaction: WalletTransaction, *, at: datetime, actor: Actor, reason: str) -> WalletTransaction:
    """Take a completed transaction back by a journal of its own, and return the new transaction.

    Raises:
        IllegalTransition: it is not completed, or was reversed before.
        Conflict: it is of a kind that is undone in another way (`UNREVERSED`), or a part of the advance that
            it brought is used.
        InsufficientFunds: what it brought in has been spent.
        Invalid: the reason is missing.
    """
    wallet = locked(transaction.wallet)
    (original,) = lock(WalletTransaction, [transaction.id])
    need_reason(reason)
    if original.kind in UNREVERSED:
        raise Conflict(UNREVERSED[original.kind])
    with refusals():
        original.state = TransactionState(
            move("wallet_transaction", original.state, TransactionState.REVERSED)
        )
    advance = vouchers.whole_of(original)
    postings = db.session.scalars(select(Posting).where(Posting.journal_id == original.journal_id))
    sides = {posting.book: -posting.amount for posting in postings}
    if sides[Book.wallet] < 0:
        holds.refresh(wallet, at)
        need_available(wallet, -sides[Book.wallet])
    undone = movements.Move(
        TransactionKind.reversal, wallet, sides, reason, actor.label, original.reference, reverses=original
    )
    reversal = movements.post_one(undone, at)
    summary = f"{original.kind} of {quantize(original.amount, original.currency)} reversed: {reason}"
    note(actor, "wallet.reversed", summary, reversal, at)
    vouchers.give_back(wallet, reversal, advance, at=at, actor=actor)
    movements.settle(wallet, at)
    return reversal


def bill_receivable(wallet: Wallet, amount: Decimal, invoice: Invoice, *, at: datetime, actor: Actor) -> UUID:
    """Move debt from what the wallet owes to what stands on an invoice; return the journal's id.

    From then on the invoice is what asks for it: later money in the wallet no longer pays it.

    Raises:
        Invalid: the amount is not positive, or more than the wallet owes.
    """
    wallet = locked(wallet)
    billed = read_amount(amount, wallet)
    if billed > wallet.receivable:
        raise Invalid.at(
            "/amount", f"The wallet owes {wallet.receivable} {wallet.currency} only.", code="too_large"
        )
    journal = ledger.post(
        TransactionKind.usage,
        wallet,
        {Book.receivable: billed, Book.invoiced: -billed},
        at=at,
        actor=actor.label,
        reason=f"Owed usage put on invoice {invoice}",
        reference=("Invoice", str(invoice.id)),
    )
    return journal.journal_id


def _take_in(
    kind: TransactionKind,
    source: Book,
    wallet: Wallet,
    amount: object,
    at: datetime,
    actor: Actor,
    reason: str,
    reference: str | None,
    tax: Decimal = movements.ZERO,
) -> WalletTransaction:
    wallet = locked(wallet)
    given = read_amount(amount, wallet)
    need_reason(reason)
    if wallet.status is WalletStatus.closed:
        raise Conflict("The wallet is closed.")
    sides = {Book.wallet: given, Book.tax: tax, source: -given - tax}
    transaction = movements.post_one(movements.Move(kind, wallet, sides, reason, actor.label, reference), at)
    done = "topped_up" if kind is TransactionKind.top_up else "credited"
    note(
        actor,
        f"wallet.{done}",
        f"{given} {wallet.currency} {done.replace('_', ' ')}: {reason}",
        transaction,
        at,
    )
    movements.settle(wallet, at)
    return transaction
