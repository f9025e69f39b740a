"""Prepaid money: what people and gateways put into a wallet and take out of it (DOMAIN.md §5).

Each operation locks the wallet's row first; who moves several wallets locks them in id order. Charge
positions are locked before wallets, never after.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.db import db, lock
from app.domain.money import Money, parse_amount, quantize
from app.domain.states import move
from app.errors import Conflict, CurrencyMismatch, InsufficientFunds, Invalid, NotFound
from app.ids import new_id
from app.models import Account, Invoice, Posting, Wallet, WalletTransaction
from app.models.wallets import Book, TransactionKind, TransactionState, WalletStatus
from app.permissions import Actor
from app.services import audit, ledger, movements
from app.services.inputs import refusals
from app.services.movements import available_in

NOTHING = Decimal(0)


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
    wallet: Wallet, amount: object, *, at: datetime, actor: Actor, reason: str, reference: str | None = None
) -> WalletTransaction:
    """Put money into the wallet that arrived at a gateway or the bank; what usage owes is paid from it at
    once.

    `amount` is a Decimal, its text, or Money. The caller sees to it that one payment tops up once.

    Raises:
        Invalid: the amount is zero, negative, too precise or too large, or the reason is missing.
        CurrencyMismatch: it is in another currency.
        Conflict: the wallet is closed.
    """
    return _take_in(TransactionKind.top_up, Book.cash, wallet, amount, at, actor, reason, reference)


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
    wallet = _locked(wallet)
    taken = _read_amount(amount, wallet)
    _need_reason(reason)
    if wallet.status is not WalletStatus.active:
        raise Conflict(f"The wallet is {wallet.status} and gives no money out.")
    _need_available(wallet, taken)
    sides = {Book.wallet: -taken, Book.adjustment: taken}
    out = movements.Move(TransactionKind.debit, wallet, sides, reason, actor.label, reference)
    transaction = movements.post_one(out, at)
    _note(actor, "wallet.debited", f"{taken} {wallet.currency} debited: {reason}", transaction, at)
    return transaction


def reverse(transaction: WalletTransaction, *, at: datetime, actor: Actor, reason: str) -> WalletTransaction:
    """Take a completed transaction back by a journal of its own, and return the new transaction.

    Raises:
        IllegalTransition: it is not completed, or was reversed before.
        Conflict: it is a deduction for usage (cancel the events instead) or itself a reversal.
        InsufficientFunds: what it brought in has been spent.
        Invalid: the reason is missing.
    """
    wallet = _locked(transaction.wallet)
    (original,) = lock(WalletTransaction, [transaction.id])
    _need_reason(reason)
    if original.kind in {TransactionKind.usage, TransactionKind.reversal}:
        raise Conflict("Usage is corrected by cancelling its events, and a reversal is not reversed itself.")
    with refusals():
        original.state = TransactionState(
            move("wallet_transaction", original.state, TransactionState.REVERSED)
        )
    postings = db.session.scalars(select(Posting).where(Posting.journal_id == original.journal_id))
    sides = {posting.book: -posting.amount for posting in postings}
    if sides[Book.wallet] < 0:
        _need_available(wallet, -sides[Book.wallet])
    undone = movements.Move(
        TransactionKind.reversal, wallet, sides, reason, actor.label, original.reference, reverses=original
    )
    reversal = movements.post_one(undone, at)
    summary = f"{original.kind} of {quantize(original.amount, original.currency)} reversed: {reason}"
    _note(actor, "wallet.reversed", summary, reversal, at)
    movements.settle(wallet, at)
    return reversal


def bill_receivable(wallet: Wallet, amount: Decimal, invoice: Invoice, *, at: datetime, actor: Actor) -> UUID:
    """Move debt from what the wallet owes to what stands on an invoice; return the journal's id.

    From then on the invoice is what asks for it: later money in the wallet no longer pays it.

    Raises:
        Invalid: the amount is not positive, or more than the wallet owes.
    """
    wallet = _locked(wallet)
    billed = _read_amount(amount, wallet)
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


def set_limits(wallet: Wallet, values: Mapping[str, Any], *, actor: Actor) -> Wallet:
    """Change `low_balance_threshold`, `overdraft_limit` (amounts) and `auto_top_up` ({threshold, amount} or
    None).

    Raises:
        Invalid: with the attribute that cannot be used.
        Conflict: the overdraft limit is less than what is overdrawn.
    """
    wallet = _locked(wallet)
    for name, value in values.items():
        if name not in LIMITS:
            raise Invalid.at(f"/{name}", f"There is no field {name!r} to be set here.", code="unknown_field")
        with refusals():
            setattr(wallet, name, LIMITS[name](value, wallet.currency, f"/{name}"))
    if available_in(wallet) < 0:
        raise Conflict("The overdraft limit cannot be less than what is overdrawn.")
    before, after = audit.changes(wallet)
    if after:
        summary = f"Limits of the wallet of {wallet.account.name} changed"
        audit.record(actor, "wallet.limits_changed", wallet, summary=summary, before=before, after=after)
    movements.settle(wallet, clock.now())
    return wallet


def _read_limit(value: Any, currency: str, pointer: str) -> Decimal:
    return parse_amount(value, currency, pointer=pointer, allow_zero=True)


def _read_threshold(value: Any, currency: str, pointer: str) -> Decimal | None:
    return None if value is None else _read_limit(value, currency, pointer)


def _read_auto_top_up(value: Any, currency: str, pointer: str) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"threshold", "amount"}:
        raise Invalid.at(pointer, "Automatic top-up is an object with exactly `threshold` and `amount`.")
    amount = parse_amount(value["amount"], currency, pointer=f"{pointer}/amount")
    return {
        "threshold": str(_read_limit(value["threshold"], currency, f"{pointer}/threshold")),
        "amount": str(amount),
    }


LIMITS = {
    "low_balance_threshold": _read_threshold,
    "overdraft_limit": _read_limit,
    "auto_top_up": _read_auto_top_up,
}


def _take_in(
    kind: TransactionKind,
    source: Book,
    wallet: Wallet,
    amount: object,
    at: datetime,
    actor: Actor,
    reason: str,
    reference: str | None,
) -> WalletTransaction:
    wallet = _locked(wallet)
    given = _read_amount(amount, wallet)
    _need_reason(reason)
    if wallet.status is WalletStatus.closed:
        raise Conflict("The wallet is closed.")
    sides = {Book.wallet: given, source: -given}
    transaction = movements.post_one(movements.Move(kind, wallet, sides, reason, actor.label, reference), at)
    done = "topped_up" if kind is TransactionKind.top_up else "credited"
    _note(
        actor,
        f"wallet.{done}",
        f"{given} {wallet.currency} {done.replace('_', ' ')}: {reason}",
        transaction,
        at,
    )
    movements.settle(wallet, at)
    return transaction


def _locked(wallet: Wallet) -> Wallet:
    found = lock(Wallet, [wallet.id])
    if not found:
        raise NotFound("There is no such wallet.")
    return found[0]


def _read_amount(amount: object, wallet: Wallet) -> Decimal:
    if isinstance(amount, Money):
        if amount.currency != wallet.currency:
            raise CurrencyMismatch.at(
                "/amount", f"The wallet is kept in {wallet.currency}, not {amount.currency}."
            )
        amount = amount.amount
    with refusals():
        return parse_amount(amount, wallet.currency, pointer="/amount")


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid.at(
            "/reason", "Say why: a reason is kept with every movement of money.", code="required"
        )


def _need_available(wallet: Wallet, amount: Decimal) -> None:
    has = available_in(wallet)
    if has < amount:
        has = quantize(has, wallet.currency)
        message = f"The wallet has {has} {wallet.currency} available; {amount} is asked for."
        raise InsufficientFunds.at("/amount", message)


def _note(actor: Actor, action: str, summary: str, transaction: WalletTransaction, at: datetime) -> None:
    after = {
        "wallet_id": transaction.wallet_id,
        "amount": quantize(transaction.amount, transaction.currency),
        "balance": quantize(transaction.balance_after or NOTHING, transaction.currency),
        "reason": transaction.reason,
    }
    audit.record(actor, action, transaction, summary=summary, at=at, after=after)
