"""Notes on customers: what staff write down for each other. Customers never see them."""

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response

from app import clock
from app.api.body import Body, Meta, Page
from app.api.endpoint import endpoint
from app.api.envelope import instant_text, paginate, related, resource, success
from app.api.guards import current_actor, guard
from app.api.idempotency import idempotent
from app.api.serializers import need_staff
from app.db import db
from app.errors import NotFound
from app.models import CustomerNote
from app.services import customers, notes

blueprint = Blueprint("notes", __name__)

NOTES = "Notes on customers"


class NewNote(Body):
    """A note to be written."""

    text: Annotated[str, Meta(max_length=notes.LONGEST, description="It stays as it is written")]
    pinned: Annotated[bool, Meta(description="It stands above the others")] = False


class NoteChange(Body):
    """Whether a note stands above the others."""

    pinned: bool


@blueprint.get("/customers/<reference>/notes")
@guard("customers", "read")
@endpoint("List the notes on a customer", query=Page, answers="customer_note", many=True)
def list_notes(reference: str, query: Page) -> Response:
    """The newest first; `pinned` tells which stand above the others on the screen."""
    need_staff(NOTES)
    chosen = notes.of(customers.get(reference).id).order_by(None)
    rows, cursor = paginate(chosen, query, (CustomerNote.created_at, CustomerNote.id))
    return success([_note(row) for row in rows], next_cursor=cursor)


@blueprint.post("/customers/<reference>/notes")
@guard("customers", "write")
@idempotent
@endpoint("Write a note on a customer", body=NewNote, answers="customer_note", status=201)
def add_note(reference: str, body: NewNote) -> Response:
    """The author is who calls. A note is never changed or deleted."""
    need_staff(NOTES)
    made = notes.add(
        customers.get(reference), body.text, pinned=body.pinned, at=clock.now(), actor=current_actor()
    )
    return success(_note(made), 201)


@blueprint.patch("/customers/<reference>/notes/<uuid:note_id>")
@guard("customers", "write")
@idempotent
@endpoint("Pin or unpin a note", body=NoteChange, answers="customer_note")
def change_note(reference: str, note_id: UUID, body: NoteChange) -> Response:
    """Only its place can be changed, not its words."""
    need_staff(NOTES)
    note = db.session.get(CustomerNote, note_id)
    if note is None or note.customer_id != customers.get(reference).id:
        raise NotFound("There is no such note on this customer.")
    notes.pin(note, pinned=body.pinned, at=clock.now(), actor=current_actor())
    return success(_note(note))


def _note(row: CustomerNote) -> dict[str, Any]:
    attributes = {
        "text": row.text,
        "pinned": row.pinned,
        "author": row.author,
        "created_at": instant_text(row.created_at),
    }
    return resource("customer_note", row.id, attributes, {"customer": related("customer", row.customer_id)})
