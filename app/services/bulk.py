"""Many rows in one statement, whatever their number: for the few places that write on every metering run."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from app.db import Base, db

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


Rows = Sequence[Mapping[str, Any]]


def insert_rows(model: type[Base], rows: Rows) -> None:
    """Insert rows of one table, all with the same columns; defaults made in Python are not filled in."""
    if rows:
        db.session.execute(text(_insertion(model, tuple(rows[0]), "")), _arrays(model, rows, ""))


def write(inserts: Sequence[tuple[type[Base], Rows]], update: str, values: Mapping[str, Any]) -> None:
    """Insert rows of several tables and run an `UPDATE` with its values, all in one statement: one way to the
    database instead of many while a row is locked. Foreign keys are checked when it ends, so a row may refer
    to one beside it.
    """
    filled = [(model, rows) for model, rows in inserts if rows]
    shape = tuple((model, tuple(rows[0])) for model, rows in filled)
    given = dict(values)
    for n, (model, rows) in enumerate(filled):
        given |= _arrays(model, rows, f"t{n}_")
    db.session.execute(_writing(shape, update), given)


def _arrays(model: type[Base], rows: Rows, prefix: str) -> dict[str, list[Any]]:
    """Return the values by column, as arrays."""
    given: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    for name in given:
        if isinstance(model.__table__.columns[name].type, JSONB):
            given[name] = [json.dumps(value) for value in given[name]]
    return {prefix + name: array for name, array in given.items()}


@cache
def _insertion(model: type[Base], columns: tuple[str, ...], prefix: str) -> str:
    table = model.__table__
    types = {name: table.columns[name].type.compile(DIALECT) for name in columns}
    arrays = ", ".join(f"CAST(:{prefix}{name} AS {kind}[])" for name, kind in types.items())
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608


@cache
def _writing(shape: tuple[tuple[type[Base], tuple[str, ...]], ...], update: str) -> TextClause:
    parts = [f"t{n} AS ({_insertion(model, columns, f't{n}_')})" for n, (model, columns) in enumerate(shape)]
    return text(f"WITH {', '.join(parts)} {update}")
