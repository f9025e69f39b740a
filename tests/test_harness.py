"""The harness: transactions that leave nothing, requests with contexts of their own, processes that end."""

import signal

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy import func, select, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from app.db import db, raw_transaction, transaction
from app.embedded.processes import is_running
from app.models import Customer
from tests.support.application import QueryCounter
from tests.support.browser import LiveServer
from tests.support.own import OwnDatabase


def new_customer() -> Customer:
    return Customer(name="Asha Traders", email="asha@example.in")


def count_customers() -> int | None:
    return db.session.scalar(select(func.count()).select_from(Customer))


@pytest.mark.parametrize("attempt", [1, 2])
def test_what_a_test_commits_is_gone_in_the_next(session: Session, attempt: int) -> None:
    assert count_customers() == 0
    with transaction() as inner:
        inner.add(new_customer())
    assert count_customers() == 1


def test_a_raw_transaction_sees_what_the_session_committed(session: Session) -> None:
    with transaction() as inner:
        inner.add(new_customer())
    with raw_transaction() as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (1,)
        connection.execute("UPDATE customers SET name = 'Renamed'")
    assert session.scalars(select(Customer.name)).one() == "Renamed"


def test_a_failed_transaction_undoes_only_itself(session: Session) -> None:
    with transaction() as inner:
        inner.add(new_customer())
    with pytest.raises(DataError), transaction() as inner:
        inner.add(new_customer())
        inner.flush()
        inner.execute(text("SELECT 1 / 0"))
    assert count_customers() == 1


def test_each_request_has_a_context_of_its_own(app: Flask, client: FlaskClient) -> None:
    g.left_by_the_test = True
    seen = []
    app.before_request_funcs.setdefault(None, []).append(lambda: seen.append("left_by_the_test" in g))
    try:
        client.get("/healthz")
    finally:
        app.before_request_funcs[None].pop()
    assert seen == [False]


def test_the_recorder_counts_statements_and_no_savepoints(
    session: Session, query_counter: QueryCounter
) -> None:
    with query_counter() as queries:
        with transaction() as inner:
            inner.execute(text("SELECT 1"))
        session.execute(text("SELECT 2"))
    assert queries == ["SELECT 1", "SELECT 2"]


def test_an_own_database_keeps_what_is_committed(own_database: OwnDatabase) -> None:
    with own_database.app(), transaction() as inner:
        inner.add(new_customer())
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (1,)


def test_a_killed_process_of_an_own_database_is_gone(own_database: OwnDatabase) -> None:
    child = own_database.start("sleeper", "-c", "import time; time.sleep(60)")
    pid = child.pid
    assert pid is not None
    own_database.kill(child)
    own_database.poll(lambda: not is_running(pid), "the killed process to be gone")
    assert child.reap() == -signal.SIGKILL


@pytest.mark.browser
def test_a_browser_sees_the_running_product(live_server: LiveServer, page: Page) -> None:
    page.goto(f"{live_server.url}/sign-in")
    assert page.get_by_role("heading", level=1).count() == 1
