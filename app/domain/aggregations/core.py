"""What an aggregation is, and the registry of all of them.

The usage of a metric is kept per 15-minute bucket. A **state** is what a bucket has to remember so that the
quantity of any longer window can be made from the states of its buckets, in any order and grouping: for the
greatest value that is the greatest value, for an average the sum and the number. States are plain JSON values
with every decimal as text, so that they are exact and have one spelling.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

from app.domain.errors import RuleBroken
from app.domain.events import ParsedEvent, read_quantity
from app.domain.money import EXACT, MOST_PLACES
from app.registry import Registry

State = Any

NOTHING = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Window(NamedTuple):
    """The instants `[start, end)` whose quantity is asked for."""

    start: datetime
    end: datetime


class Observation(NamedTuple):
    """One event as an aggregation sees it: `quantity` is what `read` returned when it came, `value` the text
    of the value property."""

    at: datetime
    event_id: str
    quantity: Decimal
    value: str | None = None


class ValueProperty(StrEnum):
    """Whether a metric names the property that its events are read from; without one the event's quantity is
    read."""

    unused = "unused"
    optional = "optional"
    required = "required"


class Aggregation(ABC):
    """How the events of a metric become the quantity of a window (docs/adr/0006).

    `adds`: the quantity of a window is the sum of the quantities of its parts, and no state is kept. The
    docstring of an entry is what people read when they choose one.
    """

    label: ClassVar[str]
    adds: ClassVar[bool] = False
    value_property: ClassVar[ValueProperty] = ValueProperty.optional

    @property
    def summary(self) -> str:
        """The rule in one sentence."""
        return " ".join((self.__doc__ or "").partition("\n\n")[0].split())

    def read(self, event: ParsedEvent, value_property: str | None) -> Decimal:
        """Return the event's value: of the property, or its quantity where the metric names none.

        Raises:
            RuleBroken: `missing_value`, or what `read_quantity` refuses: never 0 for want of a value.
        """
        if value_property is None:
            return event.quantity
        return read_value(event.properties, value_property, pointer=properties_pointer(event))

    def check_definition(self, value_property: str | None, dimensions: Collection[str]) -> None:
        """Refuse a metric that could not be counted.

        Raises:
            RuleBroken: at `/value_property` or `/dimensions/n`.
        """
        if self.value_property is ValueProperty.unused and value_property is not None:
            message = f"{self.label}: no property is read, the events are counted."
            raise RuleBroken("/value_property", "not_used", message)
        if self.value_property is ValueProperty.required and value_property is None:
            message = f"{self.label}: the property to read is needed."
            raise RuleBroken("/value_property", "required", message)

    @abstractmethod
    def observe(self, observations: Sequence[Observation]) -> State:
        """Return the state of at least one observation, in any order."""

    @abstractmethod
    def merge(self, states: Sequence[State]) -> State:
        """Return the state of at least one part, whatever the cut and the order."""

    @abstractmethod
    def quantity(self, state: State, window: Window) -> Decimal:
        """Return the quantity of a window in which the events behind `state` are all there were."""

    @abstractmethod
    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        """Return the quantity of a window from all its observations at once: the definition that states and
        merging have to meet. At least one observation."""


aggregations: Registry[Aggregation] = Registry("aggregation")


def aggregation(name: str) -> Callable[[type[Aggregation]], type[Aggregation]]:
    """Return a decorator that enters an instance of a class under `name`."""

    def enter(kind: type[Aggregation]) -> type[Aggregation]:
        aggregations.register(name)(kind())
        return kind

    return enter


def combine(entry: Aggregation, states: Iterable[State | None], window: Window) -> Decimal:
    """Return the quantity of a window from the states of its buckets; without any event it is 0."""
    present = [state for state in states if state is not None]
    return entry.quantity(entry.merge(present), window) if present else NOTHING


def read_value(properties: Mapping[str, Any], name: str, *, pointer: str) -> Decimal:
    """Return the number in a property, never 0 for want of one.

    Raises:
        RuleBroken: `missing_value`, or what `read_quantity` refuses, at `pointer/name`.
    """
    return read_quantity(present_value(properties, name, pointer=pointer), pointer=f"{pointer}/{name}")


def present_value(properties: Mapping[str, Any], name: str, *, pointer: str) -> Any:
    """Return what a property holds.

    Raises:
        RuleBroken: `missing_value`, at `pointer/name`.
    """
    value = properties.get(name)
    if value is None:
        message = f"The metric reads {name!r}, which the event does not have."
        raise RuleBroken(f"{pointer}/{name}", "missing_value", message)
    return value


def properties_pointer(event: ParsedEvent) -> str:
    """Return where the properties of an event stand in its batch."""
    return f"/{event.position}/properties"


def microseconds(at: datetime) -> int:
    """Return the whole microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def total(values: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    found = NOTHING
    for value in values:
        found = EXACT.add(found, value)
    return found


def quotient(numerator: Decimal, denominator: int) -> Decimal:
    """Return `numerator ÷ denominator` rounded once, half up away from zero, to 12 decimals.

    >>> quotient(Decimal(2), 3), quotient(Decimal("-0.000000000001"), 2)
    (Decimal('0.666666666667'), Decimal('-1E-12'))
    """
    exact = Fraction(numerator) / denominator * 10**MOST_PLACES
    whole, rest = divmod(abs(exact.numerator), exact.denominator)
    rounded = whole + (2 * rest >= exact.denominator)
    return EXACT.scaleb(Decimal(rounded if exact >= 0 else -rounded), -MOST_PLACES)
