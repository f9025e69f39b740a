"""What the audit trail can be asked: the same questions for the screen, the API and the export."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, exists, func, literal, or_, select, union

from app.db import db
from app.models import ApiKey, AuditRecord, User


@dataclass(frozen=True, slots=True)
class Question:
    """Which records of the trail; None asks nothing. `actor` is a person's name or e-mail address, the name
    of a key or job, or an id; `search` is an action or the id of a record, of what it happened to or of a
    request; `since` ≤ at < `until`."""

    actor: str | None = None
    actor_kind: str | None = None
    role: str | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    ip: str | None = None
    request_id: str | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EXACT = ("actor_kind", "role", "action", "resource_type", "resource_id", "ip", "request_id")
# What an export can be narrowed by besides its days.
FILTERS = ("actor", *EXACT, "search")


def asked_by(filters: Mapping[str, Any]) -> Question:
    """Return the question that filters by name ask, the names being those of `FILTERS`."""
    return Question(**filters)


def find(question: Question) -> Select[Any]:
    """Return the query of the records that a question asks for, in no order."""
    return select(AuditRecord).where(*conditions(question))


def conditions(question: Question) -> list[ColumnElement[bool]]:
    """Return what a record has to fulfil for a question; the database is asked who an actor is."""
    wanted = {name: getattr(question, name) for name in EXACT}
    found = [getattr(AuditRecord, name) == value for name, value in wanted.items() if value is not None]
    if question.actor is not None:
        found.append(acted_by(question.actor))
    if question.search is not None:
        found.append(_named(question.search))
    if question.since is not None:
        found.append(AuditRecord.at >= question.since)
    if question.until is not None:
        found.append(AuditRecord.at < question.until)
    return found


def _named(term: str) -> ColumnElement[bool]:
    """Return the condition for what the search of the list finds, each by its own index."""
    named = (AuditRecord.resource_id == term, AuditRecord.request_id == term, AuditRecord.action == term)
    each = [select(AuditRecord.id).where(one) for one in named]
    with suppress(ValueError):
        each.append(select(AuditRecord.id).where(AuditRecord.id == UUID(term)))
    return AuditRecord.id.in_(union(*each))


def acted_by(who: str) -> ColumnElement[bool]:
    """Return the condition for what somebody did, whom the trail knows by the id."""
    named = or_(func.lower(User.email) == who.lower(), func.lower(User.name) == who.lower())
    people = select(cast(User.id, Text)).where(named)
    keys = select(cast(ApiKey.id, Text)).where(ApiKey.name == who)
    itself = select(literal(who)).where(exists().where(AuditRecord.actor_id == who))
    # Asked first: the records of one id stand in their order in its index, those of several do not, so an
    # id that nobody acted by is left out.
    return AuditRecord.actor_id.in_(db.session.scalars(people.union_all(keys, itself)).all())
