"""How many debits a second: `make bench BENCH=wallet` prints one line of JSON.

A PostgreSQL of its own with fsync on. Threads debit ₹1 by `wallets.debit`, a transaction each: all of them
one wallet, whose row serialises them, and then any of a thousand. The floor of the same run is the least SQL
that does the same by bare psycopg: lock the row, update it, insert the journal, its two postings, the
transaction and the audit record, commit. In the end the checks are green and the balances right.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import db, in_transaction, transaction
from app.ids import new_id
from app.models import Wallet
from app.services import verify, wallets
from bench.books import ACTOR, open_books, open_wallets

FUNDED = Decimal(10) ** 9
LEDGER = ("journals", "wallets", "chains", "transactions")
LOCK = "SELECT account_id, currency, balance, seq, chain_head FROM wallets WHERE id = %s FOR UPDATE"
UPDATE = "UPDATE wallets SET balance = %s, seq = %s, chain_head = %s, updated_at = now() WHERE id = %s"
JOURNAL = """
    INSERT INTO journals (id, kind, currency, reason, actor, created_at)
    VALUES (%s, 'debit', %s, 'Bench', 'b', now())
"""
POSTINGS = """
    INSERT INTO postings (journal_id, book, account_id, wallet_id, currency, amount, seq, balance_after,
                          prev_hash, hash)
    VALUES (%(j)s, 'wallet', %(a)s, %(w)s, %(c)s, -1, %(s)s, %(b)s, %(p)s, %(h)s),
           (%(j)s, 'adjustment', %(a)s, %(w)s, %(c)s, 1, NULL, NULL, NULL, NULL)
"""
TRANSACTION = """
    INSERT INTO wallet_transactions (id, wallet_id, kind, state, amount, currency, balance_after, reason,
                                     actor, journal_id, created_at, completed_at)
    VALUES (%s, %s, 'debit', 'COMPLETED', -1, %s, %s, 'Bench', 'b', %s, now(), now())
"""
AUDIT = """
    INSERT INTO audit_records (id, at, actor_kind, actor_id, actor, role, action, resource_type,
                               resource_id, summary)
    VALUES (%s, now(), 'system', 'b', 'b', 'system', 'wallet.debited', 'WalletTransaction', %s, 'Bench')
"""
Debit = Callable[[UUID], None]


def serve(wallet_id: UUID) -> None:
    """Debit by the service, in a transaction of its own."""

    def work() -> None:
        wallet = db.session.get_one(Wallet, wallet_id)
        wallets.debit(wallet, "1", at=clock.now(), actor=ACTOR, reason="Bench")

    in_transaction(work)
    db.session.remove()


def bare(connection: psycopg.Connection, wallet_id: UUID) -> None:
    """Debit by the least SQL that leaves as much behind; its hashes are no links."""
    with connection.transaction():
        account, currency, balance, seq, head = connection.execute(LOCK, [wallet_id]).fetchall()[0]
        journal, transaction_id, link = new_id(), new_id(), sha256(head).digest()
        connection.execute(JOURNAL, [journal, currency])
        told = {"j": journal, "a": account, "w": wallet_id, "c": currency, "p": head, "h": link}
        connection.execute(POSTINGS, told | {"s": seq + 1, "b": balance - 1})
        connection.execute(UPDATE, [balance - 1, seq + 1, link, wallet_id])
        connection.execute(TRANSACTION, [transaction_id, wallet_id, currency, balance - 1, journal])
        connection.execute(AUDIT, [new_id(), str(transaction_id)])


def rate(threads: int, seconds: float, ids: list[UUID], start: Callable[[], Debit]) -> float:
    """Return debits a second by so many threads, each with what `start` gives it."""

    def thread(number: int) -> int:
        chance, debit, done = random.Random(number), start(), 0
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            debit(chance.choice(ids))
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(thread, range(threads))) / seconds


def by_service(app: Flask) -> Callable[[], Debit]:
    """Return what gives a thread the service, within the application."""

    def start() -> Debit:
        app.app_context().push()
        return serve

    return start


def by_sql(url: str) -> Callable[[], Debit]:
    """Return what gives a thread a bare connection."""

    def start() -> Debit:
        connection = psycopg.connect(url, autocommit=True)
        return lambda wallet_id: bare(connection, wallet_id)

    return start


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return all figures of one run. The floor writes into wallets that the checks are not asked about."""
    with open_books(data) as (app, stores):
        open_wallets(2 * options.wallets)
        with transaction() as session:
            ids = list(session.scalars(select(Wallet.id).order_by(Wallet.id)))
            for wallet_id in ids:
                wallets.top_up(
                    session.get_one(Wallet, wallet_id), FUNDED, at=clock.now(), actor=ACTOR, reason="Bench"
                )
        served, floor = ids[: options.wallets], ids[options.wallets :]
        figures: dict[str, Any] = {}
        for name, count in (("hot", 1), ("spread", options.wallets)):
            service = rate(options.threads, options.seconds, served[:count], by_service(app))
            least = rate(options.threads, options.seconds, floor[:count], by_sql(stores.database_url))
            figures[name] = {
                "debits_per_second": round(service),
                "floor_per_second": round(least),
                "ratio": round(service / least, 2),
            }
        figures["right"] = is_right(served, set(floor))
    return {"bench": "wallet", "cores": os.cpu_count(), "fsync": True, "threads": options.threads, **figures}


def is_right(served: list[UUID], floor: set[UUID]) -> bool:
    """Tell whether each debit of the service took 1, and no check names a wallet that the service moved."""
    with transaction() as session:
        moved = select(func.sum(Wallet.seq - 1), func.sum(FUNDED - Wallet.balance)).where(
            Wallet.id.in_(served)
        )
        debits, taken = session.execute(moved).one()
        report = verify.run(LEDGER)
    named = {problem.where for each in report.results for problem in each.problems}
    return debits == taken and not any(str(wallet_id) in where for wallet_id in served for where in named)


def main() -> int:
    """Measure; fail when a balance or a chain is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--wallets", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
