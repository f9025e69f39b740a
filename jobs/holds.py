"""Lets go of holds whose time is over; nobody can capture one meanwhile."""

from app import clock
from app.services import holds
from jobs.runner import job


def any_expired() -> bool:
    """Tell whether there is something to do."""
    return holds.has_expired(clock.now())


@job("default", cron=5, due=any_expired, transactional=False)
def expire() -> dict[str, int]:
    """Give the money of expired holds back to their wallets."""
    return {"expired": holds.expire_all(clock.now())}
