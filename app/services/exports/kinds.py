"""What can be exported: a registry of kinds, each a query of rows or a statement.

    @export_kind("payments", "Payments", resource="payments", headings=("Date", …))
    def payments(scope: Scope) -> Select[*tuple[Any, ...]]:
        …

The query selects one column per heading; it is streamed, never held. A contract test exports every kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select

from app.domain.periods import day_start
from app.registry import Registry

# The days of a list are India's, as those of documents are.
ZONE = "Asia/Kolkata"


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a kind is wanted: the days `first` to `last`, both included, and whose rows; None is all.
    `filters` narrow it further by what the kind itself offers."""

    first: date | None = None
    last: date | None = None
    customer_id: UUID | None = None
    wallet_id: UUID | None = None
    currency: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)

    def days(self, column: Any) -> list[ColumnElement[bool]]:
        """Return what a column of days has to fulfil."""
        found = []
        if self.first is not None:
            found.append(column >= self.first)
        if self.last is not None:
            found.append(column <= self.last)
        return found

    def instants(self, column: Any) -> list[ColumnElement[bool]]:
        """Return what a column of instants has to fulfil."""
        found = []
        if self.first is not None:
            found.append(column >= day_start(self.first, ZONE))
        if self.last is not None:
            found.append(column < day_start(self.last + timedelta(days=1), ZONE))
        return found

    def whose(self, column: Any) -> list[ColumnElement[bool]]:
        """Return what a column with the customer's id has to fulfil."""
        return [] if self.customer_id is None else [column == self.customer_id]


Query = Callable[[Scope], Select[*tuple[Any, ...]]]
# Draws up a statement: its content for the PDF, which its rows are taken from too.
Draw = Callable[[Scope, datetime], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ExportKind:
    """An entry of the registry. `resource` is what one has to be allowed to read; `own` tells that a customer
    may have the own rows. `needs` are the fields of the scope without which it means nothing, `filters` the
    names that `Scope.filters` may have."""

    title: str
    resource: str
    headings: tuple[str, ...]
    query: Query | None = None
    draw: Draw | None = None
    own: bool = True
    needs: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()


kinds: Registry[ExportKind] = Registry("export kind")


def export_kind(
    name: str,
    title: str,
    *,
    resource: str,
    headings: tuple[str, ...],
    own: bool = True,
    filters: tuple[str, ...] = (),
) -> Callable[[Query], Query]:
    """Return a decorator that makes a query an export.

    Raises:
        ValueError: the name is taken.
    """

    def enter(query: Query) -> Query:
        made = ExportKind(title, resource, headings, query=query, own=own, filters=filters)
        kinds.register(name)(made)
        return query

    return enter


def statement_kind(
    name: str, title: str, *, resource: str, headings: tuple[str, ...], needs: tuple[str, ...]
) -> Callable[[Draw], Draw]:
    """Return a decorator that makes a function a statement.

    Raises:
        ValueError: the name is taken.
    """

    def enter(draw: Draw) -> Draw:
        kinds.register(name)(ExportKind(title, resource, headings, draw=draw, needs=needs))
        return draw

    return enter
