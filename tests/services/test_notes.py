"""Notes on customers: written, pinned, never changed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import AuditRecord, CustomerNote
from app.services import notes
from tests import factories

AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_pinned_notes_stand_first_then_the_newest(session: Session) -> None:
    customer = factories.make_customer()
    first = notes.add(customer, " Asks for Meera. ", at=AT, actor=factories.ACTOR)
    second = notes.add(customer, "Pays late.", at=LATER, actor=factories.ACTOR)
    assert [note.text for note in notes.shown(customer.id)] == ["Pays late.", "Asks for Meera."]
    notes.pin(first, pinned=True, at=LATER, actor=factories.ACTOR)
    assert notes.shown(customer.id) == [first, second]


def test_each_act_leaves_one_record_and_pinning_twice_none(session: Session) -> None:
    customer = factories.make_customer()
    note = notes.add(customer, "Pays late.", at=AT, actor=factories.ACTOR)
    for pinned in (True, True, False):
        notes.pin(note, pinned=pinned, at=LATER, actor=factories.ACTOR)
    query = select(AuditRecord.action, AuditRecord.after).where(
        AuditRecord.resource_id == str(customer.id), AuditRecord.action.startswith("customer.note")
    )
    assert [tuple(row) for row in session.execute(query.order_by(AuditRecord.id))] == [
        ("customer.noted", {"note": str(note.id), "text": "Pays late.", "pinned": False}),
        ("customer.note_pinned", {"note": str(note.id), "pinned": True}),
        ("customer.note_unpinned", {"note": str(note.id), "pinned": False}),
    ]


@pytest.mark.parametrize("text", ["", "  ", "x" * 10_001, "a\x00b"])
def test_what_is_no_note_is_refused_at_its_field(session: Session, text: str) -> None:
    customer = factories.make_customer()
    with pytest.raises(Invalid) as refused:
        notes.add(customer, text, at=AT, actor=factories.ACTOR)
    assert [one.pointer for one in refused.value.fields] == ["/text"]
    assert session.scalar(select(func.count()).select_from(CustomerNote)) == 0
