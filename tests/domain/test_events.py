"""One raw event: what is accepted and how it is read, every refusal with its field, and when two are
the same."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import ParsedEvent, Rejection, parse_event

NOW = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
RAW = {
    "event_id": "otp-7f3a",
    "account_id": "0190",
    "metric": "auth.otp",
    "timestamp": "2026-10-31T18:29:59.999Z",
    "quantity": "1",
    "properties": {"channel": "sms", "country": "IN"},
}


def parse(
    raw: Any, index: int = 3, max_age: timedelta | None = timedelta(days=35)
) -> ParsedEvent | Rejection:
    return parse_event(raw, index=index, now=NOW, max_age=max_age, max_ahead=timedelta(minutes=5))


def accepted(**change: Any) -> ParsedEvent:
    got = parse({name: value for name, value in {**RAW, **change}.items() if value is not ...})
    assert isinstance(got, ParsedEvent), got
    return got


def refused(raw: Any) -> tuple[str, str]:
    got = parse(raw)
    assert isinstance(got, Rejection), got
    assert got.position == 3
    assert got.message.endswith(".")
    return got.pointer, got.code


def test_the_event_of_the_contract_is_read() -> None:
    event = accepted()
    assert event[:6] == (
        3, "otp-7f3a", "0190", "auth.otp", datetime(2026, 10, 31, 18, 29, 59, 999000, UTC), Decimal(1),
    )  # fmt: skip
    assert event.properties_json == '{"channel":"sms","country":"IN"}'
    assert len(event.body_sha256) == 32


def test_a_time_left_out_is_now_and_a_quantity_left_out_is_one() -> None:
    event = accepted(timestamp=..., quantity=..., properties=...)
    assert (event.timestamp, event.quantity, event.properties, event.properties_json) == (NOW, 1, {}, "{}")
    assert accepted(timestamp=None, quantity=None, properties=None).body_sha256 == event.body_sha256


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-10-31T23:59:59+05:30", "2026-10-31T18:29:59"),
        ("2026-10-31T18:29:59Z", "2026-10-31T18:29:59"),
        ("2026-10-31t18:29:59z", "2026-10-31T18:29:59"),
        ("2026-10-31 18:29:59-00:00", "2026-10-31T18:29:59"),
        ("2026-10-31T18:29:59.999999999Z", "2026-10-31T18:29:59.999999"),
        ("2026-10-31T18:29:59.1Z", "2026-10-31T18:29:59.100000"),
        ("2026-10-31T18:29:60Z", "2026-10-31T18:30:00"),
        ("2026-10-31T23:59:60.5+05:30", "2026-10-31T18:30:00"),
        (1793471399, "2026-10-31T18:29:59"),
        ("1793471399", "2026-10-31T18:29:59"),
        ("1793471399.9999999", "2026-10-31T18:29:59.999999"),
        (Decimal("1793471399.25"), "2026-10-31T18:29:59.250000"),
    ],
)
def test_an_instant_is_read_with_any_offset_and_never_moves_forward(written: Any, instant: str) -> None:
    event = accepted(timestamp=written)
    assert event.timestamp == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert event.timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "", "yesterday", "2026-10-31", "2026-10-31T18:29:59", "2026-10-31T18:29Z", "20261031T182959Z",
        "2026-W44-6T18:29:59Z", "2026-02-29T00:00:00Z", "2026-10-31T24:00:00Z", "2026-10-31T18:29:61Z",
        "2026-10-31T18:29:59+24:00", "2026-10-31T18:29:59.Z", "２026-10-31T18:29:59Z",
        "2026-10-31T18:29:59Z\n",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z", -1, "-1", 10**12, True, 1793471399.5, [], {},
        Decimal("NaN"), "1e9",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(written: Any) -> None:
    assert refused({**RAW, "timestamp": written}) == ("/3/timestamp", "bad_timestamp")


def test_the_limits_of_age_are_exact() -> None:
    oldest, furthest = NOW - timedelta(days=35), NOW + timedelta(minutes=5)
    tick = timedelta(microseconds=1)
    assert accepted(timestamp=oldest.isoformat()).timestamp == oldest
    assert accepted(timestamp=furthest.isoformat()).timestamp == furthest
    assert refused({**RAW, "timestamp": (oldest - tick).isoformat()}) == ("/3/timestamp", "too_old")
    assert refused({**RAW, "timestamp": (furthest + tick).isoformat()}) == ("/3/timestamp", "too_far_ahead")
    assert isinstance(parse({**RAW, "timestamp": "2015-05-17T10:05:03Z"}, max_age=None), ParsedEvent)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", "0"), (0, "0"), ("007", "7"), ("0.000000000001", "0.000000000001"), (Decimal("0.1"), "0.1"),
        ("1e3", "1000"), (10**15, "1000000000000000"), ("999999999999999", "999999999999999"),
        ("1.50", "1.5"),
    ],
)  # fmt: skip
def test_a_quantity_is_read_exactly(written: Any, value: str) -> None:
    assert accepted(quantity=written).quantity == Decimal(value)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (True, "not_a_number"), (0.1, "not_a_number"), ("", "not_a_number"), ("-", "not_a_number"),
        ("NaN", "not_a_number"), ("Infinity", "not_a_number"), ("1_000", "not_a_number"),
        ("٣", "not_a_number"),
        ("²", "not_a_number"), ([], "not_a_number"), ("1 ", "not_a_number"),
        ("0.0000000000001", "too_many_decimals"), ("1000000000000000.5", "too_large"),
        (10**15 + 1, "too_large"),
        (10**400, "too_large"), ("-1", "negative"), (-1, "negative"),
    ],
)  # fmt: skip
def test_a_quantity_that_cannot_be_billed_is_refused_and_never_counted_as_nothing(
    written: Any, code: str
) -> None:
    assert refused({**RAW, "quantity": written}) == ("/3/quantity", code)


@pytest.mark.parametrize("field", ["event_id", "account_id", "metric"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (..., "required"), (None, "required"), (7, "not_a_string"), (["x"], "not_a_string"), ("", "empty"),
        ("  ", "empty"), ("\u00a0", "empty"), ("x" * 256, "too_long"), ("a\x00b", "control_character"),
        ("a\nb", "control_character"), ("a\x85b", "control_character"), ("\ud800", "control_character"),
    ],
)  # fmt: skip
def test_a_name_that_is_missing_or_unfit_is_refused(field: str, value: Any, code: str) -> None:
    raw = {name: one for name, one in {**RAW, field: value}.items() if one is not ...}
    assert refused(raw) == (f"/3/{field}", code)


@pytest.mark.parametrize("name", ["x" * 255, "été ☂ 😀", " a ", "a\u00a0b", "مرحبا\u200f"])
def test_an_event_id_is_kept_as_it_was_sent(name: str) -> None:
    assert accepted(event_id=name).event_id == name


@pytest.mark.parametrize("raw", [None, [], "x", 3, True])
def test_an_event_is_an_object(raw: Any) -> None:
    assert refused(raw) == ("/3", "not_an_object")


def test_an_unknown_field_is_refused_by_name() -> None:
    assert refused({**RAW, "tenant": "x"}) == ("/3/tenant", "unknown_field")
    assert refused({"b": 1, "a": 2}) == ("/3/a", "unknown_field")


def test_a_refusal_carries_the_event_id_where_there_is_one() -> None:
    ids = [parse({**RAW, "metric": 7, "event_id": one}) for one in ("otp-7f3a", 7, "x" * 256)]
    assert [one.event_id for one in ids] == ["otp-7f3a", None, None]


def test_the_same_content_in_another_spelling_is_the_same_event() -> None:
    same = accepted().body_sha256
    assert accepted(quantity=1).body_sha256 == same
    assert accepted(quantity="1.00").body_sha256 == same
    assert accepted(timestamp="2026-10-31T23:59:59.999+05:30").body_sha256 == same
    assert accepted(properties={"country": "IN", "channel": "sms"}).body_sha256 == same
    assert accepted(event_id="another").body_sha256 == same
    assert parse(dict(reversed(RAW.items()))).body_sha256 == same  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "auth.otp2"}, {"timestamp": "2026-10-31T18:29:59.998Z"},
        {"timestamp": ...},
        {"quantity": "2"}, {"quantity": "1.000000000001"}, {"properties": {}},
        {"properties": {"channel": "sms"}},
        {"properties": {"channel": "sms", "country": "US"}},
        {"properties": {"channel": "sms", "country": ["IN"]}},
        {"properties": {"channel": "sms", "country": "IN", "quantity": "2"}},
        {"properties": {"channel": "sms", "country": "IN", "quantity": None}},
        {"metric": "auth.otp" + "20757.66599.999000", "timestamp": ...},
    ],
)  # fmt: skip
def test_another_content_is_another_event(change: dict[str, Any]) -> None:
    assert accepted(**change).body_sha256 != accepted().body_sha256


@pytest.mark.parametrize("reference", ["acme", "0191", "01f0c2c6-64a8-7b6f-8e2c-5b1d2c3a4f5e"])
def test_an_account_by_another_of_its_names_is_the_same_event(reference: str) -> None:
    assert accepted(account_id=reference).body_sha256 == accepted().body_sha256


@pytest.mark.parametrize("repeated", ["1", 1, "1.00", Decimal("1.0")])
def test_a_property_that_repeats_the_quantity_adds_nothing_to_what_is_meant(repeated: Any) -> None:
    event = accepted(properties={**RAW["properties"], "quantity": repeated})  # type: ignore[dict-item]
    assert event.body_sha256 == accepted().body_sha256
    assert event.properties["quantity"] == repeated


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from((*RAW, "other")), values) | values)
def test_no_input_whatever_makes_it_fail(raw: Any) -> None:
    got = parse(raw)
    assert isinstance(got, ParsedEvent | Rejection)
    if isinstance(got, Rejection):
        assert got.pointer.startswith("/3")
    else:
        got.properties_json.encode()
