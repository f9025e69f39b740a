"""Lets the books prove themselves every night."""

import logging
from typing import Any

from app.db import in_transaction
from app.services import verify
from jobs.runner import job

log = logging.getLogger(__name__)


@job("default", cron="30 20 * * *", transactional=False, timeout_seconds=3 * 3600)
def nightly() -> dict[str, Any]:
    """Run every check at 02:00 IST; the report is the detail of the JobRun."""
    report = in_transaction(verify.run)
    if not report.ok:
        log.error(
            "the books do not balance",
            extra={"checks": [each.name for each in report.results if not each.ok]},
        )
    return report.as_json()
