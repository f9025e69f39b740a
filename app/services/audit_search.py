"""What the audit trail can be asked: the same questions for the screen, the API and the export."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, func, or_, select

from app.db import db
from app.models import ApiKey, AuditRecord, User


@dataclass(frozen=True, slots=True)
class Question:
    """Which records of the trail; None asks nothing. `actor` is a person's name or e-mail address, the name
    of a key or job, or an id; `since` ≤ at < `until`."""

    actor: str | None = None
    actor_kind: str | None = None
    role: str | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    ip: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EXACT = ("actor_kind", "role", "action", "resource_type", "resource_id", "ip", "request_id")


def find(question: Question) -> Select[Any]:
    """Return the query of the records that a question asks for, in no order."""
    query = select(AuditRecord)
    for name in EXACT:
        wanted = getattr(question, name)
        if wanted is not None:
            query = query.where(getattr(AuditRecord, name) == wanted)
    if question.actor is not None:
        query = query.where(acted_by(question.actor))
    if question.since is not None:
        query = query.where(AuditRecord.at >= question.since)
    if question.until is not None:
        query = query.where(AuditRecord.at < question.until)
    return query


def acted_by(who: str) -> ColumnElement[bool]:
    """Return the condition for what somebody did, whom the trail knows by the id."""
    named = or_(func.lower(User.email) == who.lower(), func.lower(User.name) == who.lower())
    people = select(cast(User.id, Text)).where(named)
    keys = select(cast(ApiKey.id, Text)).where(ApiKey.name == who)
    # Asked first: of ids that it knows the database sees how few records there are, and takes their index.
    return AuditRecord.actor_id.in_([who, *db.session.scalars(people.union_all(keys))])
