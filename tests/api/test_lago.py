"""Lago's door: one event, a batch that is stored whole or not at all, and every answer in Lago's shape."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid5

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.models import Account, DeadLetter, EventKey, Metric, UsageDelta, UsageEvent
from tests import factories
from tests.api.conftest import Caller, NewCaller

SENT = {
    "transaction_id": "t-1",
    "external_subscription_id": "acme",
    "code": "auth.otp",
    "properties": {"channel": "sms"},
}
AT = datetime(2026, 10, 31, 18, 29, 59, 123000, UTC)
PREFIX = "/compat/lago/api/v1"


@pytest.fixture
def account(app: Any) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture(autouse=True)
def metric(account: Account) -> Metric:
    return factories.make_metric("auth.otp", dimensions=["channel"])


@pytest.fixture(autouse=True)
def _at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def post(caller: Caller, path: str, body: Any, kind: str = "application/json") -> TestResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.client.post(f"{PREFIX}{path}", data=raw, content_type=kind, headers=caller.headers)


def one(caller: Caller, **change: Any) -> TestResponse:
    return post(caller, "/events", {"event": {**SENT, **change}})


def batch(caller: Caller, *changes: Any) -> TestResponse:
    events = [{**SENT, **change} if isinstance(change, dict) else change for change in changes]
    return post(caller, "/events/batch", {"events": events})


def unprocessable(details: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": 422,
        "error": "Unprocessable Entity",
        "code": "validation_errors",
        "error_details": details,
    }


def count(session: Session) -> list[int]:
    models = (EventKey, UsageEvent, UsageDelta)
    return [session.scalar(select(func.count()).select_from(model)) or 0 for model in models]


def test_an_event_is_stored_and_told_back_as_lago_tells_it(
    caller: Caller, session: Session, account: Account
) -> None:
    response = one(caller, timestamp=1793471398, precise_total_amount_cents=None, external_customer_id="c")

    assert response.status_code == 200
    assert response.json == {
        "event": {
            "lago_id": str(uuid5(account.id, "t-1")),
            "transaction_id": "t-1",
            "lago_customer_id": None,
            "lago_subscription_id": None,
            "external_subscription_id": "acme",
            "code": "auth.otp",
            "timestamp": "2026-10-31T18:29:58Z",
            "precise_total_amount_cents": None,
            "properties": {"channel": "sms"},
            "created_at": "2026-10-31T18:29:59.123000Z",
        }
    }
    stored = session.scalars(select(UsageEvent)).one()
    assert (stored.account_id, stored.event_id, stored.quantity) == (account.id, "t-1", Decimal(1))
    assert (stored.occurred_at, stored.properties) == (
        datetime(2026, 10, 31, 18, 29, 58, tzinfo=UTC),
        {"channel": "sms"},
    )


def test_a_time_left_out_is_now_and_numbers_come_back_as_they_were_sent(caller: Caller) -> None:
    raw = b'{"event": {"transaction_id": "t", "external_subscription_id": "acme", "code": "auth.otp",'
    event = post(caller, "/events", raw + b'"timestamp": null, "properties": {"gb": 0.10}}}').json["event"]

    assert event["timestamp"] == "2026-10-31T18:29:59.123000Z"
    assert event["properties"] == {"gb": 0.1}


def test_an_event_that_is_there_already_is_told_so_and_counts_once(caller: Caller, session: Session) -> None:
    told = [(response.status_code, response.json) for response in (one(caller), one(caller))]

    assert told[0][0] == 200
    assert told[1] == (422, unprocessable({"transaction_id": ["value_already_exist"]}))
    assert count(session) == [1, 1, 1]


def test_an_account_is_named_by_either_of_its_ids_or_by_a_subscription(
    caller: Caller, session: Session, account: Account
) -> None:
    subscription = factories.make_subscription(account)

    answers = [
        one(caller, transaction_id=f"t-{n}", external_subscription_id=str(reference))
        for n, reference in enumerate(("acme", account.id, subscription.id))
    ]

    assert [answer.json["event"]["lago_subscription_id"] for answer in answers] == [
        None,
        None,
        str(subscription.id),
    ]
    assert set(session.scalars(select(UsageEvent.account_id))) == {account.id}
    assert count(session)[0] == 3


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({"transaction_id": None}, {"transaction_id": ["value_is_mandatory"]}),
        ({"transaction_id": ""}, {"transaction_id": ["value_is_mandatory"]}),
        ({"external_subscription_id": "x"}, {"external_subscription_id": ["subscription_not_found"]}),
        ({"external_subscription_id": ["x"]}, {"external_subscription_id": ["not_a_string"]}),
        ({"external_subscription_id": "\0"}, {"external_subscription_id": ["control_character"]}),
        ({"external_subscription_id": "\ud800"}, {"external_subscription_id": ["control_character"]}),
        ({"code": "nope"}, {"code": ["billable_metric_not_found"]}),
        ({"timestamp": "yesterday"}, {"timestamp": ["bad_timestamp"]}),
        ({"timestamp": 1}, {"timestamp": ["too_old"]}),
        ({"properties": []}, {"properties": ["not_an_object"]}),
        ({"precise_total_amount_cents": "9"}, {"precise_total_amount_cents": ["unsupported"]}),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_and_kept(
    change: dict[str, Any], details: dict[str, Any], caller: Caller, session: Session
) -> None:
    response = one(caller, **change)

    assert (response.status_code, response.json) == (422, unprocessable(details))
    assert count(session) == [0, 0, 0]
    assert session.scalars(select(DeadLetter.source)).all() == ["lago"]


def test_a_batch_is_stored_whole(caller: Caller, session: Session) -> None:
    times = [{"transaction_id": str(n), "timestamp": f"1793471398.{n:03}"} for n in range(99)]

    response = batch(caller, {}, *times)

    assert response.status_code == 200
    assert [event["timestamp"] for event in response.json["events"]][-2:] == [
        "2026-10-31T18:29:58.097000Z",
        "2026-10-31T18:29:58.098000Z",
    ]
    assert count(session)[:2] == [100, 100]


def test_a_batch_with_one_bad_event_stores_nothing_and_tells_of_each(
    caller: Caller, session: Session, account: Account
) -> None:
    one(caller, transaction_id="known")
    globex = factories.make_account(external_id="globex")

    response = batch(
        caller,
        {"transaction_id": "a"},
        {"transaction_id": "known"},
        {"transaction_id": "b", "code": "nope"},
        {"transaction_id": "a", "external_subscription_id": str(account.id)},
        {"transaction_id": "a", "external_subscription_id": str(globex.id)},
        {"transaction_id": "c", "precise_total_amount_cents": "1"},
        7,
    )

    exists = {"transaction_id": ["value_already_exist"]}
    assert (response.status_code, response.json) == (
        422,
        unprocessable(
            {
                "1": exists,
                "2": {"code": ["billable_metric_not_found"]},
                "3": exists,
                "5": {"precise_total_amount_cents": ["unsupported"]},
                "6": {"event": ["not_an_object"]},
            }
        ),
    )
    assert count(session) == [1, 1, 1]
    letters = session.execute(select(DeadLetter.event_id, DeadLetter.source).order_by(DeadLetter.event_id))
    assert [tuple(letter) for letter in letters] == [("b", "lago"), ("c", "lago")]


def test_a_known_event_alone_keeps_a_batch_from_being_stored(caller: Caller, session: Session) -> None:
    one(caller)

    response = batch(caller, {"transaction_id": "new"}, {})

    assert response.json == unprocessable({"1": {"transaction_id": ["value_already_exist"]}})
    assert count(session) == [1, 1, 1]
    assert session.scalars(select(DeadLetter)).all() == []


@pytest.mark.parametrize(("size", "code"), [(0, "no_events"), (101, "too_many_events")])
def test_a_batch_has_one_to_a_hundred_events(size: int, code: str, caller: Caller, session: Session) -> None:
    response = batch(caller, *({"transaction_id": str(n)} for n in range(size)))

    assert (response.status_code, response.json) == (422, unprocessable({"events": [code]}))
    assert count(session) == [0, 0, 0]


def test_a_key_of_one_account_knows_no_other(new_caller: NewCaller, session: Session) -> None:
    other = new_caller("events:write", account=factories.make_account(external_id="globex"))
    unknown = {"external_subscription_id": ["subscription_not_found"]}

    assert one(other).json == unprocessable(unknown)
    assert batch(other, {}).json == unprocessable({"0": unknown})
    assert count(session) == [0, 0, 0]
    assert session.scalars(select(DeadLetter.code).distinct()).all() == ["foreign_account"]


@pytest.mark.parametrize("path", ["/events", "/events/batch"])
def test_strangers_and_the_unfit_are_told_in_lagos_shape(
    path: str, client: FlaskClient, new_caller: NewCaller, session: Session
) -> None:
    stranger = client.post(f"{PREFIX}{path}", json={"event": SENT})
    unfit = post(new_caller("usage:read"), path, {"event": SENT})

    assert (stranger.status_code, stranger.json) == (401, {"status": 401, "error": "Unauthorized"})
    assert (unfit.status_code, unfit.json) == (
        403,
        {"status": 403, "error": "Forbidden", "code": "forbidden"},
    )
    assert count(session) == [0, 0, 0]


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "error", "code", "details"),
    [
        ("/events", b"{", "application/json", 400, "Bad Request", "invalid", {"": ["bad_json"]}),
        (
            "/events", b"{}", "application/json", 400, "Bad Request", "invalid",
            {"event": ["value_is_mandatory"]},
        ),
        (
            "/events/batch", b'{"events": {}}', "application/json", 400, "Bad Request", "invalid",
            {"events": ["wrong_type"]},
        ),
        ("/events", b"{}", "text/plain", 415, "Unsupported Media Type", "unsupported_media_type", None),
        ("/customers", b"{}", "application/json", 404, "Not Found", "not_found", None),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_lagos_shape(
    path: str, body: bytes, kind: str, status: int, error: str, code: str, details: Any,
    caller: Caller, session: Session,
) -> None:  # fmt: skip
    response = post(caller, path, body, kind)

    told = {"status": status, "error": error, "code": code}
    assert response.status_code == status
    assert response.json == (told if details is None else {**told, "error_details": details})
    assert count(session) == [0, 0, 0]


def test_the_same_event_through_another_door_is_a_duplicate_without_conflict(
    caller: Caller, account: Account
) -> None:
    at = AT - timedelta(hours=1)
    one(caller, timestamp=at.timestamp())
    ours = {
        "event_id": "t-1",
        "account_id": str(account.id),
        "metric": "auth.otp",
        "timestamp": at.isoformat(),
        "properties": {"channel": "sms"},
    }

    response = caller.post("/events", ours)
    again = caller.post("/events", {**ours, "quantity": 2})

    results = [answer.json["data"]["attributes"]["results"][0] for answer in (response, again)]
    assert [(result["status"], result["conflict"]) for result in results] == [
        ("duplicate", False),
        ("duplicate", True),
    ]
