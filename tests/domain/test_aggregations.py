"""How an event's value is read by the metric's aggregation, and how values become quantities."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.aggregations import Observation, ValueProperty, Window, aggregations, combine
from app.domain.aggregations.core import quotient
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


@pytest.mark.parametrize("name", ["max", "min", "average", "latest"])
def test_the_other_readers_of_numbers_refuse_as_sum_does(name: str) -> None:
    assert aggregations[name].read(event(bytes="7.25"), "bytes") == Decimal("7.25")
    assert aggregations[name].read(event(), None) == Decimal("2.5")
    for properties, code in (
        ({}, "missing_value"),
        ({"bytes": "-1"}, "negative"),
        ({"bytes": "x"}, "not_a_number"),
    ):
        assert refusal(name, properties) == ("/4/properties/bytes", code)


def test_changes_of_a_level_may_be_negative() -> None:
    assert aggregations["weighted_sum"].read(event(bytes="-7.25"), "bytes") == Decimal("-7.25")
    assert refusal("weighted_sum", {}) == ("/4/properties/bytes", "missing_value")
    assert refusal("weighted_sum", {"bytes": "1e"}) == ("/4/properties/bytes", "not_a_number")
    assert refusal("weighted_sum", {"bytes": "-1000000000000001"}) == ("/4/properties/bytes", "too_large")


@pytest.mark.parametrize(
    ("properties", "step"),
    [
        ({"bytes": "u-1"}, 1),
        ({"bytes": 17}, 1),
        ({"bytes": Decimal("1.5")}, 1),
        ({"bytes": "x" * 255}, 1),
        ({"bytes": "u-1", "operation_type": "add"}, 1),
        ({"bytes": "u-1", "operation_type": None}, 1),
        ({"bytes": "u-1", "operation_type": "remove"}, -1),
    ],
)
def test_a_distinct_value_is_a_text_or_a_number_that_comes_or_goes(
    properties: dict[str, Any], step: int
) -> None:
    assert aggregations["unique_count"].read(event(**properties), "bytes") == step


@pytest.mark.parametrize(
    ("properties", "pointer", "code"),
    [
        ({}, "bytes", "missing_value"),
        ({"bytes": None}, "bytes", "missing_value"),
        ({"bytes": " "}, "bytes", "missing_value"),
        ({"bytes": True}, "bytes", "bad_value"),
        ({"bytes": ["u-1"]}, "bytes", "bad_value"),
        ({"bytes": "x" * 256}, "bytes", "too_long"),
        ({"bytes": "u-1", "operation_type": "delete"}, "operation_type", "unknown_choice"),
        ({"bytes": "u-1", "operation_type": 1}, "operation_type", "unknown_choice"),
        ({"bytes": "u-1", "operation_type": {}}, "operation_type", "unknown_choice"),
    ],
)
def test_what_is_no_distinct_value_is_refused(properties: dict[str, Any], pointer: str, code: str) -> None:
    assert refusal("unique_count", properties) == (f"/4/properties/{pointer}", code)


def refusal(name: str, properties: dict[str, Any]) -> tuple[str, str]:
    """Return where and why an event with these properties is refused."""
    with pytest.raises(RuleBroken) as refused:
        aggregations[name].read(event(**properties), "bytes")
    return refused.value.pointer, refused.value.code


@pytest.mark.parametrize(
    ("name", "value_property", "dimensions", "pointer", "code"),
    [
        ("count", "bytes", [], "/value_property", "not_used"),
        ("unique_count", None, [], "/value_property", "required"),
        ("weighted_sum", None, [], "/value_property", "required"),
        ("unique_count", "operation_type", [], "/value_property", "reserved"),
        ("unique_count", "user", ["channel", "user"], "/dimensions/1", "bad_dimension"),
        ("unique_count", "user", ["operation_type"], "/dimensions/0", "bad_dimension"),
    ],
)
def test_a_metric_that_could_not_be_counted_is_refused(
    name: str, value_property: str | None, dimensions: list[str], pointer: str, code: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        aggregations[name].check_definition(value_property, dimensions)
    assert (refused.value.pointer, refused.value.code) == (pointer, code)


@pytest.mark.parametrize("name", sorted(aggregations))
def test_every_aggregation_says_what_it_is_and_takes_a_plain_definition(name: str) -> None:
    entry = aggregations[name]
    assert entry.label
    assert entry.summary.endswith(".")
    wanted = None if entry.value_property is ValueProperty.unused else "bytes"
    entry.check_definition(wanted, ["channel", "country"])
    assert isinstance(entry.read(event(bytes="7"), wanted), Decimal)


START, HOUR = datetime(2026, 9, 30, 18, 30, tzinfo=UTC), timedelta(hours=1)
OCTOBER = Window(START, START + timedelta(days=31))
# Two buckets: 10 and 4 in the first hour, 7 and 7 twelve hours later, one id at each instant.
VALUES = [("a", 0, "10", "u"), ("b", 0, "4", "v"), ("c", 12, "7", "u"), ("d", 13, "7", "w")]
BY_HAND = {
    "count": "4",
    "sum": "28",
    "max": "10",
    "min": "4",
    "average": "7",
    "latest": "7",
    "unique_count": "3",
    # (14 × 744 + 7 × 732 + 7 × 731) ÷ 744 hours
    "weighted_sum": "27.764784946237",
}


def observations(name: str) -> list[Observation]:
    """Return `VALUES` as an aggregation observes them."""
    fixed = {"count": Decimal(1), "unique_count": Decimal(1)}
    return [
        Observation(START + hours * HOUR, event_id, fixed.get(name, Decimal(quantity)), value)
        for event_id, hours, quantity, value in VALUES
    ]


@pytest.mark.parametrize("name", sorted(aggregations))
def test_four_values_in_three_buckets_come_to_what_they_come_to_by_hand(name: str) -> None:
    entry, observed = aggregations[name], observations(name)
    parts = [entry.observe(observed[:2]), None, entry.observe(observed[2:3]), entry.observe(observed[3:])]
    assert combine(entry, parts, OCTOBER) == Decimal(BY_HAND[name])
    assert entry.value(observed, OCTOBER) == Decimal(BY_HAND[name])
    assert combine(entry, [None, None], OCTOBER) == 0
    added = sum(combine(entry, [part], OCTOBER) for part in parts)
    assert (added == Decimal(BY_HAND[name])) is (entry.adds or name == "weighted_sum")


def test_the_last_operation_on_a_value_decides_and_of_two_at_once_the_greater_event_id() -> None:
    entry = aggregations["unique_count"]
    operations = [("a", 1, "u", 1), ("b", 2, "u", -1), ("c", 2, "v", -1), ("d", 2, "v", 1), ("e", 3, "w", -1)]
    observed = [
        Observation(START + hours * HOUR, event_id, Decimal(step), value)
        for event_id, hours, value, step in operations
    ]
    assert entry.value(observed, OCTOBER) == 1
    assert combine(entry, [entry.observe([one]) for one in reversed(observed)], OCTOBER) == 1


def test_the_latest_of_two_values_at_one_instant_is_that_of_the_greater_event_id() -> None:
    entry = aggregations["latest"]
    observed = [Observation(START, "b", Decimal(5)), Observation(START, "a", Decimal(9))]
    assert entry.value(observed, OCTOBER) == 5
    assert combine(entry, [entry.observe([one]) for one in observed], OCTOBER) == 5


def test_a_quotient_is_rounded_once_half_up_away_from_nothing() -> None:
    assert quotient(Decimal(2), 3) == Decimal("0.666666666667")
    assert quotient(Decimal("0.000000000001"), 2) == Decimal("0.000000000001")
    assert quotient(Decimal("-0.000000000001"), 2) == Decimal("-0.000000000001")
    assert quotient(Decimal(10**15), 3) == Decimal("333333333333333.333333333333")


@st.composite
def cut_observations(draw: st.DrawFn, name: str) -> list[tuple[int, Observation]]:
    """Draw observations of October, each with the number of the part that it falls into."""
    quantities = {
        "count": st.just(Decimal(1)),
        "unique_count": st.sampled_from([Decimal(1), Decimal(-1)]),
        "weighted_sum": st.decimals(-(10**15), 10**15, places=12),
    }
    quantity = quantities.get(name, st.decimals(0, 10**15, places=12))
    length = (OCTOBER.end - OCTOBER.start) // timedelta(microseconds=1)
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 5),
                st.one_of(st.integers(0, 3), st.integers(0, length - 1)),
                quantity,
                st.sampled_from("uvwxyz"),
            ),
            min_size=1,
            max_size=30,
        )
    )
    ids = draw(st.permutations([f"e{n}" for n in range(len(rows))]))
    return [
        (part, Observation(START + timedelta(microseconds=offset), event_id, step, value))
        for (part, offset, step, value), event_id in zip(rows, ids, strict=True)
    ]


@pytest.mark.parametrize("name", sorted(aggregations))
@given(data=st.data())
def test_the_states_of_any_parts_merge_to_the_definition_over_all(name: str, data: st.DataObject) -> None:
    entry, cut = aggregations[name], data.draw(cut_observations(name))
    whole = [observed for _, observed in cut]
    parts = [[each for at, each in cut if at == part] for part in range(6)]
    states = [json.loads(json.dumps(entry.observe(part))) if part else None for part in parts]
    assert combine(entry, data.draw(st.permutations(states)), OCTOBER) == entry.value(whole, OCTOBER)
    present = [state for state in states if state is not None]
    halves = [entry.merge(half) for half in (present[::2], present[1::2]) if half]
    assert entry.merge(halves) == entry.observe(whole)
