"""Search and filters of a list: small, named in the address, and answered by an index.

Search is by prefix or exact, never `ILIKE '%…%'`: `search = ("name", "=external_id", "account.name")`. An id
finds its row in every list. Filters are named after what they ask: `filters = ("status", "account",
"created_at")`; one over other tables brings its own condition.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from datetime import date as Day  # noqa: N812
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import Locale
from sqlalchemy import Boolean, Column, ColumnElement, DateTime, Enum, false, func, or_, select, union
from sqlalchemy.orm import InstrumentedAttribute

from admin_views.naming import column_of, is_time, label_of, local_key, relations
from app import personal
from app.db import Base
from app.templating import current_zone, words

COUNTRIES = tuple(
    sorted(
        (
            (code, str(name))
            for code, name in Locale("en").territories.items()
            if len(code) == 2 and code.isalpha() and code not in {"EU", "EZ", "UN", "ZZ"}
        ),
        key=lambda pair: pair[1],
    )
)
LONGEST_TERM = 200


@dataclass(frozen=True)
class Filter:
    """One question a list can be narrowed by.

    `kind` is `choice`, `lookup` (a record of `target`), `period` (two dates) or `text` (exact). `where` turns
    the value into a condition where no column of the model's own answers. `hint` is what stands in an empty
    text field.
    """

    name: str
    label: str = ""
    kind: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    target: type[Base] | None = None
    where: Callable[[Any], ColumnElement[bool]] | None = None
    hint: str = "The whole value"
    values: dict[str, str] = field(default_factory=dict)
    shown: str = ""

    def condition(self, model: type[Base], args: Mapping[str, str]) -> ColumnElement[bool] | None:
        """Return the condition for these arguments, None where they do not ask; nonsense matches nothing."""
        if self.kind == "period":
            return _period(
                getattr(model, self.name),
                args.get(f"{self.name}_from", ""),
                args.get(f"{self.name}_until", ""),
            )
        given = args.get(self.name, "").strip()
        if not given:
            return None
        value = self._read(given)
        if value is None:
            return false()
        if self.where is not None:
            return self.where(value)
        condition: ColumnElement[bool] = _attribute(model, self.name) == value
        return condition

    def asked(self, args: Mapping[str, str]) -> "Filter":
        """Return the filter with what the address asks of it, for its form."""
        names = (f"{self.name}_from", f"{self.name}_until") if self.kind == "period" else (self.name,)
        return replace(
            self, values={name: args[name].strip() for name in names if args.get(name, "").strip()}
        )

    def _read(self, given: str) -> Any:
        if self.kind == "lookup":
            try:
                return UUID(given)
            except ValueError:
                return None
        if self.kind == "choice":
            if given not in dict(self.choices):
                return None
            return {"true": True, "false": False}.get(given, given)
        return given[:LONGEST_TERM].replace("\x00", "")


def derive(model: type[Base], asked: str | Filter) -> Filter:
    """Return a filter from the name of a column or a relationship, or complete one given as such.

    Raises:
        ValueError: the model has nothing of that name.
    """
    given = asked if isinstance(asked, Filter) else Filter(asked)
    label = given.label or label_of(given.name)
    if given.kind:
        return replace(given, label=label)
    if given.target is not None:
        return replace(given, label=label, kind="lookup")
    if given.name in relations(model):
        return replace(given, label=label, kind="lookup", target=relations(model)[given.name].mapper.class_)
    column = column_of(model, given.name)
    if column is None:
        raise ValueError(f"{model.__name__} has no column {given.name!r} to filter by.")
    if is_time(column):
        return replace(given, label=label, kind="period")
    choices = _choices(column)
    hint = "INR" if column.name == "currency" else given.hint
    return replace(given, label=label, kind="choice" if choices else "text", choices=choices, hint=hint)


def _choices(column: Column[Any]) -> tuple[tuple[str, str], ...]:
    if isinstance(column.type, Enum):
        return tuple((name, words(name)) for name in column.type.enums)
    if isinstance(column.type, Boolean):
        return (("true", "Yes"), ("false", "No"))
    if column.name == "country" or column.info.get("format") == "country":
        return COUNTRIES
    return ()


def _attribute(model: type[Base], name: str) -> InstrumentedAttribute[Any]:
    key = local_key(model, name) if name in relations(model) else name
    attribute: InstrumentedAttribute[Any] = getattr(model, key)
    return attribute


def _period(attribute: InstrumentedAttribute[Any], start: str, end: str) -> ColumnElement[bool] | None:
    try:
        days = [Day.fromisoformat(text) if text else None for text in (start.strip(), end.strip())]
    except ValueError:
        return false()
    first, last = days
    if first is None and last is None:
        return None
    bound: Callable[[Day], Any] = _midnight if isinstance(attribute.type, DateTime) else _as_it_is
    parts = []
    if first is not None:
        parts.append(attribute >= bound(first))
    if last is not None:
        if last == Day.max:
            return false()
        parts.append(attribute < bound(last + timedelta(days=1)))
    result: ColumnElement[bool] = parts[0]
    return result & parts[1] if len(parts) == 2 else result


def _midnight(day: Day) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(current_zone())).astimezone(UTC)


def _as_it_is(day: Day) -> Day:
    return day


def matches(model: type[Base], search: tuple[str, ...], term: str) -> ColumnElement[bool]:
    """Return the condition for a search term: the row's own id, or a prefix (or, with `=`, all) of a searched
    column. Each column is asked by its own index: of several joined by OR, the database would read all rows.
    """
    term = term.strip()[:LONGEST_TERM].replace("\x00", "")
    conditions: list[ColumnElement[bool]] = [_matches_one(model, name, term) for name in search]
    key = getattr(model, "id", None)
    wanted = _read_id(term)
    if wanted is not None and key is not None and key.type.python_type is UUID:
        conditions.append(key == wanted)
    if key is None or len(conditions) < 2:
        return or_(false(), *conditions)
    each = (select(key).where(one).correlate(None) for one in conditions)
    found: ColumnElement[bool] = key.in_(union(*each))
    return found


def _read_id(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _matches_one(model: type[Base], name: str, term: str) -> ColumnElement[bool]:
    exact = name.startswith("=")
    first, _, rest = name.lstrip("=").partition(".")
    if rest:
        target = relations(model)[first].mapper.class_
        inner = _matches_one(target, f"={rest}" if exact else rest, term)
        return _attribute(model, first).in_(_ids(target, inner))
    attribute = _attribute(model, first)
    # Whoever may not read a column could spell it out by its prefixes: only all of it finds the row.
    if exact or (personal.is_named(first) and personal.is_hidden()):
        return attribute == term
    return func.lower(attribute).startswith(term.lower(), autoescape=True)


def _ids(target: type[Base], condition: ColumnElement[bool]) -> Any:
    return target.__table__.select().with_only_columns(target.id).where(condition)  # type: ignore[attr-defined]
