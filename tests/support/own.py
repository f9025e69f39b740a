"""A database of its own for a test that starts real processes: workers, web servers, crashes."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from redis import Redis

from app.config import Settings
from app.db import db
from app.embedded.processes import Child, last_lines, wait_until
from app.factory import create_app
from app.services import event_names
from tests.support.machine import ROOT, answers, free_port
from tests.support.stores import Servers

DEADLINE_SECONDS = 60.0


@dataclass
class OwnDatabase:
    """A fresh database with everything committed for real, and the processes that were started on it."""

    settings: Settings
    superuser_url: str = ""
    processes: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the database."""
        return self.settings.database_url

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes a process use this database."""
        return {**os.environ, **as_environment(self.settings), "PYTHONUNBUFFERED": "1"}

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """Yield the application in an open context; what it commits is committed."""
        application = create_app(self.settings)
        with application.app_context():
            try:
                yield application
            finally:
                _wait_for_what_looks_up_names()
                db.session.remove()
                db.engine.dispose()

    def connect(self) -> psycopg.Connection:
        """Return a bare connection of the tables' owner in autocommit mode; use it as a context manager."""
        return psycopg.connect(self.settings.owner_database_url, autocommit=True)

    def start(self, name: str, *command: str, extra: Mapping[str, str] | None = None) -> Child:
        """Start `python command…` on this database; it ends with the test, if not before."""
        log = self.settings.data_dir / f"{name}-{len(self.processes)}.log"
        child = Child(name, (sys.executable, *command), log, {**self.environment, **(extra or {})}, cwd=ROOT)
        child.start()
        self.processes.append(child)
        return child

    def start_worker(self) -> Child:
        """Start a job worker of the product."""
        return self.start("worker", "-m", "jobs.worker")

    def start_web(self, *options: str, workers: int = 1) -> str:
        """Start the product's web server on a free port, wait until it is ready, return its address."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ("-m", "app.serving", "--host", "127.0.0.1", "--port", str(port))
        size = ("--workers", str(workers), "--blocking-threads", "8")
        child = self.start("web", *command, *size, *options, "wsgi:app", extra={"PUBLIC_URL": url})
        self.poll(lambda: answers(f"{url}/readyz"), f"the web server to answer: {child.log}", child)
        return url

    def poll(
        self,
        happened: Callable[[], bool],
        what: str,
        child: Child | None = None,
        *,
        within_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Ask until `happened` says yes; fail with `what` was awaited and the end of the child's log."""
        if not wait_until(happened, patience_seconds=within_seconds):
            log = f"\n{last_lines(child.log, 30)}" if child else ""
            pytest.fail(f"Waited {within_seconds:g} s in vain for {what}{log}")

    def kill(self, child: Child) -> None:
        """Kill a process without warning, and only that one."""
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End every process that was started here."""
        for child in self.processes:
            child.ask_to_stop()
        for child in self.processes:
            child.wait_stopped()


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables that `Settings.from_env` reads these settings from."""
    values = {item.name.upper(): getattr(settings, item.name) for item in fields(settings)}
    return {
        name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()
    }


@pytest.fixture
def own_database(
    servers: Servers, worker_number: int, tmp_path: Path, settings: Settings
) -> Iterator[OwnDatabase]:
    """A database of its own, empty but for the schema; its processes and the database go after the test."""
    name = f"{servers.prefix}_{worker_number}_own"
    own = OwnDatabase(
        replace(
            settings,
            **servers.clone(name),
            redis_url=servers.redis_url_of(2 + 2 * worker_number),
            data_dir=tmp_path / "data",
        ),
        servers.superuser_at(name),
    )
    own.settings.data_dir.mkdir()
    with Redis.from_url(own.settings.redis_url) as connection:
        connection.flushdb()
    yield own
    own.stop()
    servers.drop(name)


def _wait_for_what_looks_up_names() -> None:
    """A thread that outlives its application would leave a connection behind."""
    for thread in threading.enumerate():
        if thread.name == event_names.THREAD:
            thread.join()
