"""The audit trail: every change leaves one record of who, what, when, from where, and how it was before.

So do refused attempts and looks at what is sensitive (`app.watching` notes both).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import LoaderCallableStatus

from app import clock
from app.db import Base, db
from app.domain.auditing import plain_json
from app.models import AuditRecord
from app.permissions import Actor

HIDDEN = "•••"


def record(
    actor: Actor,
    action: str,
    subject: Base,
    *,
    summary: str,
    at: datetime | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditRecord:
    """Add the record of one change to the open transaction and return it.

    `action` is `noun.past_participle` (`wallet.credited`); `subject` is the row it happened to, flushed by
    this call so that it has its key; `before` and `after` hold plain values, by convention only what
    differs (see `changes`).
    """
    if subject in db.session.new:
        db.session.flush()
    what = (type(subject).__name__, identity(subject))
    return note(actor, action, *what, summary=summary, at=at, before=before, after=after)


def note(
    actor: Actor,
    action: str,
    resource_type: str,
    resource_id: str,
    *,
    summary: str,
    at: datetime | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditRecord:
    """Add a record about what is no row at hand, such as a refused address, and return it."""
    entry = AuditRecord(
        at=at or clock.now(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor=actor.label,
        role=str(actor.role),
        ip=actor.ip,
        request_id=actor.request_id,
        action=action,
        resource_type=resource_type,
        resource_id=resource_id,
        summary=summary,
        before=_plain(before),
        after=_plain(after),
    )
    db.session.add(entry)
    return entry


def changes(subject: Base) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the column values of `subject` that differ from the database, as they were and as they are now.

    Call it before the flush. Columns marked `secret` say only that they changed.
    """
    state = inspect(subject)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for attribute in state.mapper.column_attrs:
        history = state.attrs[attribute.key].history
        if not history.has_changes():
            continue
        secret = attribute.columns[0].info.get("secret")
        old = (
            history.deleted[0]
            if history.deleted and history.deleted[0] is not LoaderCallableStatus.NO_VALUE
            else None
        )
        before[attribute.key] = HIDDEN if secret else old
        after[attribute.key] = HIDDEN if secret else (history.added[0] if history.added else None)
    return before, after


def identity(subject: Base) -> str:
    """Return the primary key of a row as text, its parts joined by `|`."""
    return "|".join(str(part) for part in inspect(subject).mapper.primary_key_from_instance(subject))


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else plain_json(values)
