"""Keeps the promises of the outbox."""

import time

from app.queue import enqueue
from app.services import outbox
from jobs.runner import job

BATCH = 10
LIFE_SECONDS = 60.0


@job("documents", cron=3, due=outbox.has_due, transactional=False, timeout_seconds=600)
def deliver() -> dict[str, int]:
    """Keep due promises until none is left; after a minute let others have their turn first."""
    until = time.monotonic() + LIFE_SECONDS
    total = {"kept": 0, "failed": 0}
    while True:
        counts = outbox.deliver(BATCH)
        total = {name: total[name] + counts[name] for name in total}
        if sum(counts.values()) < BATCH:
            return total
        if time.monotonic() >= until:
            enqueue("jobs.outbox.deliver")
            return total
