from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import DeadLetter, UsageEvent
from tests import factories
from tests.api.conftest import Caller, NewCaller

EVENT = {"event_id": "e", "account_id": "acme", "metric": "auth.otp"}


@pytest.fixture
def letter(caller: Caller, session: Session) -> DeadLetter:
    factories.make_account(external_id="acme")
    caller.post("/events", EVENT)
    return session.scalars(select(DeadLetter)).one()


def events(session: Session) -> int | None:
    return session.scalar(select(func.count()).select_from(UsageEvent))


def test_dead_letters_are_listed_with_their_reason(caller: Caller, letter: DeadLetter) -> None:
    listed = caller.get("/admin/dead-letters", status="open", code="unknown_metric", account="acme").json[
        "data"
    ]

    assert [row["id"] for row in listed] == [str(letter.id)]
    assert listed[0]["attributes"]["payload"] == EVENT
    assert listed[0]["attributes"]["pointer"] == "/metric"
    assert caller.get("/admin/dead-letters", status="replayed").json["data"] == []


def test_a_replay_before_the_cause_is_mended_leaves_the_letter_open(
    caller: Caller, session: Session, letter: DeadLetter
) -> None:
    response = caller.post(f"/admin/dead-letters/{letter.id}/replay")

    assert (response.status_code, response.json["data"]["attributes"]["status"]) == (200, "open")
    assert events(session) == 0


def test_a_replay_after_the_cause_is_mended_counts_once(
    caller: Caller, session: Session, letter: DeadLetter
) -> None:
    factories.make_metric("auth.otp")

    answers = [caller.post(f"/admin/dead-letters/{letter.id}/replay") for _ in range(2)]

    assert [answer.json["data"]["attributes"]["status"] for answer in answers] == ["replayed", "replayed"]
    stored = session.scalars(select(UsageEvent)).one()
    # It had no time of its own, so it happened when it first arrived.
    assert (stored.event_id, stored.occurred_at) == ("e", letter.first_seen_at)


def test_a_replayed_event_that_is_sent_again_is_a_duplicate_without_conflict(
    caller: Caller, session: Session, letter: DeadLetter
) -> None:
    factories.make_metric("auth.otp")
    caller.post(f"/admin/dead-letters/{letter.id}/replay")

    (result,) = caller.post("/events", EVENT).json["data"]["attributes"]["results"]

    assert (result["status"], result["conflict"]) == ("duplicate", False)


def test_a_discarded_letter_is_not_replayed_and_a_replayed_one_not_discarded(
    caller: Caller, session: Session, letter: DeadLetter
) -> None:
    discarded = caller.post(f"/admin/dead-letters/{letter.id}/discard")
    factories.make_metric("auth.otp")
    refused = caller.post(f"/admin/dead-letters/{letter.id}/replay")

    assert discarded.json["data"]["attributes"]["status"] == "discarded"
    assert refused.status_code == 409
    assert events(session) == 0


def test_a_replay_against_another_event_of_that_id_is_a_conflict(
    caller: Caller, session: Session, letter: DeadLetter
) -> None:
    factories.make_metric("auth.otp")
    caller.post("/events", {**EVENT, "quantity": 5})

    response = caller.post(f"/admin/dead-letters/{letter.id}/replay")

    assert response.status_code == 409
    assert letter.status == "open"
    assert events(session) == 1


def test_reading_does_not_let_replay(new_caller: NewCaller, session: Session, letter: DeadLetter) -> None:
    reader = new_caller("admin:read")

    for act in ("replay", "discard"):
        assert reader.post(f"/admin/dead-letters/{letter.id}/{act}").status_code == 403
    assert letter.status == "open"


def test_a_key_of_one_account_sees_and_moves_no_dead_letter(
    new_caller: NewCaller, letter: DeadLetter
) -> None:
    bound = new_caller("all", account=factories.make_account(external_id="globex"))

    for path in ("", f"/{letter.id}"):
        assert bound.get(f"/admin/dead-letters{path}").status_code == 403
    for act in ("replay", "discard"):
        assert bound.post(f"/admin/dead-letters/{letter.id}/{act}").status_code == 403
    assert letter.status == "open"


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_an_unknown_letter_is_404(act: str, caller: Caller) -> None:
    response = caller.post(f"/admin/dead-letters/{uuid4()}/{act}")

    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")


def test_another_accounts_event_refused_to_a_bound_key_is_marked_for_staff_only(
    new_caller: NewCaller, session: Session, letter: Any
) -> None:
    factories.make_metric("auth.otp")
    globex = factories.make_account(external_id="globex")

    response = new_caller("events:write", account=globex).post("/events", EVENT)

    assert response.json["error"]["fields"][0]["code"] == "unknown_account"
    assert set(session.scalars(select(DeadLetter.code))) == {"unknown_metric", "foreign_account"}
