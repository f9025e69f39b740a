"""The application inside an outer transaction: `transaction()` really commits, and nothing stays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.config import Settings
from app.db import bind_to, db
from app.factory import create_app
from tests.support import witness

BOOKKEEPING = ("SAVEPOINT", "RELEASE", "ROLLBACK TO", witness.MARK)


class Client(FlaskClient):
    """A test client whose every request has a context of its own, as in a server.

    What the test wrote so far is flushed before and what it has loaded is forgotten after, so both see the
    same rows.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send one request."""
        db.session.flush()
        with self.application.app_context():
            response = super().open(*args, **{"buffered": True, **kwargs})
        db.session.expire_all()
        return response


class Queries(list[str]):
    """The statements that went to the database, without savepoints."""

    def record(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Note one statement."""
        if not statement.startswith(BOOKKEEPING):
            self.append(statement)


QueryCounter = Callable[[], AbstractContextManager[Queries]]


@pytest.fixture(scope="session")
def application(settings: Settings) -> Iterator[Flask]:
    """The application of this worker; tests ask for `app`."""
    application = create_app(settings)
    application.test_client_class = Client
    witness.watch(application)
    yield application
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def app(application: Flask, redis: Redis) -> Iterator[Flask]:
    """The application with an open context, in a transaction that is rolled back after the test."""
    with application.app_context(), db.engine.connect() as connection:
        outer = connection.begin()
        with bind_to(connection):
            yield application
            db.session.remove()
        outer.rollback()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies yet."""
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Session:
    """The session of the test."""
    return db.session()


@contextmanager
def record_queries() -> Iterator[Queries]:
    """Yield a list that fills with the statements of the block."""
    queries = Queries()
    event.listen(Engine, "before_cursor_execute", queries.record)
    try:
        yield queries
    finally:
        event.remove(Engine, "before_cursor_execute", queries.record)


@pytest.fixture
def query_counter() -> QueryCounter:
    """`with query_counter() as queries: …` and then `len(queries)`; the statements themselves explain a
    surprise.
    """
    return record_queries
