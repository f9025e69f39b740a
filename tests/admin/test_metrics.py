"""The form of a metric: every aggregation can be chosen, what could not be counted is told at its field."""

import re

import pytest

from app.db import db
from app.domain.aggregations import aggregations
from app.models import Metric
from tests.admin.conftest import Person

FORM = {"code": "seats", "name": "Seats", "unit": "seat", "active": "y"}


def test_the_form_offers_every_aggregation(desk: Person) -> None:
    page = desk.get("/admin/metrics/new/").get_data(as_text=True)
    chosen = re.search(r'<select[^>]*name="aggregation".*?</select>', page, re.DOTALL)
    assert chosen is not None
    assert re.findall(r'<option[^>]*value="(\w+)"', chosen[0]) == list(aggregations)


@pytest.mark.parametrize(
    ("filled", "field", "message"),
    [
        ({"aggregation": "unique_count"}, "value_property", "the property to read is needed"),
        ({"aggregation": "weighted_sum"}, "value_property", "the property to read is needed"),
        ({"aggregation": "count", "value_property": "user"}, "value_property", "no property is read"),
        (
            {"aggregation": "unique_count", "value_property": "user", "dimensions": "channel, user"},
            "dimensions",
            "each group would have one distinct value",
        ),
        ({"aggregation": "median"}, "aggregation", "Not a valid choice."),
    ],
)
def test_what_could_not_be_counted_is_told_at_its_field(
    desk: Person, filled: dict[str, str], field: str, message: str
) -> None:
    answer = desk.post("/admin/metrics/new/", {**FORM, **filled})
    assert answer.status_code == 422
    told = re.findall(
        r'<div class="field-error" id="(\w+)-error"[^>]*>(.*?)</div>',
        answer.get_data(as_text=True),
        re.DOTALL,
    )
    assert [(name, message in text) for name, text in told] == [(field, True)]
    assert db.session.query(Metric).filter_by(code="seats").count() == 0


def test_a_metric_of_distinct_users_is_made(desk: Person) -> None:
    filled = {"aggregation": "unique_count", "value_property": "user", "dimensions": "channel"}
    assert desk.post("/admin/metrics/new/", {**FORM, **filled}).status_code == 302
    metric = db.session.query(Metric).filter_by(code="seats").one()
    assert (metric.aggregation, metric.value_property, metric.dimensions) == (
        "unique_count",
        "user",
        ["channel"],
    )
