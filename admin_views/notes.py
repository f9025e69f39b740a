"""Notes on customers: written and read on the customer's page, found here."""

from datetime import datetime
from functools import partial

from flask import url_for
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from admin_views.base import ModelScreen
from admin_views.fields import FlagField, no_zero_bytes
from admin_views.operations import Operation
from admin_views.registry import screen
from app.db import Base
from app.models import Customer, CustomerNote
from app.permissions import Actor
from app.services import notes


def add(customer: Customer, *, text: str, pinned: bool, at: datetime, actor: Actor) -> str:
    """Write a note on a customer."""
    notes.add(customer, text, pinned=pinned, at=at, actor=actor)
    return "The note stands on this page."


ADD_NOTE = Operation(
    "add_note",
    "Add a note",
    run=add,
    icon="notes",
    bulk=False,
    menu=True,
    inputs={
        "text": TextAreaField("Note", validators=[InputRequired(), Length(max=notes.LONGEST), no_zero_bytes]),
        "pinned": FlagField("Keep it above the others"),
    },
    confirm="All staff can read it; the customer cannot. It stays as it is written.",
)


@screen(CustomerNote, category="Customers", title="Notes", icon="notes", place=8, listed=False)
class CustomerNoteScreen(ModelScreen):
    """Every note on every customer, the newest first."""

    column_list = ("text", "customer", "author", "pinned", "created_at")
    filters = ("customer", "pinned", "created_at")
    big = True
    walk = ("created_at", "id")
    intro = "What staff wrote down for each other. Notes are written on the customer's page."
    empty = "Open a customer and add the first note."
    operations = (
        Operation(
            "pin",
            "Pin",
            run=partial(notes.pin, pinned=True),
            icon="flag",
            when=lambda note: not note.pinned,
            confirm="The note stands above the others on the customer's page.",
        ),
        Operation(
            "unpin",
            "Unpin",
            run=partial(notes.pin, pinned=False),
            icon="flag",
            when=lambda note: note.pinned,
            confirm="The note goes back among the others, by its date.",
        ),
    )

    def address(self, record: Base | None) -> str:
        """Return the customer's page, on which a note is read."""
        if isinstance(record, CustomerNote):
            return url_for("admin_customers.details_view", id=record.customer_id)
        return super().address(record)
