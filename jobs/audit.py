"""Seals what the audit trail has received, and notes from time to time where the chain of the seals ends."""

import logging

from app import clock
from app.db import in_transaction
from app.services import audit_chain
from jobs.runner import job

log = logging.getLogger(__name__)


@job("default", cron=10, due=audit_chain.is_waiting, transactional=False, retries=3)
def seal() -> dict[str, int]:
    """Seal all records that wait, some thousands in each transaction."""
    sealed = 0
    while done := in_transaction(lambda: audit_chain.seal(clock.now())):
        sealed += done
    return {"sealed": sealed}


@job("default", cron="15 */6 * * *", retries=3)
def anchor() -> dict[str, object]:
    """Note the end of the chain; its hash goes into the log as well, which may be kept elsewhere."""
    last = audit_chain.anchor(clock.now())
    told = {"number": last.number, "seq": last.seq, "hash": last.hash.hex()} if last else {"number": 0}
    log.info("the audit trail is anchored", extra={"anchor": told})
    return {"anchor": told}
