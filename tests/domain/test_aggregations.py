"""How an event's value is read, by the metric's aggregation (DOMAIN.md §2, §3)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.aggregations import aggregations
from app.domain.errors import RuleBroken
from app.domain.events import ParsedEvent, parse_event


def event(**properties: Any) -> ParsedEvent:
    raw = {"event_id": "e", "account_id": "a", "metric": "m", "quantity": "2.5", "properties": properties}
    now = datetime(2026, 10, 31, tzinfo=UTC)
    got = parse_event(raw, index=4, now=now, max_age=None, max_ahead=timedelta(0))
    assert isinstance(got, ParsedEvent)
    return got


def test_count_counts_events_whatever_they_carry() -> None:
    assert aggregations["count"].read(event(bytes="7"), "bytes") == 1
    assert aggregations["count"].read(event(), None) == 1


def test_sum_reads_the_value_property_or_else_the_quantity() -> None:
    assert aggregations["sum"].read(event(bytes="7.25"), "bytes") == Decimal("7.25")
    assert aggregations["sum"].read(event(bytes=7), "bytes") == 7
    assert aggregations["sum"].read(event(bytes="7"), None) == Decimal("2.5")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "missing_value"),
        ({"bytes": None}, "missing_value"),
        ({"bytes": "-"}, "not_a_number"),
        ({"bytes": ""}, "not_a_number"),
        ({"bytes": True}, "not_a_number"),
        ({"bytes": "-1"}, "negative"),
        ({"bytes": ["1"]}, "not_a_number"),
    ],
)
def test_a_value_that_is_missing_or_no_number_is_never_counted_as_nothing(
    properties: dict[str, Any], code: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        aggregations["sum"].read(event(**properties), "bytes")
    assert (refused.value.pointer, refused.value.code) == ("/4/properties/bytes", code)


@pytest.mark.parametrize("name", sorted(aggregations))
def test_every_aggregation_has_a_label_and_reads_a_decimal(name: str) -> None:
    entry = aggregations[name]
    assert entry.label
    assert isinstance(entry.adds, bool)
    assert isinstance(entry.read(event(), None), Decimal)
