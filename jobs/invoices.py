"""Bills the month that has ended, finishes begun runs, and marks what was not paid in time."""

from datetime import timedelta
from uuid import UUID

from app import clock
from app.config import current_settings
from app.permissions import Actor
from app.services import billing, billing_runs, invoices
from jobs.runner import job

SYSTEM = Actor.system("billing")
# How many evenings it is tried, so that what was mended since is billed too.
DAYS = 5


@job("billing", cron="0 20 * * *")
def bill_last_month() -> dict[str, str]:
    """Begin or resume the run of the last month: from the billing day, 20:00 UTC (on the 1st the month has
    ended everywhere), and on four more days for what was mended since.
    """
    at, first = clock.now(), current_settings().billing_day
    if not first or not first <= at.day < first + DAYS:
        return {}
    period = f"{at.replace(day=1) - timedelta(days=1):%Y-%m}"
    run = billing.prepare(period, at=at, actor=SYSTEM)
    billing_runs.share_out(run.id)
    return {"period": period, "run": str(run.id)}


@job("billing", transactional=False, timeout_seconds=7200)
def bill_accounts(run_id: str, lane: str, lanes: str = "1") -> dict[str, int]:
    """Bill the pending accounts of a run, beside the other lanes: each account is billed by one of them."""
    steps = billing.work(UUID(run_id), at=clock.now(), actor=SYSTEM, lane=int(lane), lanes=int(lanes))
    return {"billed": sum(1 for _ in steps), "lane": int(lane)}


@job("billing", cron=60, due=billing_runs.has_unfinished)
def resume_runs() -> dict[str, int]:
    """Wake up the lanes of runs that were begun and are not done: their wake-up or worker was lost."""
    left = billing_runs.unfinished()
    for run_id in left:
        billing_runs.share_out(run_id)
    return {"runs": len(left)}


@job("billing", cron="35 18 * * *")
def mark_overdue() -> dict[str, int]:
    """Mark what was due yesterday, just after midnight in India."""
    return {"overdue": invoices.mark_overdue(at=clock.now(), actor=SYSTEM)}
