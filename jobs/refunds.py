"""Money that goes back through the gateways."""

from app.services import refund_sending
from jobs.runner import job


@job("default", cron=10, due=refund_sending.has_due, transactional=False, timeout_seconds=600)
def send() -> dict[str, int]:
    """Hand new refunds to their gateways, and ask about those whose outcome is not known."""
    return refund_sending.send()
