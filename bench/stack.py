"""What is measured: a PostgreSQL (fsync on), a Redis, the web server and a job worker, as in `make run`."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import flask_migrate
import psutil

from app import clock
from app.config import Settings
from app.db import db, transaction
from app.embedded.children import PRODUCT
from app.embedded.processes import Child
from app.embedded.stores import Stores, open_stores
from app.factory import create_app
from app.models import Account, Customer, Metric
from app.models.customers import BillingMode
from app.permissions import Actor
from app.services import keys, plans, subscriptions, wallets
from bench.load import Key

ROOT = Path(__file__).resolve().parents[1]
ACTOR = Actor.system("bench")
ACCOUNTS = 100
KEYS = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """A migrated database with accounts and keys, and where to reach everything."""

    stores: Stores
    settings: Settings
    keys: list[Key]
    port: int


@contextmanager
def open_stack(
    data: Path, *, signed: bool = False, accounts: int = ACCOUNTS, prepared: bool = False
) -> Iterator[Stack]:
    """Yield running data stores with a hundred prepaid accounts at ₹1 an event and eight keys; without keys
    those of a directory that was prepared before."""
    with open_stores(data, {}, durable=True) as stores:
        stores.start()
        settings = replace(
            Settings(database_url=stores.database_url, redis_url=stores.redis_url, data_dir=data),
            owner_database_url=stores.owner_url,
            secret_key="for the bench only, 32 characters",
            log_level="WARNING",
        )
        _migrate(settings)
        made = [] if prepared else _prepare(settings, signed, accounts)
        yield Stack(stores, settings, made, free_port())


def _migrate(settings: Settings) -> None:
    with create_app(settings).app_context():
        flask_migrate.upgrade()
        db.engine.dispose()


def _prepare(settings: Settings, signed: bool, accounts: int) -> list[Key]:
    """Make what events need, and return the keys; several, so that no key's limit is measured."""
    with create_app(settings).app_context():
        with transaction() as session:
            session.add(Metric(code="auth.otp", name="OTP", dimensions=["channel", "country"]))
            session.flush()
            price = {"metric": "auth.otp", "model": "per_unit", "unit": "1"}
            plan = plans.create({"code": "bench", "name": "Bench"}, version=None, prices=[price], actor=ACTOR)
            plans.publish(plan.versions[0], at=clock.now() - timedelta(days=60), actor=ACTOR)
            for n in range(accounts):
                customer = Customer(name=f"Customer {n}", email="bench@example.com")
                account = Account(customer=customer, external_id=f"account-{n}", name=f"Account {n}")
                account.billing_mode = BillingMode.prepaid
                session.add(account)
                session.flush()
                wallet = wallets.open(account, actor=ACTOR)
                wallets.top_up(wallet, "100000000", at=clock.now(), actor=ACTOR, reason="Bench")
                subscriptions.start(account, "bench", start_at=clock.now() - timedelta(days=30), actor=ACTOR)
            made = [_key(n, signed) for n in range(KEYS)]
        db.session.remove()
        db.engine.dispose()
    return made


def _key(number: int, signed: bool) -> Key:
    kind = "hmac" if signed else "bearer"
    key, secret = keys.create(
        f"bench {number}", kind=kind, scopes=["events:write"], actor=ACTOR, at=clock.now()
    )
    return Key(secret, str(key.id) if signed else "")


@contextmanager
def running(stack: Stack, *, worker: bool = True, threads: int | None = None) -> Iterator[list[Child]]:
    """Run the web server and a job worker by the commands of `make run`, and yield them."""
    environment = {
        **os.environ,
        **{key.upper(): _text(value) for key, value in asdict(stack.settings).items()},
    }
    words = {"python": sys.executable, "host": "127.0.0.1", "port": str(stack.port)}
    children = []
    for name in ("web", "worker-1") if worker else ("web",):
        command = [part.format_map(words) for part in PRODUCT.children[name]]
        if threads and "--blocking-threads" in command:
            command[command.index("--blocking-threads") + 1] = str(threads)
        log = stack.settings.data_dir / "logs" / f"{name}.log"
        children.append(Child(name, tuple(command), log, environment, cwd=ROOT))
    for child in children:
        child.start()
    try:
        _wait_for(f"http://127.0.0.1:{stack.port}/readyz")
        yield children
    finally:
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.wait_stopped()


def resident(children: list[Child]) -> dict[str, list[int]]:
    """Return the resident memory of each process of each child in MiB, the largest first."""
    found = {}
    for child in children:
        found[child.name] = sorted((each.memory_info().rss >> 20 for each in _family(child)), reverse=True)
    return found


def processor_seconds(children: list[Child]) -> dict[str, float]:
    """Return the processor time that each child's processes have used so far; ours is `generator`."""
    own = os.times()
    spent = {"generator": own.user + own.system}
    for child in children:
        times = [each.cpu_times() for each in _family(child)]
        # What a process forked and waited for counts too: a job that has ended, a connection that was closed.
        spent[child.name] = sum(t.user + t.system + t.children_user + t.children_system for t in times)
    return spent


def _family(child: Child) -> list[psutil.Process]:
    first = psutil.Process(child.pid)
    return [first, *first.children(recursive=True)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    """Wait until an address answers, two minutes at most."""
    until = time.monotonic() + 120
    while True:
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


@contextmanager
def directory_for(kept: Path | None) -> Iterator[Path]:
    """Yield the directory that is to be kept, made where it is missing, or one that goes in the end."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="otpless-bench-") as directory:
        yield Path(directory)
