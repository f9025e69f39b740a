"""How soon usage is in the balance, and how fast a backlog goes: `python -m bench.metering` prints one line
of JSON.

Starts a PostgreSQL of its own (fsync on), a Redis, the web server and one job worker. First single events are
posted at a steady rate for prepaid accounts at ₹1 each, while the charged total is watched: the n-th event is
in the balance when the total reaches n. Then a backlog with one delta per event is metered in this process.
In the end the books are verified.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from app import clock
from app.config import Settings
from app.db import db, in_transaction, transaction
from app.domain.periods import bucket_start
from app.embedded.stores import open_stores
from app.factory import create_app
from app.models import Account
from app.models.customers import BillingMode
from app.permissions import Actor
from app.services import metering, plans, subscriptions, verify, wallets
from app.services.rating import Tariffs
from bench.ingest import ACCOUNTS, Load, Sender, free_port, prepare, running

ACTOR = Actor.system("bench")
CONNECTIONS = 16
BACKLOG = """
    INSERT INTO usage_deltas (account_id, metric_id, bucket_at, dimensions, quantity, events)
    SELECT a.id, m.id, %(first)s + make_interval(mins => 15 * (n / 100 %% 96)::int),
           jsonb_build_object('channel', 'c' || n %% 3), 1, 1
    FROM generate_series(1, %(events)s) n
    JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM accounts) a ON a.number = n %%
    %(accounts)s CROSS JOIN metrics m
"""


def subscribe_all(app: Any) -> None:
    """Make every account prepaid, with money, on a plan of ₹1 an event."""
    with app.app_context(), transaction():
        price = {"metric": "auth.otp", "model": "per_unit", "unit": "1"}
        plan = plans.create({"code": "bench", "name": "Bench"}, version=None, prices=[price], actor=ACTOR)
        plans.publish(plan.versions[0], at=clock.now() - timedelta(days=60), actor=ACTOR)
        for account in db.session.scalars(select(Account)):
            account.billing_mode = BillingMode.prepaid
            wallet = wallets.open(account, actor=ACTOR)
            wallets.top_up(wallet, "1000000", at=clock.now(), actor=ACTOR, reason="Bench")
            subscriptions.start(account, "bench", start_at=clock.now() - timedelta(days=30), actor=ACTOR)


class Watch(threading.Thread):
    """Notes when the charged total reached which number."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.seen, self.stopped = url, [(0.0, 0)], threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self.stopped.wait(0.005):
                total = connection.execute("SELECT coalesce(sum(charged_amount), 0) FROM charge_positions")
                self.seen.append((time.perf_counter(), int(total.fetchone()[0])))

    def latencies(self, begun: list[float]) -> list[float]:
        """Return how long after its begin each event was charged, in the order of the begins."""
        found, at = [], iter(self.seen)
        when, total = next(at)
        for n, start in enumerate(sorted(begun), 1):
            while total < n:
                when, total = next(at)
            found.append(max(0.0, when - start))
        return found


def post_steadily(sender: Sender, rate: int, seconds: float) -> tuple[Load, list[float]]:
    """Post single events at `rate` a second over a few connections; return what came of it and when each
    began."""
    load, begun = Load(CONNECTIONS), []

    async def one(number: int, start: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", sender.port)
        for n in range(number, int(rate * seconds), CONNECTIONS):
            await asyncio.sleep(max(0.0, start + n / rate - time.perf_counter()))
            at = time.perf_counter()
            begun.append(at)
            writer.write(sender.request(1))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            load.latencies.append(time.perf_counter() - at)
            load.requests += 1
            load.events += head[9:12] == b"202"
        writer.close()

    async def everybody() -> None:
        start = time.perf_counter() + 0.1
        await asyncio.gather(*(one(number, start) for number in range(CONNECTIONS)))

    started = time.perf_counter()
    asyncio.run(everybody())
    load.seconds = time.perf_counter() - started
    return load, begun


def drain_backlog(app: Any, url: str, events: int) -> dict[str, float]:
    """Meter a backlog of one delta per event in this process."""
    with psycopg.connect(url) as connection:
        first = bucket_start(datetime.now(UTC) - timedelta(days=2))
        connection.execute(BACKLOG, {"first": first, "events": events, "accounts": ACCOUNTS})
    with app.app_context():
        tariffs, done, started = Tariffs(), 0, time.perf_counter()
        while batch := in_transaction(lambda: metering.drain(metering.BATCH, tariffs)):
            done += batch
        seconds = time.perf_counter() - started
    return {"deltas": done, "deltas_per_second": round(done / seconds)}


def milliseconds(latencies: list[float]) -> dict[str, float]:
    """Return the figures of a list of seconds."""
    ordered = sorted(latencies)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99}
    figures = {name: round(ordered[int(len(ordered) * share)] * 1e3, 1) for name, share in shares.items()}
    return {**figures, "max_ms": round(ordered[-1] * 1e3, 1)}


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Return all figures of one run."""
    with open_stores(data, {}, durable=True) as stores:
        stores.start()
        settings = replace(
            Settings(database_url=stores.database_url, redis_url=stores.redis_url, data_dir=data),
            secret_key="for the bench only, 32 characters",
            log_level="WARNING",
        )
        secret, port = prepare(settings), free_port()
        app = create_app(settings)
        subscribe_all(app)
        watch = Watch(stores.database_url)
        with running(settings, port, worker=True, threads=None):
            watch.start()
            load, begun = post_steadily(Sender(port, secret), options.rate, options.seconds)
            until = time.monotonic() + 30
            while watch.seen[-1][1] < load.events and time.monotonic() < until:
                time.sleep(0.05)
        watch.stopped.set()
        watch.join()
        charged = watch.seen[-1][1]
        with psycopg.connect(stores.database_url) as connection:
            runs = connection.execute(
                "SELECT count(*) FROM wallet_transactions WHERE kind = 'usage'"
            ).fetchone()[0]
        with app.app_context():
            books = in_transaction(verify.run)
        backlog = drain_backlog(app, stores.database_url, options.backlog)
        with app.app_context():
            db.engine.dispose()
    return {
        "bench": "metering",
        "cores": os.cpu_count(),
        "fsync": True,
        "posted": load.figures(),
        "event_to_balance": milliseconds(watch.latencies(begun)) if charged >= load.events else None,
        "charged": charged,
        "wallet_transactions": runs,
        "backlog": backlog,
        "books_balance": books.ok,
    }


def main() -> int:
    """Run the measurement; fail when an event is not in a balance or the books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="single events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--backlog", type=int, default=50_000, help="deltas to meter at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["books_balance"] and figures["charged"] == figures["posted"]["requests"] else 1


if __name__ == "__main__":
    sys.exit(main())
