"""How the events of a metric become a quantity: a registry of aggregations (DOMAIN.md §2).

An entry says how an event's value is read and whether values add. Values that add are folded from deltas in
any order; those of an aggregation that does not add are recomputed from the events of their bucket.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.errors import RuleBroken
from app.domain.events import ParsedEvent, read_quantity
from app.registry import Registry

Reader = Callable[[ParsedEvent, str | None], Decimal]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An entry: `read(event, value_property)` is the event's value, `adds` whether such values sum."""

    label: str
    read: Reader
    adds: bool


aggregations: Registry[Aggregation] = Registry("aggregation")


def aggregation(name: str, *, label: str, adds: bool) -> Callable[[Reader], Reader]:
    """Return a decorator that enters a reader under `name`."""

    def enter(reader: Reader) -> Reader:
        aggregations.register(name)(Aggregation(label, reader, adds))
        return reader

    return enter


@aggregation("count", label="Number of events", adds=True)
def count(event: ParsedEvent, value_property: str | None) -> Decimal:
    """Each event is one, whatever it carries."""
    return _ONE


@aggregation("sum", label="Sum of values", adds=True)
def total(event: ParsedEvent, value_property: str | None) -> Decimal:
    """The value property, or the event's quantity where the metric names none."""
    if value_property is None:
        return event.quantity
    return read_value(event.properties, value_property, pointer=f"/{event.position}/properties")


def read_value(properties: Mapping[str, Any], name: str, *, pointer: str) -> Decimal:
    """Return the number in a property, never 0 for want of one.

    Raises:
        RuleBroken: `missing_value`, or what `read_quantity` refuses, at `pointer/name`.
    """
    value = properties.get(name)
    if value is None:
        raise RuleBroken(
            f"{pointer}/{name}",
            "missing_value",
            f"The metric adds up {name!r}, which the event does not have.",
        )
    return read_quantity(value, pointer=f"{pointer}/{name}")


_ONE = Decimal(1)
