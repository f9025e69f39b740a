"""Prices that cannot be are refused with the field named, alike by a quote, a new plan and a new version."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import PlanVersion, PricePlan
from tests import factories as make
from tests.api.conftest import Caller

OPEN = {"up_to": None, "unit": "1"}
USAGE = [{"metric": "m", "quantity": "1"}]


def tier(up_to: Any, **more: Any) -> dict[str, Any]:
    return {"up_to": up_to, "unit": "1", **more}


def tiered(*tiers: Any) -> dict[str, Any]:
    return {"model": "graduated", "tiers": list(tiers)}


def unit(value: Any) -> dict[str, Any]:
    return {"model": "per_unit", "unit": value}


REFUSED = [
    # Tiers have an upper bound only, so that between two of them nothing can be left out or be in both.
    ("a lower bound", tiered(tier("10"), tier(None, **{"from": "20"})), "/tiers/1/from", "unknown_field"),
    ("out of order", tiered(tier("10"), tier("5"), OPEN), "/tiers/1/up_to", "tiers_out_of_order"),
    ("the same bound", tiered(tier("10"), tier("10.0"), OPEN), "/tiers/1/up_to", "tiers_out_of_order"),
    ("last not open", tiered(tier("10"), tier("20")), "/tiers/1/up_to", "last_tier_not_open"),
    ("open before last", tiered(tier(None), OPEN), "/tiers/0/up_to", "open_tier_not_last"),
    ("a bound of zero", tiered(tier("0"), OPEN), "/tiers/0/up_to", "not_positive"),
    ("a negative bound", tiered(tier("-1"), OPEN), "/tiers/0/up_to", "negative"),
    ("no bound", tiered({"unit": "1"}), "/tiers/0/up_to", "required"),
    ("no price in a tier", tiered({"up_to": None}), "/tiers/0/unit", "required"),
    ("no tier", tiered(), "/tiers", "no_tiers"),
    ("101 tiers", tiered(*(tier(str(n)) for n in range(1, 101)), OPEN), "/tiers", "too_many_tiers"),
    ("a negative flat part", tiered(tier(None, flat="-1")), "/tiers/0/flat", "negative"),
    ("a negative rate", unit("-0.000000000001"), "/unit", "negative"),
    ("a word", unit("ten"), "/unit", "not_a_number"),
    ("nothing", unit(""), "/unit", "not_a_number"),
    ("a comma", unit("1,5"), "/unit", "not_a_number"),
    ("a boolean", unit(True), "/unit", "not_a_number"),
    ("a list", unit(["1"]), "/unit", "not_a_number"),
    ("NaN", unit("NaN"), "/unit", "not_a_number"),
    ("infinity", unit("Infinity"), "/unit", "not_a_number"),
    ("1e999", unit("1e999"), "/unit", "not_a_number"),
    ("1e99", unit("1e99"), "/unit", "too_large"),
    ("a millionth of a millionth of a tenth", unit("1e-13"), "/unit", "too_many_decimals"),
    ("no rate", {"model": "per_unit"}, "/unit", "required"),
    ("another model's field", {**unit("1"), "tiers": [OPEN]}, "/tiers", "unknown_field"),
    ("an unknown field", {**unit("1"), "colour": "red"}, "/colour", "unknown_field"),
    ("an unknown model", {"model": "stairs"}, "/model", "unknown_model"),
    ("no model", {"unit": "1"}, "/model", "unknown_model"),
    ("an unknown currency", {**unit("1"), "currency": "XYZ"}, "/currency", "unknown_currency"),
    ("limits crossed", {**unit("1"), "minimum": "2", "maximum": "1"}, "/maximum", "maximum_below_minimum"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("component", "pointer", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_price_that_cannot_be_is_refused_with_the_field_named(
    session: Session, caller: Caller, component: dict[str, Any], pointer: str, code: str
) -> None:
    make.make_plan("p", components=[make.per_unit(make.make_metric("m"))])
    components = [{"model": "flat", "price": "1"}, {"metric": "m", **component}]
    asked = [
        ("/pricing/quote", {"currency": "INR", "components": components, "usage": USAGE}),
        ("/pricing", {"code": "new", "components": components}),
        ("/pricing/p/versions", {"components": components}),
    ]
    for path, body in asked:
        answer = caller.post(path, body)
        found = [(field["pointer"], field["code"]) for field in answer.json["error"]["fields"]]
        assert (answer.status_code, found) == (400, [(f"/components/1{pointer}", code)]), path
    counts = [session.scalar(select(func.count()).select_from(each)) for each in (PricePlan, PlanVersion)]
    assert counts == [1, 1]


@pytest.mark.parametrize(("number", "code"), [(b"1e999", "too_large"), (b"1e-13", "too_many_decimals")])
def test_a_bare_json_number_obeys_the_same_limits(caller: Caller, number: bytes, code: str) -> None:
    body = (
        b'{"currency":"INR","usage":[],"components":[{"metric":"m","model":"per_unit","unit":%s}]}' % number
    )
    answer = caller.post("/pricing/quote", body)
    (field,) = answer.json["error"]["fields"]
    assert (answer.status_code, field["pointer"], field["code"]) == (400, "/components/0/unit", code)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"01", b"1.", b"0x1"])
def test_what_is_no_number_in_json_is_no_body_at_all(caller: Caller, number: bytes) -> None:
    body = (
        b'{"currency":"INR","usage":[],"components":[{"metric":"m","model":"per_unit","unit":%s}]}' % number
    )
    answer = caller.post("/pricing/quote", body)
    (field,) = answer.json["error"]["fields"]
    assert (answer.status_code, field["code"]) == (400, "bad_json")


def test_a_quote_of_two_currencies_is_refused_at_the_second(caller: Caller) -> None:
    components = [
        {"metric": "a", **unit("1"), "currency": "INR"},
        {"metric": "b", **unit("1"), "currency": "USD"},
    ]
    answer = caller.post("/pricing/quote", {"currency": "INR", "components": components, "usage": []})
    (field,) = answer.json["error"]["fields"]
    assert (answer.status_code, field["pointer"]) == (400, "/components/1/currency")
    assert field["code"] == "currency_mismatch"


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"free_events": 1}, "free_events"),
        ({"min_per_event": "1"}, "min_per_event"),
        ({"max_per_event": "1"}, "max_per_event"),
        ({"fixed": "1", "free_amount": "1"}, "free_amount"),
        ({"free_events": 1, "max_per_event": "1"}, "free_events"),
    ],
)
def test_a_plan_refuses_what_only_single_events_can_tell_and_says_what_to_do(
    caller: Caller, terms: dict[str, Any], field: str
) -> None:
    make.make_metric("m")
    component = {"metric": "m", "model": "percentage", "rate": "2.9", **terms}
    answer = caller.post("/pricing", {"code": "new", "components": [component]})
    (found,) = answer.json["error"]["fields"]
    assert (found["pointer"], found["code"]) == (f"/components/0/{field}", "events_needed")
    assert "let a metric count them" in found["message"]
    assert caller.get("/pricing/new").status_code == 404


@pytest.mark.parametrize("terms", [{}, {"fixed": "0.3"}, {"free_amount": "100"}])
def test_a_plan_takes_a_percentage_that_sums_and_counts_can_tell(
    caller: Caller, terms: dict[str, Any]
) -> None:
    make.make_metric("m")
    component = {"metric": "m", "model": "percentage", "rate": "2.9", **terms}
    assert caller.post("/pricing", {"code": "new", "components": [component]}).status_code == 201


@pytest.mark.parametrize(
    ("component", "code"),
    [
        ({"group_by": "weight"}, "unknown_dimension"),
        ({"group_by": 7}, "not_a_string"),
        ({"group_by": ""}, "not_a_string"),
        ({"group_by": "country", "filters": {"country": "IN"}}, "one_group"),
        ({"metric": None, "model": "flat", "unit": None, "price": "1", "group_by": "country"}, "mismatch"),
    ],
)
def test_a_group_that_cannot_be_is_refused_by_its_field(
    session: Session, caller: Caller, component: dict[str, Any], code: str
) -> None:
    make.make_metric("m", dimensions=["country"])
    stated = {
        name: value for name, value in {"metric": "m", **unit("1"), **component}.items() if value is not None
    }
    answer = caller.post("/pricing", {"code": "new", "components": [stated]})
    (found,) = answer.json["error"]["fields"]
    assert (found["pointer"], found["code"]) == ("/components/0/group_by", code)
    assert session.scalar(select(func.count()).select_from(PricePlan)) == 0


def test_a_plan_groups_as_a_quote_does(caller: Caller) -> None:
    make.make_metric("m", dimensions=["country"])
    component = {"metric": "m", **unit("1"), "group_by": "country", "filters": {"country": ["IN", "US"]}}
    answer = caller.post("/pricing", {"code": "new", "components": [component]})
    (made,) = answer.json["data"]["attributes"]["versions"][0]["components"]
    assert (made["group_by"], made["filters"]) == ("country", {"country": ["IN", "US"]})
    asked = {"currency": "INR", "components": [{**component, "filters": None}], "usage": USAGE}
    (line,) = caller.post("/pricing/quote", asked).json["data"]["attributes"]["lines"]
    assert (line["group_by"], line["amount"], line["breakdown"][0]["group"]) == ("country", "1.00", "")
