"""The audit trail as a chain: what is committed is sealed, and what is touched afterwards is found."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import db
from app.domain.auditing import content_hash
from app.ids import new_id
from app.models import AuditAnchor, AuditRecord, AuditSeal, AuditUnsealed
from app.permissions import Actor
from app.services import audit, audit_chain, verify
from app.services.verify import audited
from tests.factories import ACTOR, make_customer
from tests.services.metered import NOON
from tests.services.tampering import owning, power, red

CHECKS = ["audit", "audit_anchors"]
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture
def records(session: Session) -> list[AuditRecord]:
    """Five sealed records, anchored."""
    customer = make_customer()
    seal_all()
    made = [
        audit.record(ACTOR, "customer.updated", customer, summary=f"Change {n}", at=NOON, after={"n": n})
        for n in range(5)
    ]
    seal_all()
    audit_chain.anchor(NOON)
    return made


def seal_all() -> int:
    db.session.flush()
    return audit_chain.seal(NOON)


def seals(session: Session) -> list[tuple[int, UUID]]:
    rows = session.execute(select(AuditSeal.seq, AuditSeal.record_id).order_by(AuditSeal.seq))
    return [(row.seq, row.record_id) for row in rows]


def found() -> dict[str, list[str]]:
    return red(verify.run(CHECKS, at=NOON))


def test_records_are_sealed_in_their_order_and_once(session: Session) -> None:
    customer = make_customer()
    seal_all()
    before = len(seals(session))
    made = [audit.record(ACTOR, "customer.updated", customer, summary=str(n), at=NOON) for n in range(3)]
    session.flush()
    assert [audit_chain.seal(NOON, most=2), audit_chain.seal(NOON, most=2), seal_all()] == [2, 1, 0]
    assert seals(session)[before:] == [(before + n + 1, one.id) for n, one in enumerate(made)]
    assert not audit_chain.is_waiting()
    assert found() == {}


def test_the_state_tells_where_the_chain_ends_and_what_waits(
    session: Session, records: list[AuditRecord]
) -> None:
    last = audit_chain.newest_seal()
    assert last is not None
    audit.record(ACTOR, "customer.updated", make_customer(), summary="One more", at=NOON)
    session.flush()
    waiting = session.query(AuditUnsealed).count()
    state = audit_chain.state()
    assert (state.seq, state.head, state.waiting, state.anchored) == (last.seq, last.hash, waiting, last.seq)
    assert waiting >= 1


def test_an_anchor_is_dropped_only_where_the_chain_grew(session: Session, records: list[AuditRecord]) -> None:
    first = audit_chain.newest_anchor()
    assert audit_chain.anchor(NOON) is first
    audit.record(ACTOR, "customer.updated", make_customer(), summary="One more", at=NOON)
    seal_all()
    second = audit_chain.anchor(NOON)
    assert first is not None
    assert second is not None
    assert (second.number, second.prev_hash) == (first.number + 1, first.hash)
    assert found() == {}


@pytest.mark.parametrize("statement", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("table", ["audit_records", "audit_seals", "audit_anchors"])
def test_the_owner_of_the_tables_cannot_change_the_trail_either(
    session: Session, records: list[AuditRecord], table: str, statement: str
) -> None:
    with owning(session), pytest.raises(DBAPIError), session.begin_nested():
        session.execute(text(statement.format(table)))
    assert len(seals(session)) >= 5


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, min_size=5, max_size=5), before=DOCUMENTS, after=DOCUMENTS)
def test_postgresql_hashes_the_bytes_that_were_hashed_when_it_was_written(
    session: Session, words: list[str], before: Any, after: Any
) -> None:
    actor = Actor.system(words[0]).at(ip=words[1] or None, request_id=words[2] or None)
    entry = AuditRecord(
        id=new_id(),
        at=NOON + timedelta(microseconds=len(words[3])),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor=actor.label,
        role=str(actor.role),
        ip=actor.ip,
        request_id=actor.request_id,
        action=words[3],
        resource_type="Customer",
        resource_id=words[4],
        summary="".join(words),
        before={"value": before},
        after={"value": after, **(after if isinstance(after, dict) else {})},
    )
    session.add(entry)
    seal_all()
    assert list(session.execute(text(audited.CHANGED))) == []
    assert list(session.execute(text(audited.BROKEN))) == []


def test_where_the_two_spellings_differ_python_decides(
    session: Session, records: list[AuditRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHANGED", "BROKEN"):
        wrong = getattr(audited, name).replace("sha256(", "sha256('x' || ")
        monkeypatch.setattr(audited, name, wrong)
    assert found() == {}
    power(session, "UPDATE audit_records SET summary = 'x' WHERE id = :id", id=records[2].id)
    assert found() == {"audit": [f"audit record {records[2].id}"]}


def test_a_record_changed_together_with_its_hash_is_found_by_its_seal(
    session: Session, records: list[AuditRecord]
) -> None:
    seq = {one: number for number, one in seals(session)}[records[1].id]
    changed = {name: getattr(records[1], name) for name in AuditRecord.__table__.columns.keys()}  # noqa: SIM118
    changed["summary"] = "Nothing happened"
    power(
        session,
        "UPDATE audit_records SET summary = 'Nothing happened', hash = :hash WHERE id = :id",
        hash=content_hash(changed),
        id=records[1].id,
    )
    assert found() == {"audit": [f"audit seal {seq}"]}


def test_a_deleted_record_leaves_its_seal_and_a_deleted_seal_its_record(
    session: Session, records: list[AuditRecord]
) -> None:
    by_record = {one: number for number, one in seals(session)}
    deleted, bare = records[1].id, records[3].id
    power(session, "ALTER TABLE audit_seals DROP CONSTRAINT fk_audit_seals_record_id_audit_records")
    power(session, "DELETE FROM audit_records WHERE id = :id", id=deleted)
    power(session, "DELETE FROM audit_seals WHERE record_id = :id", id=bare)
    gone, unsealed = by_record[deleted], by_record[bare]
    assert set(found()["audit"]) == {
        f"audit seal {gone}",
        f"audit seal {unsealed}",
        f"audit seal {unsealed + 1}",
        f"audit record {bare}",
    }


def test_a_record_that_was_slipped_in_or_waits_too_long_is_found(
    session: Session, records: list[AuditRecord]
) -> None:
    late = audit.record(ACTOR, "customer.updated", make_customer(), summary="Late", at=NOON)
    seal_all()
    other = audit.record(ACTOR, "customer.updated", make_customer(), summary="Unsealed", at=NOON)
    session.flush()
    session.execute(text("DELETE FROM audit_unsealed WHERE record_id = :id"), {"id": other.id})
    session.execute(text("UPDATE audit_unsealed SET since = '2020-01-01'"))
    session.execute(text("INSERT INTO audit_unsealed (record_id) VALUES (:id)"), {"id": late.id})
    waiting = list(session.scalars(select(AuditUnsealed.record_id)))
    named = found()["audit"]
    assert set(named) == {f"audit record {one}" for one in [other.id, *waiting]}
    assert audit_chain.seal(NOON) == len(waiting) - 1


def test_the_end_that_was_cut_off_is_what_the_anchor_misses(
    session: Session, records: list[AuditRecord]
) -> None:
    last, gone = seals(session)[-1]
    power(session, "DELETE FROM audit_seals WHERE record_id = :id", id=gone)
    power(session, "DELETE FROM audit_records WHERE id = :id", id=gone)
    assert found() == {"audit_anchors": [f"audit seal {last}"]}
    power(session, "UPDATE audit_anchors SET seq = seq - 1, head = :head", head=b"\x01" * 32)
    anchor = session.scalars(select(AuditAnchor)).one()
    assert found() == {
        "audit_anchors": [f"audit seal {last - 1}", f"audit anchor {anchor.number}"],
    }
