"""Books to be measured: wallets with many journals, written by the product's own ledger."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
from flask import Flask
from sqlalchemy import select

from app.config import Settings
from app.db import db, transaction
from app.embedded.postgres import SUPERUSER
from app.embedded.stores import Stores, open_stores
from app.factory import create_app
from app.models import Account, Customer, Wallet
from app.models.wallets import Book, TransactionKind
from app.permissions import Actor
from app.services import ledger, wallets

ACTOR = Actor.system("bench")
BATCH = 5_000
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
# Inserting without its triggers is what makes a million postings a matter of a minute; each is checked later.
GUARDED = ("journals", "postings")


@contextmanager
def open_books(data: Path, *, durable: bool = True, **more: Any) -> Iterator[tuple[Flask, Stores]]:
    """Yield the product in an application context, over a migrated database of its own and no processes.

    `more` are settings."""
    with open_stores(data, {}, durable=durable) as stores:
        stores.start()
        settings = Settings(
            database_url=stores.database_url,
            owner_database_url=stores.owner_url,
            redis_url=stores.redis_url,
            data_dir=data,
            secret_key="for the bench only, 32 characters",
            log_level="ERROR",
            statement_timeout_ms=600_000,
            **more,
        )
        app = create_app(settings)
        with app.app_context():
            flask_migrate.upgrade()
            try:
                yield app, stores
            finally:
                db.session.remove()
                db.engine.dispose()


def superuser(stores: Stores) -> psycopg.Connection:
    """Return a connection, in autocommit mode, of whoever has all power over the database."""
    assert stores.postgres is not None
    return psycopg.connect(stores.postgres.url(user=SUPERUSER), autocommit=True)


def open_wallets(number: int) -> None:
    """Open so many wallets, each of a customer of its own."""
    with transaction() as session:
        for n in range(number):
            customer = Customer(name=f"Customer {n}", email="bench@example.com")
            account = Account(customer=customer, external_id=f"books-{n}", name=f"Account {n}")
            session.add(account)
            session.flush()
            wallets.open(account, actor=ACTOR)


def fill(stores: Stores, postings: int, *, seed: int = 1) -> None:
    """Write so many postings, two a journal, over all wallets, by `ledger.post_all`."""
    chance = random.Random(seed)
    with superuser(stores) as power:
        for table in GUARDED:
            power.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for first in range(0, postings // 2, BATCH):
            with transaction() as session:
                of_all = session.scalars(select(Wallet).order_by(Wallet.id).with_for_update()).all()
                number = min(BATCH, postings // 2 - first)
                ledger.post_all([_entry(chance, of_all, first + n) for n in range(number)])
            db.session.remove()
        for table in GUARDED:
            power.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
        power.execute("VACUUM ANALYZE journals, postings, wallets")


def _entry(chance: random.Random, of_all: list[Wallet], number: int) -> ledger.Entry:
    """Return a top-up for each wallet at first, and then usage of any."""
    wallet, at = chance.choice(of_all), BEGUN + timedelta(seconds=number)
    amount = Decimal(chance.randrange(1, 1_000_00)) / 100
    kind, sides = TransactionKind.usage, {Book.wallet: -amount, Book.revenue: amount}
    if number < len(of_all):
        wallet, amount = of_all[number], Decimal(10) ** 9
        kind, sides = TransactionKind.top_up, {Book.wallet: amount, Book.cash: -amount}
    return ledger.Entry(kind, wallet, sides, at, ACTOR.label, f"Bench {number}", ("Bench", str(number)))
