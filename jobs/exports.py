"""Exports and statements, written while nobody has to wait."""

from uuid import UUID

from app import clock
from app.queue import enqueue
from app.services.exports import requests, runs
from jobs.runner import job

EXPIRED_AT_ONCE = 500


@job("default", transactional=False, retries=3, timeout_seconds=3600)
def run(export_id: str) -> dict[str, int]:
    """Write the file of an export."""
    return {"rows": runs.work(UUID(export_id))}


@job("default", cron=60, due=runs.has_unfinished)
def resume() -> dict[str, int]:
    """Wake up the exports that are not over: their wake-up or worker may have been lost."""
    left = runs.unfinished()
    for export_id in left:
        enqueue(requests.JOB, str(export_id))
    return {"exports": len(left)}


@job("default", cron="20 22 * * *", retries=3)
def expire() -> dict[str, int]:
    """Delete the files whose days are over, at 03:50 IST."""
    return {"files": runs.expire(clock.now(), EXPIRED_AT_ONCE)}
