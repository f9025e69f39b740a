"""Months of usage events in files: what there is, into a file, and back (docs/ops/data-care.md)."""

from datetime import timedelta
from typing import Annotated, Any

from flask import Blueprint, Response
from sqlalchemy import select

from app import clock
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, resource, success
from app.api.guards import current_actor, guard
from app.api.serializers import need_staff
from app.db import db, in_transaction
from app.models import EventArchive
from app.services import archives

blueprint = Blueprint("archives", __name__, url_prefix="/api/v1/admin")

Month = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$", description="A month in UTC: 2025-03")]


class NewArchive(Body):
    """A month to be archived."""

    month: Month


class Restore(Body):
    """A month to be restored."""

    days: Annotated[int, Meta(ge=1, le=3650, description="How long it stays in the database at least")] = (
        archives.RESTORED_FOR.days
    )


@blueprint.get("/archives")
@guard("operations", "read")
@endpoint("List archives of events", query=Page, answers="event_archive", many=True)
def list_archives(query: Page) -> Response:
    """Every file of a month's events, the newest first. `rows` of `archived` ones are in the file alone."""
    need_staff("Archives")
    rows, cursor = paginate(select(EventArchive), query, (EventArchive.id,))
    return success([_archive(row) for row in rows], next_cursor=cursor)


@blueprint.post("/archives")
@guard("operations", "write")
@endpoint("Archive a month of events", body=NewArchive, answers="event_archive", status=202)
def archive_month(body: NewArchive) -> Response:
    """A worker writes the file, checks it, and drops the month from the database. Asked for again, the same
    archive is returned while it is under way.
    """
    need_staff("Archives")

    def ask() -> dict[str, Any]:
        row = archives.request(body.month, at=clock.now(), actor=current_actor())
        db.session.flush()
        return _archive(row)

    return success(in_transaction(ask), 202)


@blueprint.post("/archives/<month>/restore")
@guard("operations", "write")
@endpoint("Restore a month of events", body=Restore, answers="event_archive", many=True, status=202)
def restore_month(month: str, body: Restore) -> Response:
    """A worker puts the events of the month's files back, beside those that came since. The calendar does not
    archive the month again before `keep_until`.
    """
    need_staff("Archives")

    def ask() -> list[dict[str, Any]]:
        at = clock.now()
        until = at + timedelta(days=body.days)
        rows = archives.request_restore(month, at=at, actor=current_actor(), keep_until=until)
        return [_archive(row) for row in rows]

    return success(in_transaction(ask), 202)


def _archive(row: EventArchive) -> dict[str, Any]:
    instants = ("first_at", "last_at", "written_at", "archived_at", "restored_at", "keep_until")
    attributes = {
        "month": row.month,
        "sequence": row.sequence,
        "status": row.status,
        "rows": row.rows,
        "done": row.done,
        "size": row.size,
        "sha256": row.sha256.hex() if row.sha256 else None,
        "file": row.file_key,
        "requested_by": row.requested_by,
        "error": row.error,
        **{name: instant_text(getattr(row, name)) for name in instants},
    }
    return resource("event_archive", row.id, attributes)
