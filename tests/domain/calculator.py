"""An independent price calculator, written with `fractions` from DOMAIN.md §4 and API.md §5. It shares no
code with the product."""

from fractions import Fraction
from typing import Any

Terms = dict[str, Any]


def exact(terms: Terms, quantity: Fraction, events: list[Fraction], zero_tier: bool = False) -> Fraction:
    """Return the unrounded price of a quantity (or of single events) under wire terms with their `model`."""
    amount = {
        "flat": lambda: Fraction(terms["price"]),
        "per_unit": lambda: _paid(terms, quantity) * Fraction(terms["unit"]),
        "graduated": lambda: _graduated(
            terms["tiers"], "unit", Fraction(1), _paid(terms, quantity), zero_tier
        ),
        "volume": lambda: _volume(terms["tiers"], _paid(terms, quantity), zero_tier),
        "package": lambda: _package(terms, _paid(terms, quantity)),
        "percentage": lambda: _percentage(terms, events),
        "graduated_percentage": lambda: _graduated(
            terms["tiers"],
            "rate",
            Fraction(1, 100),
            max(quantity - Fraction(terms.get("free_amount", 0)), Fraction(0)),
            zero_tier,
        ),
    }[terms["model"]]()
    if terms.get("minimum") is not None:
        amount = max(amount, Fraction(terms["minimum"]))
    if terms.get("maximum") is not None:
        amount = min(amount, Fraction(terms["maximum"]))
    return amount


def minor_units(amount: Fraction, places: int) -> int:
    """Return an amount in minor units, rounded half up away from zero."""
    scaled = abs(amount) * 10**places
    whole = scaled.numerator // scaled.denominator
    if scaled - whole >= Fraction(1, 2):
        whole += 1
    return whole if amount >= 0 else -whole


def _paid(terms: Terms, quantity: Fraction) -> Fraction:
    return max(quantity - Fraction(terms.get("free_units", 0)), Fraction(0))


def _graduated(
    tiers: list[Terms], price: str, scale: Fraction, quantity: Fraction, zero_tier: bool
) -> Fraction:
    if quantity == 0:
        return Fraction(tiers[0].get("flat", 0)) if zero_tier else Fraction(0)
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        top = quantity if tier["up_to"] is None else min(quantity, Fraction(tier["up_to"]))
        if top > below:
            total += Fraction(tier.get("flat", 0)) + (top - below) * Fraction(tier.get(price, 0)) * scale
            below = top
    return total


def _volume(tiers: list[Terms], quantity: Fraction, zero_tier: bool) -> Fraction:
    if quantity == 0 and not zero_tier:
        return Fraction(0)
    for tier in tiers:
        if tier["up_to"] is None or quantity <= Fraction(tier["up_to"]):
            return Fraction(tier.get("flat", 0)) + quantity * Fraction(tier.get("unit", 0))
    raise AssertionError("the last tier is open")


def _package(terms: Terms, quantity: Fraction) -> Fraction:
    packages = quantity / Fraction(terms["size"])
    count = packages.numerator // packages.denominator
    if terms.get("rounding", "up") == "up" and packages != count:
        count += 1
    return count * Fraction(terms["price"])


def _percentage(terms: Terms, events: list[Fraction]) -> Fraction:
    free_events, free_amount = int(terms.get("free_events", 0)), Fraction(terms.get("free_amount", 0))
    seen, total = Fraction(0), Fraction(0)
    for n, value in enumerate(events):
        by_count = n < free_events if free_events else free_amount > 0
        left = max(free_amount - seen, Fraction(0)) if free_amount else value
        covered = min(value, left) if by_count else Fraction(0)
        seen += covered
        if by_count and covered == value:
            continue
        fee = (value - covered) * Fraction(terms["rate"]) / 100 + Fraction(terms.get("fixed", 0))
        if terms.get("min_per_event") is not None:
            fee = max(fee, Fraction(terms["min_per_event"]))
        if terms.get("max_per_event") is not None:
            fee = min(fee, Fraction(terms["max_per_event"]))
        total += fee
    return total
