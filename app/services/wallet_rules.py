"""What every operation on a wallet asks first, and the audit record that it leaves."""

from datetime import datetime
from decimal import Decimal

from app.db import lock
from app.domain.money import Money, parse_amount, quantize
from app.errors import Conflict, CurrencyMismatch, InsufficientFunds, Invalid, NotFound
from app.models import Wallet, WalletTransaction
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.services import audit
from app.services.inputs import refusals
from app.services.movements import ZERO, available_in


def locked(wallet: Wallet) -> Wallet:
    """Return the wallet, its row locked and freshly read.

    Raises:
        NotFound: it is there no longer.
    """
    found = lock(Wallet, [wallet.id])
    if not found:
        raise NotFound("There is no such wallet.")
    return found[0]


def read_amount(amount: object, wallet: Wallet) -> Decimal:
    """Return an amount of money for the wallet, given as a Decimal, its text, or Money.

    Raises:
        Invalid: it is zero, negative, too precise or too large.
        CurrencyMismatch: it is in another currency.
    """
    if isinstance(amount, Money):
        if amount.currency != wallet.currency:
            raise CurrencyMismatch.at(
                "/amount", f"The wallet is kept in {wallet.currency}, not {amount.currency}."
            )
        amount = amount.amount
    with refusals():
        return parse_amount(amount, wallet.currency, pointer="/amount")


def need_reason(reason: str) -> None:
    """Return if there is a reason.

    Raises:
        Invalid: there is none.
    """
    if not reason.strip():
        raise Invalid.at(
            "/reason", "Say why: a reason is kept with every movement of money.", code="required"
        )


def need_active(wallet: Wallet) -> None:
    """Return if the wallet gives money out.

    Raises:
        Conflict: it is frozen or closed.
    """
    if wallet.status is not WalletStatus.active:
        raise Conflict(f"The wallet is {wallet.status} and gives no money out.")


def need_available(wallet: Wallet, amount: Decimal) -> None:
    """Return if so much can be spent.

    Raises:
        InsufficientFunds: less is available.
    """
    has = available_in(wallet)
    if has < amount:
        has = quantize(has, wallet.currency)
        message = f"The wallet has {has} {wallet.currency} available; {amount} is asked for."
        raise InsufficientFunds.at("/amount", message)


def note(actor: Actor, action: str, summary: str, transaction: WalletTransaction, at: datetime) -> None:
    """Leave the audit record of a movement."""
    after = {
        "wallet_id": transaction.wallet_id,
        "amount": quantize(transaction.amount, transaction.currency),
        "balance": quantize(transaction.balance_after or ZERO, transaction.currency),
        "reason": transaction.reason,
    }
    audit.record(actor, action, transaction, summary=summary, at=at, after=after)
