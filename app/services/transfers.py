"""Transfers between wallets of one customer and one currency: two journals in one transaction.

Between them the money stands on the book `transfer`, which sums to zero for each customer.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.db import db, lock
from app.domain.money import quantize
from app.errors import Conflict, CurrencyMismatch, InsufficientFunds, Invalid, NotFound
from app.ids import new_id
from app.models import Transfer, Wallet
from app.models.wallets import Book, TransactionKind, WalletStatus
from app.permissions import Actor
from app.services import audit, movements
from app.services.holds import refresh
from app.services.movements import ZERO, Move
from app.services.refunds import plain_in, unpaid_in
from app.services.wallet_rules import need_active, need_reason, read_amount


def transfer(
    wallet: Wallet, to: Wallet, amount: object, *, at: datetime, actor: Actor, reason: str
) -> Transfer:
    """Move money to another wallet of the same customer; what usage owes there is paid from it at once.

    Neither grants nor an overdraft are moved, and what nobody paid stays so in the other wallet.

    Raises:
        Invalid: the wallet is the same or another customer's; the amount is zero, negative, too precise or
            too large; the reason is missing.
        CurrencyMismatch: the wallets or the amount have another currency.
        InsufficientFunds: the wallet has less of its own; nothing is written.
        Conflict: it is frozen or closed, or the other one is closed.
    """
    wallet, to = _locked(wallet, to)
    _need_same_owner(wallet, to)
    moved = read_amount(amount, wallet)
    need_reason(reason)
    need_active(wallet)
    if to.status is WalletStatus.closed:
        raise Conflict("The wallet that is to get the money is closed.")
    refresh(wallet, at)
    _need_own_money(wallet, moved)
    unpaid = min(moved, unpaid_in(wallet))
    made = _post(wallet, to, moved, unpaid, at=at, actor=actor, reason=reason)
    movements.settle(to, at)
    return made


def get(transfer_id: UUID) -> Transfer:
    """Return the transfer with this id.

    Raises:
        NotFound: there is none.
    """
    found = db.session.get(Transfer, transfer_id)
    if found is None:
        raise NotFound("There is no such transfer.")
    return found


def _locked(wallet: Wallet, to: Wallet) -> tuple[Wallet, Wallet]:
    if wallet.id == to.id:
        raise Invalid.at("/to_wallet_id", "Choose another wallet.", code="same_wallet")
    found = {each.id: each for each in lock(Wallet, [wallet.id, to.id])}
    if len(found) < 2:
        raise NotFound("There is no such wallet.")
    return found[wallet.id], found[to.id]


def _need_same_owner(wallet: Wallet, to: Wallet) -> None:
    if wallet.account.customer_id != to.account.customer_id:
        raise Invalid.at(
            "/to_wallet_id", "Both wallets have to be of the same customer.", code="other_customer"
        )
    if wallet.currency != to.currency:
        raise CurrencyMismatch.at(
            "/to_wallet_id", f"One wallet is in {wallet.currency}, one in {to.currency}."
        )


def _need_own_money(wallet: Wallet, amount: Decimal) -> None:
    has = max(ZERO, plain_in(wallet))
    if has < amount:
        shown = f"{quantize(has, wallet.currency)} {wallet.currency}"
        raise InsufficientFunds.at("/amount", f"The wallet can give {shown}; {amount} is asked for.")


def _post(
    wallet: Wallet, to: Wallet, amount: Decimal, unpaid: Decimal, *, at: datetime, actor: Actor, reason: str
) -> Transfer:
    transfer_id = new_id()
    told = (reason, actor.label, f"transfer:{transfer_id}")
    out = Move(TransactionKind.transfer, wallet, {Book.wallet: -amount, Book.transfer: amount}, *told)
    back = Move(TransactionKind.transfer, to, {Book.wallet: amount, Book.transfer: -amount}, *told)
    from_id, to_id = movements.post([out, back], at)
    made = Transfer(
        id=transfer_id,
        from_wallet=wallet,
        to_wallet=to,
        amount=amount,
        unpaid=unpaid,
        currency=wallet.currency,
        reason=reason,
        actor=actor.label,
        from_transaction_id=from_id,
        to_transaction_id=to_id,
        created_at=at,
    )
    db.session.add(made)
    summary = f"{amount} {wallet.currency} moved from {wallet.account.name} to {to.account.name}: {reason}"
    after = {"from_wallet_id": wallet.id, "to_wallet_id": to.id, "amount": amount, "reason": reason}
    audit.record(actor, "wallet.transferred", made, summary=summary, at=at, after=after)
    return made
