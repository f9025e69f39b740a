"""Which component an event is charged by, and how much of a price is still to be asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from app.domain.errors import RuleBroken
from app.domain.money import EXACT, plain, quantize
from app.domain.pricing import Charge, Terms, Usage, price

# Rollups are keyed by these values, and an index entry of PostgreSQL holds about 2,700 bytes.
MOST_DIMENSION_TEXT = 500


class Filtered(Protocol):
    """What `match` chooses from: `filters` maps a dimension to its values, `position` is the order."""

    @property
    def filters(self) -> Mapping[str, Any]: ...

    @property
    def position(self) -> int: ...


class Dimensioned(Protocol):
    """What `by_group` sorts: usage with its dimension values."""

    @property
    def dimensions(self) -> Mapping[str, str]: ...


F = TypeVar("F", bound=Filtered)
D = TypeVar("D", bound=Dimensioned)


def match(components: Iterable[F], dimensions: Mapping[str, Any]) -> F | None:
    """Return the one component that charges usage of these dimension values, or None.

    Every filter of a component must hold; the component with the most filters wins, and among equals the one
    declared first. So usage is charged once, however many filters overlap.
    """
    fitting = [component for component in components if _holds(component.filters, dimensions)]
    if not fitting:
        return None
    return min(fitting, key=lambda component: (-len(component.filters), component.position))


def _holds(filters: Mapping[str, Any], dimensions: Mapping[str, Any]) -> bool:
    for dimension, wanted in filters.items():
        if dimension not in dimensions:
            return False
        values = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
        if dimensions[dimension] not in values:
            return False
    return True


def by_group(dimension: str, usages: Iterable[D]) -> dict[str, list[D]]:
    """Return usage by its value of a dimension; usage without one is the group ""."""
    found: dict[str, list[D]] = {}
    for usage in usages:
        found.setdefault(usage.dimensions.get(dimension, ""), []).append(usage)
    return found


def dimension_values(properties: Mapping[str, Any], names: Iterable[str], *, pointer: str) -> dict[str, str]:
    """Return a metric's dimensions out of an event's properties, as text; one it does not have is left out.

    Raises:
        RuleBroken: usage cannot be grouped by an object or a list, nor by more than 500 characters in all.
    """
    values: dict[str, str] = {}
    room = MOST_DIMENSION_TEXT
    for name in names:
        value = properties.get(name)
        if value is None:
            continue
        values[name] = value if type(value) is str else _text(value, f"{pointer}/{name}")
        room -= len(values[name])
        if room < 0:
            message = f"The dimensions may have {MOST_DIMENSION_TEXT} characters together."
            raise RuleBroken(f"{pointer}/{name}", "too_long", message)
    return values


def _text(value: Any, pointer: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int | float | str):
        return str(value)
    raise RuleBroken(pointer, "bad_value", "A dimension is a text or a number.")


@dataclass(frozen=True, slots=True)
class Movement:
    """What a total costs, what was asked for before, and the difference: below zero is given back."""

    charge: Charge
    posted: Decimal
    difference: Decimal


def charge(
    terms: Terms,
    usage: Usage,
    posted: Decimal,
    currency: str,
    *,
    charge_zero_first_tier: bool = False,
    apply_minimum: bool = True,
) -> Movement:
    """Return the movement `round(price(total)) − posted` for the cumulative `usage` of a charge position.

    The sum of all movements equals the rounded price of the total, whatever the order and size of the steps:
    amounts never drift. Re-rating and late usage are the same arithmetic.

    Raises:
        RuleBroken: as `price` says.
    """
    total = price(
        terms, usage, currency, charge_zero_first_tier=charge_zero_first_tier, apply_minimum=apply_minimum
    )
    return Movement(total, posted, quantize(EXACT.subtract(total.amount, posted), currency))
