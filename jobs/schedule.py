"""The scheduler: `python -m jobs.schedule`. It asks for what is due and runs nothing itself.

A calendar job's moment is a unique JobRun row, so two schedulers ask for it once, and one that was away asks
later. A row that nobody finished is asked for again: the wake-up may have been lost with Redis.
"""

import logging
import signal
import time
from datetime import datetime, timedelta
from threading import Event
from types import FrameType
from typing import Any

from croniter import croniter  # type: ignore[import-untyped]
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

import jobs
from app import clock
from app.db import db, transaction
from app.models import JobRun
from app.queue import enqueue
from app.registry import load_package
from jobs import runner
from jobs.runner import Job

TICK_SECONDS = 0.5
ASK_AGAIN_AFTER = timedelta(minutes=5)
ASK_AGAIN_EVERY_SECONDS = 60.0

log = logging.getLogger(__name__)


class Scheduler:
    """What was asked for when; the memory only saves work, the rows decide."""

    def __init__(self) -> None:
        self._looked: dict[str, float] = {}
        self._moments: dict[str, str] = {}
        self._asked_again = time.monotonic()

    def tick(self, at: datetime) -> list[str]:
        """Ask for every job that is due at this instant and return their names.

        Raises:
            SQLAlchemyError: the database is away; the next tick finds the same.
        """
        asked = [entry.name for entry in runner.jobs.values() if self._is_due(entry, at)]
        asked += self._unfinished(at)
        for name in asked:
            enqueue(name)
        return asked

    def _is_due(self, entry: Job, at: datetime) -> bool:
        if isinstance(entry.cron, str):
            return self._has_new_moment(entry.name, entry.cron, at)
        if entry.cron is None or time.monotonic() - self._looked.get(entry.name, float("-inf")) < entry.cron:
            return False
        self._looked[entry.name] = time.monotonic()
        return entry.due is None or entry.due()

    def _has_new_moment(self, name: str, cron: str, at: datetime) -> bool:
        moment = f"{latest_moment(cron, at):%Y-%m-%dT%H:%MZ}"
        if self._moments.get(name) == moment:
            return False
        with transaction() as session:
            row = insert(JobRun).values(job=name, period=moment).on_conflict_do_nothing().returning(JobRun.id)
            mine = session.scalar(row) is not None
        self._moments[name] = moment
        return mine

    def _unfinished(self, at: datetime) -> list[str]:
        if time.monotonic() - self._asked_again < ASK_AGAIN_EVERY_SECONDS:
            return []
        self._asked_again = time.monotonic()
        left = select(JobRun.job).distinct()
        open_ones = left.where(JobRun.finished_at.is_(None), JobRun.started_at < at - ASK_AGAIN_AFTER)
        return [name for name in db.session.scalars(open_ones) if name in runner.jobs]


def latest_moment(cron: str, at: datetime) -> datetime:
    """Return the last moment that the cron line names at or before an aware instant."""
    next_minute = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    moment: datetime = croniter(cron, next_minute).get_prev(datetime)
    return moment


def run(stop: Event) -> None:
    """Tick until told to stop, through restarts of PostgreSQL and Redis."""
    scheduler = Scheduler()
    pause = TICK_SECONDS
    while not stop.wait(pause):
        try:
            with runner.application().app_context():
                scheduler.tick(clock.now())
            pause = TICK_SECONDS
        except SQLAlchemyError as error:
            pause = min(10.0, pause * 2)
            log.warning(
                "the database is away", extra={"reason": type(error).__name__, "again_in_seconds": pause}
            )


def main() -> None:
    """Run the scheduler until SIGTERM or Ctrl-C."""
    load_package(jobs)
    stop = Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> Any:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    runner.application()
    log.info("scheduler started", extra={"jobs": sorted(runner.jobs)})
    run(stop)


if __name__ == "__main__":
    main()
