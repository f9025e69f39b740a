"""How a row of a file becomes an event: each field of the event from a column, or from text with columns in
it.

`event_id=request_id` takes the column; `event_id=bytes-{request_id}` fills it into the text, so that one row
may be imported again as another metric under an id of its own. An empty cell leaves the field out.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from app.errors import FieldError, Invalid
from app.services.imports.files import Row

FIELDS = ("event_id", "account_id", "metric", "timestamp", "quantity")
REQUIRED = ("event_id", "account_id", "metric")
PROPERTY = re.compile(r"properties\.(.+)")

Read = Callable[[Row], Any]


class BadMapping(Invalid):
    """The mapping does not fit the file; the message names the columns that exist."""

    code = "bad_mapping"


@dataclass(frozen=True, slots=True)
class EventMapping:
    """How each field and each property of an event is read from a row."""

    fields: Mapping[str, Read]
    properties: Mapping[str, Read]
    nested: bool

    def event(self, row: Row) -> dict[str, Any]:
        """Return the raw event of a row, as the API takes it."""
        event = {name: value for name, read in self.fields.items() if (value := read(row)) is not None}
        given = row.get("properties") if self.nested else None
        if given is not None and not isinstance(given, dict):
            return {**event, "properties": given}
        properties = {
            name: value for name, read in self.properties.items() if (value := read(row)) is not None
        }
        return {**event, "properties": {**(given or {}), **properties}}


def make_mapping(
    columns: Iterable[str],
    maps: Iterable[str],
    *,
    metric: str | None = None,
    carried: Iterable[str] = (),
    dimensions: Iterable[str] = (),
) -> EventMapping:
    """Return the mapping for a file with these columns.

    `maps` are texts `field=column` or `field=text with {column}`; a field without one is read from the column
    of its own name. `metric` is the code of all rows. `dimensions` are columns that must exist and become
    properties under their own names, `carried` are those that do where they exist.

    Raises:
        BadMapping: an unknown field, a column that the file does not have, or a required field without a
        source.
    """
    known = tuple(columns)
    fields: dict[str, Read] = {name: _column(name) for name in FIELDS if name in known}
    properties: dict[str, Read] = {name: _column(name) for name in carried if name in known}
    for name in dimensions:
        properties[name] = _reader(name, known, f"--dimension {name}")
    for text in maps:
        field, source = _split(text)
        target, name = _target(field, fields, properties)
        target[name] = _reader(source, known, f"--map {text}")
    if metric is not None:
        fields["metric"] = lambda _row: metric
    if missing := [name for name in REQUIRED if name not in fields]:
        raise _missing(missing, known)
    return EventMapping(fields, properties, nested="properties" in known)


def _split(text: str) -> tuple[str, str]:
    field, equals, source = text.partition("=")
    if not equals or not field.strip() or not source.strip():
        raise BadMapping(f"--map {text!r} is not FIELD=COLUMN, such as --map event_id=request_id.")
    return field.strip(), source.strip()


def _target(field: str, fields: dict[str, Read], properties: dict[str, Read]) -> tuple[dict[str, Read], str]:
    if field in FIELDS:
        return fields, field
    if found := PROPERTY.fullmatch(field):
        return properties, found[1]
    raise BadMapping(f"An event has no field {field!r}. Fields: {', '.join(FIELDS)} and properties.NAME.")


def _reader(source: str, known: tuple[str, ...], option: str) -> Read:
    """Return what reads `source`, a column or a text with columns in braces."""
    if source in known:
        return _column(source)
    names = _names_in(source, option)
    unknown = [name for name in names if name not in known]
    if not names or unknown:
        what = f"column {unknown[0]!r}" if unknown else f"column {source!r}"
        raise BadMapping(f"{option}: the file has no {what}. Its columns are: {', '.join(known)}.")
    return _text(source, names)


def _names_in(source: str, option: str) -> list[str]:
    try:
        parts = list(Formatter().parse(source))
    except ValueError as error:
        raise BadMapping(f"{option}: {error}. Write columns in braces: bytes-{{request_id}}.") from None
    return [name for _literal, name, _spec, _conversion in parts if name is not None]


def _column(name: str) -> Read:
    return lambda row: row.get(name)


def _text(template: str, names: list[str]) -> Read:
    def read(row: Row) -> str | None:
        values = {name: row.get(name) for name in names}
        if any(value is None for value in values.values()):
            return None
        return "".join(
            literal + ("" if name is None else str(values[name]))
            for literal, name, _spec, _conversion in Formatter().parse(template)
        )

    return read


def _missing(names: list[str], known: tuple[str, ...]) -> BadMapping:
    hints = {"metric": "--metric CODE or --map metric=COLUMN"}
    needed = ", ".join(hints.get(name, f"--map {name}=COLUMN") for name in names)
    fields = [FieldError(f"/{name}", "required", f"{name} is needed.") for name in names]
    text = f"The file has no column {' and no column '.join(names)}: add {needed}."
    return BadMapping(f"{text} Its columns are: {', '.join(known)}.", fields=fields)
