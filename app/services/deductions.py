"""What usage takes from wallets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app.domain.money import plain, quantize
from app.models import Wallet
from app.models.wallets import Book, TransactionKind, WalletStatus
from app.services import caps, movements
from app.services.movements import METERING, ZERO, Move, available_in


@dataclass(frozen=True, slots=True)
class UsageItem:
    """What one charge position asks of a wallet in one metering run: the quantity that was new and its price.

    A negative amount is given back.
    """

    component: str
    metric: str
    period_start: datetime
    quantity: Decimal
    amount: Decimal

    def told(self) -> dict[str, str]:
        """Return the item as the transaction's explanation keeps it."""
        return {
            "component": self.component,
            "metric": self.metric,
            "period_start": self.period_start.isoformat(),
            "quantity": plain(self.quantity),
            "amount": str(self.amount),
        }


def charge_usage(charges: Mapping[Wallet, Sequence[UsageItem]], *, at: datetime) -> list[UUID]:
    """Take the price of usage from wallets that the caller holds locked, one transaction each; return their
    ids.

    Never refused: what a wallet has not available is owed (`receivable`); a frozen or closed wallet pays
    nothing. A sum below zero is given back, first against what is owed. What it cost counts towards the
    spending caps.
    """
    movements.lapse(list(charges), at)
    moves, costs = [], {}
    for wallet, items in charges.items():
        total = costs[wallet] = quantize(sum((item.amount for item in items), ZERO), wallet.currency)
        paid, owed = _split(wallet, total)
        sides = {Book.wallet: -paid, Book.receivable: -owed, Book.revenue: total}
        is_owed = f", of which {quantize(owed, wallet.currency)} {wallet.currency} is owed"
        reason = "Usage" + (is_owed if owed > 0 else "")
        told = tuple(item.told() for item in items)
        moves.append(Move(TransactionKind.usage, wallet, sides, reason, METERING.label, explanation=told))
    made = movements.post(moves, at)
    caps.count(costs, at)
    return made


def _split(wallet: Wallet, total: Decimal) -> tuple[Decimal, Decimal]:
    """Return how much of a usage total the balance pays and how much is owed; negative where it is given
    back.
    """
    if total < 0:
        owed = max(total, -wallet.receivable)
        return total - owed, owed
    can_pay = max(ZERO, available_in(wallet)) if wallet.status is WalletStatus.active else ZERO
    paid = min(total, can_pay)
    return paid, total - paid
