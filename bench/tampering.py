"""Whether tampering is found: `make bench BENCH=tampering` prints one line of JSON.

Somebody with all power over the database changes books that were in order, with all triggers off, a thousand
times in a thousand ways (`bench/forging.py`): edits any column of any journal, posting or figure of a wallet,
deletes, inserts, reorders, cuts off the end of a wallet's history and sets its figures to match, writes a
history anew with hashes that are right.
"""

import random
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.db import db, transaction
from app.errors import DomainError
from app.models import Wallet, WalletTransaction
from app.models.wallets import Book, TransactionKind
from app.services import anchors, ledger, wallets
from bench.books import ACTOR, BEGUN, open_wallets
from bench.forgery_trials import Trial
from bench.forging import FORGERIES, Books

LEDGER = ("journals", "wallets", "chains", "anchors", "transactions")
WALLETS, MOVEMENTS = 8, 150


def write_history(seed: int) -> None:
    """Let wallets move by the product's own operations, and drop an anchor at the end."""
    chance = random.Random(seed)
    open_wallets(WALLETS)
    for n in range(MOVEMENTS):
        with transaction() as session:
            wallet = chance.choice(session.scalars(select(Wallet).order_by(Wallet.id)).all())
            _move(wallet, n, chance)
    with transaction():
        anchors.drop(BEGUN + timedelta(days=1))


def _move(wallet: Wallet, number: int, chance: random.Random) -> None:
    amount, at = Decimal(chance.randrange(1, 50_000)) / 100, BEGUN + timedelta(minutes=number)
    because: dict[str, Any] = {"at": at, "actor": ACTOR, "reason": f"Movement {number}"}
    what = chance.choice(["top_up", "top_up", "credit", "debit", "usage", "reverse"])
    try:
        if what == "reverse":
            if made := _transactions(wallet):
                wallets.reverse(chance.choice(made), **because)
        elif what == "usage":
            owed = {Book.receivable: -amount, Book.revenue: amount}
            ledger.post(TransactionKind.usage, wallet, owed, at=at, actor="metering", reason="Owed")
        else:
            getattr(wallets, what)(wallet, amount, **because)
    except DomainError:
        return  # there is not enough money, or it was reversed before: this one does not move


def _transactions(wallet: Wallet) -> list[WalletTransaction]:
    made = select(WalletTransaction).where(WalletTransaction.wallet_id == wallet.id)
    return list(db.session.scalars(made.order_by(WalletTransaction.created_at, WalletTransaction.id)))


TRIAL = Trial("tampering", LEDGER, FORGERIES, write_history, Books.read)


if __name__ == "__main__":
    sys.exit(TRIAL.run())
