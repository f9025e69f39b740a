"""A form changes the columns that it shows and no other, whatever else is sent along."""

from typing import Any

from flask import Flask
from sqlalchemy import Boolean, DateTime, Numeric
from wtforms import BooleanField, Field, SelectMultipleField

from admin_views.base import ModelScreen
from admin_views.lookups import LookupField
from app.db import Base, db
from tests.admin.conftest import Desk
from tests.admin.movements import make_movements
from tests.admin.world import make_world
from tests.security.world import NOBODY

# Set by the database itself with each change.
BY_ITSELF = {"updated_at"}


def sent_by(field: Field) -> Any:
    """Return what a browser sends for a field as it stands, None for nothing."""
    if isinstance(field, BooleanField):
        return "y" if field.data else None
    if isinstance(field, LookupField):
        chosen = field.loader.format(field.data) if field.data is not None else None
        return chosen[0] if chosen else ""
    if isinstance(field, SelectMultipleField):
        return list(field.data or [])
    value = field._value() if hasattr(field, "_value") else field.data
    return "" if value is None else str(value)


def as_it_stands(app: Flask, view: ModelScreen, row: Base) -> dict[str, Any]:
    """Return the form of a record as it is sent when nobody has touched it."""
    with app.test_request_context():
        form = view._form(None, row, view.edit_columns or view.form_columns)
        values = {name: sent_by(field) for name, field in form._fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def hostile(row: Base) -> dict[str, str]:
    """Return another value for every column of a record."""
    values = {}
    for attribute in type(row).__mapper__.column_attrs:
        kind = attribute.columns[0].type
        if isinstance(kind, Boolean):
            values[attribute.key] = "" if getattr(row, attribute.key) else "y"
        elif isinstance(kind, DateTime):
            values[attribute.key] = "2031-01-01T00:00"
        elif isinstance(kind, Numeric):
            values[attribute.key] = "999999"
        else:
            values[attribute.key] = NOBODY if attribute.key.endswith("id") else "7"
    return values


def content(row: Base, without: set[str]) -> dict[str, Any]:
    """Return the columns of a record that a form does not show."""
    db.session.refresh(row)
    return {
        attribute.key: getattr(row, attribute.key)
        for attribute in type(row).__mapper__.column_attrs
        if attribute.key not in without
    }


def test_a_form_saves_its_own_columns_only(app: Flask, at_desk: Desk) -> None:
    make_movements(make_world().customer)
    person, saved, changed = at_desk(), [], {}
    for model, view in app.extensions["admin_screens"].items():
        row = db.session.scalars(db.select(model)).first()
        if not view.can_edit or row is None:
            continue
        shown = set(view.edit_columns or view.form_columns)
        own = shown | {f"{name}_id" for name in shown} | BY_ITSELF
        before = content(row, own)
        path = f"/admin/{view.slug}/edit/?id={view.key_of(row)}"
        more = {name: value for name, value in hostile(row).items() if name not in shown}
        answer = person.post(path, {**more, **as_it_stands(app, view, row)})
        if answer.status_code == 302:
            saved.append(view.slug)
        if (after := content(row, own)) != before:
            changed[view.slug] = {name for name in before if before[name] != after[name]}
    assert changed == {}
    assert {"customers", "accounts", "wallets", "users", "metrics", "plans"} <= set(saved)
