"""Housekeeping of the tables."""

from app import clock
from app.services import care
from jobs.runner import job


@job("default", cron="10 0 * * *", retries=3)
def ensure_partitions() -> dict[str, object]:
    """Make the months of usage events that come next."""
    return {"partitions": care.ensure_partitions(clock.now())}
