"""Group commit: the concurrent requests of one process share a statement and its COMMIT.

A COMMIT costs a disk flush whether it carries one event or a hundred. So requests put their rows into a queue
and wait; one thread takes all that is waiting, stores it by one statement, commits, and only then gives each
request its own outcomes. The thread begins with the first rows and ends when there have been none for a
while, so it starts after the fork of a web worker and leaves nothing behind.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
import sqlalchemy.exc
from flask import Flask, current_app

from app.db import ATTEMPTS, RETRIED_STATES, is_isolated, raw_transaction
from app.errors import Unavailable
from app.queue import enqueue
from app.services.event_store import Outcome, Row, store

MOST_ROWS_TOGETHER = 2_000
MOST_ROWS_WAITING = 50_000
ANSWER_SECONDS = 35.0
IDLE_SECONDS = 5.0
WAKE_UP_EVERY_SECONDS = 0.01

UNKNOWN = "The database did not confirm the events; the outcome is unknown. Send the same again, same ids."
BUSY = (
    "More events are waiting than can be stored in time; none of these was. Send them again a little later."
)

# The server is away, the pool is empty, or the connection broke, perhaps at COMMIT.
AWAY = (psycopg.OperationalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError)

log = logging.getLogger(__name__)


def write(rows: Sequence[Row]) -> list[Outcome]:
    """Store rows and return one outcome for each, after their COMMIT; wake up the metering.

    Raises:
        Unavailable: the database is away or did not confirm, or too much is waiting. The same may be sent
            again.
    """
    if not rows:
        return []
    if is_isolated():
        outcomes = _commit(rows)
        _wake_metering()
        return outcomes
    application: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    writer: Writer | None = application.extensions.get("event_writer")
    if writer is None:
        writer = application.extensions.setdefault("event_writer", Writer(application))
    return writer.write(rows)


class _Request(NamedTuple):
    rows: Sequence[Row]
    answer: "Future[list[Outcome]]"


class Writer:
    """The queue and the thread of one application in one process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._rows_waiting = 0
        self._thread: threading.Thread | None = None
        self._alarm = _Alarm(app)

    def write(self, rows: Sequence[Row]) -> list[Outcome]:
        """Have rows stored by the thread and return their outcomes after its COMMIT."""
        request = _Request(rows, Future())
        with self._changed:
            if self._waiting and self._rows_waiting + len(rows) > MOST_ROWS_WAITING:
                raise Unavailable(BUSY)
            self._waiting.append(request)
            self._rows_waiting += len(rows)
            if self._thread is None or not self._thread.is_alive():
                self._thread = _start("event-writer", self._run)
            self._changed.notify()
        try:
            return request.answer.result(ANSWER_SECONDS)
        except TimeoutError:
            raise Unavailable(UNKNOWN) from None

    def _run(self) -> None:
        with self._app.app_context():
            while group := self._take():
                self._serve(group)
                self._alarm.ring()

    def _take(self) -> list[_Request]:
        """Return what is waiting, up to the size of a statement; nothing when the thread should end."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(IDLE_SECONDS)
            group: list[_Request] = []
            size = 0
            while self._waiting and (not group or size + len(self._waiting[0].rows) <= MOST_ROWS_TOGETHER):
                group.append(self._waiting.popleft())
                size += len(group[-1].rows)
            self._rows_waiting -= size
            if not group:
                self._thread = None
            return group

    def _serve(self, group: list[_Request]) -> None:
        try:
            outcomes = _commit([row for request in group for row in request.rows])
        except Unavailable as error:
            _fail(group, error)
        except Exception as error:
            if len(group) == 1:
                _fail(group, error)
                return
            # One of them cannot be stored; alone, only that one fails.
            log.warning("storing requests one by one", extra={"requests": len(group), "reason": str(error)})
            for request in group:
                self._serve([request])
        else:
            begin = 0
            for request in group:
                request.answer.set_result(outcomes[begin : begin + len(request.rows)])
                begin += len(request.rows)


class _Alarm:
    """Wakes up the metering from a thread of its own, so that no answer waits for Redis."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Say that there is new work; many rings close together are one wake-up."""
        self._rung.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = _start("metering-alarm", self._run)

    def _run(self) -> None:
        pause = threading.Event()
        with self._app.app_context():
            while self._rung.wait(IDLE_SECONDS):
                self._rung.clear()
                _wake_metering()
                pause.wait(WAKE_UP_EVERY_SECONDS)


def _commit(rows: Sequence[Row]) -> list[Outcome]:
    """Store rows in a transaction of their own, again when the database asks for that or lacks a month's
    partition.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with raw_transaction() as connection:
                return store(connection, rows)
        except psycopg.errors.CheckViolation:
            if attempt == ATTEMPTS:
                raise
            _ensure_partitions(rows)
        except AWAY as error:
            if getattr(error, "sqlstate", None) in RETRIED_STATES and attempt < ATTEMPTS:
                continue
            log.error("events not confirmed", extra={"rows": len(rows), "reason": type(error).__name__})
            raise Unavailable(UNKNOWN) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _ensure_partitions(rows: Sequence[Row]) -> None:
    months = sorted({(row.occurred_at.year, row.occurred_at.month) for row in rows})
    with raw_transaction() as connection:
        for year, month in months:
            connection.execute("SELECT ensure_usage_partition(%s)", (datetime(year, month, 1, tzinfo=UTC),))


def _wake_metering() -> None:
    enqueue("jobs.metering.drain")


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        request.answer.set_exception(error)


def _start(name: str, run: object) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread
