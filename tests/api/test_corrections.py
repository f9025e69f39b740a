"""Events cancelled and amended through the API."""

from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Account, EventCorrection, Metric, UsageDelta, UsageEvent
from app.permissions import Role
from tests import factories
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in

WRONG = {"account_id": "acme", "reason": "Sent twice"}


@pytest.fixture
def account(session: Session) -> Account:
    return factories.make_account(external_id="acme")


@pytest.fixture
def metric(session: Session) -> Metric:
    return factories.make_metric("bytes", aggregation="sum", dimensions=["channel"])


@pytest.fixture
def sent(caller: Caller, account: Account, metric: Metric) -> dict[str, Any]:
    return send(caller, "e")


def send(caller: Caller, event_id: str) -> dict[str, Any]:
    event = {"event_id": event_id, "account_id": "acme", "metric": "bytes", "quantity": "2.5"}
    event["properties"] = {"channel": "sms", "part": 0.5}  # type: ignore[assignment]
    assert caller.post("/events", event).status_code == 202
    return event


def listed(caller: Caller, **query: Any) -> dict[str, tuple[str, str]]:
    """Return status and quantity of the events by id."""
    rows = caller.get("/events", account_id="acme", **query).json["data"]
    return {row["id"]: (row["attributes"]["status"], row["attributes"]["quantity"]) for row in rows}


def stored(session: Session) -> tuple[int | None, ...]:
    return tuple(
        session.scalar(select(func.count()).select_from(each))
        for each in (EventCorrection, UsageDelta, UsageEvent)
    )


def test_an_event_is_cancelled_once_and_says_so(caller: Caller, session: Session, sent: Any) -> None:
    answer = caller.post("/events/e/cancel", WRONG)
    again = caller.post("/events/e/cancel", WRONG)

    assert answer.status_code == 200, answer.json
    data = answer.json["data"]
    assert (data["type"], data["id"], data["attributes"]["kind"]) == ("event_correction", "e", "cancel")
    told = {
        name: data["attributes"][name] for name in ("quantity", "metric", "reason", "replacement_event_id")
    }
    assert told == {
        "quantity": "2.5",
        "metric": "bytes",
        "reason": "Sent twice",
        "replacement_event_id": None,
    }
    assert again.json["data"] == data
    assert stored(session) == (1, 2, 1)
    assert listed(caller) == {"e": ("cancelled", "2.5")}
    assert listed(caller, status="counted") == {}
    (result,) = caller.post("/events", sent).json["data"]["attributes"]["results"]
    assert (result["status"], result["conflict"]) == ("duplicate", False)


def test_an_event_is_amended_by_another_one(caller: Caller, session: Session, sent: Any) -> None:
    body = {**WRONG, "quantity": 0.1, "properties": {"channel": "email", "part": 0.5}}

    answer, again = (caller.post("/events/e/amend", body) for _ in range(2))
    other = caller.post("/events/e/amend", {**body, "quantity": "0.2"})
    cancelled = caller.post("/events/e/cancel", WRONG)

    assert answer.status_code == 200, answer.json
    assert answer.json["data"]["attributes"]["replacement_event_id"] == "e~2"
    assert again.json["data"] == answer.json["data"]
    assert [(one.status_code, one.json["error"]["code"]) for one in (other, cancelled)] == [
        (409, "conflict"),
        (409, "conflict"),
    ]
    assert listed(caller) == {"e~2": ("counted", "0.1"), "e": ("amended", "2.5")}
    assert stored(session) == (1, 3, 2)


def test_a_repeat_with_its_key_gets_the_stored_answer(caller: Caller, session: Session, sent: Any) -> None:
    first, second = (caller.post("/events/e/cancel", WRONG, Idempotency_Key="k") for _ in range(2))
    assert first.json == second.json
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "event_id",
    ["a/b", "a/cancel", "/a", "a//b/", "ä %20?#&=+", "~2", "a/../b", "cancel", "sms:1;x=2", "%2F", "x" * 255],
)
def test_an_id_may_hold_any_character(
    caller: Caller, session: Session, account: Account, metric: Metric, event_id: str
) -> None:
    send(caller, event_id)
    answer = caller.post(f"/events/{quote(event_id, safe='')}/cancel", WRONG)
    assert (answer.status_code, answer.json["data"]["id"]) == (200, event_id)
    assert session.scalars(select(EventCorrection.event_id)).all() == [event_id]


def test_a_slash_in_an_id_may_stand_as_it_is(
    caller: Caller, session: Session, account: Account, metric: Metric
) -> None:
    send(caller, "a/b")
    answer = caller.post("/events/a/b/amend", {**WRONG, "quantity": 1})
    assert answer.json["data"]["attributes"]["replacement_event_id"] == "a/b~2"


@pytest.mark.parametrize(
    ("more", "pointers"),
    [
        ({"quantity": "-1"}, ["/quantity"]),
        ({"metric": "unknown"}, ["/metric"]),
        ({"timestamp": "2001-01-01T00:00:00Z"}, ["/timestamp"]),
        ({"properties": {"channel": {}}}, ["/properties/channel"]),
        ({"event_id": "f", "quantity": 1}, ["/event_id"]),
        ({"quantity": None}, ["/quantity"]),
        ({"reason": ""}, ["/reason"]),
        ({}, []),
        ({"quantity": "2.50"}, []),
    ],
)
def test_an_amendment_that_cannot_be_is_refused_at_its_field(
    caller: Caller, session: Session, sent: Any, more: dict[str, Any], pointers: list[str]
) -> None:
    answer = caller.post("/events/e/amend", {**WRONG, **more})
    assert answer.status_code == 400
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == pointers
    assert stored(session) == (0, 1, 1)


def test_an_unknown_event_is_404_as_other_peoples_are(
    caller: Caller, new_caller: NewCaller, session: Session, sent: Any
) -> None:
    stranger = new_caller("events:write", account=factories.make_account(external_id="globex"))
    answers = [
        caller.post("/events/never/cancel", WRONG),
        caller.post("/events/e/cancel", {**WRONG, "account_id": "globex"}),
        stranger.post("/events/e/cancel", WRONG),
        stranger.post("/events/e/amend", {**WRONG, "quantity": 1}),
        stranger.post("/events/e/cancel", {**WRONG, "account_id": "globex"}),
    ]
    assert [(answer.status_code, answer.json["error"]["code"]) for answer in answers] == [
        (404, "not_found")
    ] * 5
    assert stored(session) == (0, 1, 1)


def test_a_key_takes_back_what_it_may_send(new_caller: NewCaller, session: Session, sent: Any) -> None:
    reader = new_caller("usage:read", "billing:write", "admin:write")
    for act, more in (("cancel", {}), ("amend", {"quantity": 1})):
        assert reader.post(f"/events/e/{act}", {**WRONG, **more}).status_code == 403
    assert stored(session) == (0, 1, 1)
    sender = new_caller("events:write", account=session.scalars(select(Account)).one())
    assert sender.post("/events/e/cancel", WRONG).status_code == 200


@pytest.mark.parametrize(
    ("role", "status"), [(Role.super_admin, 200), (Role.finance_admin, 403), (Role.support, 403)]
)
def test_of_people_only_super_admins_take_events_back(
    client: FlaskClient, session: Session, sent: Any, role: Role, status: int
) -> None:
    sign_in(client, make_user(role))
    headers = {"X-CSRFToken": csrf_token(client)}
    answer = client.post("/api/v1/events/e/cancel", json=WRONG, headers=headers)
    assert (answer.status_code, len(session.scalars(select(EventCorrection)).all())) == (
        status,
        status == 200,
    )
