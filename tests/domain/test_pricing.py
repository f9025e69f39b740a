"""Worked prices, each with the table it was computed from by hand."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from app.domain.errors import RuleBroken
from app.domain.pricing import Charge, Usage, parse_terms, price

GRADUATED = [{"up_to": "10", "unit": "10", "flat": "2"}, {"up_to": None, "unit": "5", "flat": "3"}]
STRIPE = [{"up_to": "5", "unit": "7"}, {"up_to": "10", "unit": "6.5"}, {"up_to": None, "unit": "6"}]
PERCENT_TIERS = [
    {"up_to": "10", "rate": "1", "flat": "200"},
    {"up_to": "20", "rate": "2", "flat": "300"},
    {"up_to": None, "rate": "3", "flat": "400"},
]


def charge(model: str, quantity: str = "0", events: tuple[str, ...] = (), **terms: Any) -> Charge:
    """The charge in rupees for a quantity or for single events."""
    values = tuple(Decimal(value) for value in events)
    used = Usage(sum(values, Decimal(0)), values, len(values)) if events else Usage(Decimal(quantity))
    return price(parse_terms(model, terms), used, "INR")


def exact(*args: Any, **kwargs: Any) -> str:
    return format(charge(*args, **kwargs).amount_exact.normalize(), "f")


@pytest.mark.parametrize(("units", "total"), [("333", "0.33"), ("666", "0.67")])
def test_a_small_unit_price_is_rounded_once_for_the_total(units: str, total: str) -> None:
    """Issue 4: 333 then 666 units at 0.001 cost 0.333 and 0.666; the second step is charged 0.34."""
    assert str(charge("per_unit", units, unit="0.001").amount) == total


@pytest.mark.parametrize(
    ("units", "total"),
    [("0", "0"), ("1", "12"), ("10", "102"), ("10.5", "107.5"), ("11", "110"), ("20", "155"), ("21", "160")],
)
def test_graduated_charges_each_tier_and_its_flat_part_once_entered(units: str, total: str) -> None:
    """Worked by hand: 10 at 10 with 2 on entering, then 5 each with 3 on entering. 21 is 102 + 55 + 3."""
    assert exact("graduated", units, tiers=GRADUATED) == total


@pytest.mark.parametrize(
    ("fonts", "total"), [("1", "7"), ("5", "35"), ("6", "41.5"), ("20", "127.5"), ("25", "157.5")]
)
def test_graduated_agrees_with_stripes_published_table(fonts: str, total: str) -> None:
    """docs.stripe.com, "Set up tiered pricing": 7, 6.5 and 6 USD; 6 fonts are 5 × 7 + 1 × 6.5."""
    assert exact("graduated", fonts, tiers=STRIPE) == total


@pytest.mark.parametrize(
    ("fonts", "total"), [("1", "7"), ("5", "35"), ("6", "39"), ("20", "120"), ("25", "150")]
)
def test_volume_agrees_with_stripes_published_table(fonts: str, total: str) -> None:
    """docs.stripe.com, "Set up tiered pricing", volume: the whole quantity at the price of its tier."""
    assert exact("volume", fonts, tiers=STRIPE) == total


@pytest.mark.parametrize(
    ("units", "total"),
    [("0", "0"), ("1", "12"), ("100", "210"), ("100.5", "100.5"), ("200", "200"), ("300", "200")],
)
def test_volume_adds_the_flat_part_of_its_one_tier(units: str, total: str) -> None:
    """Tiers ≤ 100 at 2 + 10, ≤ 200 at 1, beyond at 0.5 + 50: 300 × 0.5 + 50 = 200 (lago-api's published
    cases)."""
    tiers = [
        {"up_to": "100", "unit": "2", "flat": "10"},
        {"up_to": "200", "unit": "1"},
        {"up_to": None, "unit": "0.5", "flat": "50"},
    ]
    assert exact("volume", units, tiers=tiers) == total


def test_volume_agrees_with_lagos_published_example() -> None:
    """getlago.com/docs, "Volume": 65,000 calls at 0.0006 and a fixed fee of 10 are 49."""
    tiers = [
        {"up_to": "10000", "unit": "0.0010", "flat": "10"},
        {"up_to": "50000", "unit": "0.0008", "flat": "10"},
        {"up_to": "100000", "unit": "0.0006", "flat": "10"},
        {"up_to": None, "unit": "0.0004", "flat": "10"},
    ]
    assert exact("volume", "65000", tiers=tiers) == "49"


@pytest.mark.parametrize(
    ("units", "free", "rounding", "total"),
    [
        ("121", "0", "up", "1300"),
        ("121", "10", "up", "1200"),
        ("121", "200", "up", "0"),
        ("121", "0", "down", "1200"),
        ("120", "0", "up", "1200"),
        ("120.000000000001", "0", "up", "1300"),
        ("9.9", "0", "down", "0"),
    ],
)
def test_a_package_begun_counts_up_or_down_after_the_free_units(
    units: str, free: str, rounding: str, total: str
) -> None:
    """100 for each 10 units: 121 units are 13 packages begun, 12 whole ones; 111 paid units are 12 begun."""
    assert exact("package", units, size="10", price="100", free_units=free, rounding=rounding) == total


def test_packages_agree_with_lagos_published_example() -> None:
    """getlago.com/docs, "Package": 5 for each 100 units, the first 100 free: 201 units cost 10."""
    assert exact("package", "201", size="100", price="5", free_units="100") == "10"


@pytest.mark.parametrize(
    ("terms", "total"),
    [
        ({}, "18.4"),  # 800 × 1.3 % + 4 × 2
        ({"free_events": 3, "free_amount": "250"}, "11.15"),  # (800 − 250) × 1.3 % + 2 × 2
        ({"free_amount": "250"}, "11.15"),
        ({"free_events": 3}, "7.2"),  # (800 − 400) × 1.3 % + 1 × 2
        ({"free_events": 3, "free_amount": "500"}, "7.2"),  # the third event is reached before 500
        ({"free_events": 5}, "0"),
        ({"free_events": 3, "free_amount": "250", "min_per_event": "1.75", "max_per_event": "12"}, "11.15"),
    ],
)
def test_percentage_takes_off_free_events_and_free_amount_whichever_ends_first(
    terms: dict[str, Any], total: str
) -> None:
    """lago-api's published cases: 1.3 % and 2 per event on events of 50, 100, 250 and 400."""
    assert exact("percentage", events=("50", "100", "250", "400"), rate="1.3", fixed="2", **terms) == total


@pytest.mark.parametrize(
    ("terms", "total"),
    [
        ({}, "16.142"),  # 1.75 for 0.299, 2.392, 12 for 299
        ({"fixed": "2"}, "18.691"),  # 2.299 + 4.392 + 12
        ({"free_events": 2}, "12"),
        ({"free_amount": "30"}, "13.794"),  # 60 × 2.99 % + 12
        ({"free_events": 3, "free_amount": "10000"}, "2.691"),  # 90 × 2.99 %
    ],
)
def test_each_paying_event_costs_between_its_least_and_greatest(terms: dict[str, Any], total: str) -> None:
    """lago-api's published cases: 2.99 % on events of 10, 80 and 10,000, at least 1.75 and at most 12
    each."""
    limits = {"min_per_event": "1.75", "max_per_event": "12"}
    assert exact("percentage", events=("10", "80", "10000"), rate="2.99", **limits, **terms) == total


def test_an_event_that_the_free_amount_covers_exactly_pays_nothing() -> None:
    assert exact("percentage", events=("50", "100", "250"), rate="1", fixed="2", free_amount="150") == "4.5"


def test_a_plain_percentage_needs_only_the_sum() -> None:
    """4 at 2.9 % is 0.116; with a free amount of 1, 3 at 2.9 % is 0.087."""
    assert exact("percentage", "4", rate="2.9") == "0.116"
    assert exact("percentage", "4", rate="2.9", free_amount="1") == "0.087"


def test_a_fixed_part_per_event_needs_only_their_count() -> None:
    terms = parse_terms("percentage", {"rate": "2.9", "fixed": "0.3"})
    assert price(terms, Usage(Decimal(1000), count=4), "USD").amount == Decimal("30.20")


@pytest.mark.parametrize(
    "extra", [{"free_events": 1}, {"min_per_event": "1"}, {"max_per_event": "1"}, {"fixed": "1"}]
)
def test_terms_per_event_refuse_a_bare_sum(extra: dict[str, Any]) -> None:
    with pytest.raises(RuleBroken) as refused:
        charge("percentage", "100", rate="1", **extra)
    assert (refused.value.code, refused.value.pointer) == ("events_needed", "/events")
    assert charge("percentage", "0", rate="1", **extra).amount == 0


@pytest.mark.parametrize(
    ("value", "total"), [("0", "0"), ("1", "200.01"), ("10", "200.1"), ("11", "500.12"), ("21", "900.33")]
)
def test_graduated_percentage_takes_a_share_of_each_part(value: str, total: str) -> None:
    """lago-api's published table: 1 % + 200 to 10, 2 % + 300 to 20, then 3 % + 400."""
    assert exact("graduated_percentage", value, tiers=PERCENT_TIERS) == total


@pytest.mark.parametrize(("value", "total"), [("500", "205"), ("1050", "511"), ("5050", "591")])
def test_graduated_percentage_agrees_with_lagos_published_example(value: str, total: str) -> None:
    """getlago.com/docs, "Graduated percentage": 205, then + 306, then + 80."""
    tiers = [
        {"up_to": "1000", "rate": "1", "flat": "200"},
        {"up_to": "10000", "rate": "2", "flat": "300"},
        {"up_to": None, "rate": "3", "flat": "400"},
    ]
    assert exact("graduated_percentage", value, tiers=tiers) == total


def test_the_web_request_plan_of_the_first_issue() -> None:
    """Issue 2: 100 free, to 1,000 at ₹0.50, then ₹0.30; 1,500 requests are 450 + 150."""
    tiers = [
        {"up_to": "100", "unit": "0"},
        {"up_to": "1000", "unit": "0.50"},
        {"up_to": None, "unit": "0.30"},
    ]
    assert exact("graduated", "1500", tiers=tiers) == "600"
    assert str(charge("per_unit", "1234567", unit="0.00000002").amount) == "0.02"


def test_a_flat_price_is_owed_whatever_the_usage() -> None:
    assert exact("flat", "0", price="499") == exact("flat", "7", price="499") == "499"


def test_free_units_come_off_before_the_tiers_are_looked_at() -> None:
    assert exact("graduated", "15", tiers=GRADUATED, free_units="5") == "102"
    assert exact("volume", "7", tiers=STRIPE, free_units="2") == "35"
    assert exact("per_unit", "4", unit="3", free_units="5") == "0"


@pytest.mark.parametrize(
    ("model", "tiers", "total"),
    [
        ("graduated", GRADUATED, "2"),
        ("volume", GRADUATED, "2"),
        ("graduated_percentage", PERCENT_TIERS, "200"),
    ],
)
def test_no_usage_pays_the_first_flat_part_only_where_the_plan_says_so(
    model: str, tiers: list[dict[str, Any]], total: str
) -> None:
    terms, nothing = parse_terms(model, {"tiers": tiers}), Usage(Decimal(0))
    assert price(terms, nothing, "INR").amount == 0
    assert price(terms, nothing, "INR", charge_zero_first_tier=True).amount == Decimal(total)


def test_a_period_costs_between_its_minimum_and_maximum() -> None:
    terms = {"unit": "1", "minimum": "10", "maximum": "20"}
    assert [exact("per_unit", units, **terms) for units in ("0", "9.5", "15", "21")] == [
        "10",
        "10",
        "15",
        "20",
    ]
    kinds = [
        [row.kind for row in charge("per_unit", units, **terms).breakdown] for units in ("0", "5", "15", "21")
    ]
    assert kinds == [["minimum"], ["units", "minimum"], ["units"], ["units", "maximum"]]


def test_the_minimum_can_wait_for_the_last_run_of_the_period() -> None:
    terms = parse_terms("per_unit", {"unit": "1", "minimum": "10"})
    assert price(terms, Usage(Decimal(3)), "INR", apply_minimum=False).amount == 3


@pytest.mark.parametrize("model", ["per_unit", "graduated", "volume", "package", "graduated_percentage"])
def test_a_total_below_zero_costs_what_no_usage_costs(model: str) -> None:
    terms = {
        "per_unit": {"unit": "1"},
        "package": {"size": "10", "price": "1"},
        "graduated_percentage": {"tiers": PERCENT_TIERS},
    }.get(model, {"tiers": GRADUATED})
    assert charge(model, "-5", **terms).breakdown == ()


def test_the_breakdown_names_each_tier_with_its_quantity_rate_and_amount() -> None:
    assert charge("graduated", "21", tiers=GRADUATED, free_units="1").breakdown_json() == [
        {"kind": "free", "tier": 0, "quantity": "1", "unit": "0", "flat": "0", "amount": "0"},
        {"kind": "tier", "tier": 1, "quantity": "10", "unit": "10", "flat": "2", "amount": "102"},
        {"kind": "tier", "tier": 2, "quantity": "10", "unit": "5", "flat": "3", "amount": "53"},
    ]


def test_the_largest_quantity_at_the_largest_price_with_all_decimals_loses_no_digit() -> None:
    got = charge("per_unit", "999999999999999.999999999999", unit="999999999999.999999999999").amount_exact
    assert Fraction(got) == Fraction(10**27 - 1, 10**12) * Fraction(10**24 - 1, 10**12)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(RuleBroken, match="'XXX' is not a currency"):
        price(parse_terms("per_unit", {"unit": "1"}), Usage(Decimal(1)), "XXX")


@pytest.mark.parametrize(
    ("terms", "needs"),
    [
        ({}, "sum"),
        ({"free_amount": "5"}, "sum"),
        ({"fixed": "1"}, "count"),
        ({"fixed": "1", "free_amount": "5"}, "values"),
        ({"free_events": 1}, "values"),
        ({"min_per_event": "1"}, "values"),
        ({"max_per_event": "0"}, "values"),
    ],
)
def test_terms_say_what_of_the_usage_they_need(terms: dict[str, Any], needs: str) -> None:
    assert parse_terms("percentage", {"rate": "1", **terms}).needs == needs
    assert parse_terms("flat", {"price": "1"}).needs == "sum"
