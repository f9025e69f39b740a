from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.api.body import (
    UNSET,
    Body,
    Instant,
    Money,
    NonNegative,
    Number,
    Page,
    Positive,
    Text,
    UnsetType,
    given,
    shaped,
)
from app.api.strict_json import decode
from app.errors import Invalid


class Line(Body):
    quantity: Positive


class Order(Body):
    amount: Number
    discount: NonNegative | None = None
    note: Text | None = None
    at: Instant | None = None
    on: date | None = None
    lines: list[Line] = []
    labels: dict[str, str] = {}
    price: Money | None = None


class Patch(Body):
    name: Text | UnsetType = UNSET
    phone: Text | UnsetType | None = UNSET


def problems(raw: bytes) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        shaped(decode(raw), Order)
    return [(field.pointer, field.code) for field in caught.value.fields]


def test_a_currency_in_small_letters_is_told_in_words() -> None:
    with pytest.raises(Invalid) as caught:
        shaped(decode(b'{"amount": 1, "price": {"amount": 1, "currency": "inr"}}'), Order)
    (field,) = caught.value.fields
    assert (field.pointer, field.code) == ("/price/currency", "invalid")
    assert field.message == "A currency is three capital letters (ISO 4217), such as INR."


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (b'"118.00"', "118.00"),
        (b"0.1", "0.1"),
        (b"12345678901234.123456", "12345678901234.123456"),
        (b"7", "7"),
    ],
)
def test_a_decimal_is_read_exactly_as_written(written: bytes, amount: str) -> None:
    assert shaped(decode(b'{"amount": %s}' % written), Order).amount == Decimal(amount)


@pytest.mark.parametrize(
    "written", [b"true", b'"NaN"', b'"Infinity"', b'"1_000"', b'""', b"null", b'"1e99"', b"[]"]
)
def test_what_is_no_decimal_is_refused_where_a_number_is_asked(written: bytes) -> None:
    assert [pointer for pointer, _ in problems(b'{"amount": %s}' % written)] == ["/amount"]


def test_instants_come_with_any_offset_or_as_unix_seconds_and_are_utc() -> None:
    texts = [b'"2026-10-31T23:59:59+05:30"', b'"2026-10-31T18:29:59Z"', b"1793471399", b"1793471399.000"]

    read = {shaped(decode(b'{"amount": 1, "at": %s}' % text), Order).at for text in texts}

    assert read == {datetime(2026, 10, 31, 18, 29, 59, tzinfo=UTC)}


@pytest.mark.parametrize("written", [b'"2026-10-31"', b'"2026-10-31T18:29:59"', b"true", b'"soon"'])
def test_an_instant_without_offset_is_refused(written: bytes) -> None:
    assert [pointer for pointer, _ in problems(b'{"amount": 1, "at": %s}' % written)] == ["/at"]


def test_every_problem_is_told_at_once_with_its_pointer() -> None:
    lines = b'"lines": [{"quantity": 1}, {"quantity": 0}]'
    raw = b'{"discount": -1, "note": "", %s, "labels": {"a": 1}, "extra": 1}' % lines

    assert problems(raw) == [
        ("/extra", "unknown_field"),
        ("/amount", "required"),
        ("/discount", "invalid"),
        ("/note", "invalid"),
        ("/lines/1/quantity", "invalid"),
        ("/labels/*", "wrong_type"),
    ]


def test_an_unknown_field_within_a_field_is_pointed_at() -> None:
    assert problems(b'{"amount": 1, "price": {"amount": "1", "currency": "INR", "tax": 1}}') == [
        ("/price/tax", "unknown_field")
    ]


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"1"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert problems(body) == [("", "wrong_type")]


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "/b", "duplicate_key"),
        (b'{"a": [[[[[1]]]]]}', "/a/0/0/0/0", "too_deep"),
        (b'{"a": "\\u0000"}', "/a", "bad_character"),
        (b'{"a": "\\ud800"}', "/a", "bad_character"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "", "bad_json"),
        (b'{"a": -Infinity}', "", "bad_json"),
        (b'\xef\xbb\xbf{"a": 1}', "", "bad_json"),
    ],
)
def test_json_is_read_strictly(raw: bytes, pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(raw)

    assert [(field.pointer, field.code) for field in caught.value.fields] == [(pointer, code)]


def test_a_byte_order_mark_is_called_by_its_name() -> None:
    with pytest.raises(Invalid, match=r"^The body begins with a byte order mark"):
        decode(b'\xef\xbb\xbf{"a": 1}')


def test_five_levels_are_not_too_deep() -> None:
    assert decode(b'{"a": [[[[1]]]]}') == {"a": [[[[1]]]]}


def test_a_patch_tells_null_from_not_sent() -> None:
    assert given(shaped({"phone": None}, Patch)) == {"phone": None}


@pytest.mark.parametrize(("query", "limit"), [({}, 50), ({"limit": "200"}, 200)])
def test_a_page_has_fifty_entries_unless_asked(query: dict[str, Any], limit: int) -> None:
    assert shaped(query, Page, strict=False).limit == limit


@pytest.mark.parametrize("limit", ["0", "201", "many", "1.5"])
def test_a_page_has_one_to_two_hundred_entries(limit: str) -> None:
    with pytest.raises(Invalid):
        shaped({"limit": limit}, Page, strict=False)
