"""Bad input: each a clear error, nothing stored."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import DeadLetter, EventKey, UsageDelta, UsageEvent
from tests import factories
from tests.api.conftest import Caller, NewCaller

GOOD = {"event_id": "e", "account_id": "acme", "metric": "auth.otp"}


@pytest.fixture(autouse=True)
def _known(app: Any) -> None:
    factories.make_account(external_id="acme")
    factories.make_metric("auth.otp")


def stored(session: Session) -> int:
    return sum(
        session.scalar(select(func.count()).select_from(model))
        for model in (EventKey, UsageEvent, UsageDelta)
    )


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"account_id": "nobody"}, "unknown_account", "/0/account_id"),
        ({"metric": "nothing"}, "unknown_metric", "/0/metric"),
        ({"timestamp": "yesterday"}, "bad_timestamp", "/0/timestamp"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "bad_timestamp", "/0/timestamp"),
        ({"timestamp": "2015-05-17T10:05:03Z"}, "too_old", "/0/timestamp"),
        ({"timestamp": "2095-05-17T10:05:03Z"}, "too_far_ahead", "/0/timestamp"),
        ({"event_id": None}, "required", "/0/event_id"),
        ({"event_id": "x" * 256}, "too_long", "/0/event_id"),
        ({"event_id": "a\u0000b"}, "control_character", "/0/event_id"),
        ({"quantity": "-1"}, "negative", "/0/quantity"),
        ({"quantity": True}, "not_a_number", "/0/quantity"),
        ({"color": "red"}, "unknown_field", "/0/color"),
        ({"properties": {"a": {"b": {"c": {"d": 1}}}}}, "too_deep", "/0/properties/a/b/c"),
        ({"properties": {"channel": "x" * 600}}, "too_long", "/0/properties/channel"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_with_its_field_and_kept_as_a_dead_letter(
    change: dict[str, Any], code: str, pointer: str, caller: Caller, session: Session
) -> None:
    response = caller.post("/events", {**GOOD, **change})

    assert (response.status_code, response.json["status"]) == (400, "error")
    assert [(field["code"], field["pointer"]) for field in response.json["error"]["fields"]] == [
        (code, pointer)
    ]
    assert stored(session) == 0
    assert session.scalars(select(DeadLetter.code)).all() == [code]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b'{"event_id": "e", ', 400, "bad_json"),
        (b'{"event_id": "e\xff"}', 400, "bad_encoding"),
        (b'[{"event_id": "e", "quantity": NaN}]', 400, "bad_json"),
        (b'[{"event_id": "e", "event_id": "f"}]', 400, "duplicate_key"),
        (b"[" * 100_000, 400, "too_deep"),
        (b"[]", 400, "batch_size"),
        (b'{"events": []}', 400, "batch_size"),
        (b'{"events": {}}', 400, "wrong_type"),
        (b'{"events": [], "mode": "fast"}', 400, "unknown_field"),
        (json.dumps([{**GOOD, "event_id": str(n)} for n in range(1001)]).encode(), 400, "batch_size"),
        (b'"hello"', 400, "rejected"),
        (b"null", 400, "rejected"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_a_body_that_cannot_be_used_stores_nothing_at_all(
    body: bytes, status: int, code: str, caller: Caller, session: Session
) -> None:
    response = caller.post("/events", body)

    error = response.json["error"]
    assert response.status_code == status
    assert code in {error["code"], *(field["code"] for field in error["fields"])}
    assert error["reference"] == response.headers["X-Request-Id"]
    assert stored(session) == 0
    assert session.scalar(select(func.count()).select_from(DeadLetter)) == 0


def test_a_body_of_two_mebibytes_is_too_large(caller: Caller, session: Session) -> None:
    body = json.dumps({**GOOD, "properties": {"note": "x" * 2 * 1024 * 1024}}).encode()

    response = caller.post("/events", body)

    assert (response.status_code, response.json["error"]["code"]) == (413, "too_large")
    assert stored(session) == 0


def test_another_content_type_is_refused(caller: Caller, session: Session) -> None:
    response = caller.post("/events", json.dumps(GOOD).encode(), Content_Type="text/plain")

    assert (response.status_code, response.json["error"]["code"]) == (415, "unsupported_media_type")
    assert stored(session) == 0


def test_only_a_body_that_is_packed_is_refused_for_its_encoding(caller: Caller, session: Session) -> None:
    packed = caller.post("/events", GOOD, Content_Encoding="GZIP")
    assert (packed.status_code, stored(session)) == (415, 0)
    assert caller.post("/events", GOOD, Content_Encoding="Identity").status_code == 202


def test_a_key_without_the_scope_sends_nothing(new_caller: NewCaller, session: Session) -> None:
    response = new_caller("usage:read").post("/events", GOOD)

    assert (response.status_code, response.json["error"]["code"]) == (403, "forbidden")
    assert stored(session) == 0


def test_an_inactive_metric_takes_no_events(caller: Caller, session: Session) -> None:
    factories.make_metric("retired").active = False

    response = caller.post("/events", {**GOOD, "metric": "retired"})

    assert response.json["error"]["fields"][0]["code"] == "unknown_metric"
    assert stored(session) == 0


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"event_id": "\ud800"}, "control_character", "/0/event_id"),
        ({"\ud800": 1}, "unknown_field", "/0/\ud800"),
        ({"\0": 1}, "unknown_field", "/0/\0"),
        ({"x" * 1_000: 1}, "unknown_field", f"/0/{'x' * 1_000}"),
        ({"properties": {"a": "\udfff"}}, "control_character", "/0/properties/a"),
        ({"properties": {"\ud800": {"a": {"b": {}}}}}, "control_character", "/0/properties"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_and_told_back_as_it_was_sent(
    change: dict[str, Any], code: str, pointer: str, caller: Caller, session: Session
) -> None:
    sent = {**GOOD, **change}

    response = caller.post("/events", json.dumps(sent).encode())

    told = json.loads(response.get_data())
    result = told["data"]["attributes"]["results"][0]
    assert (response.status_code, result["code"], result["pointer"]) == (400, code, pointer)
    assert result["event_id"] == sent["event_id"]
    assert stored(session) == 0
    assert session.scalars(select(DeadLetter.code)).all() == [code]


@pytest.mark.parametrize("path", ["/api/v1/events", "/compat/lago/api/v1/events", "/api/v1/customers"])
def test_a_key_of_half_a_surrogate_pair_that_stands_twice_is_told(path: str, caller: Caller) -> None:
    response = caller.client.post(
        path, data=b'{"\\ud800": 1, "\\ud800": 2}', content_type="application/json", headers=caller.headers
    )

    assert (response.status_code, b"duplicate_key" in response.get_data()) == (400, True)
