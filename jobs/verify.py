"""Lets the books prove themselves, every night and whenever somebody asks."""

import logging
from typing import Any
from uuid import UUID

from app import clock
from app.db import in_transaction
from app.permissions import Actor
from app.queue import enqueue
from app.services import verifications
from app.services.verify import Report
from jobs.runner import job

SYSTEM = Actor.system("nightly check")

log = logging.getLogger(__name__)


@job("default", cron="30 20 * * *", transactional=False, timeout_seconds=3 * 3600)
def nightly() -> dict[str, Any]:
    """Run every check at 02:00 IST; the report is kept in the history and is the detail of the JobRun."""
    begun = in_transaction(lambda: verifications.start(at=clock.now(), actor=SYSTEM).id)
    return _told(verifications.work(begun))


@job("default", transactional=False, timeout_seconds=3 * 3600)
def run(run_id: str) -> dict[str, Any]:
    """Do a run that somebody asked for."""
    return _told(verifications.work(UUID(run_id)))


@job("default", cron=60, due=verifications.has_unfinished)
def resume() -> dict[str, int]:
    """Wake up a worker for the run that is not over: its wake-up or worker may have been lost."""
    left = verifications.find_under_way()
    if left is not None:
        enqueue(verifications.JOB, str(left.id))
    return {"runs": 0 if left is None else 1}


def _told(report: Report | None) -> dict[str, Any]:
    if report is None:
        return {"left": "It is over, or another worker is at it."}
    if not report.ok:
        log.error(
            "the books do not balance",
            extra={"checks": [each.name for each in report.results if not each.ok]},
        )
    return report.as_json()
