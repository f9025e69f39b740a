"""Housekeeping: tables able to take what comes, and an end for what would grow without one.

`RULES` is the whole of what is ever deleted. The ledger, invoices, the audit trail, event keys and rollups
are not in it: they stay for ever. Old events are moved into files, see `archives`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, exists, inspect, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from app.config import current_settings
from app.db import Base, db, in_transaction
from app.gateways.files import open_store
from app.models import (
    DeadLetter,
    EndedSession,
    IdempotencyRecord,
    JobRun,
    OutboxMessage,
    StoredFile,
    WebhookMessage,
)
from app.models.payments import MessageStatus
from app.models.usage import DeadLetterStatus
from app.services import archive_tables as tables

AHEAD_MONTHS = 3
BACK_MONTHS = 2
BATCH = 5_000
CARE_JOBS = {
    "jobs.anchors.drop": "Note how far the ledger has come",
    "jobs.care.archive_events": "Move old months into files",
    "jobs.care.clean_up": "Delete what is old",
    "jobs.care.ensure_partitions": "Make the next months",
    "jobs.care.forget_nonces": "Forget old nonces",
    "jobs.verify.nightly": "Prove the books",
}
NEIGHBOURS = text(
    "SELECT ensure_usage_partition(:at + make_interval(months => n))"
    " FROM generate_series(cast(:first AS int), cast(:last AS int)) n"
)

# `clean(before, limit)` deletes up to `limit` of what is older than an instant, and returns how many.
Clean = Callable[[datetime, int], int]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is deleted, and after how many days."""

    name: str
    what: str
    days: int
    clean: Clean


def ensure_partitions(at: datetime, months: int = AHEAD_MONTHS) -> list[str]:
    """Make the monthly partitions of usage events around `at` and return the names of all of them.

    They reach from two months before to `months` after; what exists stays as it is. Older months are made by
    whoever writes into them (an import of old usage), as is any month that is missing when its first event
    comes.
    """
    return list(db.session.scalars(NEIGHBOURS, {"at": at, "first": -BACK_MONTHS, "last": months}))


def missing_months(at: datetime, months: int = AHEAD_MONTHS) -> list[str]:
    """Return those of this month and the next ones that have no partition yet."""
    there = {one.month for one in tables.partitions()}
    wanted = [tables.plus(tables.month_of(at), ahead) for ahead in range(months + 1)]
    return [month for month in wanted if month not in there]


def clean_up(at: datetime) -> dict[str, int]:
    """Delete what the rules let go, in batches with a transaction each; return how many by rule."""
    return {rule.name: _clean(rule, at) for rule in RULES}


def _clean(rule: Rule, at: datetime) -> int:
    before, total = at - timedelta(days=rule.days), 0
    while count := in_transaction(lambda: rule.clean(before, BATCH)):
        total += count
    return total


def rows(model: type[Base], age: ColumnElement[Any] | Any, *conditions: ColumnElement[bool]) -> Clean:
    """Return what deletes the rows of a table that are old by `age` and fulfil the conditions."""

    def clean(before: datetime, limit: int) -> int:
        key = inspect(model).primary_key
        old = select(*key).where(age < before, *conditions).limit(limit)
        done: CursorResult[Any] = db.session.execute(  # type: ignore[assignment]
            delete(model).where(tuple_(*key).in_(old)).execution_options(synchronize_session=False)
        )
        return done.rowcount

    return clean


def uploads(before: datetime, limit: int) -> int:
    """Delete files of usage that were uploaded for an import, first in the file store, then their rows. What
    became of the import stays with its run.
    """
    under_way = exists().where(JobRun.id == StoredFile.id, JobRun.finished_at.is_(None))
    query = select(StoredFile).where(
        StoredFile.resource_type == "Import", StoredFile.created_at < before, ~under_way
    )
    found = list(db.session.scalars(query.order_by(StoredFile.created_at).limit(limit)))
    store = open_store(current_settings())
    for stored in found:
        store.delete(stored.key)
        db.session.delete(stored)
    return len(found)


def mails(before: datetime, limit: int) -> int:
    """Delete mails that were written as files because there is no mail server."""
    old = [
        path
        for path in current_settings().mail_dir.glob("*.eml")
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before
    ][:limit]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


RULES = (
    Rule(
        "idempotency_records",
        "Answers kept for a repeat of a call with the same Idempotency-Key",
        30,
        rows(IdempotencyRecord, IdempotencyRecord.created_at),
    ),
    Rule(
        "outbox_messages",
        "Promises that were kept: documents made, mails sent",
        400,
        rows(OutboxMessage, OutboxMessage.done_at),
    ),
    Rule(
        "webhook_messages",
        "Messages of payment gateways that were dealt with",
        400,
        rows(WebhookMessage, WebhookMessage.received_at, WebhookMessage.status != MessageStatus.received),
    ),
    Rule(
        "dead_letters",
        "Refused events that were replayed or discarded",
        400,
        rows(DeadLetter, DeadLetter.last_seen_at, DeadLetter.status != DeadLetterStatus.open),
    ),
    Rule(
        "job_runs",
        "Finished runs of jobs and imports",
        400,
        rows(JobRun, JobRun.started_at, JobRun.finished_at.is_not(None)),
    ),
    Rule(
        "ended_sessions",
        "Sessions that were signed out of, once they would be over by themselves",
        1,
        rows(EndedSession, EndedSession.ended_at),
    ),
    Rule("uploads", "Files of usage that were uploaded for an import", 90, uploads),
    Rule("mails", "Mails written as files where no mail server is set", 90, mails),
)


def last_runs() -> list[JobRun]:
    """Return the latest run of every calendar job that takes care of the data, by name."""
    query = select(JobRun).ext(distinct_on(JobRun.job)).where(JobRun.job.in_(CARE_JOBS))
    return list(db.session.scalars(query.order_by(JobRun.job, JobRun.started_at.desc())))
