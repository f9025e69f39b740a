"""The statement itself, on a database of its own: what concurrent senders get, and what is left after it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from uuid import UUID, uuid4

import psycopg
import pytest
from flask import Flask

from app.db import raw_transaction
from app.domain.periods import bucket_start
from app.services.event_store import ACCEPTED, CONFLICT, DUPLICATE, Outcome, Row, quoted_array, store
from tests.support.own import OwnDatabase

AT = datetime.now(UTC).replace(microsecond=0)
METRIC = UUID("01a20260-2462-7cbf-b356-278420dc5b4c")


def row(account: UUID, event_id: str, *, body: bytes = b"1" * 32, channel: str = "sms") -> Row:
    dimensions = f'{{"channel":"{channel}"}}'
    return Row(account, event_id, body, AT, METRIC, Decimal(1), "{}", bucket_start(AT), dimensions)


def commit(own: OwnDatabase, rows: list[Row]) -> list[Outcome]:
    with psycopg.connect(own.url) as connection:
        return store(connection, rows)


def test_two_rows_with_one_id_are_one_event_and_its_duplicate(own_database: OwnDatabase) -> None:
    account = uuid4()
    rows = [row(account, "a"), row(account, "a"), row(account, "b"), row(account, "a", body=b"2" * 32)]

    assert commit(own_database, rows) == [ACCEPTED, DUPLICATE, ACCEPTED, CONFLICT]
    assert commit(own_database, [row(account, "a", body=b"2" * 32)]) == [CONFLICT]
    with own_database.connect() as connection:
        assert connection.execute("SELECT sum(events) FROM usage_deltas").fetchone() == (2,)


@pytest.mark.parametrize("text", ['"', "\\", "{},", "NULL", "a\nb", "ü€𝄞", " ", "'; DROP TABLE x; --"])
def test_any_text_travels_unchanged_in_an_array(text: str, app: Flask) -> None:
    with raw_transaction() as connection:
        found = connection.execute("SELECT %s::text[]", (quoted_array([text, "x"]),)).fetchone()

    assert found == ([text, "x"],)


def test_concurrent_batches_of_the_same_shuffled_events_neither_deadlock_nor_count_twice(
    own_database: OwnDatabase,
) -> None:
    accounts = [uuid4() for _ in range(5)]
    events = [row(accounts[n % 5], f"event-{n}") for n in range(1_000)]

    def send(seed: int) -> Counter[bool]:
        shuffled = Random(seed).sample(events, len(events))
        answers = []
        with psycopg.connect(own_database.url) as connection:
            for begin in range(0, len(shuffled), 100):
                answers += store(connection, shuffled[begin : begin + 100])
                connection.commit()
        return Counter(answer.accepted for answer in answers)

    with ThreadPoolExecutor(8) as pool:
        totals = sum(pool.map(send, range(8)), Counter())

    assert totals == {True: 1_000, False: 7_000}
    with own_database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM event_keys").fetchone() == (1_000,)
        assert connection.execute("SELECT count(*) FROM usage_events").fetchone() == (1_000,)
        assert connection.execute("SELECT sum(events), sum(quantity) FROM usage_deltas").fetchone() == (
            1_000,
            1_000,
        )
