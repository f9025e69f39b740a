"""The tests of exactly-once, tested: what passes the true code finds each planted bug."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import db, raw_transaction, transaction
from app.domain.periods import bucket_start
from app.errors import Unavailable
from app.services import event_store, event_writer, metering
from app.services.event_store import ACCEPTED, STORE, Outcome, Row, store
from tests.support.own import OwnDatabase

AT = datetime(2026, 10, 10, 6, 30, tzinfo=UTC)
ACCOUNT, METRIC = uuid4(), UUID("01a20260-2462-7cbf-b356-278420dc5b4c")
EVENTS, DELIVERIES = 12, 3
# Every so many statements the connection is cut after it, before the COMMIT.
CUT_EVERY = 4

Store = Callable[[psycopg.Connection, Sequence[Row]], list[Outcome]]


def row(n: int) -> Row:
    return Row(ACCOUNT, f"e{n}", bytes(32), AT, METRIC, Decimal(1), "{}", bucket_start(AT), "{}")


def problems(own: OwnDatabase, monkeypatch: pytest.MonkeyPatch, how: Store = store) -> set[str]:
    """Deliver every event three times while connections are cut, each until it is answered; compare."""
    statements = count(1)

    def cut_sometimes(connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        outcomes = how(connection, rows)
        if next(statements) % CUT_EVERY == 0:
            with own.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        return outcomes

    monkeypatch.setattr(event_writer, "store", cut_sometimes)
    accepted: Counter[str] = Counter()
    with own.app():
        for n in [*range(EVENTS)] * DELIVERIES:
            accepted[f"e{n}"] += deliver(row(n))
    return compare(own, accepted)


def deliver(event: Row) -> bool:
    """Send an event until there is an answer; tell whether it was `accepted`."""
    while True:
        with suppress(Unavailable):
            return event_writer.write([event])[0].accepted


def compare(own: OwnDatabase, accepted: Counter[str]) -> set[str]:
    """Return what is wrong with the tables, or with what was answered."""
    with own.connect() as connection:
        events = Counter(each for (each,) in connection.execute("SELECT event_id FROM usage_events"))
        (counted,) = connection.execute("SELECT coalesce(sum(events), 0) FROM usage_deltas").fetchone() or (
            0,
        )
    everything = {f"e{n}" for n in range(EVENTS)}
    wrong = {
        "missing": everything - events.keys(),
        "stored twice": {each for each, times in events.items() if times > 1},
        "accepted twice": {each for each, times in accepted.items() if times > 1},
        "counted wrongly": set() if counted == EVENTS else {"deltas"},
    }
    return {name for name, found in wrong.items() if found}


def test_the_true_code_passes(own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(own_database, monkeypatch) == set()


def test_an_answer_before_the_commit_is_found(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_first(work: Callable[[psycopg.Connection], list[Outcome]], *, unknown: str) -> list[Outcome]:
        answers: list[Outcome] = []

        def note(connection: psycopg.Connection) -> None:
            answers.extend(work(connection))

        with suppress(psycopg.OperationalError):
            in_own_transaction(note)
        return answers

    monkeypatch.setattr(event_writer, "commit_raw", answer_first)
    monkeypatch.setattr("tests.services.test_planted_bugs.DELIVERIES", 1)
    assert "missing" in problems(own_database, monkeypatch)


def in_own_transaction(work: Callable[[psycopg.Connection], Any]) -> None:
    with raw_transaction() as connection:
        work(connection)


def test_two_transactions_instead_of_one_are_found(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keys_first(connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        new = connection.execute(
            "INSERT INTO event_keys (account_id, event_id, body_sha256, occurred_at) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
            (rows[0].account_id, rows[0].event_id, rows[0].body_sha256, rows[0].occurred_at),
        ).fetchone()
        connection.commit()
        if not new:
            return [event_store.DUPLICATE]
        connection.execute(
            "INSERT INTO usage_events (account_id, occurred_at, event_id, metric_id, quantity, properties) "
            "VALUES (%s, %s, %s, %s, 1, '{}')",
            (rows[0].account_id, rows[0].occurred_at, rows[0].event_id, rows[0].metric_id),
        )
        return [ACCEPTED]

    assert "missing" in problems(own_database, monkeypatch, keys_first)


def test_a_dropped_unique_key_is_found(own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_database.connect() as connection:
        for table in ("event_keys", "usage_events"):
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    found = problems(own_database, monkeypatch)
    assert found == {"stored twice", "accepted twice", "counted wrongly"}


def test_a_missing_conflict_clause_is_found(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_store, "STORE", STORE.replace("ON CONFLICT DO NOTHING RETURNING", "RETURNING"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        problems(own_database, monkeypatch)


@pytest.mark.parametrize(("claim", "waits"), [(" SKIP LOCKED", False), ("", True)], ids=["true", "planted"])
def test_a_missing_skip_locked_is_found(
    own_database: OwnDatabase, monkeypatch: pytest.MonkeyPatch, claim: str, waits: bool
) -> None:
    """Two runs at once: the second goes on with other deltas instead of waiting for the first."""
    planted = str(metering.CLAIM_AND_FOLD.text).replace(" SKIP LOCKED", claim)
    monkeypatch.setattr(metering, "CLAIM_AND_FOLD", text(planted))
    with own_database.app():
        for n in range(4):
            with raw_transaction() as connection:
                store(connection, [row(n)])
        with own_database.connect() as first, first.transaction():
            locked = "SELECT id FROM usage_deltas ORDER BY id LIMIT 2 FOR UPDATE"
            assert len(first.execute(locked).fetchall()) == 2
            assert second_waits() is waits


def second_waits() -> bool:
    """Meter while somebody else holds the first deltas; tell whether that had to wait."""
    try:
        with transaction():
            db.session.execute(text("SET LOCAL lock_timeout = '300ms'"))
            assert metering.drain(4) == 2
    except OperationalError:
        return True
    return False
