"""Terms are read from declared tables: what is not declared is refused with its field, and the schema says
the same."""

from typing import Any

import pytest
from hypothesis import given

from app.domain.errors import RuleBroken
from app.domain.pricing import parse_terms, price_models, terms_json, terms_schema
from app.registry import UnknownName
from tests.domain import strategies

EIGHT = {"up_to": "8.99", "unit": "1"}
NINE = {"up_to": "9", "unit": "1"}
OPEN = {"up_to": None, "unit": "1"}


@pytest.mark.parametrize(
    ("model", "terms", "pointer", "code"),
    [
        ("stairs", {}, "/model", "unknown_model"),
        (None, {}, "/model", "unknown_model"),
        ("per_unit", {}, "/unit", "required"),
        ("per_unit", {"unit": None}, "/unit", "required"),
        ("per_unit", {"unit": "1", "colour": "red"}, "/colour", "unknown_field"),
        ("per_unit", {"unit": "-0.01"}, "/unit", "negative"),
        ("per_unit", {"unit": "ten"}, "/unit", "not_a_number"),
        ("per_unit", {"unit": 0.1}, "/unit", "not_a_number"),
        ("per_unit", {"unit": True}, "/unit", "not_a_number"),
        ("per_unit", {"unit": "0.0000000000001"}, "/unit", "too_many_decimals"),
        ("per_unit", {"unit": "1", "free_units": "-1"}, "/free_units", "negative"),
        ("per_unit", {"unit": "1", "minimum": "2", "maximum": "1"}, "/maximum", "maximum_below_minimum"),
        ("flat", {"price": "1", "unit": "1"}, "/unit", "unknown_field"),
        ("graduated", {}, "/tiers", "required"),
        ("graduated", {"tiers": []}, "/tiers", "no_tiers"),
        ("graduated", {"tiers": "all"}, "/tiers", "no_tiers"),
        ("graduated", {"tiers": [OPEN] * 101}, "/tiers", "too_many_tiers"),
        ("graduated", {"tiers": [{"up_to": "10", "unit": "1"}]}, "/tiers/0/up_to", "last_tier_not_open"),
        ("graduated", {"tiers": [OPEN, OPEN]}, "/tiers/0/up_to", "open_tier_not_last"),
        ("volume", {"tiers": [NINE, NINE, OPEN]}, "/tiers/1/up_to", "tiers_out_of_order"),
        ("volume", {"tiers": [NINE, EIGHT, OPEN]}, "/tiers/1/up_to", "tiers_out_of_order"),
        ("volume", {"tiers": [{"up_to": "0", "unit": "1"}, OPEN]}, "/tiers/0/up_to", "not_positive"),
        ("volume", {"tiers": [{"up_to": None}]}, "/tiers/0/unit", "required"),
        ("volume", {"tiers": [{"unit": "1"}]}, "/tiers/0/up_to", "required"),
        ("volume", {"tiers": [{"up_to": None, "unit": "1", "from": "0"}]}, "/tiers/0/from", "unknown_field"),
        ("volume", {"tiers": [{"up_to": None, "unit": "1", "flat": "-1"}]}, "/tiers/0/flat", "negative"),
        ("volume", {"tiers": ["1"]}, "/tiers/0", "not_an_object"),
        ("package", {"size": "0", "price": "1"}, "/size", "not_positive"),
        ("package", {"size": "1", "price": "1", "rounding": "sideways"}, "/rounding", "unknown_choice"),
        ("percentage", {"rate": "1", "free_events": "1.5"}, "/free_events", "too_many_decimals"),
        ("percentage", {"rate": "1", "free_events": -1}, "/free_events", "too_small"),
        ("percentage", {"rate": "1001"}, "/rate", "too_large"),
        ("percentage", {"rate": "1", "min_per_event": "2", "max_per_event": "1"}, "/max_per_event",
         "maximum_below_minimum"),
        ("graduated_percentage", {"tiers": [{"up_to": None, "unit": "1"}]}, "/tiers/0/unit", "unknown_field"),
        ("per_unit", "unit=1", "", "not_an_object"),
    ],
)  # fmt: skip
def test_terms_that_break_a_rule_are_refused_with_the_field_named(
    model: Any, terms: Any, pointer: str, code: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        parse_terms(model, terms, pointer="/components/0")
    assert (refused.value.pointer, refused.value.code) == (f"/components/0{pointer}", code)


@pytest.mark.parametrize("endless", ["inf", "Infinity", "unlimited", ""])
def test_a_tier_without_end_is_told_to_say_null(endless: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        parse_terms("volume", {"tiers": [NINE, {"up_to": endless, "unit": "1"}]})
    assert (refused.value.pointer, refused.value.code) == ("/tiers/1/up_to", "not_a_number")
    assert refused.value.message == (
        'A quantity is needed here, such as "1000"; null in the last tier, which has no end.'
    )


def test_all_that_is_wrong_with_the_tiers_is_told_at_once() -> None:
    tiers = [{"up_to": "10", "unit": "1"}, {"up_to": None, "unit": "1"}, {"up_to": "5", "unit": "1"}]
    with pytest.raises(RuleBroken) as refused:
        parse_terms("volume", {"tiers": [*tiers, {"up_to": "20", "unit": "1"}]})
    assert [(one.pointer, one.code) for one in refused.value.all] == [
        ("/tiers/1/up_to", "open_tier_not_last"),
        ("/tiers/2/up_to", "tiers_out_of_order"),
        ("/tiers/3/up_to", "last_tier_not_open"),
    ]


@given(strategies.cases)
def test_terms_read_back_from_their_own_json_are_the_same(case: tuple[str, dict[str, Any]]) -> None:
    model, wire = case
    terms = parse_terms(model, wire)
    assert parse_terms(model, terms_json(terms)) == terms


def test_null_stands_for_a_field_left_out() -> None:
    assert parse_terms("per_unit", {"unit": "1", "free_units": None, "maximum": None}) == parse_terms(
        "per_unit", {"unit": "1"}
    )


def test_a_free_first_tier_keeps_its_price_of_nothing() -> None:
    terms = parse_terms("graduated", {"tiers": [{"up_to": "100", "unit": "0"}, OPEN]})
    assert terms_json(terms)["tiers"] == [
        {"up_to": "100", "unit": "0", "flat": "0"},
        {"up_to": None, "unit": "1", "flat": "0"},
    ]


@pytest.mark.parametrize("model", sorted(price_models))
def test_the_schema_of_every_model_lists_its_fields_and_nothing_else(model: str) -> None:
    schema = terms_schema(model)
    assert schema["additionalProperties"] is False
    assert schema["title"] == price_models[model].label
    assert schema["description"].endswith(".")
    for name, described in schema["properties"].items():
        assert described["title"], name
        with pytest.raises(RuleBroken) as refused:
            parse_terms(model, {name: {"no": "such value"}})
        assert refused.value.pointer.startswith("/")


def test_the_schema_of_graduated_describes_its_tiers() -> None:
    tiers = terms_schema("graduated")["properties"]["tiers"]
    assert (tiers["type"], tiers["minItems"], tiers["items"]["required"]) == ("array", 1, ["up_to"])
    assert tiers["items"]["properties"]["up_to"]["type"] == ["string", "null"]
    assert tiers["items"]["properties"]["flat"]["default"] == "0"


def test_the_schema_of_an_unknown_model_is_refused_with_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"no price model named 'stairs'.*graduated_percentage"):
        terms_schema("stairs")
