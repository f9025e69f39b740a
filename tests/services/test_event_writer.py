"""The writer of events, with its real thread on a database of its own."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask

from app.domain.periods import bucket_start
from app.embedded.processes import wait_until
from app.errors import Unavailable
from app.services import event_writer
from app.services.event_store import ACCEPTED, DUPLICATE, Outcome, Row, store
from app.services.event_writer import make_writer
from tests.support.own import OwnDatabase

AT = datetime.now(UTC).replace(microsecond=0)
METRIC = UUID("01a20260-2462-7cbf-b356-278420dc5b4c")


def row(event_id: str, *, account: UUID | None = None, properties: str = "{}", at: datetime = AT) -> Row:
    return Row(
        account or uuid4(), event_id, b"1" * 32, at, METRIC, Decimal(1), properties, bucket_start(at), "{}"
    )


class Held:
    """Holds the writer's first commit until all others wait in its queue, so that they are coalesced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []
        monkeypatch.setattr(event_writer, "store", self.store)

    def store(self, connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        self.sizes.append(len(rows))
        self.begun.set()
        self.go.wait(10)
        return store(connection, rows)


def send_together(
    app: Flask, held: Held, requests: Sequence[list[Row]]
) -> list[list[Outcome] | BaseException]:
    """Send one request that is held, then the others at once; return all answers but the first."""
    writer = make_writer(app)
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        first = pool.submit(writer.submit, [row("first")])
        assert held.begun.wait(10)
        futures = [pool.submit(writer.submit, rows) for rows in requests]
        assert wait_until(lambda: writer.waiting == len(requests), patience_seconds=10)
        held.go.set()
        assert first.result(10) == [ACCEPTED]
        return [future.exception(10) or future.result() for future in futures]


def test_requests_that_wait_together_share_a_commit_and_get_their_own_answers(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [row("known")]
    held = Held(monkeypatch)
    with own_database.app() as app:
        with psycopg.connect(own_database.url) as connection:
            store(connection, known)
        answers = send_together(app, held, [[row("a"), row("b")], known, [row("c")]])

    assert answers == [[ACCEPTED, ACCEPTED], [DUPLICATE], [ACCEPTED]]
    assert held.sizes == [1, 4]


def test_a_request_that_cannot_be_stored_fails_alone(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch)
    with own_database.app() as app:
        good, bad = [row("good")], [row("bad", properties="{not json")]
        answers = send_together(app, held, [good, bad])

    assert answers[0] == [ACCEPTED]
    assert isinstance(answers[1], psycopg.errors.InvalidTextRepresentation)
    assert held.sizes == [1, 2, 1, 1]
    with own_database.connect() as connection:
        stored = connection.execute("SELECT event_id FROM usage_events ORDER BY event_id").fetchall()
    assert stored == [("first",), ("good",)]


def test_a_month_without_partition_gets_one(own_database: OwnDatabase) -> None:
    at = datetime(2015, 5, 17, 10, 5, tzinfo=UTC)
    with own_database.app():
        assert event_writer.write([row("old", at=at)]) == [ACCEPTED]

    with own_database.connect() as connection:
        assert connection.execute("SELECT event_id FROM usage_events_2015_05").fetchall() == [("old",)]


def test_a_connection_that_breaks_is_an_unknown_outcome_and_the_next_request_works(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        outcomes = store(connection, rows)
        with own_database.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        return outcomes

    rows = [row("a")]
    with own_database.app():
        with monkeypatch.context() as broken:
            broken.setattr(event_writer, "store", cut)
            with pytest.raises(Unavailable):
                event_writer.write(rows)
        assert event_writer.write(rows) == [ACCEPTED]


def test_too_much_waiting_is_refused_at_once(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "MOST_ROWS_WAITING", 2)
    held = Held(monkeypatch)
    with own_database.app() as app:
        writer = make_writer(app)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(writer.submit, [row("a")])
            assert held.begun.wait(10)
            second = pool.submit(writer.submit, [row("b"), row("c")])
            assert wait_until(lambda: writer.waiting == 1, patience_seconds=10)
            with pytest.raises(Unavailable):
                writer.submit([row("d")])
            held.go.set()
            assert (first.result(10), second.result(10)) == ([ACCEPTED], [ACCEPTED, ACCEPTED])
