"""Where events are stored: the rows of concurrent requests share one statement and one COMMIT
(`group_commit`).
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg
from flask import Flask

from app.db import ATTEMPTS, is_isolated, raw_transaction
from app.queue import enqueue
from app.services.event_store import Outcome, Row, store
from app.services.group_commit import AWAY, IDLE_SECONDS, GroupCommit, commit_raw, group_of

MOST_ROWS_TOGETHER = 2_000
MOST_ROWS_WAITING = 50_000
WAKE_UP_EVERY_SECONDS = 0.01

UNKNOWN = "The database did not confirm the events; the outcome is unknown. Send the same again, same ids."
BUSY = (
    "More events are waiting than can be stored in time; none of these was. Send them again a little later."
)

__all__ = ["AWAY", "BUSY", "UNKNOWN", "make_writer", "write"]


def write(rows: Sequence[Row]) -> list[Outcome]:
    """Store rows and return one outcome for each, after their COMMIT; wake up the metering.

    Raises:
        Unavailable: the database is away or did not confirm, or too much is waiting. The same may be sent
            again.
    """
    return group_of("event_writer", make_writer).submit(rows)


def make_writer(app: Flask) -> GroupCommit[Row, Outcome]:
    """Return the group commit of an application's events."""
    return GroupCommit(
        "event-writer",
        app,
        _commit,
        most_together=MOST_ROWS_TOGETHER,
        most_waiting=MOST_ROWS_WAITING,
        committed=_Alarm(app).ring,
        unknown=UNKNOWN,
        busy=BUSY,
    )


class _Alarm:
    """Wakes up the metering from a thread of its own, so that no answer waits for Redis."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Say that there is new work; many rings close together are one wake-up."""
        if is_isolated():
            _wake_metering()
            return
        self._rung.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="metering-alarm", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        with self._app.app_context():
            while self._rung.wait(IDLE_SECONDS):
                self._rung.clear()
                _wake_metering()
                pause.wait(WAKE_UP_EVERY_SECONDS)


def _commit(rows: Sequence[Row]) -> list[Outcome]:
    """Store rows in a transaction of their own, again when a month's partition is missing."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return commit_raw(lambda connection: store(connection, rows), unknown=UNKNOWN)
        except psycopg.errors.CheckViolation:
            if attempt == ATTEMPTS:
                raise
            _ensure_partitions(rows)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _ensure_partitions(rows: Sequence[Row]) -> None:
    months = sorted({(row.occurred_at.year, row.occurred_at.month) for row in rows})
    with raw_transaction() as connection:
        for year, month in months:
            connection.execute("SELECT ensure_usage_partition(%s)", (datetime(year, month, 1, tzinfo=UTC),))


def _wake_metering() -> None:
    enqueue("jobs.metering.drain")
