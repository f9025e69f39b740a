"""What was held, weighed by how long."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from app.domain.aggregations.core import (
    Aggregation,
    Observation,
    State,
    ValueProperty,
    Window,
    aggregation,
    microseconds,
    present_value,
    properties_pointer,
    quotient,
    total,
)
from app.domain.events import LARGEST_QUANTITY, ParsedEvent
from app.domain.money import EXACT, parse_decimal, plain


@aggregation("weighted_sum")
class WeightedSum(Aggregation):
    """The mean level over time. Values are changes of a level, such as +10 and −3 seats, which starts at 0
    and lasts to the end of the period: Σ value × (end − instant) ÷ (end − start).

    Rounded once, half up to 12 decimals. The state is Σ value and Σ value × instant, instants in
    microseconds, so it knows nothing of the period and adds.
    """

    label = "Level weighed by time"
    value_property = ValueProperty.required

    def read(self, event: ParsedEvent, value_property: str | None) -> Decimal:
        """Return the change of the level, which may be negative.

        Raises:
            RuleBroken: `missing_value`, `not_a_number`, `too_many_decimals` or `too_large`.
        """
        pointer, name = properties_pointer(event), value_property or ""
        value = present_value(event.properties, name, pointer=pointer)
        return parse_decimal(value, pointer=f"{pointer}/{name}", largest=LARGEST_QUANTITY)

    def observe(self, observations: Sequence[Observation]) -> State:
        moments = (EXACT.multiply(each.quantity, microseconds(each.at)) for each in observations)
        return [plain(total(each.quantity for each in observations)), plain(total(moments))]

    def merge(self, states: Sequence[State]) -> State:
        return [plain(total(Decimal(state[n]) for state in states)) for n in (0, 1)]

    def quantity(self, state: State, window: Window) -> Decimal:
        changes, moments = map(Decimal, state)
        start, end = microseconds(window.start), microseconds(window.end)
        return quotient(EXACT.subtract(EXACT.multiply(changes, end), moments), end - start)

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        length = microseconds(window.end) - microseconds(window.start)
        lasting = (
            Fraction(each.quantity) * (microseconds(window.end) - microseconds(each.at)) / length
            for each in observations
        )
        exact = sum(lasting, Fraction(0))
        return quotient(Decimal(exact.numerator), exact.denominator)
