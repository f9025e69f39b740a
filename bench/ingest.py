"""How fast usage events come in: `python -m bench.ingest` prints one line of JSON.

Authentication and limits are on, as is fsync; everything shares the machine with the load generator. First a
steady rate of single events, watched all the time: answers, backlog, memory, and how soon an event is in its
wallet's balance. Then as many single events as go, batches of 1,000, and the same SQL statement by bare
psycopg on the same database. Every answer is checked, the stored events are counted against the acknowledged
ones, and the books are verified.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg

from app.db import db, in_transaction
from app.domain.periods import bucket_start
from app.embedded.processes import Child, wait_until
from app.factory import create_app
from app.services import verify
from app.services.event_store import Row, store
from bench.load import CHANNELS, Events, Load, Sender, milliseconds
from bench.stack import ACCOUNTS, Stack, open_stack, processor_seconds, resident, running

BATCH = 1_000
WATCHED_EVERY_SECONDS = 0.02
# Every so many looks the backlog is counted and the memory read.
LOOKS = 25
DRAINED_WITHIN_SECONDS = 60
# At the steady rate, before it is measured: threads and connections are there then.
WARM_SECONDS = 3.0
CHARGED = "SELECT coalesce(sum(charged_amount), 0)::bigint FROM charge_positions"
BACKLOG = "SELECT coalesce(sum(events), 0)::bigint FROM usage_deltas"


class Watch(threading.Thread):
    """Notes when the charged total reached which number, how long the metering's queue is, and the memory."""

    def __init__(self, url: str, children: list[Child], posted: int) -> None:
        super().__init__(daemon=True)
        self._url, self._children, self._posted, self._over = url, children, posted, threading.Event()
        self.seen: list[tuple[float, int]] = []
        self.backlog: list[int] = []
        self.memory: list[dict[str, list[int]]] = [resident(children)]

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(WATCHED_EVERY_SECONDS):
                self.seen.append((time.perf_counter(), _number(connection, CHARGED)))
                if len(self.seen) % LOOKS == 0:
                    self.backlog.append(_number(connection, BACKLOG))
        self.memory.append(resident(self._children))

    def wait_for(self, total: int) -> bool:
        """Watch until everything is charged; tell whether that came about in time."""
        return wait_until(
            lambda: bool(self.seen) and self.seen[-1][1] >= total, patience_seconds=DRAINED_WITHIN_SECONDS
        )

    def forget(self) -> None:
        """Forget what was seen before the steady phase."""
        self.seen, self.backlog, self.memory = self.seen[-1:], [], [resident(self._children)]

    def stop(self) -> None:
        """Stop watching."""
        self._over.set()
        self.join()

    def latencies(self, begun: list[float]) -> list[float]:
        """Return how long after its begin each event was charged: the n-th when the total reached n."""
        found, at = [], iter(self.seen)
        when, total = next(at)
        for n, start in enumerate(sorted(begun), 1):
            while total < self._posted + n:
                when, total = next(at)
            found.append(max(0.0, when - start))
        return found


def _number(connection: psycopg.Connection, query: str) -> int:
    (found,) = connection.execute(query).fetchone() or (0,)  # type: ignore[call-overload]
    return int(found)


def measure_steady(
    stack: Stack, sender: Sender, children: list[Child], options: argparse.Namespace, posted: int
) -> tuple[Load, dict[str, object]]:
    """Post at a steady rate, after `posted` events, and return what was seen meanwhile."""
    watch = Watch(stack.stores.database_url, children, posted)
    watch.start()
    if not watch.wait_for(posted if options.worker else 0):
        raise TimeoutError("What was posted first is not charged.")
    watch.forget()
    before = processor_seconds([*children, *stack.stores.children])
    load = sender.steadily(options.steady, options.steady_connections, options.seconds)
    after = processor_seconds([*children, *stack.stores.children])
    drained = options.worker and watch.wait_for(posted + load.events)
    watch.stop()
    return load, {
        "rate": options.steady,
        "seconds": round(load.seconds, 1),
        **load.figures(),
        "event_to_balance": milliseconds(watch.latencies(load.begun)) if drained else None,
        "backlog_events": _shown(watch.backlog),
        "resident_mib": {"begin": watch.memory[0], "end": watch.memory[-1]},
        "processor_microseconds_per_event": _each(before, after, load.events),
    }


def _shown(samples: list[int]) -> dict[str, int]:
    """Return the mean of each quarter of the samples, and the most; what grows shows in the last."""
    quarter = max(1, len(samples) // 4)
    parts = [samples[begin : begin + quarter] or [0] for begin in range(0, 4 * quarter, quarter)]
    means = {f"quarter_{n}": round(sum(part) / len(part)) for n, part in enumerate(parts, 1)}
    return {**means, "most": max(samples, default=0)}


def _each(before: dict[str, float], after: dict[str, float], events: int) -> dict[str, int]:
    return {name: round((after[name] - spent) / max(1, events) * 1e6) for name, spent in before.items()}


def measure_floor(url: str, batches: int) -> float:
    """Return the rows per second that the statement stores on one bare connection, nothing else running."""
    rows = make_rows(url, batches)
    with psycopg.connect(url) as connection:
        begun = time.perf_counter()
        for batch in rows:
            store(connection, batch)
            connection.commit()
        return sum(map(len, rows)) / (time.perf_counter() - begun)


def make_rows(url: str, batches: int) -> list[list[Row]]:
    """Return batches of rows like those that the posted events become."""
    with psycopg.connect(url) as connection:
        accounts = [found for (found,) in connection.execute("SELECT id FROM accounts ORDER BY external_id")]
        (metric,) = connection.execute("SELECT id FROM metrics").fetchone() or ()
    at, made = datetime.now(UTC), []
    for n in range(batches * BATCH):
        text = f'{{"channel":"{CHANNELS[n % 3]}","country":"IN"}}'
        account, digest = accounts[n % ACCOUNTS], n.to_bytes(32)
        bucket = bucket_start(at)
        made.append(Row(account, f"floor-{n:010}", digest, at, metric, Decimal(1), text, bucket, text))
    return [made[begin : begin + BATCH] for begin in range(0, len(made), BATCH)]


def measure(options: argparse.Namespace, data: Path) -> dict[str, object]:
    """Return all figures of one run."""
    with open_stack(data, signed=options.signed) as stack:
        url, sender = stack.stores.database_url, Sender(stack.port, stack.keys, Events(ACCOUNTS))
        with running(stack, worker=options.worker, threads=options.threads) as children:
            posted = [sender.flood(1, 16, 1.0), sender.flood(BATCH, 2, 1.0)]
            posted.append(sender.steadily(options.steady, options.steady_connections, WARM_SECONDS))
            load, steady = measure_steady(
                stack, sender, children, options, sum(each.events for each in posted)
            )
            posted.append(load)
            single = [sender.flood(1, connections, options.flood) for connections in options.connections]
            batched = sender.flood(BATCH, options.batch_connections, options.flood)
            posted += [*single, batched]
            memory = resident(children)
            acknowledged = sum(load.events for load in posted)
            with psycopg.connect(url, autocommit=True) as connection:
                drained = not options.worker or wait_until(
                    lambda: _number(connection, BACKLOG) == 0, patience_seconds=DRAINED_WITHIN_SECONDS
                )
                stored = _number(connection, "SELECT count(*) FROM usage_events")
                charged = _number(connection, CHARGED)
        books = verify_books(stack)
        without_redis = measure_without_redis(stack, sender, options)
        floor = measure_floor(url, options.floor_batches)
    return {
        "bench": "ingest",
        "cores": os.cpu_count(),
        "fsync": True,
        "keys": "signed" if options.signed else "bearer",
        "limits": stack.settings.rate_limits or "default",
        "worker": options.worker,
        "steady": steady,
        "single": [load.figures() for load in single],
        "batches_of_1000": batched.figures(),
        "without_redis": without_redis.figures(),
        "resident_mib": memory,
        "floor_rows_per_second": round(floor),
        "ratio_to_floor": round(batched.events / batched.seconds / floor, 2),
        "errors": sum(load.errors for load in (*posted, without_redis)),
        "acknowledged": acknowledged,
        "stored": stored,
        "charged": charged,
        "drained": drained,
        "books_balance": books,
    }


def measure_without_redis(stack: Stack, sender: Sender, options: argparse.Namespace) -> Load:
    """Stop Redis, and post at a third of the steady rate to a web server that has never seen it."""
    redis = next(child for child in stack.stores.children if child.name == "redis")
    redis.ask_to_stop()
    redis.wait_stopped()
    with running(stack, worker=False, threads=options.threads):
        sender.flood(1, 4, 0.5)
        return sender.steadily(options.steady / 3, options.steady_connections, options.flood)


def verify_books(stack: Stack) -> bool:
    """Tell whether `flask verify` would find everything in order."""
    app = create_app(stack.settings)
    with app.app_context():
        found = in_transaction(verify.run)
        db.engine.dispose()
    return bool(found.ok)


def main() -> int:
    """Run the measurement; fail when an answer was wrong or an acknowledged event is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steady", type=float, default=1_000, help="single events a second")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the steady phase")
    parser.add_argument("--steady-connections", type=int, default=64)
    parser.add_argument("--flood", type=float, default=10.0, help="length of each other phase in seconds")
    parser.add_argument(
        "--connections", type=int, nargs="+", default=[16, 64], help="of floods of single events"
    )
    parser.add_argument("--batch-connections", type=int, default=4)
    parser.add_argument("--threads", type=int, help="blocking threads of a web process")
    parser.add_argument("--floor-batches", type=int, default=200)
    parser.add_argument("--signed", action="store_true", help="sign each request (HMAC-SHA256)")
    parser.add_argument("--without-worker", dest="worker", action="store_false", help="leave metering out")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.steady, options.seconds, options.flood, options.floor_batches = 200.0, 3.0, 1.0, 10
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    right = (
        figures["acknowledged"] == figures["stored"] and figures["books_balance"] and not figures["errors"]
    )
    charged = not options.worker or figures["charged"] == figures["stored"]
    return 0 if right and charged and figures["drained"] else 1


if __name__ == "__main__":
    sys.exit(main())
