"""Wallets that fill themselves up."""

from app.services import auto_top_up_attempts
from jobs.runner import job


@job("default", cron=5, due=auto_top_up_attempts.has_due, transactional=False, timeout_seconds=600)
def run() -> dict[str, int]:
    """Begin the top-ups that are wanted, and look at those that brought nothing yet."""
    return auto_top_up_attempts.run()
