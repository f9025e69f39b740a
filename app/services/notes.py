"""What staff write down about a customer for each other: promises on the telephone, whom to ask for, what to
mind. A note is never changed; it can be pinned above the others.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select

from app.db import db
from app.models import Customer, CustomerNote
from app.permissions import Actor
from app.services import audit, inputs
from app.services.inputs import refusals

LONGEST = 10_000
SHOWN = 20


def add(customer: Customer, text: str, *, pinned: bool = False, at: datetime, actor: Actor) -> CustomerNote:
    """Return the new note on a customer.

    Raises:
        Invalid: it is empty or longer than 10,000 characters; `/text` is named.
    """
    with refusals():
        words = inputs.text(LONGEST)(text, "/text")
    note = CustomerNote(customer_id=customer.id, text=words, pinned=pinned, author=actor.label, created_at=at)
    db.session.add(note)
    db.session.flush()
    audit.record(
        actor,
        "customer.noted",
        customer,
        summary=f"A note was written on {customer.name}",
        at=at,
        after={"note": str(note.id), "text": words, "pinned": pinned},
    )
    return note


def pin(note: CustomerNote, *, pinned: bool, at: datetime, actor: Actor) -> CustomerNote:
    """Put a note above the others, or back among them; one that is there already stays without a record."""
    if note.pinned == pinned:
        return note
    note.pinned = pinned
    db.session.flush()
    done = "pinned" if pinned else "unpinned"
    audit.record(
        actor,
        f"customer.note_{done}",
        note.customer,
        summary=f"A note on {note.customer.name} was {done}",
        at=at,
        before={"note": str(note.id), "pinned": not pinned},
        after={"note": str(note.id), "pinned": pinned},
    )
    return note


def of(customer_id: UUID) -> Select[CustomerNote]:
    """Return the query of the notes on a customer, the pinned first, then the newest."""
    order = (CustomerNote.pinned.desc(), CustomerNote.created_at.desc(), CustomerNote.id.desc())
    return select(CustomerNote).where(CustomerNote.customer_id == customer_id).order_by(*order)


def shown(customer_id: UUID) -> list[CustomerNote]:
    """Return the notes that the customer's page shows."""
    return list(db.session.scalars(of(customer_id).limit(SHOWN)))
