"""CloudEvents at the door for events: structured, batched, in binary mode; each refusal in their names."""

import json
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.models import DeadLetter, EventKey, Metric, UsageDelta, UsageEvent
from app.services import keys
from tests import factories
from tests.api.conftest import TEST, Caller, NewCaller
from tests.api.signing import Sender

CLOUD = {
    "specversion": "1.0",
    "id": "otp-1",
    "source": "/gateways/sms",
    "type": "auth.otp",
    "subject": "acme",
    "data": {"channel": "sms", "quantity": "2.5"},
}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = {f"ce_{name}": value for name, value in CLOUD.items() if isinstance(value, str)}


@pytest.fixture(autouse=True)
def metric(app: Any) -> Metric:
    factories.make_account(external_id="acme")
    return factories.make_metric("auth.otp", aggregation="sum", dimensions=["channel"])


def send(caller: Caller, cloud: Any, kind: str = STRUCTURED, query: str = "") -> TestResponse:
    return caller.post(f"/events{query}", cloud, Content_Type=kind)


def stored(session: Session) -> list[tuple[str, Decimal, dict[str, Any]]]:
    found = session.execute(
        select(UsageEvent.event_id, UsageEvent.quantity, UsageEvent.properties).order_by(UsageEvent.event_id)
    )
    return [(row.event_id, row.quantity, row.properties) for row in found]


def nothing_is_stored(session: Session) -> bool:
    models = (EventKey, UsageEvent, UsageDelta)
    return not any(session.scalar(select(func.count()).select_from(model)) for model in models)


def refusals(response: TestResponse) -> list[tuple[int, str, str]]:
    rows = response.json["data"]["attributes"]["results"]
    return [(row["index"], row["pointer"], row["code"]) for row in rows if row["status"] == "rejected"]


def test_a_structured_event_is_stored_and_answered_without_a_body(caller: Caller, session: Session) -> None:
    response = send(caller, {**CLOUD, "traceparent": "00-4bf9", "time": "1990-01-01T00:00:00Z"})
    assert (response.status_code, refusals(response)) == (400, [(0, "/time", "too_old")])

    response = send(caller, {**CLOUD, "traceparent": "00-4bf9"}, f"{STRUCTURED}; charset=UTF-8")

    assert (response.status_code, response.data, response.content_type) == (204, b"", None)
    assert stored(session) == [("otp-1", Decimal("2.5"), {"channel": "sms", "quantity": "2.5"})]


def test_the_same_again_is_answered_the_same_and_counts_once(caller: Caller, session: Session) -> None:
    assert [send(caller, CLOUD).status_code for _ in range(2)] == [204, 204]
    assert len(stored(session)) == 1


def test_a_batch_stores_the_good_ones_and_tells_of_the_others(caller: Caller, session: Session) -> None:
    batch = [
        {**CLOUD, "id": "a"},
        {**CLOUD, "id": "b", "subject": None},
        {**CLOUD, "id": "c", "type": "nope"},
        {**CLOUD, "id": "d", "source": ""},
        {**CLOUD, "id": "e", "data": {"quantity": "-1"}},
        {**CLOUD, "id": "f", "data": "text"},
        {**CLOUD, "id": "g", "specversion": "0.3"},
        {**CLOUD, "id": "h", "data": None, "data_base64": "AQI="},
        "event",
    ]

    response = send(caller, batch, BATCH)

    assert response.status_code == 207
    assert refusals(response) == [
        (1, "/1/subject", "required"),
        (2, "/2/type", "unknown_metric"),
        (3, "/3/source", "empty"),
        (4, "/4/data/quantity", "negative"),
        (5, "/5/data", "not_an_object"),
        (6, "/6/specversion", "unsupported"),
        (7, "/7/data_base64", "unsupported"),
        (8, "/8", "not_an_object"),
    ]
    assert response.json["data"]["attributes"]["results"][1]["message"] == "subject is needed."
    assert [row[0] for row in stored(session)] == ["a"]


def test_accepted_events_can_be_left_out_of_the_results(caller: Caller) -> None:
    response = send(caller, [CLOUD, {**CLOUD, "type": "nope"}], BATCH, "?results=errors")

    attributes = response.json["data"]["attributes"]
    assert (attributes["accepted"], [row["index"] for row in attributes["results"]]) == (1, [1])


def test_a_whole_batch_of_known_or_new_events_needs_no_body(caller: Caller) -> None:
    assert send(caller, [CLOUD, {**CLOUD, "id": "new"}, CLOUD], BATCH).status_code == 204


def test_every_refused_event_waits_as_a_dead_letter_in_our_shape(caller: Caller, session: Session) -> None:
    send(caller, {**CLOUD, "subject": "nobody"})
    send(caller, {**CLOUD, "data_base64": "AQI=", "data": None})

    letters = session.scalars(select(DeadLetter).order_by(DeadLetter.code)).all()
    ours = {"event_id": "otp-1", "metric": "auth.otp"}
    assert [(one.source, one.code, one.pointer, one.payload) for one in letters] == [
        (
            "cloudevents",
            "unknown_account",
            "/account_id",
            {**ours, "account_id": "nobody", "properties": CLOUD["data"], "quantity": "2.5"},
        ),
        (
            "cloudevents",
            "unsupported",
            "/data_base64",
            {**ours, "account_id": "acme", "properties": None, "data_base64": "AQI="},
        ),
    ]


def test_in_binary_mode_the_headers_are_the_event_and_the_body_its_data(
    caller: Caller, session: Session
) -> None:
    for kind in ("application/json", "application/vnd.sms+json; charset=utf-8", ""):
        response = caller.post("/events", CLOUD["data"], Content_Type=kind, **BINARY)
        assert response.status_code == 204

    response = caller.post("/events", b"", **{**BINARY, "ce_id": "%E2%82%AC%201"})

    assert response.status_code == 204
    assert stored(session) == [
        ("otp-1", Decimal("2.5"), {"channel": "sms", "quantity": "2.5"}),
        ("€ 1", Decimal(1), {}),
    ]


@pytest.mark.parametrize(
    ("headers", "status", "pointer", "code"),
    [
        ({"ce_specversion": ""}, 400, "/specversion", "unsupported"),
        ({"ce_subject": ""}, 400, "/subject", "empty"),
        ({"ce_type": "nope"}, 400, "/type", "unknown_metric"),
        ({"ce_id": "%FF"}, 400, "/id", "bad_encoding"),
        ({"Content_Type": "text/plain"}, 415, None, "unsupported_media_type"),
    ],
)
def test_a_binary_event_that_cannot_be_used_is_refused(
    headers: dict[str, str], status: int, pointer: str, code: str, caller: Caller, session: Session
) -> None:
    response = caller.post("/events", CLOUD["data"], **{**BINARY, **headers})

    error = response.json["error"]
    told = [(field["pointer"], field["code"]) for field in error["fields"]]
    assert response.status_code == status
    assert told == ([(pointer, code)] if pointer is not None else [])
    assert code in {error["code"], *(field["code"] for field in error["fields"])}
    assert nothing_is_stored(session)


def test_a_signed_key_sends_no_event_in_headers_that_its_signature_does_not_cover(
    client: FlaskClient, session: Session
) -> None:
    key, secret = keys.create("s", kind="hmac", scopes=["events:write"], actor=TEST, at=clock.now())
    sender, path = Sender(str(key.id), secret), "/api/v1/events"
    body = json.dumps(CLOUD).encode()
    unsigned = {name.replace("_", "-"): value for name, value in BINARY.items()}

    binary, structured = (
        client.post(
            path,
            data=body,
            content_type=kind,
            headers={**unsigned, **sender.headers("POST", path, body=body)},
        )
        for kind in ("application/json", STRUCTURED)
    )

    assert (binary.status_code, binary.json["error"]["fields"][0]["code"]) == (400, "unsigned_headers")
    assert structured.status_code == 204
    assert [row[0] for row in stored(session)] == ["otp-1"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"[]", BATCH, 400, "batch_size"),
        (json.dumps([CLOUD] * 1001).encode(), BATCH, 400, "batch_size"),
        (b"{}", BATCH, 400, "wrong_type"),
        (b"{", STRUCTURED, 400, "bad_json"),
        (b'{"id": "a", "id": "b"}', STRUCTURED, 400, "duplicate_key"),
        (b"[]", STRUCTURED, 400, "not_an_object"),
        (b"{}", STRUCTURED, 400, "required"),
        (b"<event/>", "application/cloudevents+xml", 415, "unsupported_media_type"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_a_body_that_cannot_be_used_stores_nothing(
    body: bytes, kind: str, status: int, code: str, caller: Caller, session: Session
) -> None:
    response = send(caller, body, kind)

    error = response.json["error"]
    assert response.status_code == status
    assert code in {error["code"], *(field["code"] for field in error["fields"])}
    assert nothing_is_stored(session)


def test_a_key_of_one_account_or_without_the_scope_comes_no_further_here(
    new_caller: NewCaller, session: Session
) -> None:
    other = factories.make_account(external_id="globex")

    foreign = send(new_caller("events:write", account=other), CLOUD)
    unfit = send(new_caller("usage:read"), CLOUD)

    assert (foreign.status_code, refusals(foreign)) == (400, [(0, "/subject", "unknown_account")])
    assert unfit.status_code == 403
    assert nothing_is_stored(session)


def test_the_same_event_through_both_doors_is_a_duplicate_without_conflict(caller: Caller) -> None:
    ours = {"event_id": "otp-1", "account_id": "acme", "metric": "auth.otp", "quantity": 2.5}
    send(caller, CLOUD)

    response = caller.post("/events", json.dumps({**ours, "properties": {"channel": "sms"}}).encode())

    assert response.json["data"]["attributes"]["results"] == [
        {"index": 0, "event_id": "otp-1", "status": "duplicate", "conflict": False}
    ]
