"""Reminds of invoices that are late, every morning in India."""

from functools import partial

from app import clock
from app.db import in_transaction
from app.services import dunning, payments
from jobs.runner import job


@job("default", cron="30 4 * * *", transactional=False, timeout_seconds=3600)
def remind() -> dict[str, int]:
    """Send the reminders that are due, each in a transaction of its own, and charge saved ways to pay."""
    counts = {"reminded": 0, "charged": 0}
    at = clock.now()
    for invoice_id in in_transaction(lambda: dunning.due(at=at)):
        payment_id = in_transaction(partial(dunning.take_step, invoice_id, at=at))
        counts["reminded"] += 1
        if payment_id is not None:
            payments.open_checkout(payment_id)
            payments.apply_gateway_state(payment_id)
            counts["charged"] += 1
    return counts
