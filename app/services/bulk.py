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


def insert_rows(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of one table, all with the same columns; defaults made in Python are not filled in."""
    if not rows:
        return
    columns = tuple(rows[0])
    given: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in columns}
    for name in columns:
        if isinstance(model.__table__.columns[name].type, JSONB):
            given[name] = [json.dumps(value) for value in given[name]]
    db.session.execute(_statement(model, columns), given)


@cache
def _statement(model: type[Base], columns: tuple[str, ...]) -> TextClause:
    table = model.__table__
    types = {name: table.columns[name].type.compile(DIALECT) for name in columns}
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in types.items())
    return text(f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})")  # noqa: S608
