"""Usage by the values of one dimension, each of which is priced by itself (docs/adr/0011).

It is kept in one spelling, as charge positions store it: `{"IN": ["12.5", 3]}` is a quantity of 12.5 in 3
events. A value that nothing was used of is left out. Usage without the dimension is the value "".
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from app.domain.money import EXACT, plain
from app.domain.pricing import Charge, Terms, Usage, price, price_groups

Groups = dict[str, list[Any]]
NOTHING = ("0", 0)


class Counted(Protocol):
    """What a component has counted in a period; `groups` only where it is priced by the values of a
    dimension."""

    @property
    def quantity(self) -> Decimal: ...

    @property
    def events(self) -> int: ...

    @property
    def groups(self) -> Groups | None: ...


@lru_cache(maxsize=65536)
def value_of(dimensions: str, name: str) -> str:
    """Return the value of a dimension in the canonical JSON text of dimension values; they come again and
    again."""
    return str(json.loads(dimensions).get(name, ""))


def spelled(parts: Iterable[tuple[str, Decimal, int]]) -> Groups:
    """Return value, quantity and number of events of each group in the one spelling."""
    return {
        value: [plain(quantity), events] for value, quantity, events in sorted(parts) if quantity or events
    }


@dataclass(frozen=True, slots=True)
class Total:
    """A quantity in a number of events, by groups where these are priced by themselves."""

    quantity: Decimal
    events: int
    groups: Groups | None = None


NO_USAGE = Total(Decimal(0), 0)


def add(groups: Groups, value: str, quantity: Decimal, events: int) -> None:
    """Add usage to a group, which goes if nothing is left of it."""
    held, held_events = groups.pop(value, NOTHING)
    groups.update(spelled([(value, EXACT.add(Decimal(held), quantity), held_events + events)]))


def difference(wanted: Groups | None, held: Groups | None) -> Groups:
    """Return what has to be added to the held groups to make them the wanted ones."""
    mine, theirs = wanted or {}, held or {}
    pairs = ((value, mine.get(value, NOTHING), theirs.get(value, NOTHING)) for value in {**mine, **theirs})
    return spelled(
        (value, EXACT.subtract(Decimal(one[0]), Decimal(other[0])), one[1] - other[1])
        for value, one, other in pairs
    )


def charge(
    terms: Terms,
    used: Counted,
    currency: str,
    *,
    group_by: str | None,
    charge_zero_first_tier: bool = False,
    apply_minimum: bool = True,
) -> Charge:
    """Return what `used` costs: as a whole, or with `group_by` each group by itself.

    Raises:
        RuleBroken: as `price` says.
    """
    if group_by is None:
        return price(
            terms,
            Usage(used.quantity, count=used.events),
            currency,
            charge_zero_first_tier=charge_zero_first_tier,
            apply_minimum=apply_minimum,
        )
    return price_groups(
        terms,
        {value: Usage(Decimal(part[0]), count=part[1]) for value, part in (used.groups or {}).items()},
        currency,
        charge_zero_first_tier=charge_zero_first_tier,
        apply_minimum=apply_minimum,
    )
