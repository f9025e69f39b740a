"""The files of exports: written by a worker, kept for some days, deleted.

The row is the work. A worker streams the rows into a file beside the store, puts it there and marks the row
in the transaction that remembers its checksum; killed at any step, the next one begins anew. How far it is,
is written by a connection of its own every so many rows, where a cancellation is seen too.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import func, select, update

from app import clock
from app.config import current_settings
from app.db import db, in_transaction, lock
from app.errors import DomainError
from app.gateways.files import open_store
from app.models import Export
from app.models.exports import ExportFormat, ExportStatus
from app.services import documents
from app.services.exports import statements
from app.services.exports.requests import CONTENT_TYPES, UNDER_WAY, kind_of, scope_of
from app.services.exports.sheets import Row, write_csv, write_xlsx
from app.services.sole import alone

TOLD_EVERY = 20_000
FETCHED_AT_ONCE = 2_000
log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Somebody stopped the export meanwhile."""


def unfinished() -> list[UUID]:
    """Return the exports that wait for a worker, or were left by one."""
    return list(db.session.scalars(select(Export.id).where(Export.status.in_(UNDER_WAY)).order_by(Export.id)))


def has_unfinished() -> bool:
    """Tell whether there is one."""
    return bool(db.session.scalar(select(select(Export.id).where(Export.status.in_(UNDER_WAY)).exists())))


def work(export_id: UUID) -> int:
    """Write the file of an export; return how many rows it has. What another worker is at is left to it."""
    with alone(f"export {export_id}") as mine:
        if not mine or not in_transaction(lambda: _begin(export_id)):
            return 0
        try:
            return _write(export_id)
        except Cancelled:
            return 0
        except DomainError as error:
            in_transaction(partial(_fail, export_id, error.message))
            return 0
        except Exception as error:
            in_transaction(partial(_fail, export_id, f"{type(error).__name__}: see the log."))
            raise


def expire(at: datetime, limit: int) -> int:
    """Delete up to `limit` files whose days are over, first in the store, then mark their rows."""
    over = select(Export).where(Export.status == ExportStatus.done, Export.keep_until < at)
    found = list(db.session.scalars(over.order_by(Export.keep_until).limit(limit)))
    for export in found:
        assert export.file_key is not None
        open_store(current_settings()).delete(export.file_key)
        export.status = ExportStatus.expired
    return len(found)


def _begin(export_id: UUID) -> bool:
    (export,) = lock(Export, [export_id])
    if export.status not in UNDER_WAY:
        return False
    export.status, export.started_at, export.rows = ExportStatus.running, clock.now(), 0
    kind, scope = kind_of(export.kind), scope_of(export.parameters)
    if kind.query is not None:
        listed = kind.query(scope).order_by(None).subquery()
        export.expected = db.session.scalar(select(func.count()).select_from(listed))
    return True


def _write(export_id: UUID) -> int:
    with TemporaryDirectory(prefix="export-") as folder:
        path = Path(folder, "file")
        rows = in_transaction(lambda: _fill(path, db.session.get_one(Export, export_id)))
        key = f"exports/{export_id}"
        store = open_store(current_settings())
        form = in_transaction(lambda: db.session.get_one(Export, export_id).format)
        digest = store.put(key, path, content_type=CONTENT_TYPES[form])
        size = path.stat().st_size
        if not in_transaction(lambda: _finish(export_id, key, digest, size, rows)):
            store.delete(key)
    return rows


def _fill(path: Path, export: Export) -> int:
    kind, scope = kind_of(export.kind), scope_of(export.parameters)
    counted = _Counted(export.id)
    if kind.draw is not None:
        content = kind.draw(scope, export.created_at)
        if export.format is ExportFormat.pdf:
            path.write_bytes(documents.render_snapshot(content))
            return len(content["rows"])
        rows: Iterator[Row] = iter(statements.rows_of(content))
    else:
        assert kind.query is not None
        streamed = kind.query(scope).execution_options(yield_per=FETCHED_AT_ONCE)
        rows = (tuple(row) for row in db.session.execute(streamed))
    write = write_csv if export.format is ExportFormat.csv else write_xlsx
    write(path, kind.headings, counted.each(rows))
    return counted.rows


class _Counted:
    """Counts the rows that pass and tells of them."""

    def __init__(self, export_id: UUID) -> None:
        self._id, self.rows = export_id, 0

    def each(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            Cancelled: the export was stopped.
        """
        for row in rows:
            yield row
            self.rows += 1
            if self.rows % TOLD_EVERY == 0:
                self._tell()

    def _tell(self) -> None:
        told = update(Export).where(Export.id == self._id).values(rows=self.rows).returning(Export.status)
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
            if own.scalar(told) == ExportStatus.cancelled:
                raise Cancelled


def _finish(export_id: UUID, key: str, digest: bytes, size: int, rows: int) -> bool:
    (export,) = lock(Export, [export_id])
    if export.status is not ExportStatus.running:
        return False
    at = clock.now()
    export.file_key, export.sha256, export.size, export.rows = key, digest, size, rows
    export.status, export.finished_at, export.error = ExportStatus.done, at, None
    export.keep_until = at + timedelta(days=current_settings().export_days)
    return True


def _fail(export_id: UUID, message: str) -> None:
    (export,) = lock(Export, [export_id])
    log.warning("export failed", extra={"export": str(export_id), "reason": message})
    export.status, export.error, export.finished_at = ExportStatus.failed, message, clock.now()
