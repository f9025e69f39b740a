"""Properties of every price model, and agreement with a calculator that shares no code with them."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.money import CURRENCIES
from app.domain.pricing import Usage, parse_terms, price, price_models, terms_schema
from tests.domain import calculator, random_invoices, strategies

TINY = Decimal("0.000000000001")


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


@given(strategies.tiers("unit"))
@settings(max_examples=100)
def test_graduated_is_continuous_at_every_bound_apart_from_flat_parts(tiers: list[dict[str, Any]]) -> None:
    """A hair beyond a bound costs the hair at the next tier's rate, and that tier's flat part."""
    terms = parse_terms("graduated", {"tiers": tiers})
    for below, above in pairwise(tiers):
        at, after = (
            price(terms, Usage(Decimal(below["up_to"]) + plus), "INR").amount_exact
            for plus in (Decimal(0), TINY)
        )
        assert after - at == TINY * Decimal(above["unit"]) + Decimal(above["flat"])


@pytest.mark.parametrize("model", ["graduated", "graduated_percentage", "per_unit", "package"])
@given(data=st.data(), first=strategies.quantities, more=strategies.quantities)
@settings(max_examples=60)
def test_the_price_never_falls_as_usage_grows(
    model: str, data: st.DataObject, first: Decimal, more: Decimal
) -> None:
    """Only volume may: its larger tier is a lower price for all."""
    terms = parse_terms(model, data.draw(strategies.terms(model)))
    less, all_of_it = (price(terms, Usage(used), "INR").amount_exact for used in (first, first + more))
    assert less <= all_of_it


@given(strategies.cases)
@settings(max_examples=200)
def test_every_bound_and_a_hair_beside_it_cost_what_the_calculator_says(
    case: tuple[str, dict[str, Any]],
) -> None:
    model, wire = case
    terms = parse_terms(model, wire)
    bounds = [Decimal(tier["up_to"]) for tier in wire.get("tiers", [])[:-1]]
    free = Decimal(wire.get("free_units", wire.get("free_amount", "0")))
    package = [Decimal(wire["size"]) * n for n in (1, 2)] if model == "package" else []
    for bound in (*bounds, *package, Decimal(0)):
        for quantity in (bound + free - TINY, bound + free, bound + free + TINY):
            if quantity >= 0:
                got = price(terms, Usage(quantity, (quantity,), 1), "INR")
                wanted = calculator.exact({**wire, "model": model}, Fraction(quantity), [Fraction(quantity)])
                assert Fraction(got.amount_exact) == wanted, quantity


@pytest.mark.parametrize("seed", range(4))
def test_twenty_thousand_random_invoices_agree_with_the_independent_calculator(seed: int) -> None:
    """A quarter each. `make bench BENCH=calculator` tries a million."""
    chance = random.Random(seed)
    for _ in range(5_000):
        invoice = random_invoices.draw(chance)
        assert random_invoices.by_product(invoice) == calculator.invoice(invoice), invoice


def test_random_invoices_are_of_every_model_currency_and_feature() -> None:
    chance = random.Random(0)
    drawn = [random_invoices.draw(chance) for _ in range(500)]
    quotes = [invoice["quote"] for invoice in drawn]
    components = [component for asked in quotes for component in asked["components"]]
    assert {component["model"] for component in components} == set(price_models)
    assert {asked["currency"] for asked in quotes} == set(calculator.PLACES)
    assert {asked["charge_zero_first_tier"] for asked in quotes} == {False, True}
    assert {len(invoice["taxes"]) for invoice in drawn} == {0, 1, 2}
    features = {name for component in components for name in component} | {
        name for asked in quotes for name in ("minimum", "maximum") if asked[name]
    }
    declared = {name for model in price_models for name in terms_schema(model)["properties"]}
    assert features == declared | {"code", "metric", "model", "filters", "group_by"}
