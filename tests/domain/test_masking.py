"""What stays of personal data that is masked: enough to tell two apart, nothing to write or call to."""

from decimal import Decimal

import pytest

from app.domain.masking import PERSONAL, Kind, mask, mask_as, mask_prose


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        (Kind.email, "asha.rao@lotus.example", "a***@lotus.example"),
        (Kind.email, "a@b", "a***@b"),
        (Kind.email, '"odd@name"@lotus.example', '"***@lotus.example'),
        (Kind.email, "@lotus.example", "***@lotus.example"),
        (Kind.email, "no address", "n***"),
        (Kind.phone, "+919876543210", "+91***10"),
        (Kind.phone, "98765 43210", "987***10"),
        (Kind.phone, "12345", "1***"),
        (Kind.phone, "1", "***"),
        (Kind.contact, "asha@lotus.example", "a***@lotus.example"),
        (Kind.contact, "919876543210", "919***10"),
        (Kind.contact, "(080) 2222 3333", "(080) 2222 3333"),
        (Kind.contact, "active", "active"),
        (Kind.text, "12 MG Road", "1***"),
        (Kind.text, "x", "***"),
        (Kind.number, "29ABCDE1234F1Z5", "29***Z5"),
        (Kind.number, "ABCDE1234F", "AB***4F"),
        (Kind.number, "123", "1***"),
        (Kind.ip, "203.0.113.9", "203.0.***"),
        (Kind.ip, "2001:db8::7", "2001:0db8:***"),
        (Kind.ip, "not an address", "***"),
    ],
)
def test_each_kind_keeps_what_tells_two_apart(kind: Kind, text: str, left: str) -> None:
    assert mask_as(kind, text) == left


def test_a_name_says_what_its_value_is_wherever_it_stands() -> None:
    assert {name: mask(name, "asha@lotus.example") for name in ("email", "customer.email", "Email")} == {
        "email": "a***@lotus.example",
        "customer.email": "a***@lotus.example",
        "Email": "a***@lotus.example",
    }


def test_a_document_is_gone_through_to_its_leaves() -> None:
    document = {
        "billing_emails": ["asha@lotus.example", "cfo@lotus.example"],
        "billing_address": {"line1": "12 MG Road", "city": "Bengaluru", "state_code": "29", "country": "IN"},
        "properties": {"to": 919876543210, "channel": "sms", "parts": 2, "paid": True},
        "note": "Ask asha@lotus.example",
        "buyer": {"name": "Lotus", "gstin": "29ABCDE1234F1Z5", "address": ["12 MG Road", "560001"]},
        "seller": {"gstin": "29ABCDE1234F1Z5"},
    }
    assert mask("", document) == {
        "billing_emails": ["a***@lotus.example", "c***@lotus.example"],
        "billing_address": {"line1": "1***", "city": "B***", "state_code": "29", "country": "IN"},
        "properties": {"to": "919***10", "channel": "sms", "parts": 2, "paid": True},
        "note": "Ask a***@lotus.example",
        "buyer": {"name": "Lotus", "gstin": "29***Z5", "address": ["1***", "5***"]},
        "seller": {"gstin": "29ABCDE1234F1Z5"},
    }


@pytest.mark.parametrize("value", [None, "", Decimal("1.5"), True, [], {}, b"x"])
def test_what_holds_no_text_stays(value: object) -> None:
    assert {name for name in (*PERSONAL, "note", "") if mask(name, value) != value} == set()


@pytest.mark.parametrize(
    "text",
    [
        "Invoice BLR/26-27/00042 of 1 Nov 2026 over ₹1,18,000.00",
        "e7f3a9c2-7b1d-4a56-9f00-0123456789ab",
        "2026-11-01T00:00:00+00:00",
        "acct-9876543210",
    ],
)
def test_prose_without_personal_data_stays(text: str) -> None:
    assert mask_prose(text) == text
