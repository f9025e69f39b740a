"""Requests for a second person that nobody decided in time."""

from app import clock
from app.services import approvals
from jobs.runner import job


@job("default", cron=300, due=approvals.has_overdue)
def expire() -> dict[str, int]:
    """Close the requests whose time has run out."""
    return {"expired": approvals.expire(at=clock.now())}
