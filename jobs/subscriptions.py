"""Writes down where subscriptions stand as time passes; money does not wait for it, as it goes by dates."""

from app import clock
from app.services import segments
from jobs.runner import job


@job("default", cron=60)
def settle() -> dict[str, int]:
    """Mark what has begun, ended its trial, been paused or ended since the last minute."""
    return {"changed": segments.settle_all(clock.now())}
