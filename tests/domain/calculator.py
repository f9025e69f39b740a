"""An independent calculator of prices and whole invoices, written with `fractions`. It shares no
code with the product."""

from fractions import Fraction
from typing import Any

Terms = dict[str, Any]
PLACES = {"INR": 2, "USD": 2, "IDR": 2, "JPY": 0, "KWD": 3}
PAID_WHOLE = {"INR", "IDR"}


def invoice(wanted: Terms) -> Terms:
    """Return the figures, in minor units, of an invoice that `random_invoices.draw` describes."""
    asked, places = wanted["quote"], PLACES[wanted["quote"]["currency"]]
    priced = [
        (minor_units(_charge(component, asked), places), rate)
        for component, rate in zip(asked["components"], wanted["rates"], strict=True)
    ]
    subtotal = sum(amount for amount, _ in priced)
    limit = _limited(subtotal, asked, places) - subtotal
    fees = [minor_units(Fraction(fee["price"]) * Fraction(*fee["days"]), places) for fee in wanted["fees"]]
    lines = [*priced, *((fee, "18") for fee in fees), *([(limit, "18")] if limit else [])]
    taxes: dict[tuple[str, str], int] = {}
    for code, parts in wanted["taxes"]:
        for rate in {rate for _, rate in lines}:
            taxable = sum(amount for amount, own in lines if own == rate)
            taxes[code, rate] = minor_units(Fraction(taxable) * Fraction(rate) / 100 / parts, 0)
    tax, before = sum(taxes.values()), sum(amount for amount, _ in lines)
    total, unit = before + tax, 10**places if asked["currency"] in PAID_WHOLE else 1
    payable = minor_units(Fraction(total, unit), 0) * unit
    return {
        "lines": [amount for amount, _ in lines],
        "subtotal": before,
        "tax_total": tax,
        "round_off": payable - total,
        "total": payable,
    }


def _charge(component: Terms, asked: Terms) -> Fraction:
    """Return the exact amount of a component: of all its usage, or of each value that it is grouped by."""
    position = asked["components"].index(component)
    own = [usage for usage in asked["usage"] if _charged_by(usage, asked["components"]) == position]
    dimension, groups = component.get("group_by"), [own]
    if dimension:
        values = {usage["dimensions"].get(dimension) for usage in own}
        groups = [[one for one in own if one["dimensions"].get(dimension) == value] for value in values]
    return sum((_amount(component, group, asked["charge_zero_first_tier"]) for group in groups), Fraction(0))


def _charged_by(usage: Terms, components: list[Terms]) -> int:
    fitting = [
        (-len(component["filters"]), position)
        for position, component in enumerate(components)
        if component["metric"] == usage["metric"]
        and all(usage["dimensions"].get(name) in values for name, values in component["filters"].items())
    ]
    return min(fitting)[1]


def _amount(component: Terms, usages: list[Terms], zero_tier: bool) -> Fraction:
    events = [Fraction(value) for usage in usages for value in usage.get("events", [])]
    alone = sum((Fraction(usage["quantity"]) for usage in usages if "quantity" in usage), Fraction(0))
    return exact(component, sum(events, alone), events, zero_tier)


def _limited(subtotal: int, asked: Terms, places: int) -> int:
    for limit, choose in ((asked["minimum"], max), (asked["maximum"], min)):
        if limit is not None:
            subtotal = choose(subtotal, minor_units(Fraction(limit), places))
    return subtotal


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
