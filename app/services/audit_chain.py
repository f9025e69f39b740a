"""The chain of the audit trail: seals, which bind each record to the one before it, and anchors.

Whoever changes something adds its record and waits for nobody. The records that wait are rows of their own
(`audit_unsealed`, written by the same statement), so what is sealed is what is committed: no number is read
that a slow transaction could still fall behind of (docs/adr/0020-audit-records-are-sealed-later.md).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, text

from app.db import db
from app.domain.auditing import anchor_hash, seal_hash
from app.domain.ledger import GENESIS
from app.models import AuditAnchor, AuditSeal, AuditUnsealed
from app.services.bulk import insert_rows

MOST_AT_ONCE = 2_000
# One writer of the chain at a time, so that its numbers have no gap.
LOCK = text("SELECT pg_advisory_xact_lock(7310044)")
# In the order in which they came. One that has a seal already is not sealed again.
CLAIM = text("""
    WITH claimed AS (
        DELETE FROM audit_unsealed WHERE record_id IN (
            SELECT record_id FROM audit_unsealed ORDER BY place LIMIT :most
        ) RETURNING record_id, place
    )
    SELECT r.id AS record_id, r.hash AS content
    FROM claimed c JOIN audit_records r ON r.id = c.record_id LEFT JOIN audit_seals s ON s.record_id = r.id
    WHERE s.seq IS NULL ORDER BY c.place
""")
STATE = text("""
    SELECT (SELECT count(*) FROM (SELECT FROM audit_unsealed LIMIT 1001) u) AS waiting,
           (SELECT min(since) FROM audit_unsealed) AS waiting_since,
           s.seq, s.at AS sealed_at, s.hash AS head,
           a.number AS anchor, a.at AS anchored_at, a.seq AS anchored
    FROM (VALUES (1)) one(n)
    LEFT JOIN (SELECT * FROM audit_seals ORDER BY seq DESC LIMIT 1) s ON true
    LEFT JOIN (SELECT * FROM audit_anchors ORDER BY number DESC LIMIT 1) a ON true
""")


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where the chain ends: the last seal and anchor (None before the first), and how many records wait since
    when; more than 1,000 are told as 1,001."""

    waiting: int
    waiting_since: datetime | None
    seq: int | None
    sealed_at: datetime | None
    head: bytes | None
    anchor: int | None
    anchored_at: datetime | None
    anchored: int | None


def seal(at: datetime, *, most: int = MOST_AT_ONCE) -> int:
    """Seal up to `most` of the records that wait, and return how many were."""
    db.session.execute(LOCK)
    rows = db.session.execute(CLAIM, {"most": most}).all()
    last = newest_seal()
    seq, previous = (last.seq, last.hash) if last else (0, GENESIS)
    seals: list[dict[str, Any]] = []
    for row in rows:
        seq += 1
        made = seal_hash(previous, seq=seq, record_id=row.record_id, content=row.content, at=at)
        told = {"seq": seq, "record_id": row.record_id, "at": at}
        seals.append({**told, "prev_hash": previous, "hash": made})
        previous = made
    insert_rows(AuditSeal, seals)
    return len(seals)


def is_waiting() -> bool:
    """Tell whether a record waits for its seal."""
    return bool(db.session.scalar(select(exists(select(AuditUnsealed.record_id)))))


def anchor(at: datetime) -> AuditAnchor | None:
    """Note where the chain ends, if it grew since that was noted last, and return the last anchor there is,
    None before the first.
    """
    db.session.execute(LOCK)
    end, last = newest_seal(), newest_anchor()
    if end is None or (last is not None and last.seq == end.seq):
        return last
    number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
    made = AuditAnchor(
        number=number,
        at=at,
        seq=end.seq,
        head=end.hash,
        prev_hash=previous,
        hash=anchor_hash(previous, number=number, seq=end.seq, head=end.hash, at=at),
    )
    db.session.add(made)
    db.session.flush()
    return made


def newest_seal() -> AuditSeal | None:
    """Return the end of the chain, None before the first seal."""
    return db.session.scalar(select(AuditSeal).order_by(AuditSeal.seq.desc()).limit(1))


def newest_anchor() -> AuditAnchor | None:
    """Return the last anchor, None where there is none."""
    return db.session.scalar(select(AuditAnchor).order_by(AuditAnchor.number.desc()).limit(1))


def state() -> ChainState:
    """Return where the chain ends and what waits for it, by one statement."""
    return ChainState(**db.session.execute(STATE).mappings().one())
