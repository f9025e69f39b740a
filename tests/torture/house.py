"""The product as `make run` starts it, in a directory of its own, without the demo data."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
from flask import Flask
from redis import Redis

from app.config import Settings
from app.db import db
from app.embedded.processes import Child, last_lines, wait_until
from app.factory import create_app
from tests.embedded.discover import find_services
from tests.support.machine import ROOT, answers, free_port
from tests.support.own import as_environment
from tests.support.stores import settings_for_tests

PATIENCE_SECONDS = 120.0


class House:
    """A supervisor and all that it keeps running."""

    def __init__(self, data: Path) -> None:
        data.mkdir()
        (data / "seeded").touch()
        self.data, self.port = data, free_port()
        where = ("--port", str(self.port), "--data", str(data))
        self._supervisor = Child(
            "house",
            (sys.executable, "-m", "app.embedded", *where),
            data / "house.log",
            {**_environment(), "DATA_DIR": str(data)},
            cwd=ROOT,
            patience_seconds=PATIENCE_SECONDS,
        )

    @property
    def url(self) -> str:
        """The address of the web server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """The settings of the running product."""
        found = find_services(self.data) or {}
        return replace(
            settings_for_tests(),
            environment="development",
            database_url=found["DATABASE_URL"],
            redis_url=found["REDIS_URL"],
            secret_key=found["SECRET_KEY"],
            data_dir=self.data,
        )

    def start(self) -> None:
        """Start everything and wait until it serves."""
        self._supervisor.start()
        self.wait_until_whole()

    def stop(self) -> None:
        """Stop everything."""
        self._supervisor.ask_to_stop()
        self._supervisor.wait_stopped()

    def wait_until_whole(self) -> None:
        """Wait until the web server, both workers and both data stores are there.

        Raises:
            TimeoutError: they do not come back within a minute.
        """
        if not wait_until(self._is_whole, patience_seconds=PATIENCE_SECONDS):
            raise TimeoutError(f"The product does not come back:\n{last_lines(self.data / 'house.log', 20)}")

    def said(self) -> str:
        """Return what the supervisor has said so far."""
        return (self.data / "house.log").read_text("utf-8")

    def web_workers(self) -> list[psutil.Process]:
        """Return the processes that answer requests."""
        return [each for web in self._find("app.serving", "wsgi:app") for each in _below(web)]

    def job_workers(self) -> list[psutil.Process]:
        """Return the job workers, each with the process that runs its job."""
        workers = self._find("-m", "jobs.worker")
        return [each for worker in workers for each in (worker, *_below(worker))]

    def postgres(self) -> list[psutil.Process]:
        """Return all processes of PostgreSQL."""
        return [each for first in self._find("postgres", "-D") for each in (first, *_below(first))]

    @contextmanager
    def redis(self) -> Iterator[Redis]:
        """Yield a connection to Redis."""
        with Redis.from_url(self.settings.redis_url, socket_timeout=2) as connection:
            yield connection

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """Yield an application on the same data, in an open context."""
        application = create_app(self.settings)
        with application.app_context():
            try:
                yield application
            finally:
                db.session.remove()
                db.engine.dispose()

    def _is_whole(self) -> bool:
        return bool(
            answers(f"{self.url}/readyz")
            and find_services(self.data)
            and len(self.web_workers()) >= 2
            and len(self._find("-m", "jobs.worker")) == 2
        )

    def _find(self, *words: str) -> list[psutil.Process]:
        """Return the supervisor's own children whose command line has all the words."""
        found = []
        for each in psutil.Process(self._supervisor.pid).children():
            try:
                command = " ".join(each.cmdline())
            except psutil.NoSuchProcess:
                continue
            if all(word in command for word in words) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        return found


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _environment() -> dict[str, str]:
    """Return an environment that names no stores of somebody else."""
    environment = as_environment(settings_for_tests())
    mine = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DATA_DIR", "PUBLIC_URL", "ENVIRONMENT")
    return {name: value for name, value in environment.items() if name not in mine} | _system()


def _system() -> dict[str, str]:
    return {
        name: value
        for name, value in psutil.Process().environ().items()
        if name in {"PATH", "HOME", "TMPDIR"}
    }
