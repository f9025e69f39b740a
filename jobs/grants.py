"""Takes out of wallets what is left of grants whose time is over; nobody can spend it meanwhile."""

from app import clock
from app.services import grants
from jobs.runner import job


def any_expired() -> bool:
    """Tell whether there is something to do."""
    return grants.has_expired(clock.now())


@job("default", cron=5, due=any_expired, transactional=False)
def expire() -> dict[str, int]:
    """Let the grants lapse that are over."""
    return {"expired": grants.expire_all(clock.now())}
