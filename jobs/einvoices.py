"""Documents that have to be registered before they may be handed out."""

from app.services import einvoice_attempts
from jobs.runner import job


@job("default", cron=5, due=einvoice_attempts.has_due, transactional=False, timeout_seconds=600)
def run() -> dict[str, int]:
    """Register what waits for its reference number, and cancel what was asked to be cancelled."""
    return einvoice_attempts.run()
