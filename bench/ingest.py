"""How fast usage events come in: `python -m bench.ingest` prints one line of JSON.

Starts a PostgreSQL of its own (fsync on), a Redis, the web server as `make run` does and one job worker;
posts single events and batches of 1,000 over keep-alive connections from this process; then runs the same SQL
statement by bare psycopg on the same database. Every answer is checked, and in the end the stored events are
counted against the acknowledged ones.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import flask_migrate
import psutil
import psycopg

from app import clock
from app.config import Settings
from app.db import db, transaction
from app.domain.periods import bucket_start
from app.embedded.children import PRODUCT
from app.embedded.processes import Child, session_members
from app.embedded.stores import open_stores
from app.factory import create_app
from app.models import Account, Customer, Metric
from app.permissions import Actor
from app.services import keys
from app.services.event_store import Row, store

ROOT = Path(__file__).resolve().parents[1]
ACCOUNTS = 100
CHANNELS = ("sms", "whatsapp", "email")
BATCH = 1_000
CHILDREN = ("web", "worker-1")


@dataclass
class Load:
    """What one phase of posting gave; latencies in milliseconds."""

    connections: int
    requests: int = 0
    events: int = 0
    errors: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return what is printed."""
        ordered = sorted(self.latencies)
        return {
            "connections": self.connections,
            "events_per_second": round(self.events / self.seconds),
            "p50_ms": round(ordered[len(ordered) // 2] * 1e3, 2),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1e3, 2),
            "max_ms": round(ordered[-1] * 1e3, 2),
            "requests": self.requests,
            "errors": self.errors,
        }


class Sender:
    """Builds requests with event ids that never repeat."""

    def __init__(self, port: int, secret: str) -> None:
        self.port = port
        self.numbers = count()
        self.head = (
            f"POST /api/v1/events?results=errors HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\nContent-Length: "
        )

    def event(self) -> str:
        """Return one event as JSON."""
        n = next(self.numbers)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (
            f'{{"event_id":"bench-{n:010}","account_id":"account-{n % ACCOUNTS}","metric":"auth.otp",'
            f'"timestamp":"{at}","properties":{{"channel":"{CHANNELS[n % 3]}","country":"IN"}}}}'
        )

    def request(self, size: int) -> bytes:
        """Return a request with `size` events."""
        body = self.event() if size == 1 else f"[{','.join(self.event() for _ in range(size))}]"
        return f"{self.head}{len(body)}\r\n\r\n{body}".encode()

    async def post(self, load: Load, size: int, until: float) -> None:
        """Post on one connection, each request after the answer to the one before."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.perf_counter() < until:
            request = self.request(size)
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length)
            load.latencies.append(time.perf_counter() - begun)
            load.requests += 1
            if head[9:12] == b"202" and f'"accepted":{size},'.encode() in answer:
                load.events += size
            else:
                load.errors += 1
        writer.close()
        await writer.wait_closed()

    def run(self, size: int, connections: int, seconds: float) -> Load:
        """Post events, `size` in a request, on so many connections for so long."""
        load = Load(connections)

        async def everybody() -> None:
            until = time.perf_counter() + seconds
            await asyncio.gather(*(self.post(load, size, until) for _ in range(connections)))

        begun = time.perf_counter()
        asyncio.run(everybody())
        load.seconds = time.perf_counter() - begun
        return load


def measure_floor(url: str, rows: list[list[Row]]) -> float:
    """Return the rows per second that the statement stores on one bare connection."""
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
    at = datetime.now(UTC)
    made = []
    for n in range(batches * BATCH):
        channel = CHANNELS[n % 3]
        properties = f'{{"channel":"{channel}","country":"IN"}}'
        account, event_id = accounts[n % ACCOUNTS], f"floor-{n:010}"
        made.append(
            Row(
                account,
                event_id,
                n.to_bytes(32),
                at,
                metric,
                Decimal(1),
                properties,
                bucket_start(at),
                properties,
            )
        )
    return [made[begin : begin + BATCH] for begin in range(0, len(made), BATCH)]


def prepare(settings: Settings) -> str:
    """Migrate, make the accounts and the metric, and return the secret of an API key."""
    with create_app(settings).app_context():
        flask_migrate.upgrade()
        with transaction() as session:
            customer = Customer(name="Bench", email="bench@example.com")
            session.add(customer)
            session.flush()
            session.add_all(
                Account(customer_id=customer.id, external_id=f"account-{n}", name=f"Account {n}")
                for n in range(ACCOUNTS)
            )
            session.add(Metric(code="auth.otp", name="OTP", dimensions=["channel", "country"]))
            actor = Actor.system("bench")
            _, secret = keys.create("bench", scopes=["events:write"], actor=actor, at=clock.now())
        db.session.remove()
        db.engine.dispose()
    return secret


@contextmanager
def running(settings: Settings, port: int, *, worker: bool, threads: int | None) -> Iterator[list[Child]]:
    """Run the web server and a job worker by the commands of `make run`, and yield them."""
    environment = {**os.environ, **{key.upper(): _text(value) for key, value in asdict(settings).items()}}
    words = {"python": sys.executable, "host": "127.0.0.1", "port": str(port)}
    children = []
    for name in CHILDREN if worker else CHILDREN[:1]:
        command = [part.format_map(words) for part in PRODUCT.children[name]]
        if threads and "--blocking-threads" in command:
            command[command.index("--blocking-threads") + 1] = str(threads)
        log = settings.data_dir / "logs" / f"{name}.log"
        children.append(Child(name, tuple(command), log, environment, cwd=ROOT))
    for child in children:
        child.start()
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield children
    finally:
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.wait_stopped()


def resident_mebibytes(child: Child) -> int:
    """Return the memory of the largest process of a child."""
    found = [psutil.Process(pid).memory_info().rss for pid in session_members(child.pid or 0)]
    return max(found, default=0) >> 20


def wait_for(url: str) -> None:
    """Wait until an address answers, half a minute at most."""
    until = time.monotonic() + 30
    while True:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def measure(options: argparse.Namespace, data: Path) -> dict[str, object]:
    """Return all figures of one run."""
    with open_stores(data, {}, durable=True) as stores:
        stores.start()
        settings = replace(
            Settings(database_url=stores.database_url, redis_url=stores.redis_url, data_dir=data),
            secret_key="for the bench only, 32 characters",
            log_level="WARNING",
        )
        secret, port = prepare(settings), free_port()
        sender = Sender(port, secret)
        with running(settings, port, worker=options.worker, threads=options.threads) as children:
            loads = [sender.run(1, 16, 2.0), sender.run(BATCH, 2, 2.0)]
            single = [sender.run(1, connections, options.seconds) for connections in options.connections]
            batched = sender.run(BATCH, options.batch_connections, options.seconds)
            loads += [*single, batched]
            memory = {child.name: resident_mebibytes(child) for child in children}
        acknowledged = sum(load.events for load in loads)
        with psycopg.connect(stores.database_url) as connection:
            (stored,) = connection.execute("SELECT count(*) FROM usage_events").fetchone() or (0,)
        floor = measure_floor(stores.database_url, make_rows(stores.database_url, options.floor_batches))
    batched_figures = batched.figures()
    return {
        "bench": "ingest",
        "cores": os.cpu_count(),
        "fsync": True,
        "worker": options.worker,
        "single": [load.figures() for load in single],
        "batches_of_1000": batched_figures,
        "resident_mib": memory,
        "floor_rows_per_second": round(floor),
        "ratio_to_floor": round(batched_figures["events_per_second"] / floor, 2),
        "acknowledged": acknowledged,
        "stored": stored,
    }


def main() -> int:
    """Run the measurement; fail when an answer was wrong or an acknowledged event is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64], help="of single events")
    parser.add_argument("--batch-connections", type=int, default=4)
    parser.add_argument("--threads", type=int, help="blocking threads of a web process")
    parser.add_argument("--floor-batches", type=int, default=200)
    parser.add_argument("--without-worker", dest="worker", action="store_false", help="leave metering out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        figures = measure(options, Path(directory))
    print(json.dumps(figures))
    return 0 if figures["acknowledged"] == figures["stored"] else 1


if __name__ == "__main__":
    sys.exit(main())
