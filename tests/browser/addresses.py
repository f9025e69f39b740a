"""Where the pages of the back office are: from the table of its screens, with records that are there."""

from collections.abc import Iterator
from urllib.parse import urlencode

from flask import current_app
from flask_login import login_user

from admin_views.keys import key_of
from admin_views.operations import Operation
from app.auth.session import SignedIn
from app.db import Base, db
from app.models import User
from tests.support.browser import LiveServer

RECORDS_ASKED = 20


def staff_addresses(office: LiveServer, name: str) -> list[str]:
    """Return the pages of every screen as the person of that name would be led to them."""
    with office.database.app() as application, application.test_request_context():
        login_user(SignedIn.of(db.session.scalars(db.select(User).where(User.name == name)).one()))
        return list(_addresses(f"{office.url}/admin"))


def first_records(model: type[Base], count: int = 1) -> list[Base]:
    """Return the first rows of a model, by its key."""
    keys = model.__mapper__.primary_key
    return list(db.session.scalars(db.select(model).order_by(*keys).limit(count)))


def _addresses(home: str) -> Iterator[str]:
    """Yield of each screen its list, a record, its forms, and each operation where a record offers it."""
    for view in current_app.extensions["admin_screens"].values():
        base = f"{home}/{view.slug}"
        yield f"{base}/"
        rows = first_records(view.model, RECORDS_ASKED)
        for route, allowed in (("details", True), ("edit", view.can_edit)):
            if allowed and rows:
                yield f"{base}/{route}/?{urlencode({'id': key_of(rows[0])})}"
        if view.can_create:
            yield f"{base}/new/"
        for one in view.operations:
            yield from _operation(base, one, rows)


def _operation(base: str, one: Operation, rows: list[Base]) -> Iterator[str]:
    if one.on_list:
        yield f"{base}/operation/{one.name}/"
        return
    for record in rows:
        if one.when(record):
            yield f"{base}/operation/{one.name}/?{urlencode({'id': key_of(record)})}"
            return
