"""Dead letters mended and decided by the API, one or many."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.api import dead_letters as api
from app.models import DeadLetter, UsageEvent
from app.permissions import Role
from app.services import replays
from tests import factories
from tests.api.conftest import Caller, NewCaller
from tests.auth.people import csrf_token, make_user, sign_in
from tests.support.application import QueryCounter

PATH = "/admin/dead-letters"


@pytest.fixture
def letters(caller: Caller, session: Session) -> list[DeadLetter]:
    """Four events of an unknown account, and one of another."""
    batch = [event(f"e{n}") for n in range(4)] + [event("x", account_id="globex", metric="auth.mail")]
    assert caller.post("/events", batch).status_code == 400
    return list(session.scalars(select(DeadLetter).order_by(DeadLetter.event_id)))


def event(event_id: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "account_id": "acme", "metric": "auth.otp", "quantity": 1.5, **more}


def mend() -> None:
    factories.make_account(external_id="acme")
    factories.make_metric("auth.otp", aggregation="sum", dimensions=[])


def statuses(session: Session) -> list[str]:
    """Return the status of the letters in the order of their event ids."""
    query = select(DeadLetter.status).order_by(DeadLetter.event_id)
    return [str(status) for status in session.scalars(query)]


def patch(caller: Caller, letter: DeadLetter, body: Any) -> TestResponse:
    """Send a PATCH of a letter."""
    return caller.client.patch(f"/api/v1{PATH}/{letter.id}", json=body, headers=caller.headers)


def test_letters_are_listed_by_metric_time_and_status(
    caller: Caller, session: Session, letters: list[DeadLetter]
) -> None:
    def ids(**query: Any) -> list[str]:
        rows = caller.get(PATH, **query).json["data"]
        return sorted(row["attributes"]["event_id"] for row in rows)

    seen = letters[0].last_seen_at.isoformat()
    assert ids(metric="auth.mail") == ids(account="globex", status="open") == ["x"]
    assert ids(**{"from": seen}) == ["e0", "e1", "e2", "e3", "x"]
    assert ids(**{"from": "2100-01-01T00:00:00Z"}) == ids(status="replayed") == []
    assert caller.get(PATH, status="lost").status_code == 400


def test_a_page_of_letters_costs_the_same_however_many_they_are(
    caller: Caller, session: Session, letters: list[DeadLetter], query_counter: QueryCounter
) -> None:
    costs = []
    for limit in (1, 5):
        session.commit()
        with query_counter() as queries:
            assert len(caller.get(PATH, limit=limit).json["data"]) == limit
        costs.append(len(queries))
    assert costs[0] == costs[1], queries


def test_a_letter_is_mended_and_keeps_how_it_came(
    caller: Caller, session: Session, letters: list[DeadLetter]
) -> None:
    mend()
    letter = letters[4]
    mended = {**event("x"), "quantity": 0.1}

    answer = patch(caller, letter, {"payload": mended})

    told = answer.json["data"]["attributes"]
    assert (answer.status_code, told["payload"], told["replayable"]) == (200, mended, True)
    assert told["original_payload"] == event("x", account_id="globex", metric="auth.mail")
    assert (told["account"], told["metric"]) == ("acme", "auth.otp")
    assert caller.post(f"{PATH}/{letter.id}/replay").json["data"]["attributes"]["status"] == "replayed"
    assert str(session.scalar(select(UsageEvent.quantity))) == "0.1"
    assert patch(caller, letter, {"payload": mended}).status_code == 409


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"event_id": "x", "account_id": "acme"}, "/metric"),
        (event("x", quantity="many"), "/quantity"),
        (event("x", colour="red"), "/colour"),
        ([], "/payload"),
    ],
)
def test_a_letter_is_not_mended_into_something_that_is_no_event(
    caller: Caller, session: Session, letters: list[DeadLetter], payload: Any, pointer: str
) -> None:
    answer = patch(caller, letters[0], {"payload": payload})
    assert answer.status_code == 400
    assert [field["pointer"] for field in answer.json["error"]["fields"]] == [pointer]
    session.refresh(letters[0])
    assert (letters[0].payload, letters[0].original_payload) == (event("e0"), None)


def test_many_are_replayed_by_their_ids_and_each_is_answered(
    caller: Caller, session: Session, letters: list[DeadLetter]
) -> None:
    mend()
    body = {"ids": [str(letter.id) for letter in letters]}

    first, again = (caller.post(f"{PATH}/replay", body).json["data"]["attributes"] for _ in range(2))

    assert [first[name] for name in ("total", "replayed", "refused", "conflict")] == [5, 4, 1, 0]
    assert first == again
    by_id = {str(letter.id): letter.event_id for letter in letters}
    results = {by_id[one["id"]]: (one["result"], one["code"]) for one in first["results"]}
    fine = ("replayed", "unknown_account")
    assert results == {"e0": fine, "e1": fine, "e2": fine, "e3": fine, "x": ("refused", "unknown_account")}
    assert session.scalar(select(func.count()).select_from(UsageEvent)) == 4


def test_a_choice_that_is_too_long_for_one_call_is_replayed_in_the_background(
    caller: Caller, session: Session, letters: list[DeadLetter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 3)
    mend()
    body = {"code": "unknown_account", "account": "acme"}

    begun = caller.post(f"{PATH}/replay", body, Idempotency_Key="k")
    again = caller.post(f"{PATH}/replay", body, Idempotency_Key="k")

    run = begun.json["data"]
    assert (begun.status_code, run["attributes"]["phase"], run["attributes"]["total"]) == (202, "waiting", 4)
    assert again.json["data"]["id"] == run["id"]
    (run_id,) = replays.unfinished()
    assert replays.work(run_id) == {"letters": 4}
    told = caller.get(f"{PATH}/replays/{run['id']}").json["data"]["attributes"]
    assert [told[name] for name in ("phase", "done", "replayed", "account")] == ["done", 4, 4, "acme"]
    assert told["finished_at"] is not None
    assert statuses(session) == ["replayed"] * 4 + ["open"]
    assert caller.get(f"{PATH}/replays/{uuid4()}").status_code == 404


def test_many_are_discarded_and_what_is_left_is_told(
    caller: Caller, session: Session, letters: list[DeadLetter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_AT_ONCE", 3)
    answers = [caller.post(f"{PATH}/discard", {"account": "acme"}).json for _ in range(2)]
    assert [(len(one["data"]), one["meta"]["left"]) for one in answers] == [(3, 1), (1, 0)]
    assert statuses(session) == ["discarded"] * 4 + ["open"]
    by_id = caller.post(f"{PATH}/discard", {"ids": [str(letters[4].id)]})
    assert (by_id.json["meta"]["left"], statuses(session)) == (0, ["discarded"] * 5)


@pytest.mark.parametrize("act", ["replay", "discard"])
@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": [str(uuid4())], "code": "too_old"}, {"ids": ["x"]}]
)
def test_a_choice_has_to_say_which(
    caller: Caller, session: Session, letters: list[DeadLetter], act: str, body: dict[str, Any]
) -> None:
    assert caller.post(f"{PATH}/{act}", body).status_code == 400
    assert statuses(session) == ["open"] * 5


def test_the_scopes_of_operations_bring_dead_letters_along(
    new_caller: NewCaller, session: Session, letters: list[DeadLetter]
) -> None:
    body = {"ids": [str(letters[0].id)]}
    for scope, reads, writes in (
        ("dead_letters:read", 200, 403),
        ("dead_letters:write", 200, 200),
        ("admin:read", 200, 403),
        ("admin:write", 200, 200),
        ("events:write", 403, 403),
    ):
        caller = new_caller(scope)
        got = (caller.get(PATH).status_code, caller.post(f"{PATH}/replay", body).status_code)
        assert got == (reads, writes), scope
    assert new_caller("dead_letters:write").get("/admin/verify").status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [(Role.super_admin, 200), (Role.finance_admin, 200), (Role.support, 403)]
)
def test_finance_replays_and_support_does_not(
    client: FlaskClient, session: Session, letters: list[DeadLetter], role: Role, status: int
) -> None:
    mend()
    sign_in(client, make_user(role))
    headers = {"X-CSRFToken": csrf_token(client)}
    assert client.get(f"/api/v1{PATH}").status_code == 200
    answer = client.post(f"/api/v1{PATH}/{letters[0].id}/replay", headers=headers)
    assert (answer.status_code, statuses(session)[0]) == (status, "replayed" if status == 200 else "open")
