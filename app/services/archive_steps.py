"""The steps of an archive, each in transactions of its own and each safe to be done again after a kill.

pending → written: the file is in the store under a key that is known beforehand, and was read back.
written → archived: the partition is taken off, unless an event came since; then the file is written anew.
archived, not dropped → dropped: what the file holds leaves the disk of the database.
restoring → restored: every event of the file is in its month again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
from sqlalchemy import text, update
from sqlalchemy.exc import SQLAlchemyError

from app.config import current_settings
from app.db import db, in_transaction, lock, raw_transaction
from app.errors import Conflict, DomainError
from app.gateways.files import DamagedFile, open_store
from app.models import EventArchive, UsageEvent
from app.models.archives import ArchiveStatus
from app.permissions import Actor
from app.services import archive_files as files
from app.services import archive_rules, audit
from app.services import archive_tables as tables
from app.services.archive_files import Header

# `tell(archive, done)`: how many events of an archive are written or read by now.
Tell = Callable[[EventArchive, int], object]
FAILURES = (DomainError, SQLAlchemyError, psycopg.Error, OSError, RuntimeError)
MOST_REWRITES = 3
COLUMNS = tuple(UsageEvent.__table__.columns.keys())

IN_PLACE = """
    SELECT count(*) FROM restoring_events r WHERE EXISTS (
        SELECT FROM {table} e WHERE e.account_id = r.account_id AND e.occurred_at = r.occurred_at
          AND e.event_id = r.event_id
    )
"""


def nobody(archive: EventArchive, done: int) -> None:
    """Hear of progress, and do nothing."""


def finish(archive_id: UUID, *, at: datetime, actor: Actor, tell: Tell) -> ArchiveStatus:
    """Do every step that is left of an archive and return its status. One process does this at a time.

    Raises:
        Conflict: the month may not be archived any more, or somebody uses the table without a pause.
        DamagedFile, NotFound, StoreUnavailable: the file is not as it should be, or cannot be had.
    """
    archive = _get(archive_id)
    if archive.status is ArchiveStatus.restoring:
        drop(archive, at=at)
        restore(archive, at=at, actor=actor, tell=tell)
        return ArchiveStatus.restored
    if archive.status is ArchiveStatus.written:
        check_file(archive)
    for _ in range(MOST_REWRITES):
        archive = _get(archive_id)
        if archive.status is ArchiveStatus.pending:
            write(archive, at=at, tell=tell)
        if archive.status is not ArchiveStatus.archived:
            detach(archive, at=at, actor=actor)
        archive = _get(archive_id)
        if archive.status is ArchiveStatus.archived:
            drop(archive, at=at)
            return ArchiveStatus.archived
    raise Conflict(f"Events of {archive.month} keep coming in. It is archived later.")


def write(archive: EventArchive, *, at: datetime, tell: Tell) -> None:
    """Write the month's file, keep it, read it back from where it is kept, and remember its checksum.

    Raises:
        Conflict: the month may not be archived.
    """
    reasons = in_transaction(lambda: archive_rules.reasons_against(archive.month, at=at, asked_for=True))
    if reasons:
        raise Conflict(f"{archive.month} stays: {' '.join(reasons)}")
    store = open_store(current_settings())
    with _folder(archive.month) as folder:
        path = folder / archive.file_key.rpartition("/")[2]
        header, first_at, last_at = _write_file(archive, path, tell)
        digest = store.put(archive.file_key, path, content_type=files.CONTENT_TYPE)
    with store.lend(archive.file_key) as kept:
        if files.check(kept, digest) != header:
            raise DamagedFile("The file store does not give back what it took.")
        size = kept.stat().st_size
    _update(
        archive.id,
        status=ArchiveStatus.written,
        rows=header.rows,
        done=header.rows,
        size=size,
        sha256=digest,
        first_at=first_at,
        last_at=last_at,
        written_at=at,
        error=None,
    )


def check_file(archive: EventArchive) -> None:
    """Read an archive's file from the store to its end.

    Raises:
        DamagedFile, NotFound, StoreUnavailable: it is not as it was written, or cannot be had.
    """
    with open_store(current_settings()).lend(archive.file_key) as kept:
        if files.check(kept, archive.sha256 or b"").rows != archive.rows:
            raise DamagedFile(f"The archive does not hold the {archive.rows:,} events that it should.")


def _write_file(archive: EventArchive, path: Path, tell: Tell) -> tuple[Header, datetime, datetime]:
    table = tables.table_of(archive.month)
    with raw_transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL statement_timeout = 0")
        counted = f"SELECT count(*), min(occurred_at), max(occurred_at) FROM {table}"  # noqa: S608
        (rows, first_at, last_at) = connection.execute(counted).fetchall()[0]
        if not rows:
            raise Conflict(f"{archive.month} holds no events any more.")
        header = Header(archive.month, rows, COLUMNS)
        files.write(connection, table, header, path, _noting(archive, tell))
    return header, first_at, last_at


def detach(archive: EventArchive, *, at: datetime, actor: Actor) -> None:
    """Take the partition off, if it holds exactly what the file holds; else the file is to be written anew.

    Raises:
        MonthInUse: the table was read without a pause.
    """

    def step() -> None:
        (row,) = lock(EventArchive, [archive.id])
        if row.status is not ArchiveStatus.written:
            return
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
        tables.freeze(row.month)
        if tables.count(tables.table_of(row.month)) != row.rows:
            row.status = ArchiveStatus.pending
            return
        tables.detach(row.month, row.sequence)
        row.status, row.archived_at, row.error = ArchiveStatus.archived, at, None
        summary = f"{row.rows:,} events of {row.month} were archived"
        after = {"rows": row.rows, "size": row.size, "file": row.file_key, "sha256": _hex(row)}
        audit.record(actor, "event_archive.archived", row, summary=summary, at=at, after=after)

    in_transaction(step)


def drop(archive: EventArchive, *, at: datetime) -> None:
    """Drop the detached partition, if it is there still."""

    def step() -> None:
        tables.drop(archive.month, archive.sequence)
        (row,) = lock(EventArchive, [archive.id])
        row.dropped_at = row.dropped_at or at

    in_transaction(step)


def restore(archive: EventArchive, *, at: datetime, actor: Actor, tell: Tell) -> None:
    """Put the events of a file back into their month; what is there already stays as it is.

    Raises:
        DamagedFile: the file is not as it was written; nothing is put back.
    """
    check_file(archive)
    with open_store(current_settings()).lend(archive.file_key) as path:
        in_transaction(lambda: tables.ensure(archive.month))
        in_transaction(lambda: _put_back(archive, path, at=at, actor=actor, tell=tell))


def _put_back(archive: EventArchive, path: Path, *, at: datetime, actor: Actor, tell: Tell) -> None:
    table = tables.table_of(archive.month)
    db.session.execute(text("SET LOCAL statement_timeout = 0"))
    db.session.execute(
        text("CREATE TEMPORARY TABLE restoring_events (LIKE usage_events INCLUDING DEFAULTS) ON COMMIT DROP")
    )
    connection = db.session.connection().connection.driver_connection
    loaded = files.load(
        cast(psycopg.Connection[Any], connection), path, "restoring_events", _noting(archive, tell)
    )
    db.session.execute(text("ANALYZE restoring_events"))
    names = ", ".join(COLUMNS)
    moved = f"INSERT INTO {table} ({names}) SELECT {names} FROM restoring_events ON CONFLICT DO NOTHING"  # noqa: S608
    db.session.execute(text(moved))
    found = db.session.scalar(text(IN_PLACE.format(table=table)))
    if not loaded == found == archive.rows:
        raise DamagedFile(f"{found:,} of {archive.rows:,} events could be put back; nothing was.")
    (row,) = lock(EventArchive, [archive.id])
    row.status, row.restored_at, row.done, row.error = ArchiveStatus.restored, at, archive.rows, None
    summary = f"{row.rows:,} events of {row.month} were restored"
    after = {"rows": row.rows, "file": row.file_key, "keep_until": str(row.keep_until)}
    audit.record(actor, "event_archive.restored", row, summary=summary, at=at, after=after)


def note(archive_id: UUID, error: str) -> None:
    """Keep with an archive why it stopped."""
    _update(archive_id, error=error)


def _get(archive_id: UUID) -> EventArchive:
    def read() -> EventArchive:
        archive = db.session.get_one(EventArchive, archive_id, populate_existing=True)
        db.session.expunge(archive)
        return archive

    return in_transaction(read)


def _update(archive_id: UUID, **values: object) -> None:
    changed = update(EventArchive).where(EventArchive.id == archive_id)
    in_transaction(lambda: db.session.execute(changed.values(**values)))


def _noting(archive: EventArchive, tell: Tell) -> files.Progress:
    """Return what keeps the progress with the row, by a connection of its own: the work's is busy."""

    def progress(done: int) -> None:
        with raw_transaction() as connection:
            statement = "UPDATE event_archives SET done = %s, updated_at = now() WHERE id = %s"
            connection.execute(statement, (done, archive.id))
        tell(archive, done)

    return progress


@contextmanager
def _folder(month: str) -> Iterator[Path]:
    """Lend a directory beside the data, which has more room than one for temporary files; what a killed
    attempt left in it goes first.
    """
    folder = current_settings().data_dir / "archiving" / month
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hex(archive: EventArchive) -> str:
    return (archive.sha256 or b"").hex()
