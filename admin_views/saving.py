"""Writing a record from a form: one transaction, one audit record, and errors that a person can mend.

Flask-Admin would commit by itself and show the database's own words; here `app.db.transaction()` commits, and
a constraint that is broken becomes a message at the field it speaks of.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import flash
from flask_admin.form import BaseForm
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError

from admin_views import keys
from admin_views.access import current_actor
from admin_views.naming import mapper_of, noun_of, relations
from app.db import Base, db, transaction
from app.errors import DomainError
from app.services import audit

CONSTRAINT_WORDS = {
    "23505": "This is already used by another {noun}.",
    "23001": "It is still used elsewhere.",
    "23503": "It is still used elsewhere, or refers to something that is gone.",
    "23502": "This field is required.",
    "23514": "This value is not allowed here.",
    "23P01": "This overlaps with another {noun}.",
    "22003": "This number is too big.",
}
REFUSED = "The {noun} was not saved: the database refused these values. Nothing was changed."
RAISED_BY_US = "P0001"


@dataclass(frozen=True)
class Writes:
    """The services that make and change a record: `create(values, *, actor)` and `update(record, values, *,
    actor)`, which keep the audit themselves. What is left out is written by the columns alone.
    """

    create: Callable[..., Base] | None = None
    update: Callable[..., object] | None = None


def create(model: type[Base], form: BaseForm, by: Callable[..., Base] | None = None) -> Base | None:
    """Return the new record, or None with the reason at the form's fields."""
    made: list[Base] = []

    def work() -> None:
        if by is not None:
            made.append(by(dict(form.data), actor=current_actor()))
            return
        row = model()
        form.populate_obj(row)
        db.session.add(row)
        _, after = audit.changes(row)
        db.session.flush()
        audit.record(
            current_actor(),
            f"{_noun(model)}.created",
            row,
            summary=f"Created {noun_of(model)} {row}",
            after=after,
        )
        made.append(row)

    return made[0] if _attempt(model, form, work) else None


def update(row: Base, form: BaseForm, by: Callable[..., object] | None = None) -> bool:
    """Tell whether the record now holds what the form says; the reason why not is at the form's fields."""
    model = type(row)

    def work() -> None:
        if by is not None:
            by(
                row,
                {name: value for name, value in form.data.items() if getattr(row, name) != value},
                actor=current_actor(),
            )
            return
        with db.session.no_autoflush:
            form.populate_obj(row)
        before, after = audit.changes(row)
        db.session.flush()
        if after:
            audit.record(
                current_actor(),
                f"{_noun(model)}.updated",
                row,
                summary=f"Changed {noun_of(model)} {row}",
                before=before,
                after=after,
            )

    return _attempt(model, form, work)


def remove(row: Base) -> bool:
    """Tell whether the record is gone. Only its own row: what still refers to it makes it stay."""
    model = type(row)
    mapper = mapper_of(model)
    label = str(row)
    was = {
        attribute.key: getattr(row, attribute.key)
        for attribute in mapper.column_attrs
        if not attribute.columns[0].info.get("secret")
    }
    mine = [
        column == getattr(row, mapper.get_property_by_column(column).key)
        for column in keys.key_columns(model)
    ]

    def work() -> None:
        audit.record(
            current_actor(),
            f"{_noun(model)}.deleted",
            row,
            summary=f"Deleted {noun_of(model)} {label}",
            before=was,
        )
        db.session.flush()
        db.session.expunge(row)
        db.session.execute(delete(model).where(*mine))

    return _attempt(model, BaseForm(), work)


def _noun(model: type[Base]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.__name__).lower()


def _attempt(model: type[Base], form: BaseForm, work: Callable[[], None]) -> bool:
    try:
        with transaction():
            work()
    except DomainError as error:
        _explain(form, error)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        _explain_constraint(model, form, error)
    else:
        return True
    return False


def _explain(form: BaseForm, error: DomainError) -> None:
    placed = [_put(form, [one.pointer.strip("/").split("/")[0]], one.message) for one in error.fields]
    if not any(placed):
        flash(error.message, "error")


def _explain_constraint(model: type[Base], form: BaseForm, error: DBAPIError) -> None:
    state = getattr(error.orig, "sqlstate", None) or ""
    found: Any = getattr(error.orig, "diag", None)
    if state == RAISED_BY_US and found is not None:
        flash(f"{found.message_primary}", "error")
        return
    words = CONSTRAINT_WORDS.get(state, "").format(noun=noun_of(model))
    names = _columns_of(model, getattr(found, "constraint_name", None), getattr(found, "column_name", None))
    if words and _put(form, names, words):
        return
    flash(words or REFUSED.format(noun=noun_of(model)), "error")


def _columns_of(model: type[Base], constraint_name: str | None, column_name: str | None) -> list[str]:
    """Return the attributes that a broken constraint speaks of, the relationship before its foreign key."""
    columns = [column_name] if column_name else []
    for constraint in mapper_of(model).local_table.constraints if constraint_name else ():  # type: ignore[attr-defined]
        if constraint.name == constraint_name:
            columns += [column.key for column in getattr(constraint, "columns", ())]
            columns += re.findall(r"[a-z_]+", str(getattr(constraint, "sqltext", "")))
    by_key = {
        local.key: name for name, relation in relations(model).items() for local in relation.local_columns
    }
    return [name for column in columns for name in (by_key.get(column, column), column)]


def _put(form: BaseForm, names: list[str], message: str) -> bool:
    for name in names:
        if name in form:
            form[name].errors = [*form[name].errors, message]
            return True
    return False
