"""What differs between two price lists."""

from typing import Any

from app.domain.plan_diffs import compare, compare_fields

SMS: dict[str, Any] = {
    "code": "sms",
    "currency": "INR",
    "name": "SMS",
    "kind": "usage",
    "metric": "auth.otp",
    "model": "graduated",
    "tiers": [{"up_to": "10", "unit": "1", "flat": "0"}, {"up_to": None, "unit": "0.5", "flat": "0"}],
    "free_units": "0",
    "filters": {},
}
FEE: dict[str, Any] = {
    "code": "fee",
    "currency": "INR",
    "name": "Fee",
    "kind": "fixed",
    "metric": None,
    "model": "flat",
    "price": "999",
    "filters": {},
}


def test_a_list_does_not_differ_from_itself() -> None:
    told = compare([SMS, FEE], [SMS, FEE])
    assert [(one["change"], one["fields"], one["tiers"]) for one in told["components"]] == [
        ("same", [], [])
    ] * 2
    assert told["reordered"] is False


def test_a_changed_field_has_the_title_of_its_model() -> None:
    (told,) = compare([FEE], [{**FEE, "price": "1099"}])["components"]
    assert (told["code"], told["currency"], told["name"], told["change"]) == ("fee", "INR", "Fee", "changed")
    assert told["fields"] == [
        {"field": "price", "title": "Price per period", "before": "999", "after": "1099"}
    ]


def test_tiers_stand_side_by_side() -> None:
    first, last = SMS["tiers"]
    more = {"up_to": "100", "unit": "0.7", "flat": "0"}
    (told,) = compare([SMS], [{**SMS, "tiers": [first, more, last]}])["components"]
    assert told["fields"] == []
    assert told["tiers"] == [
        {"n": 1, "change": "same", "before": first, "after": first},
        {"n": 2, "change": "changed", "before": last, "after": more},
        {"n": 3, "change": "added", "before": None, "after": last},
    ]


def test_another_model_takes_its_tiers_away_and_brings_its_fields() -> None:
    flat = {name: value for name, value in SMS.items() if name != "tiers"}
    (told,) = compare([SMS], [{**flat, "model": "per_unit", "unit": "0.25"}])["components"]
    assert [(one["title"], one["before"], one["after"]) for one in told["fields"]] == [
        ("Price model", "graduated", "per_unit"),
        ("Price per unit", None, "0.25"),
    ]
    assert [one["change"] for one in told["tiers"]] == ["removed", "removed"]


def test_a_component_is_the_same_by_code_and_currency() -> None:
    dollars = {**FEE, "currency": "USD", "price": "12"}
    told = compare([SMS, FEE], [dollars, FEE])
    assert [(one["code"], one["currency"], one["change"]) for one in told["components"]] == [
        ("fee", "USD", "added"),
        ("fee", "INR", "same"),
        ("sms", "INR", "removed"),
    ]
    added = {one["field"]: one["after"] for one in told["components"][0]["fields"]}
    assert added == {"name": "Fee", "kind": "fixed", "model": "flat", "price": "12"}
    assert told["reordered"] is False


def test_another_order_is_told() -> None:
    told = compare([SMS, FEE], [FEE, SMS])
    assert (told["reordered"], {one["change"] for one in told["components"]}) == (True, {"same"})


def test_plain_fields_are_compared_by_name() -> None:
    assert compare_fields({"interval": "month", "effective_on": None}, {"interval": "year"}) == [
        {"field": "interval", "title": "Billing period", "before": "month", "after": "year"}
    ]
