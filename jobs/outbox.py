"""Keeps the promises of the outbox."""

from app.services import outbox
from jobs.runner import job

BATCH = 100


@job("default", cron=3, due=outbox.has_due, transactional=False, timeout_seconds=600)
def deliver() -> dict[str, int]:
    """Keep due promises until none is left."""
    total = {"kept": 0, "failed": 0}
    while True:
        counts = outbox.deliver(BATCH)
        total = {name: total[name] + counts[name] for name in total}
        if sum(counts.values()) < BATCH:
            return total
