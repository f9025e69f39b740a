"""Checks that nothing waits too long."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.db import db
from app.models import DeadLetter, OutboxMessage, UsageDelta
from app.models.usage import DeadLetterStatus
from app.services.verify.checks import Findings, check

LONGEST_METERING = timedelta(minutes=10)
LONGEST_PROMISE = timedelta(hours=1)


@check("backlog", "Accepted usage is metered within ten minutes")
def backlog(findings: Findings, at: datetime) -> None:
    """Look at the age of the metering queue."""
    findings.count("waiting", db.session.scalar(select(func.count()).select_from(UsageDelta)) or 0)
    oldest = db.session.scalar(select(UsageDelta.created_at).order_by(UsageDelta.id).limit(1))
    if oldest is not None and at - oldest > LONGEST_METERING:
        findings.add("metering", f"Usage waits since {oldest:%Y-%m-%d %H:%M} UTC.")


@check("outbox", "Promises are kept within an hour")
def outbox(findings: Findings, at: datetime) -> None:
    """Look for promises that are overdue: a PDF, a mail."""
    waits = OutboxMessage.done_at.is_(None)
    findings.count(
        "kept", db.session.scalar(select(func.count()).where(OutboxMessage.done_at.is_not(None))) or 0
    )
    findings.count("waiting", db.session.scalar(select(func.count()).where(waits)) or 0)
    for row in db.session.scalars(
        select(OutboxMessage).where(waits, OutboxMessage.created_at < at - LONGEST_PROMISE)
    ):
        why = row.error or "It was not tried yet."
        findings.add(
            f"{row.kind} {row.key}",
            f"Promised {row.created_at:%Y-%m-%d %H:%M} UTC, tried {row.attempts} times. {why}",
        )


@check("dead_letters", "Refused events are kept for a decision")
def dead_letters(findings: Findings, at: datetime) -> None:
    """Count the refused events; waiting for a person is no fault."""
    for status in DeadLetterStatus:
        kept = select(func.count()).where(DeadLetter.status == status)
        findings.count(str(status), db.session.scalar(kept) or 0)
