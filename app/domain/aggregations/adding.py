"""Aggregations whose quantities add: a bucket needs no state beside its quantity."""

from collections.abc import Sequence
from decimal import Decimal

from app.domain.aggregations.core import (
    Aggregation,
    Observation,
    State,
    ValueProperty,
    Window,
    aggregation,
    total,
)
from app.domain.events import ParsedEvent
from app.domain.money import plain

_ONE = Decimal(1)


class _Adding(Aggregation):
    adds = True

    def observe(self, observations: Sequence[Observation]) -> State:
        return plain(total(each.quantity for each in observations))

    def merge(self, states: Sequence[State]) -> State:
        return plain(total(map(Decimal, states)))

    def quantity(self, state: State, window: Window) -> Decimal:
        return Decimal(state)

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        return total(each.quantity for each in observations)


@aggregation("count")
class Count(_Adding):
    """How many events there were, whatever they carry."""

    label = "Number of events"
    value_property = ValueProperty.unused

    def read(self, event: ParsedEvent, value_property: str | None) -> Decimal:
        return _ONE


@aggregation("sum")
class Sum(_Adding):
    """The sum of the values."""

    label = "Sum of values"
