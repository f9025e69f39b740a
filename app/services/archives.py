"""Old months of usage events into files, and back (docs/ops/data-care.md).

The row of an `EventArchive` is the work and says how far it is. Each step can be killed and done again: the
file is written and read back, the row learns its checksum, the partition is taken off in the transaction in
which the row becomes `archived`, and only then dropped. Keys, rollups, positions and corrections stay where
they are, so an event id counts once for ever and usage reads as before.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from app import clock
from app.db import db, in_transaction
from app.errors import Conflict, DomainError, NotFound
from app.models import EventArchive
from app.models.archives import ArchiveStatus
from app.permissions import Actor
from app.queue import enqueue
from app.services import archive_rules, archive_steps, audit
from app.services import archive_tables as tables
from app.services.archive_steps import Tell, nobody
from app.services.sole import alone

FOLDER = "archives/usage-events"
RESTORED_FOR = timedelta(days=30)
TRIED_AGAIN_AFTER = timedelta(minutes=15)

IN_FILES = (ArchiveStatus.archived, ArchiveStatus.restoring)
TO_DO = (ArchiveStatus.pending, ArchiveStatus.written, ArchiveStatus.restoring)

log = logging.getLogger(__name__)


class EventArchived(Conflict):
    """The event is in a file. Its month has to be restored first; the message says how."""

    code = "event_archived"


def months() -> list[str]:
    """Return the months, such as `2025-03` in UTC, of which events are in files, the oldest first."""
    query = select(EventArchive.month).where(EventArchive.status.in_(IN_FILES))
    return list(db.session.scalars(query.distinct().order_by(EventArchive.month)))


def month_starts() -> list[datetime]:
    """Return the first instants of `months()`."""
    return [tables.span_of(month).start for month in months()]


def months_between(since: datetime | None, until: datetime | None) -> list[str]:
    """Return those of `months()` that reach into `[since, until)`; None leaves a side open."""
    return [
        month
        for month in months()
        if (since is None or tables.span_of(month).end > since)
        and (until is None or tables.span_of(month).start < until)
    ]


def refuse_archived(at: datetime) -> None:
    """Return if no event of the month of `at` is in a file. For whoever needs the event itself: a
    correction, a bucket that is worked out anew.

    Raises:
        EventArchived: with the command that restores the month.
    """
    if tables.month_of(at) in months():
        raise EventArchived(told_archived(at))


def told_archived(at: datetime) -> str:
    """Return what somebody is told who needs an event of an archived month."""
    month = tables.month_of(at)
    return f"Events of {month} are archived. Restore the month first: flask archive restore {month}"


def request(month: str, *, at: datetime, actor: Actor, asked_for: bool = True) -> EventArchive:
    """Have a month archived: return its row, which a worker takes up. One that is under way is returned.

    `asked_for` tells that a person named this month: then it may be one that was restored or filled lately.

    Raises:
        Invalid: `month` is none. NotFound: it has no events. Conflict: it may not be archived, with the
            reasons.
    """
    tables.span_of(month)
    _one_at_a_time(month)
    rows = list(db.session.scalars(select(EventArchive).where(EventArchive.month == month)))
    under_way = [row for row in rows if row.status in TO_DO]
    if under_way:
        return under_way[0]
    if not tables.has_partition(month):
        if any(row.status in IN_FILES for row in rows):
            raise Conflict(f"{month} is archived already.")
        raise NotFound(f"There are no events of {month}.")
    reasons = archive_rules.reasons_against(month, at=at, asked_for=asked_for)
    if reasons:
        raise Conflict(f"{month} stays: {' '.join(reasons)}")
    sequence = max((row.sequence for row in rows), default=0) + 1
    archive = EventArchive(
        month=month,
        sequence=sequence,
        status=ArchiveStatus.pending,
        file_key=f"{FOLDER}/{month}-{sequence}.csv.gz",
        requested_by=actor.label,
    )
    db.session.add(archive)
    audit.record(
        actor, "event_archive.requested", archive, summary=f"Archiving of {month} was asked for", at=at
    )
    enqueue("jobs.care.work_archives")
    return archive


def request_restore(
    month: str, *, at: datetime, actor: Actor, keep_until: datetime | None = None
) -> list[EventArchive]:
    """Have the events of a month put back; return the rows of its files, which a worker takes up.

    The month is not archived again before `keep_until`, by default 30 days later.

    Raises:
        Invalid: `month` is none, or `keep_until` is past. NotFound: nothing of it is in a file.
    """
    tables.span_of(month)
    _one_at_a_time(month)
    query = select(EventArchive).where(EventArchive.month == month, EventArchive.status.in_(IN_FILES))
    rows = list(db.session.scalars(query.order_by(EventArchive.sequence)))
    if not rows:
        raise NotFound(f"No events of {month} are archived.")
    for row in rows:
        row.keep_until = keep_until or at + RESTORED_FOR
        row.error = None
        if row.status is ArchiveStatus.archived:
            row.status, row.done = ArchiveStatus.restoring, 0
            action, summary = "restore_requested", f"Restoring of {row} was asked for"
        else:
            action, summary = "kept_longer", f"{row} stays restored until {row.keep_until:%Y-%m-%d}"
        audit.record(actor, f"event_archive.{action}", row, summary=summary, at=at)
    enqueue("jobs.care.work_archives")
    return rows


def request_old(*, at: datetime, actor: Actor, before: str | None = None) -> list[EventArchive]:
    """Have every month archived that may be, or only those before a month; return their rows."""
    found = archive_rules.old_months(at, before)
    return [
        request(one.month, at=at, actor=actor, asked_for=False)
        for one in found
        if not archive_rules.reasons_against(one.month, at=at)
    ]


def has_work() -> bool:
    """Tell whether a row waits for a worker."""
    return bool(db.session.scalar(select(select(EventArchive.id).where(_open(clock.now())).exists())))


def work(*, at: datetime, actor: Actor, tell: Tell = nobody, again: bool = False) -> dict[str, int]:
    """Do what waits, month by month; return how many files were archived and restored, and how many failed.

    What stops one month is kept with its row and stops no other; it is tried again after a quarter of an
    hour, or at once with `again`.
    """
    counts = {"archived": 0, "restored": 0, "failed": 0}
    query = select(EventArchive.id, EventArchive.month).where(_open(at, again=again))
    ordered = query.order_by(EventArchive.month, EventArchive.sequence)
    for archive_id, month in in_transaction(lambda: db.session.execute(ordered).all()):
        became = _carry_out(archive_id, month, at=at, actor=actor, tell=tell)
        if became is not None:
            counts[became] += 1
    return counts


def _carry_out(archive_id: UUID, month: str, *, at: datetime, actor: Actor, tell: Tell) -> str | None:
    """Do all that is left of one row; return what became of it, or None where another process is at it."""
    with alone(f"archive {month}") as mine:
        if not mine:
            return None
        try:
            return str(archive_steps.finish(archive_id, at=at, actor=actor, tell=tell))
        except archive_steps.FAILURES as error:
            known = isinstance(error, DomainError)
            message = str(error) if known else f"{type(error).__name__}: see the log."
            log.warning("archive stopped", exc_info=not known, extra={"month": month, "reason": message})
            archive_steps.note(archive_id, message)
            return "failed"


def _open(at: datetime, *, again: bool = False) -> ColumnElement[bool]:
    left = or_(
        EventArchive.status.in_(TO_DO),
        and_(EventArchive.status == ArchiveStatus.archived, EventArchive.dropped_at.is_(None)),
    )
    if again:
        return left
    return and_(left, or_(EventArchive.error.is_(None), EventArchive.updated_at < at - TRIED_AGAIN_AFTER))


def _one_at_a_time(month: str) -> None:
    """Let two requests for one month come one after the other."""
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"request archive {month}"))))
