"""The price models: one function each, entered in `price_models` with its terms.

A function gets its terms, the usage and whether no usage still enters the first tier; it returns the rows of
the breakdown, in each of which `quantity × unit + flat = amount`. It runs inside the exact decimal context,
so operators lose nothing. A new model is one function here and one terms class; the dropdown, the API,
OpenAPI and the property tests read the registry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from app.domain.errors import RuleBroken
from app.domain.pricing.terms import (
    ZERO,
    FlatTerms,
    GraduatedPercentageTerms,
    ModelTerms,
    PackageTerms,
    PercentageTerms,
    PerUnitTerms,
    TieredTerms,
)
from app.registry import Registry

ONE = Decimal(1)
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used in a period: the summed quantity, and the single events where the model looks at each.

    `count` is how many events there were, where their values are not at hand.
    """

    quantity: Decimal
    events: tuple[Decimal, ...] = ()
    count: int | None = None


class Row(NamedTuple):
    """One row of a breakdown: `quantity × unit + flat = amount`. A tuple: ratings make millions of them.

    `kind` is free, flat, tier, units, packages, percentage, fixed, min_per_event, max_per_event, minimum or
    maximum; `tier` counts from 1, and is 0 in rows that are no tier. `group` is the value of a dimension that
    was priced by itself, None where nothing is grouped.
    """

    kind: str
    tier: int
    quantity: Decimal
    unit: Decimal
    flat: Decimal
    amount: Decimal
    group: str | None = None


PriceFunction = Callable[[Any, Usage, bool], list[Row]]


@dataclass(frozen=True, slots=True)
class PriceModel:
    """An entry of the registry: how the model is called for people, its terms, and its arithmetic."""

    label: str
    summary: str
    terms: type[ModelTerms]
    rows: PriceFunction


price_models: Registry[PriceModel] = Registry("price model")


def price_model(
    name: str, *, label: str, terms: type[ModelTerms]
) -> Callable[[PriceFunction], PriceFunction]:
    """Return a decorator that enters a price function; its docstring is the summary people read."""

    def enter(function: PriceFunction) -> PriceFunction:
        summary = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
        price_models.register(name)(PriceModel(label, summary, terms, function))
        return function

    return enter


@price_model("flat", label="Flat", terms=FlatTerms)
def flat(terms: FlatTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """One price per period, whatever the usage."""
    return [Row("flat", 0, ZERO, ZERO, terms.price, terms.price)]


@price_model("per_unit", label="Per unit", terms=PerUnitTerms)
def per_unit(terms: PerUnitTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """The same price for every unit."""
    rows, paid = _after_free(usage.quantity, terms.free_units)
    if paid:
        rows.append(Row("units", 0, paid, terms.unit, ZERO, paid * terms.unit))
    return rows


@price_model("graduated", label="Graduated", terms=TieredTerms)
def graduated(terms: TieredTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """Each unit at the price of the tier it falls in; a tier's flat part once it is entered."""
    rows, paid = _after_free(usage.quantity, terms.free_units)
    tiers = [(tier.up_to, tier.unit, tier.flat) for tier in terms.tiers]
    return rows + _graduate("tier", tiers, paid, zero_tier)


@price_model("volume", label="Volume", terms=TieredTerms)
def volume(terms: TieredTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """All units at the price of the one tier that the total falls in."""
    rows, paid = _after_free(usage.quantity, terms.free_units)
    if not paid and not zero_tier:
        return rows
    number, tier = next((n, t) for n, t in enumerate(terms.tiers, 1) if t.up_to is None or paid <= t.up_to)
    rows.append(Row("tier", number, paid, tier.unit, tier.flat, paid * tier.unit + tier.flat))
    return rows


@price_model("package", label="Package", terms=PackageTerms)
def package(terms: PackageTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """A price for each package of so many units, whole or begun."""
    rows, paid = _after_free(usage.quantity, terms.free_units)
    packages = paid // terms.size
    if terms.rounding == "up" and paid % terms.size:
        packages += ONE
    if packages:
        rows.append(Row("packages", 0, packages, terms.price, ZERO, packages * terms.price))
    return rows


@price_model("percentage", label="Percentage", terms=PercentageTerms)
def percentage(terms: PercentageTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """A share of each event's value and a fixed part per event.

    The free allowance covers the first `free_events` events or the first `free_amount` of value, whichever is
    used up first; an event that it covers wholly pays nothing at all, one it covers in part pays its fixed
    part.
    """
    rate = terms.rate / HUNDRED
    if usage.events and terms.needs != "sum":
        return _by_event(terms, usage.events, rate)
    used = bool(usage.quantity or usage.count)
    if used and (terms.by_event or (terms.needs == "count" and usage.count is None)):
        fields = ", ".join(terms.by_event) or "fixed"
        raise RuleBroken("/events", "events_needed", f"Each event is priced ({fields}): list the events.")
    rows, paid = _after_free(usage.quantity, terms.free_amount)
    return rows + _shares(paid, rate) + _fixed(usage.count or 0, terms.fixed)


def _by_event(terms: PercentageTerms, events: Sequence[Decimal], rate: Decimal) -> list[Row]:
    left = terms.free_amount
    free = paid = raised = lowered = ZERO
    paying = 0
    for n, value in enumerate(events):
        covered = ZERO
        in_reach = n < terms.free_events if terms.free_events else bool(terms.free_amount)
        if in_reach and terms.free_amount:
            covered = min(value, left)
            left -= covered
            in_reach = covered == value
        elif in_reach:
            covered = value
        free += covered
        if in_reach:
            continue
        paid += value - covered
        paying += 1
        fee = (value - covered) * rate + terms.fixed
        if terms.min_per_event is not None and fee < terms.min_per_event:
            raised += terms.min_per_event - fee
        elif terms.max_per_event is not None and fee > terms.max_per_event:
            lowered += terms.max_per_event - fee
    rows = [Row("free", 0, free, ZERO, ZERO, ZERO)] if free else []
    rows += _shares(paid, rate) + _fixed(paying, terms.fixed)
    limits = (("min_per_event", raised), ("max_per_event", lowered))
    return rows + [Row(kind, 0, ZERO, ZERO, moved, moved) for kind, moved in limits if moved]


def _shares(paid: Decimal, rate: Decimal) -> list[Row]:
    return [Row("percentage", 0, paid, rate, ZERO, paid * rate)] if paid else []


def _fixed(count: int, price: Decimal) -> list[Row]:
    return [Row("fixed", 0, Decimal(count), price, ZERO, count * price)] if count and price else []


@price_model("graduated_percentage", label="Graduated percentage", terms=GraduatedPercentageTerms)
def graduated_percentage(terms: GraduatedPercentageTerms, usage: Usage, zero_tier: bool) -> list[Row]:
    """Each part of the value at the percentage of the tier it falls in; a tier's flat part once it is
    entered."""
    rows, paid = _after_free(usage.quantity, terms.free_amount)
    tiers = [(tier.up_to, tier.rate / HUNDRED, tier.flat) for tier in terms.tiers]
    return rows + _graduate("percentage", tiers, paid, zero_tier)


def _after_free(quantity: Decimal, free: Decimal) -> tuple[list[Row], Decimal]:
    """Return the row of what is free, if any, and the quantity that is left to pay for."""
    if quantity <= ZERO:
        return [], ZERO
    if not free:
        return [], quantity
    covered = min(quantity, free)
    return [Row("free", 0, covered, ZERO, ZERO, ZERO)], quantity - covered


def _graduate(
    kind: str,
    tiers: Sequence[tuple[Decimal | None, Decimal, Decimal]],
    quantity: Decimal,
    zero_tier: bool,
) -> list[Row]:
    """Return a row per tier entered; `tiers` are (up_to, unit, flat).

    A quantity that exactly reaches a bound does not enter the next tier.
    """
    rows = []
    lower = ZERO
    for number, (up_to, unit, entry) in enumerate(tiers, 1):
        if quantity <= lower and not (zero_tier and number == 1):
            break
        inside = (quantity if up_to is None or quantity <= up_to else up_to) - lower
        rows.append(Row(kind, number, inside, unit, entry, inside * unit + entry))
        lower = up_to if up_to is not None else quantity
    return rows
