"""Freezing, closing and reactivating wallets."""

from datetime import datetime

from app.domain.money import quantize
from app.domain.states import move
from app.errors import Conflict
from app.models import Wallet
from app.models.wallets import WalletStatus
from app.permissions import Actor
from app.services import audit, movements
from app.services.holds import refresh
from app.services.inputs import refusals
from app.services.wallet_rules import locked, need_reason


def freeze(wallet: Wallet, *, at: datetime, actor: Actor, reason: str) -> Wallet:
    """Let a wallet give no money out; it goes on taking money in, and usage is owed.

    Raises:
        IllegalTransition: it is frozen already, or closed. Invalid: the reason is missing.
    """
    return _turn(locked(wallet), WalletStatus.frozen, at, actor, reason)


def activate(wallet: Wallet, *, at: datetime, actor: Actor, reason: str) -> Wallet:
    """Put a frozen or closed wallet back to work; what usage owes is paid at once.

    Raises:
        IllegalTransition: it is active. Invalid: the reason is missing.
    """
    wallet = _turn(locked(wallet), WalletStatus.active, at, actor, reason)
    movements.settle(wallet, at)
    return wallet


def close(wallet: Wallet, *, at: datetime, actor: Actor, reason: str) -> Wallet:
    """Close a wallet in which nothing is left; it moves no money any more.

    Raises:
        Conflict: there is a balance, money is held, or usage is owed.
        IllegalTransition: it is closed already. Invalid: the reason is missing.
    """
    wallet = locked(wallet)
    refresh(wallet, at)
    left = {"balance": wallet.balance, "held": wallet.held, "owed": wallet.receivable}
    shown = [f"{quantize(amount, wallet.currency)} {name}" for name, amount in left.items() if amount]
    if shown and wallet.status is not WalletStatus.closed:
        raise Conflict(f"A wallet is closed when nothing is left in it; it has {', '.join(shown)}.")
    return _turn(wallet, WalletStatus.closed, at, actor, reason)


def _turn(wallet: Wallet, status: WalletStatus, at: datetime, actor: Actor, reason: str) -> Wallet:
    need_reason(reason)
    before = wallet.status
    with refusals():
        wallet.status = WalletStatus(move("wallet", before, status))
    done = "activated" if status is WalletStatus.active else str(status)
    audit.record(
        actor,
        f"wallet.{done}",
        wallet,
        summary=f"Wallet of {wallet.account.name} {done}: {reason}",
        at=at,
        before={"status": before},
        after={"status": status, "reason": reason},
    )
    return wallet
