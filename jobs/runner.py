"""What a job is: `@job` gives a function its place in the registry, its context, transaction and log line.

Jobs are idempotent and say "everything due", so that running one twice, or once too often, changes nothing.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

from flask import Flask, has_app_context
from redis.exceptions import RedisError
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app import clock
from app.db import db, in_transaction
from app.errors import Unavailable
from app.factory import create_app
from app.models import JobRun
from app.queue import connection, queue_of, wake_up_key
from app.registry import Registry
from app.services import sole

TRANSIENT = (OperationalError, RedisError, Unavailable, ConnectionError, TimeoutError)
LONGEST_PAUSE_SECONDS = 10.0
MARK_SECONDS = 5

Work = Callable[..., Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """An entry of the registry. `run` is what a worker calls; everything else is the job's declaration."""

    name: str
    run: Work
    queue: str
    cron: str | float | None
    due: Callable[[], bool] | None
    timeout_seconds: int

    @property
    def by_calendar(self) -> bool:
        """True where each run belongs to a moment of the calendar and leaves a JobRun row."""
        return isinstance(self.cron, str)


jobs: Registry[Job] = Registry("job")


def job(
    queue: str,
    *,
    cron: str | float | None = None,
    due: Callable[[], bool] | None = None,
    retries: int = 0,
    transactional: bool = True,
    timeout_seconds: int = 180,
) -> Callable[[Work], Work]:
    """Return a decorator that makes a function the job `jobs.<module>.<function>`.

    `cron` is a line of five fields in UTC (one run a moment, kept as a JobRun whose `detail` is the returned
    dict), or a number of seconds between two looks; `due` is then asked first, in a context of its own, and
    must be cheap. `retries` is how often it is tried again, with growing pauses, after an error that may
    pass; what the database asks to repeat (deadlocks) is always repeated. `transactional=False` leaves
    transactions to the function.

    Raises:
        ValueError: the name is taken, or `queue` is not the one that `app.queue` sends this name to.
    """

    def enter(function: Work) -> Work:
        name = f"{function.__module__}.{function.__name__}"
        if queue_of(name) != queue:
            raise ValueError(f"{name} declares the queue {queue!r}, but wake-ups go to {queue_of(name)!r}.")

        @wraps(function)
        def run(*args: str) -> Any:
            with _context():
                lift_mark(name, *args)
                with _alone(entry) as first:
                    return (
                        _tried(entry, lambda: _once(function, args, transactional), args, retries)
                        if first
                        else None
                    )

        entry = Job(name, run, queue, cron, due, timeout_seconds)
        jobs.register(name)(entry)
        return run

    return enter


@cache
def application() -> Flask:
    """Return this process's application, made on first use; it connects to nothing by itself."""
    return create_app()


def _context() -> AbstractContextManager[object]:
    return nullcontext() if has_app_context() else application().app_context()


def hold_mark(name: str, *args: str) -> None:
    """Keep the wake-up mark of a running job for some seconds: no other wake-up is queued while it looks by
    itself."""
    with suppress(RedisError):
        connection().set(wake_up_key(name, args), "1", ex=MARK_SECONDS)


def lift_mark(name: str, *args: str) -> None:
    """Let the next commit queue a wake-up again."""
    with suppress(RedisError):
        connection().delete(wake_up_key(name, args))


@contextmanager
def _alone(entry: Job) -> Iterator[bool]:
    """Yield whether this is the only run of a calendar job now; other jobs may always run."""
    if not entry.by_calendar:
        yield True
        return
    with sole.alone(entry.name) as first:
        if not first:
            log.info("job is running already", extra={"job": entry.name})
        yield first


def _once(function: Work, args: tuple[str, ...], transactional: bool) -> Any:
    return in_transaction(lambda: function(*args)) if transactional else function(*args)


def _tried(entry: Job, once: Callable[[], Any], args: tuple[str, ...], retries: int) -> Any:
    started = time.monotonic()
    result = None
    for attempt in range(retries + 1):
        try:
            result = once()
            break
        except Exception as error:
            again = attempt < retries and isinstance(error, TRANSIENT)
            log.warning(
                "job failed, trying again" if again else "job failed",
                exc_info=not again,
                extra={
                    "job": entry.name,
                    "job_args": args,
                    "attempt": attempt + 1,
                    "reason": type(error).__name__,
                },
            )
            if not again:
                _finish(entry, False, {"error": f"{type(error).__name__}: {error}"[:500]})
                raise
            time.sleep(min(LONGEST_PAUSE_SECONDS, 0.5 * 2**attempt))
    _finish(entry, True, result if isinstance(result, dict) else None)
    spent = round((time.monotonic() - started) * 1000, 1)
    log.info("job done", extra={"job": entry.name, "job_args": args, "milliseconds": spent, "result": result})
    return result


def _finish(entry: Job, succeeded: bool, detail: dict[str, Any] | None) -> None:
    """Close the open JobRun rows of a calendar job."""
    if not entry.by_calendar:
        return
    closed = update(JobRun).where(JobRun.job == entry.name, JobRun.finished_at.is_(None))
    in_transaction(
        lambda: db.session.execute(closed.values(finished_at=clock.now(), succeeded=succeeded, detail=detail))
    )
