"""The checks of the audit trail: what each record says, the chain of the seals, and what still waits for one.

As with the wallets' chains PostgreSQL puts the bytes together and finds the suspects; where the two spellings
differ Python decides.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.db import db
from app.domain.auditing import anchor_hash, content_hash, seal_hash
from app.domain.ledger import GENESIS, LINK_BYTES
from app.models import AuditAnchor
from app.services.verify.checks import Findings, check, count_rows, stream
from app.services.verify.spelling import ascii_, binary, fixed, instant, words

# The sealing job looks every ten seconds.
LONGEST_WAIT = timedelta(minutes=10)

# As `content_hash` and `seal_hash` write them: in the order of the names.
CONTENT = "int8send(0) || " + " || ".join(
    (
        words("action", "s", "r.action"),
        words("actor", "s", "r.actor"),
        words("actor_id", "s", "r.actor_id"),
        words("actor_kind", "s", "r.actor_kind"),
        words("after", "s", "r.after::text"),
        fixed("at", "t", instant("r.at"), 32),
        words("before", "s", "r.before::text"),
        fixed("id", "u", "r.id::text", 36),
        words("ip", "s", "r.ip"),
        words("request_id", "s", "r.request_id"),
        words("resource_id", "s", "r.resource_id"),
        words("resource_type", "s", "r.resource_type"),
        words("role", "s", "r.role"),
        words("summary", "s", "r.summary"),
    )
)
SEALED = "int8send(length(s.prev_hash)) || s.prev_hash || " + " || ".join(
    (
        fixed("at", "t", instant("s.at"), 32),
        binary("content", "s.content"),
        fixed("record_id", "u", "s.record_id::text", 36),
        ascii_("seq", "i", "s.seq::text"),
    )
)

CHANGED = f"""
    SELECT r.*, s.seq FROM audit_records r LEFT JOIN audit_seals s ON s.record_id = r.id
    WHERE r.hash IS DISTINCT FROM sha256({CONTENT}) ORDER BY s.seq, r.id
"""  # noqa: S608
BROKEN = f"""
    SELECT s.* FROM (
        SELECT a.*, r.hash AS content, lag(a.seq, 1, 0::bigint) OVER chain AS before_seq,
               lag(a.hash, 1, ''::bytea) OVER chain AS before_hash
        FROM audit_seals a LEFT JOIN audit_records r ON r.id = a.record_id
        WINDOW chain AS (ORDER BY a.seq)
    ) s
    WHERE s.content IS NULL OR s.seq <> s.before_seq + 1 OR s.prev_hash IS DISTINCT FROM s.before_hash
       OR s.hash IS DISTINCT FROM sha256({SEALED})
    ORDER BY s.seq
"""  # noqa: S608
# Written by the same statement as the record, and taken away by the one that seals it.
NEITHER = """
    SELECT r.id FROM audit_records r
    WHERE NOT EXISTS (SELECT FROM audit_seals s WHERE s.record_id = r.id)
      AND NOT EXISTS (SELECT FROM audit_unsealed u WHERE u.record_id = r.id)
    ORDER BY r.id
"""
WAITING = """
    SELECT u.record_id, u.since, r.id IS NULL AS gone, s.seq FROM audit_unsealed u
    LEFT JOIN audit_records r ON r.id = u.record_id LEFT JOIN audit_seals s ON s.record_id = u.record_id
    WHERE r.id IS NULL OR s.seq IS NOT NULL OR u.since < :since ORDER BY u.since, u.record_id
"""
CUT_OFF = """
    SELECT a.number, a.at, a.seq, s.seq IS NULL AS gone
    FROM audit_anchors a LEFT JOIN audit_seals s ON s.seq = a.seq
    WHERE s.hash IS DISTINCT FROM a.head ORDER BY a.number
"""


@check("audit", "Every record of the audit trail is as it was written, and sealed")
def audited(findings: Findings, at: datetime) -> None:
    """Hash every record anew, follow the seals from the first to the last, and look for what bears none."""
    count_rows(findings, records="audit_records", seals="audit_seals")
    for row in stream(CHANGED):
        if row.hash != content_hash(row._mapping):
            findings.add(f"audit record {row.id}", f"It was changed{_place(row.seq)}.")
    for row in stream(BROKEN):
        for seq, message in _faults(row):
            findings.add(f"audit seal {seq}", f"{message} (record {row.record_id})")
    for row in stream(NEITHER):
        findings.add(f"audit record {row.id}", "It has no seal and waits for none.")
    for row in stream(WAITING, since=at - LONGEST_WAIT):
        findings.add(f"audit record {row.record_id}", _still_waiting(row))


@check("audit_anchors", "The chain of the audit trail goes through the places that were noted of it")
def anchored(findings: Findings, at: datetime) -> None:
    """Compare the seals with what the anchors saw, and the anchors with each other."""
    for row in stream(CUT_OFF):
        what = "is missing" if row.gone else "is another one"
        findings.add(f"audit seal {row.seq}", f"What anchor {row.number} saw at {row.at} {what}.")
    number, previous = 0, GENESIS
    for row in db.session.execute(select(AuditAnchor.__table__).order_by(AuditAnchor.number)):
        findings.count("anchors")
        told = anchor_hash(previous, number=row.number, seq=row.seq, head=row.head, at=row.at)
        if row.number != number + 1 or row.prev_hash != previous or row.hash != told:
            findings.add(
                f"audit anchor {row.number}", "It does not follow the anchor before it, or was changed."
            )
        number, previous = row.number, row.hash if len(row.hash) == LINK_BYTES else GENESIS


def _faults(row: Any) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with a seal, with its number; nothing where SQL alone finds the hash wrong."""
    if row.seq != row.before_seq + 1:
        yield row.before_seq + 1, f"Seals {row.before_seq + 1} to {row.seq - 1} are missing."
    if row.prev_hash != row.before_hash:
        yield row.seq, "It does not follow the seal before it."
    if row.content is None:
        yield row.seq, "Its record is missing."
    elif len(row.prev_hash) not in (len(GENESIS), LINK_BYTES) or row.hash != seal_hash(
        row.prev_hash, seq=row.seq, record_id=row.record_id, content=row.content, at=row.at
    ):
        yield row.seq, "It, or the hash that its record bears, was changed."


def _place(seq: int | None) -> str:
    return "" if seq is None else f", and its seal has the number {seq}"


def _still_waiting(row: Any) -> str:
    if row.gone:
        return "It waits for its seal and is missing."
    if row.seq is not None:
        return f"It waits for a seal and has one, {row.seq}."
    return f"It waits for its seal since {row.since}."
