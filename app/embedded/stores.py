"""PostgreSQL and Redis together, as `make run` and the tests start them."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded import postgres, redis
from app.embedded.accounts import Account, CannotStart, choose_account, store_directory
from app.embedded.postgres import Postgres
from app.embedded.processes import POLL_SECONDS, Child
from app.embedded.redis import Redis

PATIENCE_SECONDS = 60
LONGEST_SOCKET_DIRECTORY = 80
OWN_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Stores:
    """The two data stores of one data directory: those of the given addresses, embedded ones for the rest.

    `database_url` is what the product signs in by, `owner_url` what the migrations do.
    """

    database_url: str
    owner_url: str
    redis_url: str
    postgres: Postgres | None
    redis: Redis | None
    children: tuple[Child, ...]

    def start(self) -> None:
        """Start what is embedded, both at once, and wait until both answer.

        Raises:
            CannotStart: one of them did not come up.
        """
        for child in self.children:
            child.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting := [child for child in self.children if not child.ready()]:
            dead = next((child for child in waiting if child.reap() is not None), None)
            if dead or time.monotonic() > deadline:
                raise CannotStart(self._why(dead or waiting[0]))
            time.sleep(POLL_SECONDS)
        if self.postgres:
            self.postgres.create_database()

    def stop(self) -> None:
        """Stop both cleanly; what they acknowledged is on disk."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait_stopped()

    def _why(self, child: Child) -> str:
        store = self.postgres if child.name == "postgres" else self.redis
        assert store is not None
        return store.why_it_failed()


@contextmanager
def open_stores(data: Path, environ: Mapping[str, str], *, durable: bool = True) -> Iterator[Stores]:
    """Yield the stores of `data`, not yet started; at the end they are stopped and their sockets are gone.

    `DATABASE_URL` (with `OWNER_DATABASE_URL`, where another role owns the tables) and `REDIS_URL` in
    `environ` name servers of one's own, which are neither started nor stopped.

    Raises:
        CannotStart: a binary is missing, or there is no account to run as.
    """
    database_url, redis_url = environ.get("DATABASE_URL", ""), environ.get("REDIS_URL", "")
    owner_url = environ.get("OWNER_DATABASE_URL") or database_url
    logs = data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    account = choose_account(data / "store" if (data / "store").is_symlink() else data / "pg")
    with socket_directory(account) as sockets:
        store = data if database_url and redis_url else store_directory(data, account)
        pg = valkey = None
        children = []
        if not redis_url:
            valkey = Redis(redis.find_binary(account), store / "redis", sockets, logs / "redis.log", account)
            redis_url = valkey.url()
            children.append(_child("redis", valkey, signal.SIGTERM))
        if not database_url:
            binaries = postgres.find_binaries(account)
            pg = Postgres(binaries, store / "pg", sockets, logs / "postgres.log", account, durable)
            database_url, owner_url = pg.url(user=postgres.RUNTIME), pg.url()
            # SIGINT is PostgreSQL's fast shutdown: sessions end, everything is written, the server stops
            children.append(_child("postgres", pg, signal.SIGINT))
        stores = Stores(database_url, owner_url, redis_url, pg, valkey, tuple(children))
        try:
            yield stores
        finally:
            stores.stop()


@contextmanager
def socket_directory(account: Account | None) -> Iterator[Path]:
    """Yield a new directory that only the account may enter, short enough for a socket's path (107 bytes)."""
    parent = tempfile.gettempdir()
    if len(parent) > LONGEST_SOCKET_DIRECTORY:
        parent = "/tmp"  # noqa: S108
    directory = Path(tempfile.mkdtemp(prefix="otpless-", dir=parent))
    try:
        if account:
            account.own(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _child(name: str, server: Postgres | Redis, stop_signal: signal.Signals) -> Child:
    return Child(
        name=name,
        command=server.command,
        log=server.log,
        env=OWN_ENVIRONMENT,
        account=server.account,
        stop_signal=stop_signal,
        patience_seconds=30,
        prepare=server.prepare,
        ready=server.ready,
    )
