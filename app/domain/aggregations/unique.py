"""Counting distinct values, which may be taken back."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

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
)
from app.domain.errors import RuleBroken
from app.domain.events import LONGEST_NAME, ParsedEvent

OPERATION = "operation_type"
ADD, REMOVE = "add", "remove"

_STEP = {ADD: Decimal(1), REMOVE: Decimal(-1)}


@aggregation("unique_count")
class UniqueCount(Aggregation):
    """How many distinct values there were. An event whose `operation_type` is `remove` takes its value back:
    a value counts when the last that was said of it is `add`.

    An event is stored with the quantity 1, or −1 for a removal. The state holds for each value when it was
    last spoken of, by which event, and whether it was added then.
    """

    label = "Number of distinct values"
    value_property = ValueProperty.required

    def read(self, event: ParsedEvent, value_property: str | None) -> Decimal:
        """Return 1 for an addition, −1 for a removal.

        Raises:
            RuleBroken: `missing_value`, `bad_value`, `too_long`; `unknown_choice` at
                `/n/properties/operation_type`.
        """
        pointer, name = properties_pointer(event), value_property or ""
        _check_value(present_value(event.properties, name, pointer=pointer), f"{pointer}/{name}")
        operation = event.properties.get(OPERATION)
        if operation is None:
            return _STEP[ADD]
        if not isinstance(operation, str) or operation not in _STEP:
            message = f"Choose one of: {', '.join(_STEP)}; without it the value is added."
            raise RuleBroken(f"{pointer}/{OPERATION}", "unknown_choice", message)
        return _STEP[operation]

    def check_definition(self, value_property: str | None, dimensions: Collection[str]) -> None:
        """Refuse also what would tear a value from its removal, or count each value by itself.

        Raises:
            RuleBroken: at `/value_property` or `/dimensions/n`.
        """
        super().check_definition(value_property, dimensions)
        if value_property == OPERATION:
            message = f"{OPERATION} says whether a value comes or goes; it cannot be the value."
            raise RuleBroken("/value_property", "reserved", message)
        for n, name in enumerate(dimensions):
            if name == value_property:
                message = "By its own value each group would have one distinct value."
                raise RuleBroken(f"/dimensions/{n}", "bad_dimension", message)
            if name == OPERATION:
                message = "Additions and their removals must fall into the same group."
                raise RuleBroken(f"/dimensions/{n}", "bad_dimension", message)

    def observe(self, observations: Sequence[Observation]) -> State:
        return self.merge(
            [
                {each.value: [microseconds(each.at), each.event_id, int(each.quantity > 0)]}
                for each in observations
            ]
        )

    def merge(self, states: Sequence[State]) -> State:
        merged: dict[str, list[Any]] = {}
        for state in states:
            for value, last in state.items():
                known = merged.get(value)
                if known is None or known < last:
                    merged[value] = last
        return merged

    def quantity(self, state: State, window: Window) -> Decimal:
        return Decimal(sum(added for _, _, added in state.values()))

    def value(self, observations: Sequence[Observation], window: Window) -> Decimal:
        last = {each.value: each for each in sorted(observations, key=lambda one: (one.at, one.event_id))}
        return Decimal(sum(each.quantity > 0 for each in last.values()))


def _check_value(value: Any, pointer: str) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise RuleBroken(pointer, "bad_value", "A text or a number is needed.")
    if isinstance(value, str) and not value.strip():
        raise RuleBroken(pointer, "missing_value", "The value is empty.")
    if isinstance(value, str) and len(value) > LONGEST_NAME:
        raise RuleBroken(pointer, "too_long", f"The value may have at most {LONGEST_NAME} characters.")
