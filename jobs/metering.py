"""Keeps the metering queue empty."""

import time

from rq import get_current_job

from app.db import in_transaction
from app.queue import enqueue, is_anything_queued
from app.services import metering
from app.services.rating import Tariffs
from jobs.runner import hold_mark, job, lift_mark

NAME, QUEUE = "jobs.metering.drain", "metering"
# In a worker the job waits this long for more before it ends. After its life it gives others their turn; it
# stays while nobody waits, because the next process would have to learn everything anew, but not for ever.
LINGER_SECONDS = 1.0
LIFE_SECONDS = 5.0
LONGEST_LIFE_SECONDS = 60.0
# Between two small batches: how long usage may gather into one wallet transaction.
PAUSE_SECONDS = 0.1


@job(QUEUE, cron=2, due=metering.has_backlog, transactional=False, timeout_seconds=300)
def drain() -> dict[str, int]:
    """Meter until nothing is left; in a worker, stay a moment for what comes next.

    While it runs it keeps its own wake-up mark, so that a thousand commits a second queue nothing.
    """
    in_worker = get_current_job() is not None
    begun = time.monotonic()
    until = begun + (LIFE_SECONDS if in_worker else 0.0)
    total = 0
    while True:
        metered = _drain_while_busy(until)
        total += metered
        if metered and in_worker and _may_stay(begun, until):
            until = time.monotonic() + LIFE_SECONDS
            continue
        lift_mark(NAME)
        if not metering.has_backlog() or not (in_worker or metered):
            return {"deltas": total}
        if in_worker and time.monotonic() >= until:
            enqueue(NAME)
            return {"deltas": total}


def _may_stay(begun: float, until: float) -> bool:
    """Tell whether the time is up while nobody else waits for it."""
    now = time.monotonic()
    return until <= now < begun + LONGEST_LIFE_SECONDS and not is_anything_queued(but=QUEUE)


def _drain_while_busy(until: float) -> int:
    tariffs = Tariffs()
    metered, quiet_until = 0, min(until, time.monotonic() + LINGER_SECONDS)
    while True:
        hold_mark(NAME)
        batch = in_transaction(lambda: metering.drain(metering.BATCH, tariffs))
        metered += batch
        now = time.monotonic()
        if batch:
            quiet_until = min(until, now + LINGER_SECONDS)
        if now >= (until if batch else quiet_until):
            return metered
        if batch < metering.BATCH:
            time.sleep(PAUSE_SECONDS)
