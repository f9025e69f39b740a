"""Random invoices, drawn fast: usage, fees and taxes on the wire, and what the product makes of them. The
tests try twenty thousand, `bench.calculator` a million."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from app.domain.invoicing import Line, Totals, assess
from app.domain.periods import Period, day_start
from app.domain.pricing import price_models
from app.domain.proration import share, split
from app.domain.quotes import quote
from app.domain.tax import Supply, SupplyKind
from tests.domain import calculator

TINY = Decimal("0.000000000001")
DIMENSIONS = {"channel": ("sms", "voice", "whatsapp"), "country": ("IN", "NP", "US")}
TAXES = ([["IGST", 1]], [["CGST", 2], ["SGST", 2]], [])
EDGES = ("size", "free_units", "free_amount")
RATES = ("0", "5", "12", "18", "28")
FIRST = date(2026, 10, 1)


def draw(chance: random.Random) -> dict[str, Any]:
    """Return an invoice: the body of a `quote`, a tax rate for each component, the `taxes` it bears (a code
    and by what the rate is divided), and `fees` with the share of days that they are owed for."""
    currency = chance.choice(list(calculator.PLACES))
    components, usage = [], []
    for metric in ("a", "b")[: chance.randrange(1, 3)]:
        single = chance.random() < 0.4
        own = [_component(chance, metric, filters, single) for filters in _overlapping(chance)]
        components += own
        usage += [_usage(chance, metric, own, single) for _ in range(chance.randrange(5))]
    limits = sorted(_number(chance, 5000, calculator.PLACES[currency]) for _ in range(2))
    return {
        "quote": {
            "currency": currency,
            "components": components,
            "usage": usage,
            "minimum": str(limits[0]) if chance.random() < 0.3 else None,
            "maximum": str(limits[1]) if chance.random() < 0.3 else None,
            "charge_zero_first_tier": chance.random() < 0.3,
        },
        "rates": [chance.choice(RATES) for _ in components],
        "taxes": chance.choice(TAXES),
        "fees": [
            {"price": str(_number(chance, 9000, 4)), "days": [chance.randrange(32), 31]}
            for _ in range(chance.randrange(3))
        ],
    }


def adds_up(totals: Totals) -> bool:
    """Tell whether lines + taxes + round-off = total, by line and by code."""
    taxable = sum((line.taxable for line in totals.lines), Decimal(0))
    by_line = sum((part.amount for line in totals.lines for part in line.taxes), Decimal(0))
    by_code = sum((part.amount for part in totals.taxes), Decimal(0))
    whole = totals.subtotal + totals.tax_total + totals.round_off == totals.total
    return whole and taxable == totals.subtotal and by_line == by_code == totals.tax_total


def by_product(invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of an invoice in minor units, as the product computes them; every row and every sum
    in it adds up."""
    currency = invoice["quote"]["currency"]
    answer = quote(**invoice["quote"])
    for line in answer["lines"]:
        _check_rows(line)
    amounts = [
        (Decimal(line["amount"]), rate) for line, rate in zip(answer["lines"], invoice["rates"], strict=True)
    ]
    period = Period(day_start(FIRST, "UTC"), day_start(date(2026, 11, 1), "UTC"), FIRST, date(2026, 11, 1))
    for fee in invoice["fees"]:
        part = share(period, FIRST, FIRST + timedelta(fee["days"][0]))
        amounts.append((split(Decimal(fee["price"]), (part,), currency)[0], "18"))
    moved = Decimal(answer["minimum_true_up"]) - Decimal(answer["maximum_reduction"])
    amounts += [(moved, "18")] if moved else []
    supply = Supply(SupplyKind.inter_state, "29", tuple((code, parts) for code, parts in invoice["taxes"]))
    totals = assess([Line("", amount, Decimal(rate), "998319") for amount, rate in amounts], supply, currency)
    assert adds_up(totals)
    figures = {name: getattr(totals, name) for name in ("subtotal", "tax_total", "round_off", "total")}
    places = calculator.PLACES[currency]
    return {
        "lines": [int(amount.scaleb(places)) for amount, _ in amounts],
        **{name: int(value.scaleb(places)) for name, value in figures.items()},
    }


def _check_rows(line: dict[str, Any]) -> None:
    total = Fraction(0)
    for row in line["breakdown"]:
        amount = Fraction(row["amount"])
        assert Fraction(row["quantity"]) * Fraction(row["unit"]) + Fraction(row["flat"]) == amount, line
        total += amount
    assert total == Fraction(line["amount_exact"]), line


def _overlapping(chance: random.Random) -> list[dict[str, list[str]]]:
    """Return the filters of a metric's components: one fits all usage, others fit some of it too."""
    found: list[dict[str, list[str]]] = [{}]
    for _ in range(chance.randrange(3)):
        names = chance.sample(list(DIMENSIONS), chance.randrange(1, 3))
        filters = {
            name: sorted(chance.sample(DIMENSIONS[name], chance.randrange(1, 3))) for name in sorted(names)
        }
        if filters not in found:
            found.append(filters)
    return found


def _component(
    chance: random.Random, metric: str, filters: dict[str, list[str]], single: bool
) -> dict[str, Any]:
    group = {"group_by": chance.choice(list(DIMENSIONS))} if chance.random() < 0.2 else {}
    models = [name for name in price_models if single or name != "percentage"]
    named = {"code": f"price of {metric}", "metric": metric, "filters": filters}
    return {**named, **group, **terms(chance, chance.choice(models))}


def _usage(
    chance: random.Random, metric: str, components: list[dict[str, Any]], single: bool
) -> dict[str, Any]:
    dimensions = {name: chance.choice(values) for name, values in DIMENSIONS.items() if chance.random() < 0.8}
    said = {"metric": metric, "dimensions": dimensions}
    if single:
        return {**said, "events": [str(_quantity(chance, components)) for _ in range(chance.randrange(5))]}
    return {**said, "quantity": str(_quantity(chance, components))}


def _quantity(chance: random.Random, components: list[dict[str, Any]]) -> Decimal:
    """Return a quantity: often exactly a bound or a hair beside it, at times as large and fine as can be."""
    kind = chance.random()
    if kind < 0.3:
        bounds = [Decimal(tier["up_to"]) for one in components for tier in one.get("tiers", [])[:-1]]
        bounds += [Decimal(one[name]) for one in components for name in EDGES if name in one]
        if bounds:
            return chance.choice(bounds) + chance.choice((-TINY, Decimal(0), TINY))
    if kind < 0.35:
        return Decimal(chance.randrange(10**27)).scaleb(-12)
    return Decimal(chance.randrange(10**6)).scaleb(-chance.randrange(5))


def terms(chance: random.Random, model: str) -> dict[str, Any]:
    """Return wire terms of a model, its optional fields sometimes present."""

    def number(largest: int, places: int) -> str:
        return str(_number(chance, largest, chance.randrange(places + 1)))

    def tiers(price: str) -> list[dict[str, Any]]:
        bounds = sorted({_number(chance, 2000, chance.choice((0, 0, 2))) for _ in range(chance.randrange(5))})
        return [
            {
                "up_to": up_to,
                price: number(10, 12),
                **({"flat": number(5, 2)} if chance.random() < 0.5 else {}),
            }
            for up_to in [*map(str, bounds), None]
        ]

    shapes: dict[str, Callable[[], dict[str, Any]]] = {
        "flat": lambda: {"price": number(999, 2)},
        "per_unit": lambda: {"unit": number(3, 12), "free_units": number(500, 1)},
        "graduated": lambda: {"tiers": tiers("unit"), "free_units": number(500, 2)},
        "volume": lambda: {"tiers": tiers("unit")},
        "package": lambda: {
            "size": number(90, 3),
            "price": number(99, 2),
            "rounding": chance.choice(("up", "down")),
        },
        "percentage": lambda: {"rate": number(9, 3)},
        "graduated_percentage": lambda: {"tiers": tiers("rate"), "free_amount": number(500, 2)},
    }
    per_event = {
        "fixed": number(3, 2),
        "free_events": chance.randrange(4),
        "free_amount": number(900, 2),
        "min_per_event": number(3, 2),
        "max_per_event": str(_number(chance, 9, 2) + 3),
    }
    limits = {"minimum": number(50, 2), "maximum": str(_number(chance, 5000, 2) + 50)}
    optional = {**(per_event if model == "percentage" else {}), **limits}
    chosen = {name: value for name, value in optional.items() if chance.random() < 0.3}
    return {"model": model, **shapes[model](), **chosen}


def _number(chance: random.Random, largest: int, places: int) -> Decimal:
    """Return a decimal above zero and below `largest`."""
    return Decimal(chance.randrange(1, largest * 10**places)).scaleb(-places)
