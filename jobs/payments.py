"""What gateways say, acted on; and what they did not say, asked for."""

from app.services import gateway_messages, payments
from jobs.runner import job


@job("default", cron=5, due=gateway_messages.has_waiting, transactional=False)
def process_messages() -> dict[str, int]:
    """Act on the webhooks in the inbox."""
    return gateway_messages.process()


@job("default", cron=10, due=payments.has_due, transactional=False, timeout_seconds=600)
def reconcile() -> dict[str, int]:
    """Ask the gateways about payments that are still open."""
    return payments.reconcile()


@job("default", cron="23 * * * *", transactional=False, timeout_seconds=900)
def reconcile_failed() -> dict[str, int]:
    """Ask about failed payments whose page may have taken money since."""
    return payments.reconcile_failed()
