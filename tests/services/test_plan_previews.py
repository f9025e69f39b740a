"""The live quote of a draft, with groups."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.services import plan_previews
from tests.factories import graduated, make_metric


@pytest.fixture
def prices(session: Session) -> list[dict[str, Any]]:
    metric = make_metric("m", dimensions=["country"])
    return [graduated(metric, ("100", "1"), (None, "0.5"), group_by="country", minimum="20")]


def test_each_value_is_priced_by_itself_and_named(prices: list[dict[str, Any]]) -> None:
    used = [
        {"value": "IN", "quantity": "60", "events": "1"},
        {"value": " IN ", "quantity": "90"},
        {"quantity": "5"},
    ]
    quoted = plan_previews.quote(prices, [{"groups": used}], "INR")
    (line,) = quoted["lines"]
    assert (line["group_by"], line["quantity"], line["amount"], quoted["total"]) == (
        "country",
        "155",
        "145.00",
        "145.00",
    )
    assert [(row["group"], row["kind"], row["amount"]) for row in line["breakdown"]] == [
        ("", "tier", "5"),
        ("", "minimum", "15"),
        ("IN", "tier", "100"),
        ("IN", "tier", "25"),
    ]


def test_a_quantity_without_a_value_is_the_group_without_one(prices: list[dict[str, Any]]) -> None:
    (line,) = plan_previews.quote(prices, [{"quantity": "150"}], "INR")["lines"]
    assert (line["amount"], {row["group"] for row in line["breakdown"]}) == ("125.00", {""})
    assert plan_previews.quote(prices, [{"groups": []}], "INR")["total"] == "0.00"


@pytest.mark.parametrize(
    ("used", "pointer", "code"),
    [
        ({"groups": "IN"}, "/used/0/groups", "not_a_list"),
        ({"groups": ["IN"]}, "/used/0/groups/0", "not_an_object"),
        ({"groups": [{"value": 7}]}, "/used/0/groups/0/value", "not_a_string"),
        ({"groups": [{}, {"quantity": "many"}]}, "/used/0/groups/1/quantity", "not_a_number"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(
    prices: list[dict[str, Any]], used: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        plan_previews.quote(prices, [used], "INR")
    assert [(field.pointer, field.code) for field in refused.value.fields] == [(pointer, code)]
