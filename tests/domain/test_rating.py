"""Cumulative differences never drift, and usage is charged once by the most specific component."""

import random
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import RuleBroken
from app.domain.groups import Groups, Total, add
from app.domain.groups import charge as charge_groups
from app.domain.money import quantize
from app.domain.pricing import Usage, parse_terms, price, price_groups
from app.domain.rating import charge, dimension_values, match
from tests.domain import calculator, strategies

NOTHING = Decimal(0)


@dataclass(frozen=True)
class Component:
    """What `match` needs of a price component."""

    position: int
    filters: dict[str, Any] = field(default_factory=dict)


def test_333_then_666_units_at_a_thousandth_bill_33_then_34_paise() -> None:
    """Issue 4: round(0.333) = 0.33; round(0.666) − 0.33 = 0.34."""
    terms = parse_terms("per_unit", {"unit": "0.001"})
    first = charge(terms, Usage(Decimal(333)), NOTHING, "INR")
    second = charge(terms, Usage(Decimal(666)), first.charge.amount, "INR")
    assert [str(first.difference), str(second.difference)] == ["0.33", "0.34"]


def test_passing_into_a_cheaper_volume_tier_gives_back_seventy() -> None:
    """Issue 4: up to 15 at 10, then 5: 15 units cost 150, 16 cost 80."""
    terms = parse_terms("volume", {"tiers": [{"up_to": "15", "unit": "10"}, {"up_to": None, "unit": "5"}]})
    before = charge(terms, Usage(Decimal(15)), NOTHING, "INR")
    after = charge(terms, Usage(Decimal(16)), before.charge.amount, "INR")
    assert (before.difference, after.difference) == (Decimal("150.00"), Decimal("-70.00"))
    assert after.posted == Decimal("150.00")


def test_ten_events_of_a_tenth_cost_what_one_unit_costs() -> None:
    terms = parse_terms("per_unit", {"unit": "1"})
    posted, quantity = NOTHING, NOTHING
    for _ in range(10):
        quantity += Decimal("0.1")
        posted += charge(terms, Usage(quantity), posted, "INR").difference
    assert str(posted) == "1.00"


def test_rating_the_same_total_again_moves_nothing() -> None:
    terms = parse_terms("per_unit", {"unit": "0.007"})
    posted = charge(terms, Usage(Decimal(5)), NOTHING, "INR").charge.amount
    again = charge(terms, Usage(Decimal(5)), posted, "INR")
    assert str(again.difference) == "0.00"


@given(
    strategies.cases,
    st.lists(strategies.quantities, max_size=10),
    st.sampled_from(("INR", "JPY", "KWD", "IDR")),
)
@settings(max_examples=150)
def test_the_differences_of_any_split_add_up_to_the_price_of_the_total(
    case: tuple[str, dict[str, Any]], events: list[Decimal], currency: str
) -> None:
    terms = parse_terms(*case)
    posted, total = NOTHING, NOTHING
    with localcontext(prec=60):
        for n, value in enumerate(events, 1):
            total += value
            posted += charge(terms, Usage(total, tuple(events[:n]), n), posted, currency).difference
    assert posted == (
        price(terms, Usage(total, tuple(events), len(events)), currency).amount if events else 0
    )


@given(
    strategies.cases.filter(lambda case: not parse_terms(*case).by_event),
    st.lists(st.tuples(st.sampled_from(("IN", "US", "NP", "")), strategies.quantities), max_size=10),
    st.sampled_from(("INR", "JPY", "KWD", "IDR")),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150)
def test_the_differences_of_any_split_add_up_to_the_price_of_the_total_of_all_groups(
    case: tuple[str, dict[str, Any]],
    events: list[tuple[str, Decimal]],
    currency: str,
    zero_tier: bool,
    chance: random.Random,
) -> None:
    """In any order; and what all of it costs is what the independent calculator says of each group."""
    terms, how = parse_terms(*case), {"charge_zero_first_tier": zero_tier}
    posted, groups = NOTHING, Groups()
    for value, quantity in chance.sample(events, len(events)):
        add(groups, value, quantity, 1)
        total = charge_groups(terms, Total(NOTHING, 0, groups), currency, group_by="country", **how)
        posted += quantize(total.amount - posted, currency)
    wanted = sum(
        (
            calculator.exact({**case[1], "model": case[0]}, sum(own, Fraction(0)), own, zero_tier)
            for own in by_value(events).values()
        ),
        Fraction(0),
    )
    places = calculator.PLACES[currency]
    assert posted == Decimal(calculator.minor_units(wanted, places)).scaleb(-places)


def by_value(events: list[tuple[str, Decimal]]) -> dict[str, list[Fraction]]:
    """Return the quantities of the events of each value."""
    found: dict[str, list[Fraction]] = {}
    for value, quantity in events:
        found.setdefault(value, []).append(Fraction(quantity))
    return found


def test_the_component_with_the_most_filters_charges_the_event() -> None:
    every = Component(0)
    sms = Component(1, {"channel": "sms"})
    indian_sms = Component(2, {"channel": "sms", "country": ["IN", "NP"]})
    components = [every, sms, indian_sms]
    assert match(components, {"channel": "sms", "country": "NP"}) is indian_sms
    assert match(components, {"channel": "sms", "country": "US"}) is sms
    assert match(components, {"channel": "sms"}) is sms
    assert match(components, {"channel": "voice"}) is every
    assert match(components, {}) is every


def test_an_event_that_fits_two_filters_is_charged_by_the_one_declared_first() -> None:
    by_channel, by_country = Component(1, {"channel": "sms"}), Component(2, {"country": "IN"})
    for order in ([by_channel, by_country], [by_country, by_channel]):
        assert match(order, {"channel": "sms", "country": "IN"}) is by_channel


def test_usage_that_no_component_is_for_matches_nothing() -> None:
    assert match([Component(1, {"channel": "sms"})], {"channel": "voice"}) is None
    assert match([], {"channel": "voice"}) is None


def test_dimensions_are_read_as_text_and_left_out_where_missing() -> None:
    properties = {
        "channel": "sms",
        "status": 200,
        "cached": True,
        "zone": None,
        "rate": Decimal("1.50"),
        "x": "y",
    }
    names = ("channel", "status", "cached", "zone", "rate", "country")
    assert dimension_values(properties, names, pointer="/0/properties") == {
        "channel": "sms",
        "status": "200",
        "cached": "true",
        "rate": "1.5",
    }


@pytest.mark.parametrize(
    ("value", "code"), [("x" * 251, "too_long"), (["sms"], "bad_value"), ({"a": "b"}, "bad_value")]
)
def test_a_dimension_that_usage_cannot_be_grouped_by_is_refused(value: Any, code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        dimension_values({"a": "y" * 250, "b": value}, ("a", "b"), pointer="/4/properties")
    assert (refused.value.pointer, refused.value.code) == ("/4/properties/b", code)


@given(
    strategies.cases,
    st.lists(st.tuples(st.sampled_from(("", "IN", "US")), strategies.quantities), max_size=8),
)
@settings(max_examples=100)
def test_groups_cost_what_each_costs_by_itself_and_are_rounded_once(
    case: tuple[str, dict[str, Any]], used: list[tuple[str, Decimal]]
) -> None:
    terms = parse_terms(*case)
    events: dict[str, tuple[Decimal, ...]] = {}
    for group, value in used:
        events[group] = (*events.get(group, ()), value)
    with localcontext(prec=60):
        usages = {group: Usage(sum(own, NOTHING), own, len(own)) for group, own in events.items()}
        together = price_groups(terms, usages, "INR")
        alone = {group: price(terms, usage, "INR") for group, usage in usages.items()}
        exact = sum((each.amount_exact for each in alone.values()), NOTHING)
    assert (together.amount_exact, together.amount) == (exact, quantize(exact, "INR"))
    for group, each in alone.items():
        rows = [row._replace(group=None) for row in together.breakdown if row.group == group]
        assert rows == list(each.breakdown)
