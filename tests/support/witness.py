"""Each operation of the tests has left exactly one record of the audit trail: seen from every request that a
test client sends, whatever the test is about.

What a request has to leave stands in `tests/audited.py`. A request that changed nothing (an answer that was
stored, a form saved as it was, a preview that was taken back) leaves nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from flask import Flask, Response, g, has_request_context, request, request_finished
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Mapper, Session, SessionTransaction, UOWTransaction

from app.db import db
from app.models import AuditRecord
from tests.audited import LEAVES, Leaves

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BOOKKEEPING = frozenset({"AuditRecord", "IdempotencyRecord"})
# Not counted among the statements of a request (`tests/support/application.py`).
MARK = "/* witness */"
KEPT = text(f"{MARK} SELECT id FROM audit_records WHERE id = ANY(:ids)")

# Its action, the kind and id of what it happened to, and its sentence.
Record = tuple[str, str, str, str]


@dataclass
class Traces:
    """What one request has left so far: its records, the kinds of rows it changed, and whether something of
    it was taken back."""

    records: dict[UUID, Record] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    taken_back: bool = False


def watch(app: Flask) -> None:
    """Let every unsafe request of this application be looked at when it is answered."""
    request_finished.connect(_check, app)


@event.listens_for(AuditRecord, "after_insert")
def _recorded(_mapper: Mapper[AuditRecord], _connection: Connection, record: AuditRecord) -> None:
    if has_request_context():
        _traces().records[record.id] = (
            *(record.action, record.resource_type, record.resource_id),
            record.summary,
        )


@event.listens_for(Session, "after_flush")
def _flushed(session: Session, _context: UOWTransaction) -> None:
    if has_request_context():
        dirty = [row for row in session.dirty if session.is_modified(row)]
        touched = {type(row).__name__ for row in (*session.new, *dirty, *session.deleted)}
        _traces().changed.update(touched - BOOKKEEPING)


@event.listens_for(Session, "after_soft_rollback")
def _rolled_back(_session: Session, _previous: SessionTransaction) -> None:
    if has_request_context():
        _traces().taken_back = True


def _traces() -> Traces:
    traces: Traces = g.setdefault("traces", Traces())
    return traces


def name_of_request() -> str:
    """Return the name that `tests/audited.py` knows the request by: its endpoint, or a screen's operation."""
    endpoint = request.endpoint or ""
    operation = (request.view_args or {}).get("operation")
    if endpoint.endswith(".action_view"):
        operation = request.form.get("action")
    return endpoint if operation is None else f"{endpoint.rpartition('.')[0]}:{operation}"


def _check(_app: Flask, response: Response, **_: object) -> None:
    if request.method in SAFE or response.status_code >= 400 or "Idempotency-Replayed" in response.headers:
        return
    leaves, traces = LEAVES.get(name_of_request()), _traces()
    if leaves is None:
        return
    problem = wrong(leaves, _kept(traces), traces)
    assert problem is None, f"{name_of_request()}: {problem}: {traces}"


def _kept(traces: Traces) -> list[Record]:
    """Return the records that were not rolled back."""
    if not traces.records:
        return []
    kept = set(db.session.scalars(KEPT, {"ids": list(traces.records)}))
    return [record for key, record in traces.records.items() if key in kept]


def wrong(leaves: Leaves, records: list[Record], traces: Traces) -> str | None:
    """Return what is wrong with the traces of a request, None where they are as they should be."""
    twice = [record for record, number in Counter(records).items() if number > 1]
    if twice:
        return f"recorded twice: {twice}"
    if not leaves.actions:
        return f"leaves no record, and left {records}" if records else None
    if not records and (traces.taken_back or not traces.changed):
        return None
    found = [record for record in records if record[0] in leaves.actions]
    if len(found) == 1 or (leaves.many and found):
        return None
    return f"one of {sorted(leaves.actions)} should be recorded once"
