"""CloudEvents 1.0 as usage events: what becomes what, what cannot be read, and in whose words it is told."""

from typing import Any

import pytest

from app.domain.cloudevents import as_event, own_words, read_header, refuse

CLOUD = {
    "specversion": "1.0",
    "id": "otp-7f3a",
    "source": "/gateways/sms",
    "type": "auth.otp",
    "subject": "acme",
    "time": "2026-10-31T18:29:59.999Z",
    "datacontenttype": "application/json",
    "traceparent": "00-4bf9",
    "data": {"channel": "sms"},
}


def test_the_attributes_become_the_fields_of_an_event_and_extensions_are_left() -> None:
    assert as_event(CLOUD) == {
        "event_id": "otp-7f3a",
        "account_id": "acme",
        "metric": "auth.otp",
        "timestamp": "2026-10-31T18:29:59.999Z",
        "properties": {"channel": "sms"},
    }


@pytest.mark.parametrize("quantity", ["3", 3, 0, None, "", True])
def test_a_quantity_in_the_data_is_the_quantity_and_stays_a_property(quantity: Any) -> None:
    event = as_event({**CLOUD, "data": {"channel": "sms", "quantity": quantity}})
    assert event["quantity"] is quantity
    assert event["properties"] == {"channel": "sms", "quantity": quantity}


@pytest.mark.parametrize("data", [None, "text", 7, ["x"], True])
def test_data_that_is_no_object_is_left_for_the_reader_to_judge(data: Any) -> None:
    event = as_event({**CLOUD, "data": data})
    assert event["properties"] == data
    assert "quantity" not in event


def test_binary_data_stays_with_the_event_so_that_nobody_replays_it_without() -> None:
    assert as_event({**CLOUD, "data_base64": "AQI="})["data_base64"] == "AQI="
    assert "data_base64" not in as_event({**CLOUD, "data_base64": None})


@pytest.mark.parametrize("raw", [None, [], "x", 3, True])
def test_what_is_no_object_stays_what_it_is(raw: Any) -> None:
    assert as_event(raw) == raw
    assert refuse(raw, 0) is None


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"specversion": None}, "/specversion", "required"),
        ({"specversion": "0.3"}, "/specversion", "unsupported"),
        ({"specversion": 1}, "/specversion", "unsupported"),
        ({"source": None}, "/source", "required"),
        ({"source": 7}, "/source", "not_a_string"),
        ({"source": " "}, "/source", "empty"),
        ({"data_base64": "AQI="}, "/data_base64", "unsupported"),
    ],
)
def test_what_the_specification_needs_is_asked_for(change: dict[str, Any], pointer: str, code: str) -> None:
    refused = refuse({**CLOUD, **change}, 4)
    assert refused is not None
    assert (refused.position, refused.event_id, refused.pointer, refused.code) == (
        4,
        "otp-7f3a",
        f"/4{pointer}",
        code,
    )


def test_a_good_one_is_not_refused() -> None:
    assert refuse(CLOUD, 0) is None
    assert refuse({**CLOUD, "data_base64": None}, 0) is None


@pytest.mark.parametrize("event_id", [None, 7, "x" * 256])
def test_a_refusal_names_no_id_that_is_none(event_id: Any) -> None:
    refused = refuse({**CLOUD, "source": None, "id": event_id}, 0)
    assert refused is not None
    assert refused.event_id is None


@pytest.mark.parametrize(
    ("pointer", "message", "told"),
    [
        ("/event_id", "event_id is needed.", ("/id", "id is needed.")),
        (
            "/account_id",
            "There is no account with this id.",
            ("/subject", "There is no account with this id."),
        ),
        ("/metric", "metric may not be empty.", ("/type", "type may not be empty.")),
        ("/timestamp", "Write RFC 3339.", ("/time", "Write RFC 3339.")),
        ("/properties", "Properties are an object.", ("/data", "Properties are an object.")),
        ("/properties/a/b", "Too deep.", ("/data/a/b", "Too deep.")),
        ("/quantity", "No number.", ("/data/quantity", "No number.")),
        ("/source", "source is needed.", ("/source", "source is needed.")),
        ("", "An event is an object.", ("", "An event is an object.")),
    ],
)
def test_a_refusal_is_told_in_the_names_of_a_cloudevent(
    pointer: str, message: str, told: tuple[str, str]
) -> None:
    assert own_words(pointer, message) == told


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("otp-1", "otp-1"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("100%", "100%"),
        ('"quoted \\"twice\\" \\\\"', 'quoted "twice" \\'),
        ('"', '"'),
        ("मुंबई".encode().decode("latin-1"), "मुंबई"),
    ],
)
def test_a_header_is_decoded_as_the_binding_says(header: str, value: str) -> None:
    assert read_header(header) == value


@pytest.mark.parametrize("header", ["%FF", "\xff", "€"])
def test_a_header_that_is_not_utf8_is_no_attribute(header: str) -> None:
    with pytest.raises(UnicodeError):
        read_header(header)
