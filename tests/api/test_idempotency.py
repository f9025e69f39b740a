from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask, Response, g
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.api.envelope import resource, success
from app.api.idempotency import _digest_request, _lock_number, idempotent
from app.config import Settings
from app.db import db, transaction
from app.errors import Conflict, IdempotencyInProgress, IdempotencyMismatch, Invalid
from app.models import ApiKey, IdempotencyRecord
from app.permissions import Actor
from app.services import keys
from tests.api.conftest import TEST
from tests.support.own import OwnDatabase

Call = Callable[..., Response]


@idempotent
def make_key(*, name: str) -> Response:
    with transaction():
        key, _ = keys.create(name, scopes=["all"], actor=TEST, at=clock.now())
        if name == "thirteen":
            raise Conflict("Not thirteen.")
    return success(resource("api_key", key.id, {"name": name}), 201)


@pytest.fixture
def call(app: Flask) -> Call:
    """Call the view as the actor of a request with this body and key."""

    def answer(name: str, key: str | None, actor: Actor = TEST) -> Response:
        headers: Any = {} if key is None else {"Idempotency-Key": key}
        with app.test_request_context("/keys", method="POST", json={"name": name}, headers=headers):
            g.actor = actor
            return make_key(name=name)

    return answer


def effects(session: Session) -> int | None:
    return session.scalar(select(func.count()).select_from(ApiKey))


def test_a_repeat_gets_the_first_answer_and_has_no_second_effect(call: Call, session: Session) -> None:
    first, second = call("five", "k1"), call("five", "k1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json == first.json
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert effects(session) == 1


def test_the_same_key_with_another_body_is_refused(call: Call, session: Session) -> None:
    call("five", "k1")

    with pytest.raises(IdempotencyMismatch):
        call("six", "k1")

    assert effects(session) == 1


def test_the_keys_of_two_callers_are_apart(call: Call, session: Session) -> None:
    call("five", "k1")
    call("six", "k1", Actor.system("somebody else"))

    assert effects(session) == 2


def test_a_refusal_is_not_stored_so_a_repeat_tries_again(call: Call, session: Session) -> None:
    for _ in range(2):
        with pytest.raises(Conflict, match=r"Not thirteen\."):
            call("thirteen", "k1")

    assert effects(session) == 0
    assert session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 0


def test_while_the_first_call_runs_a_second_is_told_so(
    call: Call, session: Session, settings: Settings
) -> None:
    number = _lock_number(f"{TEST.kind}:{TEST.id}", "k1")
    with psycopg.connect(settings.database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (number,))

        with pytest.raises(IdempotencyInProgress):
            call("five", "k1")

    assert effects(session) == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
def test_a_key_that_is_no_key_is_refused(key: str, call: Call, session: Session) -> None:
    with pytest.raises(Invalid):
        call("five", key)

    assert effects(session) == 0


def test_without_a_key_each_call_has_its_effect(call: Call, session: Session) -> None:
    call("five", None)
    call("five", None)

    assert effects(session) == 2


def test_a_first_call_that_commits_unseen_still_gives_its_answer(own_database: OwnDatabase) -> None:
    """Its record appears after the second call has looked for it: the effect is rolled back."""
    with own_database.app() as app, psycopg.connect(app.extensions["settings"].database_url) as other:

        @idempotent
        def late(*, name: str) -> Response:
            key, _ = keys.create(name, scopes=["all"], actor=TEST, at=clock.now())
            other.execute(
                "INSERT INTO idempotency_records (caller, key, request_sha256, status, answer)"
                " VALUES (%s, 'k1', %s, 201, '{\"first\": true}') ON CONFLICT DO NOTHING",
                (f"{TEST.kind}:{TEST.id}", _digest_request()),
            )
            other.commit()
            return success(resource("api_key", key.id, {"name": name}), 201)

        headers = {"Idempotency-Key": "k1"}
        with app.test_request_context("/keys", method="POST", json={"name": "five"}, headers=headers):
            g.actor = TEST
            answered = late(name="five")
        assert (answered.status_code, answered.json) == (201, {"first": True})
        assert answered.headers["Idempotency-Replayed"] == "true"
        assert effects(db.session()) == 0
