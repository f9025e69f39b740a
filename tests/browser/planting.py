"""Hostile texts in every column that a person, a customer or a program from outside can fill."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Enum, String

from app.db import Base

MOST_IN_A_CELL = (18, 6, 2, 1)
MOST_IN_A_DOCUMENT = 120
# What the product writes and reads back itself: no person types these, and a page cannot be made of others.
OWN_WORDS = """
    currency timezone locale country kind model aggregation period month first_month last_month
    financial_year content_type code key document_type resource_type resource_id reference_type tone url
    section place_of_supply state_code job gateway provider screen language theme events_hash operation
    file_key
"""
# Documents that pages lead people into by their own words, and those that show whatever came.
SHOWN_WHOLE = {
    "audit_records": ("before", "after"),
    "dead_letters": ("payload", "original_payload"),
    "outbox_messages": ("payload",),
    "webhook_messages": ("payload",),
    "usage_events": ("properties",),
    "idempotency_records": ("answer",),
    "customers": ("metadata",),
    "job_runs": ("detail",),
}


def text_columns(model: type[Base]) -> list[Any]:
    """Return the columns of a model that hold free text."""
    return [
        column
        for column in model.__table__.columns
        if isinstance(column.type, String)
        and not isinstance(column.type, Enum)
        and not (column.primary_key or column.foreign_keys or column.info.get("secret"))
        and column.name not in OWN_WORDS.split()
    ]


class Planter:
    """Writes payloads as the owner of the tables, past the services, from the first one again after the last;
    `planted` are their places, `closed` the columns whose own rules took none.
    """

    def __init__(self, connection: psycopg.Connection, payloads: Iterable[str]) -> None:
        self.connection = connection
        self.waiting = deque(payloads)
        self.planted: dict[str, str] = {}
        self.closed: set[str] = set()

    def plant(self, records: Iterable[Base]) -> None:
        """Fill every text of the records; a column that takes none of the sizes is closed by its own rule."""
        for record in records:
            table = sql.Identifier(record.__tablename__)
            self.connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
            for column, value in self._values(record):
                self._fill(record, column, value)
            self.connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))

    def _values(self, record: Base) -> Iterator[tuple[str, bool]]:
        for column in text_columns(type(record)):
            yield column.name, False
        for name in SHOWN_WHOLE.get(record.__tablename__, ()):
            yield name, True

    def _fill(self, record: Base, column: str, is_document: bool) -> None:
        for size in (MOST_IN_A_DOCUMENT,) if is_document else MOST_IN_A_CELL:
            taken = list(islice(self.waiting, size))
            if self._write(record, column, _document(taken) if is_document else " ".join(taken)):
                self.planted.update(dict.fromkeys(taken, f"{record.__tablename__}.{column}"))
                self.waiting.rotate(-size)
                return
        self.closed.add(f"{record.__tablename__}.{column}")

    def _write(self, record: Base, column: str, value: Any) -> bool:
        keys = record.__mapper__.primary_key
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(one.name)) for one in keys)
        statement = sql.SQL("UPDATE {} SET {} = %s WHERE {}").format(
            sql.Identifier(record.__tablename__), sql.Identifier(column), where
        )
        try:
            with self.connection.transaction():
                self.connection.execute(
                    statement, [value, *record.__mapper__.primary_key_from_instance(record)]
                )
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return False
        return True


def _document(taken: list[str]) -> Jsonb:
    """Return a document with the payloads as its names and its values, plain and nested."""
    third = len(taken) // 3 + 1
    named = dict.fromkeys(taken[:third], "x")
    return Jsonb({**named, "list": taken[third : 2 * third], "inner": {"note": taken[2 * third :]}})
