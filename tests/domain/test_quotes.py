"""The stateless quote: its published example, limits on the whole, and refusals with their
pointer."""

from typing import Any

import pytest

from app.domain.errors import RuleBroken
from app.domain.quotes import quote

SMS = {
    "metric": "sms",
    "model": "graduated",
    "tiers": [{"up_to": "10", "unit": "10", "flat": "2"}, {"up_to": None, "unit": "5", "flat": "3"}],
}
SEAT = {"metric": "seat", "model": "per_unit", "unit": "0.001", "free_units": "5"}
ONE_SEAT = {"metric": "seat", "quantity": "1"}
PAY = {
    "metric": "pay", "model": "percentage", "rate": "1.3", "fixed": "2", "free_events": 3,
    "free_amount": "250",
    "min_per_event": "1.75", "max_per_event": "12",
}  # fmt: skip


def test_the_example_of_the_contract() -> None:
    """By hand: 21 SMS are 102 + 58; events of 50, 100, 250, 400 are 550 × 1.3 % + 2 × 2; 12 packages begun;
    200 + 300 + …"""
    answer = quote(
        [
            SMS,
            SEAT,
            {
                "metric": "blk",
                "model": "package",
                "size": "10",
                "price": "100",
                "free_units": "10",
                "rounding": "up",
            },
            PAY,
        ],
        [
            {"metric": "sms", "quantity": "21"},
            {"metric": "pay", "events": ["50", "100", "250", "400"]},
            {"metric": "blk", "quantity": "121"},
        ],
        "INR",
        minimum="150",
    )
    assert [
        (line["metric"], line["quantity"], line["amount_exact"], line["amount"]) for line in answer["lines"]
    ] == [
        ("sms", "21", "160", "160.00"),
        ("seat", "0", "0", "0.00"),
        ("blk", "121", "1200", "1200.00"),
        ("pay", "800", "11.15", "11.15"),
    ]
    assert answer["lines"][0]["breakdown"][1] == {
        "kind": "tier", "tier": 2, "quantity": "11", "unit": "5", "flat": "3", "amount": "58",
    }  # fmt: skip
    assert (answer["subtotal"], answer["minimum_true_up"], answer["total"]) == ("1371.15", "0.00", "1371.15")


@pytest.mark.parametrize(
    ("minimum", "maximum", "true_up", "reduction", "total"),
    [
        (None, None, "0.00", "0.00", "160.00"),
        ("150", None, "0.00", "0.00", "160.00"),
        ("200.5", None, "40.50", "0.00", "200.50"),
        (None, "100", "0.00", "60.00", "100.00"),
        ("200", "200", "40.00", "0.00", "200.00"),
    ],
)
def test_a_minimum_adds_and_a_maximum_takes_away(
    minimum: Any, maximum: Any, true_up: str, reduction: str, total: str
) -> None:
    answer = quote([SMS], [{"metric": "sms", "quantity": 21}], "INR", minimum, maximum)
    figures = (answer["subtotal"], answer["minimum_true_up"], answer["maximum_reduction"], answer["total"])
    assert figures == ("160.00", true_up, reduction, total)


def test_each_line_is_rounded_once_and_the_subtotal_adds_the_rounded_lines() -> None:
    parts = [{"metric": name, "model": "per_unit", "unit": "0.333"} for name in ("a", "b", "c")]
    answer = quote(parts, [{"metric": name, "quantity": "1"} for name in ("a", "b", "c")], "INR")
    assert [line["amount"] for line in answer["lines"]] == ["0.33", "0.33", "0.33"]
    assert answer["subtotal"] == "0.99"


def test_the_switch_charges_the_first_flat_part_without_usage() -> None:
    assert quote([SMS], [], "INR", charge_zero_first_tier=True)["total"] == "2.00"
    assert quote([SMS], [], "INR")["total"] == "0.00"


def test_a_currency_without_decimals_rounds_to_whole_units() -> None:
    answer = quote(
        [{"metric": "m", "model": "per_unit", "unit": "0.5"}], [{"metric": "m", "quantity": "1"}], "JPY"
    )
    assert (answer["lines"][0]["amount_exact"], answer["total"]) == ("0.5", "1")


def test_overlapping_filters_charge_usage_once_by_the_most_specific() -> None:
    components = [
        {"metric": "sms", "model": "per_unit", "unit": "1"},
        {"metric": "sms", "model": "per_unit", "unit": "10", "filters": {"country": ["US", "CA"]}},
    ]
    used = [
        {"metric": "sms", "quantity": "3", "dimensions": {"country": "IN"}},
        {"metric": "sms", "quantity": "2", "dimensions": {"country": "US"}},
        {"metric": "sms", "quantity": "1", "dimensions": {"country": "CA"}},
    ]
    answer = quote(components, used, "INR")
    assert [(line["quantity"], line["amount"]) for line in answer["lines"]] == [("3", "3.00"), ("3", "30.00")]


def test_a_flat_fee_needs_no_metric() -> None:
    assert quote([{"model": "flat", "price": "499"}], [], "INR")["lines"][0]["metric"] is None


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"components": {}}, "/components", "not_a_list"),
        ({"components": []}, "/components", "required"),
        ({"components": [SEAT] * 101}, "/components", "too_many"),
        ({"components": ["sms"]}, "/components/0", "not_an_object"),
        ({"components": [SEAT, SEAT]}, "/components/1/metric", "duplicate"),
        ({"components": [{**SEAT, "model": "stairs"}]}, "/components/0/model", "unknown_model"),
        ({"components": [{**SEAT, "metric": None}]}, "/components/0/metric", "required"),
        ({"components": [{**SEAT, "unit": "-1"}]}, "/components/0/unit", "negative"),
        ({"components": [{**SEAT, "filters": ["sms"]}]}, "/components/0/filters", "not_an_object"),
        ({"components": [{**SEAT, "filters": {"c": []}}]}, "/components/0/filters/c", "not_a_string"),
        ({"components": [{**SEAT, "filters": {"c": 1}}]}, "/components/0/filters/c", "not_a_string"),
        ({"usage": None}, "/usage", "not_a_list"),
        ({"usage": [3]}, "/usage/0", "not_an_object"),
        ({"usage": [{"metric": "seat"}]}, "/usage/0/quantity", "required"),
        ({"usage": [{"metric": "seat", "quantity": "-1"}]}, "/usage/0/quantity", "too_small"),
        ({"usage": [{"metric": "seat", "quantity": "1", "events": []}]}, "/usage/0/quantity", "both_given"),
        ({"usage": [{"metric": "seat", "events": "1"}]}, "/usage/0/events", "not_a_list"),
        ({"usage": [{"metric": "seat", "events": ["1", "x"]}]}, "/usage/0/events/1", "not_a_number"),
        ({"usage": [{"metric": "seat", "quantity": "1", "from": "x"}]}, "/usage/0/from", "unknown_field"),
        ({"usage": [{**ONE_SEAT, "dimensions": []}]}, "/usage/0/dimensions", "not_an_object"),
        ({"usage": [{"metric": "sms", "quantity": "1"}]}, "/usage/0/metric", "unknown_metric"),
        ({"usage": [{"metric": 7, "quantity": "1"}]}, "/usage/0/metric", "required"),
        ({"components": [{**SEAT, "filters": {"c": "x"}}], "usage": [{"metric": "seat", "quantity": "1"}]},
         "/usage/0/metric", "unmatched"),
        ({"components": [SEAT, PAY], "usage": [ONE_SEAT, {"metric": "pay", "quantity": 1}]},
         "/usage/1/events", "events_needed"),
        ({"currency": "XXX"}, "/currency", "unknown_currency"),
        ({"minimum": "x"}, "/minimum", "not_a_number"),
        ({"maximum": "-1"}, "/maximum", "not_positive"),
        ({"minimum": "2", "maximum": "1"}, "/maximum", "maximum_below_minimum"),
    ],
)  # fmt: skip
def test_a_quote_that_breaks_a_rule_is_refused_with_the_field_named(
    change: dict[str, Any], pointer: str, code: str
) -> None:
    request: dict[str, Any] = {"components": [SEAT], "usage": [], "currency": "INR", **change}
    with pytest.raises(RuleBroken) as refused:
        quote(**request)
    assert (refused.value.pointer, refused.value.code) == (pointer, code)


CALL = {"metric": "call", "model": "graduated", "group_by": "country", "free_units": "1", "tiers": [
    {"up_to": "2", "unit": "10"}, {"up_to": None, "unit": "0.005"},
]}  # fmt: skip


def calls(quantity: str, **dimensions: str) -> dict[str, Any]:
    return {"metric": "call", "quantity": quantity, "dimensions": dimensions}


def test_each_value_of_a_group_is_priced_by_itself() -> None:
    """One free, two at 10, then 0.005 — for each country; both numbers of calls to India count together. The
    sum is rounded once."""
    used = [calls("4", country="US"), calls("3", country="IN"), calls("2"), calls("3", country="IN")]
    (line,) = quote([CALL], used, "INR")["lines"]
    assert (line["group_by"], line["quantity"]) == ("country", "12")
    assert (line["amount_exact"], line["amount"]) == ("50.02", "50.02")
    assert [(row["group"], row["tier"], row["quantity"], row["amount"]) for row in line["breakdown"]] == [
        ("", 0, "1", "0"),
        ("", 1, "1", "10"),
        ("IN", 0, "1", "0"),
        ("IN", 1, "2", "20"),
        ("IN", 2, "3", "0.015"),
        ("US", 0, "1", "0"),
        ("US", 1, "2", "20"),
        ("US", 2, "1", "0.005"),
    ]


def test_limits_and_the_switch_hold_for_each_value_that_was_used() -> None:
    """A least of 15 for each; a country that was not called is no group and owes nothing."""
    priced = {**CALL, "minimum": "15", "maximum": "20"}
    (line,) = quote([priced], [calls("0", country="IN"), calls("9", country="US")], "INR")["lines"]
    assert line["amount"] == "35.00"
    kinds = [(row["group"], row["kind"], row["amount"]) for row in line["breakdown"]]
    assert kinds[0] == ("IN", "minimum", "15")
    assert kinds[-1] == ("US", "maximum", "-0.03")
    assert quote([priced], [], "INR", charge_zero_first_tier=True)["total"] == "0.00"


def test_a_group_is_of_the_usage_that_its_component_charges() -> None:
    """The more specific component takes its calls away before the rest is grouped."""
    special = {"metric": "call", "model": "per_unit", "unit": "1", "filters": {"country": ["NP"]}}
    used = [calls("5", country="NP"), calls("2", country="IN")]
    lines = quote([CALL, special], used, "INR")["lines"]
    assert [line["amount"] for line in lines] == ["10.00", "5.00"]
    assert {row.get("group") for row in lines[0]["breakdown"]} == {"IN"}
    assert "group" not in lines[1]["breakdown"][0]


def test_lines_name_the_code_of_their_component_and_dimensions_may_be_numbers() -> None:
    component = {**SEAT, "code": "seats", "currency": "INR", "filters": {"size": "2"}}
    (line,) = quote([component], [{**ONE_SEAT, "dimensions": {"size": 2}}], "INR")["lines"]
    assert (line["code"], line["quantity"]) == ("seats", "1")


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"group_by": 1}, "group_by", "not_a_string"),
        ({"group_by": ""}, "group_by", "not_a_string"),
        ({"metric": None, "model": "flat", "price": "1", "group_by": "x"}, "group_by", "mismatch"),
        ({"currency": "USD"}, "currency", "currency_mismatch"),
        ({"currency": "XXX"}, "currency", "unknown_currency"),
        ({"currency": ["INR"]}, "currency", "unknown_currency"),
        ({"code": 1}, "code", "not_a_string"),
    ],
)
def test_what_stands_beside_the_terms_is_refused_by_its_field(
    change: dict[str, Any], field: str, code: str
) -> None:
    component = {**(SEAT if "metric" not in change else {}), **change}
    with pytest.raises(RuleBroken) as refused:
        quote([component], [], "INR")
    assert (refused.value.pointer, refused.value.code) == (f"/components/0/{field}", code)


def test_a_dimension_of_usage_that_is_no_text_is_refused() -> None:
    with pytest.raises(RuleBroken) as refused:
        quote([SEAT], [{**ONE_SEAT, "dimensions": {"size": ["2"]}}], "INR")
    assert (refused.value.pointer, refused.value.code) == ("/usage/0/dimensions/size", "bad_value")
