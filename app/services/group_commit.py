"""Group commit: the concurrent requests of one process share a statement and its COMMIT.

A COMMIT costs a disk flush whether it carries one row or a hundred. So callers put their items into a queue
and wait; one thread takes all that is waiting, has it committed together, and only then gives each caller its
own outcomes. The thread begins with the first items, in the process that has them (so after the fork of a web
worker), and ends when there have been none for a while.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import psycopg
import sqlalchemy.exc
from flask import Flask, current_app

from app.db import ATTEMPTS, RETRIED_STATES, is_isolated, raw_transaction
from app.errors import Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
T = TypeVar("T")

ANSWER_SECONDS = 35.0
IDLE_SECONDS = 5.0
# How long others may join where callers come in company: at 1,000 events a second a commit for twice as many
# costs both processors a seventh less, and the slowest answers come sooner (`bench/ingest`). Who comes alone
# does not wait, and who waited twice as long already, for a commit before that was slow, waits for nobody.
JOIN_SECONDS = 0.008

UNKNOWN = "The database did not confirm this; the outcome is unknown. Send the same again."
BUSY = "More is waiting than can be stored in time; nothing of this was. Send it again a little later."

# The server is away, the pool is empty, or the connection broke, perhaps at COMMIT.
AWAY = (psycopg.OperationalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError)

log = logging.getLogger(__name__)


class GroupCommit(Generic[Item, Outcome]):
    """The queue and the thread of one application in one process.

    `commit` stores items of several callers in a transaction of its own and returns, after its COMMIT, one
    outcome for each, in their order. When it raises anything but `Unavailable`, the callers are served one by
    one, so that whoever brought what cannot be stored fails alone; nothing of a failed call may be stored.
    `committed` is called after each commit, in the thread. Inside `bind_to` all happens in the caller's
    thread.
    """

    def __init__(
        self,
        name: str,
        app: Flask,
        commit: Callable[[Sequence[Item]], list[Outcome]],
        *,
        most_together: int = 2_000,
        most_waiting: int = 50_000,
        committed: Callable[[], object] | None = None,
        unknown: str = UNKNOWN,
        busy: str = BUSY,
    ) -> None:
        self._name, self._app, self._commit, self._committed = name, app, commit, committed
        self._most_together, self._most_waiting = most_together, most_waiting
        self._unknown, self._busy = unknown, busy
        self._begin()

    @property
    def waiting(self) -> int:
        """How many callers wait to be taken."""
        return len(self._callers)

    def submit(self, items: Sequence[Item]) -> list[Outcome]:
        """Have items committed together with those of other callers; return one outcome for each.

        Raises:
            Unavailable: the database is away or did not confirm, or too much is waiting. The same may be sent
                again.
        """
        if not items:
            return []
        if is_isolated():
            outcomes = self._commit(items)
            self._tell()
            return outcomes
        if self._pid != os.getpid():
            self._begin()
        caller = _Caller[Item, Outcome](items)
        self._enter(caller)
        return caller.wait(self._unknown)

    def _begin(self) -> None:
        """Begin with nothing; a fork takes neither the thread along nor those who wait in the parent."""
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._callers: deque[_Caller[Item, Outcome]] = deque()
        self._items_waiting = 0
        self._thread: threading.Thread | None = None

    def _enter(self, caller: "_Caller[Item, Outcome]") -> None:
        with self._changed:
            if self._callers and self._items_waiting + len(caller.items) > self._most_waiting:
                raise Unavailable(self._busy)
            self._callers.append(caller)
            self._items_waiting += len(caller.items)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        with self._app.app_context():
            in_company = False
            while group := self._take(in_company):
                in_company = len(group) > 1
                self._serve(group)
                self._tell()

    def _take(self, in_company: bool) -> "list[_Caller[Item, Outcome]]":
        """Return who is waiting, and who joins them in time if the last came in company, up to the size of a
        statement; nobody when the thread should end."""
        with self._changed:
            if not self._callers:
                self._changed.wait(IDLE_SECONDS)
            late = bool(self._callers) and self._callers[0].waited() > 2 * JOIN_SECONDS
        if in_company and not late:
            time.sleep(JOIN_SECONDS)
        with self._changed:
            group: list[_Caller[Item, Outcome]] = []
            size = 0
            while self._callers and (not group or size + len(self._callers[0].items) <= self._most_together):
                group.append(self._callers.popleft())
                size += len(group[-1].items)
            self._items_waiting -= size
            if not group:
                self._thread = None
            return group

    def _serve(self, group: "list[_Caller[Item, Outcome]]") -> None:
        try:
            outcomes = self._commit([item for caller in group for item in caller.items])
        except Exception as error:
            if len(group) == 1 or isinstance(error, Unavailable):
                for caller in group:
                    caller.fail(error)
                return
            log.warning("serving callers one by one", extra={"callers": len(group), "reason": str(error)})
            for caller in group:
                self._serve([caller])
        else:
            begin = 0
            for caller in group:
                caller.answer(outcomes[begin : begin + len(caller.items)])
                begin += len(caller.items)

    def _tell(self) -> None:
        if self._committed is not None:
            self._committed()


class _Caller(Generic[Item, Outcome]):
    """Items, and whoever waits for their outcomes. A bare lock costs a tenth of a `Future`."""

    __slots__ = ("_answered", "_entered", "_error", "_outcomes", "items")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self._entered = time.monotonic()
        self._outcomes: list[Outcome] = []
        self._error: Exception | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def waited(self) -> float:
        return time.monotonic() - self._entered

    def wait(self, unknown: str) -> list[Outcome]:
        if not self._answered.acquire(timeout=ANSWER_SECONDS):
            raise Unavailable(unknown)
        if self._error is not None:
            raise self._error
        return self._outcomes

    def answer(self, outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes
        self._answered.release()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._answered.release()


def group_of(name: str, make: Callable[[Flask], GroupCommit[Item, Outcome]]) -> GroupCommit[Item, Outcome]:
    """Return the group commit with this name of the current application, made on first use."""
    app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
    found = app.extensions.get(name)
    return cast(GroupCommit[Item, Outcome], found or app.extensions.setdefault(name, make(app)))


def commit_raw(work: Callable[[psycopg.Connection[Any]], T], *, unknown: str = UNKNOWN) -> T:
    """Run `work` on a bare connection and commit, up to five times while the database asks for that.

    Raises:
        Unavailable: the database is away, or did not confirm the COMMIT: the outcome is unknown.
        psycopg.Error: nothing of it is stored.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with raw_transaction() as connection:
                return work(connection)
        except AWAY as error:
            if getattr(error, "sqlstate", None) in RETRIED_STATES and attempt < ATTEMPTS:
                continue
            log.error("not confirmed", extra={"reason": type(error).__name__})
            raise Unavailable(unknown) from error
    raise AssertionError("unreachable: the last attempt returns or raises")
