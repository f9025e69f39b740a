"""What people do to the money of wallets, by name: the movements that a second person may have to approve.

An entry says what it is called, what happens to the amount, and which service does it. To have another
movement approved, enter it here and let its edges call `approvals.ask`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.db import db
from app.errors import NotFound
from app.models import Wallet, WalletTransaction
from app.permissions import Actor
from app.registry import Registry
from app.services import advances, grants, refunds, wallets


@dataclass(frozen=True, slots=True)
class Asked:
    """A movement as it is asked for; `details` is what the operation needs beside the rest, as plain JSON."""

    wallet: Wallet
    amount: Decimal
    reason: str
    reference: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Perform = Callable[[Asked, datetime, Actor], WalletTransaction]


@dataclass(frozen=True, slots=True)
class MoneyOperation:
    """An entry of the registry: its label, what it does to the amount, as a sentence goes on, and the service
    behind it."""

    label: str
    effect: str
    perform: Perform


operations: Registry[MoneyOperation] = Registry("movement of money")


def operation(name: str, label: str, effect: str) -> Callable[[Perform], Perform]:
    """Return a decorator that enters a function under `name`."""

    def enter(perform: Perform) -> Perform:
        operations.register(name)(MoneyOperation(label, effect, perform))
        return perform

    return enter


@operation("top_up", "Recorded top-up", "is booked as received and put into the wallet, less the tax in it")
def top_up(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Put money in that arrived outside the gateways: the amount is all that came, with its tax."""
    return advances.receive(
        asked.wallet, asked.amount, at=at, actor=actor, reason=asked.reason, reference=asked.reference
    )


@operation("credit", "Credit", "that nobody paid is put into the wallet")
def credit(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Give the wallet money."""
    return wallets.credit(
        asked.wallet, asked.amount, at=at, actor=actor, reason=asked.reason, reference=asked.reference
    )


@operation("debit", "Debit", "is taken out of the wallet")
def debit(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Take money out of the wallet."""
    return wallets.debit(
        asked.wallet, asked.amount, at=at, actor=actor, reason=asked.reason, reference=asked.reference
    )


@operation("grant", "Grant", "is granted to the wallet, to be spent before its other money")
def grant(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Give the wallet a grant; `details` holds its `kind`, `priority` and `expires_at` (RFC 3339 or None)."""
    terms = dict(asked.details)
    if terms["expires_at"] is not None:
        terms["expires_at"] = datetime.fromisoformat(terms["expires_at"])
    given = grants.give(
        asked.wallet,
        asked.amount,
        at=at,
        actor=actor,
        reason=asked.reason,
        reference=asked.reference,
        **terms,
    )
    return given.transaction


@operation("refund", "Refund", "is recorded as paid back to the customer's bank")
def refund(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Pay back what was paid in and is unused."""
    return refunds.refund(
        asked.wallet, asked.amount, at=at, actor=actor, reason=asked.reason, reference=asked.reference
    )


@operation("reversal", "Reversal", "of an earlier transaction is taken back")
def reverse(asked: Asked, at: datetime, actor: Actor) -> WalletTransaction:
    """Take the transaction `details["transaction_id"]` back.

    Raises:
        NotFound: the wallet has no such transaction.
    """
    original = db.session.get(WalletTransaction, UUID(asked.details["transaction_id"]))
    if original is None or original.wallet_id != asked.wallet.id:
        raise NotFound("There is no such transaction.")
    return wallets.reverse(original, at=at, actor=actor, reason=asked.reason)
