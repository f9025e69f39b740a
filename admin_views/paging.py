"""Pages of a list. A big table is walked by key and never counted; a small one by number, counted up to a
limit.

Walking by key costs the same on the first and on the 10,000th page: the next page starts after the last row's
key.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, literal, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from admin_views.keys import decode, encode
from admin_views.naming import mapper_of
from app.db import Base, db

COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, how many there are in all, and the arguments that lead to the neighbours; or why they were not
    looked for."""

    rows: list[Any]
    total: int | None = None
    precise: bool = True
    first: int | None = None
    previous: dict[str, Any] | None = None
    next: dict[str, Any] | None = None
    refusal: str = ""

    @property
    def summary(self) -> str:
        """`1–50 of 1,204`, as far as it is known."""
        if not self.rows:
            return "None"
        shown = (
            f"{len(self.rows):,}"
            if self.first is None
            else f"{self.first:,}–{self.first + len(self.rows) - 1:,}"
        )
        if self.total is None:
            return f"{shown} shown"
        if self.first is None:
            return f"{shown} of about {self.total:,}"
        return f"{shown} of {self.total:,}" if self.precise else f"{shown} of more than {self.total:,}"


def by_number(
    query: Select[Any],
    shown: Select[Any],
    keys: tuple[InstrumentedAttribute[Any], ...],
    number: int,
    size: int,
) -> Page:
    """Return page `number` (from 0) of a query; two statements.

    `query` finds and orders, `shown` is in the same order and fetches what the rows show: of the 50 rows of
    the page alone, and not of all that are passed over.
    """
    one_each = query.order_by(None).with_only_columns(literal(1).label("one"), maintain_column_froms=True)
    counted = select(func.count()).select_from(one_each.limit(COUNT_LIMIT + 1).subquery())
    total = db.session.scalar(counted) or 0
    number = max(0, min(number, COUNT_LIMIT // size, (total - 1) // size if total <= COUNT_LIMIT else number))
    picked = query.with_only_columns(*keys, maintain_column_froms=True).limit(size + 1).offset(number * size)
    key: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
    rows = list(db.session.execute(shown.where(key.in_(picked.correlate(None)))))
    return Page(
        rows=rows[:size],
        total=min(total, COUNT_LIMIT),
        precise=total <= COUNT_LIMIT,
        first=number * size + 1,
        previous={"page": number - 1 or None} if number else None,
        next={"page": number + 1} if len(rows) > size else None,
    )


def by_key(
    query: Select[Any],
    keys: tuple[InstrumentedAttribute[Any], ...],
    after: str,
    before: str,
    size: int,
    total: int | None,
) -> Page:
    """Return the rows after (or before) a key, newest first; one statement.

    Raises:
        NotFound: the key in the address is not one of ours.
    """
    columns = tuple(key.property.columns[0] for key in keys)
    backwards = bool(before)
    token = before or after
    if token:
        values = [
            literal(value, column.type) for value, column in zip(decode(token, columns), columns, strict=True)
        ]
        edge = tuple_(*keys) > tuple_(*values) if backwards else tuple_(*keys) < tuple_(*values)
        query = query.where(edge, keys[0] >= values[0] if backwards else keys[0] <= values[0])
    order = [key.asc() if backwards else key.desc() for key in keys]
    rows = list(db.session.execute(query.order_by(None).order_by(*order).limit(size + 1)))
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return Page(rows=[], total=total)
    here = [encode([getattr(row[0], key.key) for key in keys]) for row in (rows[0], rows[-1])]
    has_previous, has_next = (more, True) if backwards else (bool(token), more)
    return Page(
        rows=rows,
        total=total,
        previous={"before": here[0], "after": None} if has_previous else None,
        next={"after": here[1], "before": None} if has_next else None,
    )


def estimate(model: type[Base]) -> int | None:
    """Return the planner's estimate of a table's rows with its partitions, None if it was never analysed."""
    statement = text(
        "SELECT sum(greatest(c.reltuples, 0))::bigint FROM pg_class c"
        " WHERE (c.oid = to_regclass(:name) AND c.relkind <> 'p')"
        " OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:name))"
    )
    found = db.session.scalar(statement, {"name": mapper_of(model).local_table.name})  # type: ignore[attr-defined]
    return int(found) if found else None
