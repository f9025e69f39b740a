"""Aggregations of numbers that do not add: a day's maximum is not the sum of its hours' maxima."""

from collections.abc import Sequence
from decimal import Decimal

from app.domain.aggregations.core import (
    Aggregation,
    Observation,
    State,
    Window,
    aggregation,
    microseconds,
    quotient,
    total,
)
from app.domain.money import plain


@aggregation("max")
class Max(Aggregation):
    """The greatest value."""

    label = "Greatest value"

    def observe(self, observations: Sequence[Observation]) -> State:
        return plain(max(each.quantity for each in observations))

    def merge(self, states: Sequence[State]) -> State:
        return max(states, key=Decimal)

    def quantity(self, state: State, window: Window) -> Decimal:
        return Decimal(state)

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        return max(each.quantity for each in observations)


@aggregation("min")
class Min(Aggregation):
    """The least value."""

    label = "Least value"

    def observe(self, observations: Sequence[Observation]) -> State:
        return plain(min(each.quantity for each in observations))

    def merge(self, states: Sequence[State]) -> State:
        return min(states, key=Decimal)

    def quantity(self, state: State, window: Window) -> Decimal:
        return Decimal(state)

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        return min(each.quantity for each in observations)


@aggregation("average")
class Average(Aggregation):
    """The mean of the values, rounded half up to 12 decimals.

    The state is the sum and the number of values: a mean of means would weigh a quiet hour like a busy one.
    """

    label = "Mean of values"

    def observe(self, observations: Sequence[Observation]) -> State:
        return [plain(total(each.quantity for each in observations)), len(observations)]

    def merge(self, states: Sequence[State]) -> State:
        return [plain(total(Decimal(sum_) for sum_, _ in states)), sum(number for _, number in states)]

    def quantity(self, state: State, window: Window) -> Decimal:
        sum_, number = state
        return quotient(Decimal(sum_), number)

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        return quotient(total(each.quantity for each in observations), len(observations))


@aggregation("latest")
class Latest(Aggregation):
    """The value of the last event; of two at the same instant, of the one with the greater event id."""

    label = "Latest value"

    def observe(self, observations: Sequence[Observation]) -> State:
        last = max(observations, key=_moment)
        return [microseconds(last.at), last.event_id, plain(last.quantity)]

    def merge(self, states: Sequence[State]) -> State:
        return max(states)

    def quantity(self, state: State, window: Window) -> Decimal:
        return Decimal(state[2])

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        return max(observations, key=_moment).quantity


def _moment(observation: Observation) -> tuple[object, str]:
    return observation.at, observation.event_id
