"""What the tests of metering, wallets and verification share: usage as ingest would leave it, and what became
of it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from app.db import db
from app.domain.periods import bucket_start
from app.models import (
    Account,
    ChargePosition,
    Metric,
    Posting,
    Subscription,
    UsageDelta,
    Wallet,
    WalletTransaction,
)
from app.models.wallets import Book
from app.services import metering, wallets
from app.services.event_store import Row, store
from tests.factories import ACTOR, make_account, make_metric, make_plan, make_subscription, per_unit

# 10 October 2026, 12:00 IST.
NOON = datetime(2026, 10, 10, 6, 30, tzinfo=UTC)


def add_usage(
    account: Account, metric: Metric, quantity: str | int = 1, *, at: datetime = NOON, **dimensions: str
) -> None:
    """Put one delta into the metering queue."""
    row = {
        "account_id": account.id,
        "metric_id": metric.id,
        "bucket_at": bucket_start(at),
        "dimensions": dimensions,
        "quantity": Decimal(quantity),
        "events": 1,
    }
    db.session.execute(insert(UsageDelta), [row])


def add_events(account: Account, metric: Metric, quantities: Sequence[int], *, at: datetime = NOON) -> None:
    """Store events as ingest does, each with its key and its delta."""
    db.session.flush()
    rows = [
        Row(
            account.id,
            f"{metric.code}-{n}-{at:%H%M}",
            b"x" * 32,
            at,
            metric.id,
            Decimal(q),
            "{}",
            bucket_start(at),
            "{}",
        )
        for n, q in enumerate(quantities)
    ]
    store(db.session.connection().connection.driver_connection, rows)


def meter() -> int:
    """Drain the queue and return how many deltas it held."""
    total = 0
    while batch := metering.drain(at=NOON):
        total += batch
    return total


def subscribe_prepaid(
    *components: dict[str, Any], balance: str = "0", **more: Any
) -> tuple[Subscription, Wallet]:
    """Subscribe a new prepaid account to a plan of these components, with money in its wallet."""
    account = make_account(prepaid=True)
    subscription = make_subscription(account, make_plan(components=components), **more)
    wallet = wallets.find_for(account)
    assert wallet is not None
    if Decimal(balance):
        wallets.top_up(wallet, balance, at=NOON, actor=ACTOR, reason="Opening balance")
    return subscription, wallet


def a_rupee_each(balance: str = "0") -> tuple[Subscription, Wallet, Metric]:
    """Subscribe a new prepaid account to a plan of ₹1 for each unit of a new metric."""
    metric = make_metric()
    subscription, wallet = subscribe_prepaid(per_unit(metric, "1"), balance=balance)
    return subscription, wallet, metric


def figures(wallet: Wallet) -> tuple[str, str]:
    """Return the balance and what is owed, as the database has them."""
    db.session.flush()
    row = db.session.execute(select(Wallet.balance, Wallet.receivable).where(Wallet.id == wallet.id)).one()
    return f"{row.balance:.2f}", f"{row.receivable:.2f}"


def books(wallet: Wallet) -> dict[str, str]:
    """Return the sums of the wallet's postings by book."""
    sums: dict[Book, Decimal] = {}
    for posting in db.session.scalars(select(Posting).where(Posting.wallet_id == wallet.id)):
        sums[posting.book] = sums.get(posting.book, Decimal(0)) + posting.amount
    return {str(book): f"{amount:.2f}" for book, amount in sorted(sums.items()) if amount}


def transactions(wallet: Wallet) -> list[WalletTransaction]:
    """Return the wallet's transactions in the order in which they were made."""
    query = (
        select(WalletTransaction)
        .where(WalletTransaction.wallet_id == wallet.id)
        .order_by(WalletTransaction.id)
    )
    return list(db.session.scalars(query))


def amounts(wallet: Wallet) -> list[str]:
    """Return the amounts of the wallet's transactions in their order."""
    return [f"{each.amount:.2f}" for each in transactions(wallet)]


def positions(subscription: Subscription) -> dict[str, tuple[str, int, str]]:
    """Return quantity, events and charged amount of a subscription's positions by component code."""
    query = (
        select(ChargePosition)
        .where(ChargePosition.subscription_id == subscription.id)
        .execution_options(populate_existing=True)
    )
    return {
        row.component.code: (format(row.quantity.normalize(), "f"), row.events, f"{row.charged_amount:.2f}")
        for row in db.session.scalars(query)
    }


def as_json(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value))
