"""Properties of every price model, and agreement with a calculator that shares no code with them."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.money import CURRENCIES
from app.domain.pricing import Usage, parse_terms, price, price_models
from tests.domain import calculator, strategies


def test_the_strategies_cover_every_registered_model() -> None:
    assert set(strategies.MODELS) == set(price_models)


@given(
    strategies.cases,
    st.lists(strategies.quantities, max_size=8),
    st.booleans(),
    st.sampled_from(("INR", "JPY", "KWD")),
)
@settings(max_examples=300)
def test_every_model_agrees_with_the_independent_calculator(
    case: tuple[str, dict[str, Any]], events: list[Decimal], zero_tier: bool, currency: str
) -> None:
    model, wire = case
    with localcontext(prec=60):
        total = sum(events, Decimal(0))
    got = price(
        parse_terms(model, wire),
        Usage(total, tuple(events), len(events)),
        currency,
        charge_zero_first_tier=zero_tier,
    )
    values = [Fraction(value) for value in events]
    wanted = calculator.exact({**wire, "model": model}, sum(values, Fraction(0)), values, zero_tier)
    assert Fraction(got.amount_exact) == wanted
    places = CURRENCIES[currency]
    assert got.amount == Decimal(calculator.minor_units(wanted, places)).scaleb(-places)
    for row in got.breakdown:
        assert Fraction(row.quantity) * Fraction(row.unit) + Fraction(row.flat) == Fraction(row.amount)
    assert sum((Fraction(row.amount) for row in got.breakdown), Fraction(0)) == Fraction(got.amount_exact)


@given(strategies.tiers("unit", flats=False), strategies.quantities)
@settings(max_examples=100)
def test_graduated_without_flat_parts_is_continuous_at_every_bound(
    tiers: list[dict[str, Any]], step: Decimal
) -> None:
    """Around each bound the price moves by no more than the dearer of the two rates times the step."""
    terms = parse_terms("graduated", {"tiers": tiers})
    tiny = Decimal("0.000000000001")
    for below, above in pairwise(tiers):
        at, after = (
            price(terms, Usage(Decimal(below["up_to"]) + plus), "INR").amount_exact
            for plus in (Decimal(0), tiny)
        )
        assert after - at == tiny * Decimal(above["unit"])


@given(strategies.tiers("unit"), strategies.quantities, strategies.quantities)
@settings(max_examples=100)
def test_graduated_never_falls_as_usage_grows(
    tiers: list[dict[str, Any]], first: Decimal, more: Decimal
) -> None:
    terms = parse_terms("graduated", {"tiers": tiers})
    assert (
        price(terms, Usage(first), "INR").amount_exact
        <= price(terms, Usage(first + more), "INR").amount_exact
    )


def test_twenty_thousand_random_charges_agree_with_the_independent_calculator() -> None:
    chance = random.Random(20261122)
    for _ in range(20_000):
        wire = random_terms(chance)
        events = [
            Fraction(chance.randrange(1, 10**6), 10 ** chance.randrange(4))
            for _ in range(chance.randrange(1, 6))
        ]
        values = tuple(Decimal(value.numerator) / Decimal(value.denominator) for value in events)
        used = Usage(sum(values, Decimal(0)), values, len(values))
        terms = parse_terms(wire["model"], {name: value for name, value in wire.items() if name != "model"})
        wanted = calculator.exact(wire, sum(events, Fraction(0)), events)
        got = price(terms, used, "INR").amount
        assert got == Decimal(calculator.minor_units(wanted, 2)).scaleb(-2), (wire, events)


def random_terms(chance: random.Random) -> dict[str, Any]:
    """Wire terms of a random model, drawn fast."""

    def number(largest: int, places: int) -> str:
        return str(Decimal(chance.randrange(1, largest * 10**places)).scaleb(-places))

    def tiers(price_name: str) -> list[dict[str, Any]]:
        bounds = sorted({chance.randrange(1, 10**6) for _ in range(chance.randrange(5))})
        return [
            {"up_to": up_to, price_name: number(10, 6), "flat": number(5, 2)}
            for up_to in [*map(str, bounds), None]
        ]

    model = chance.choice(strategies.MODELS)
    shapes: dict[str, dict[str, Any]] = {
        "flat": {"price": number(999, 2)},
        "per_unit": {"unit": number(3, 9), "free_units": number(500, 1)},
        "graduated": {"tiers": tiers("unit"), "free_units": number(500, 0)},
        "volume": {"tiers": tiers("unit")},
        "package": {
            "size": number(900, 1),
            "price": number(99, 2),
            "rounding": chance.choice(("up", "down")),
        },
        "percentage": {"rate": number(9, 3), "fixed": number(3, 2), "free_events": chance.randrange(3)},
        "graduated_percentage": {"tiers": tiers("rate"), "free_amount": number(500, 2)},
    }
    limits = {"minimum": number(50, 2)} if chance.random() < 0.2 else {}
    return {"model": model, **shapes[model], **limits}
