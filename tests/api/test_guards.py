from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.api.signing import REFUSAL
from app.models import ApiKey, AuditRecord
from app.services import keys
from app.services.callers import bearers
from tests.api.conftest import TEST, Caller, NewCaller
from tests.factories import make_account


def make_key(**values: Any) -> tuple[ApiKey, str]:
    return keys.create("test", scopes=["usage:read"], actor=TEST, at=clock.now(), **values)


@pytest.fixture
def refused_secrets(app: Flask) -> dict[str, str]:
    _, good = make_key()
    revoked, revoked_secret = make_key()
    keys.revoke(revoked, actor=TEST, at=clock.now())
    expired, expired_secret = make_key(expires_at=clock.now() + timedelta(hours=1))
    expired.expires_at = clock.now() - timedelta(seconds=1)
    return {
        "none": "",
        "another scheme": f"Basic {good}",
        "no secret": "Bearer",
        "not one of ours": "Bearer 12345",
        "another secret of a known prefix": f"Bearer {good[:-1]}{'a' if good[-1] != 'a' else 'b'}",
        "revoked": f"Bearer {revoked_secret}",
        "expired": f"Bearer {expired_secret}",
    }


def test_every_wrong_key_gets_the_same_401(client: FlaskClient, refused_secrets: dict[str, str]) -> None:
    answers = {}
    for cause, header in refused_secrets.items():
        response = client.get("/api/v1/events", headers={"Authorization": header} if header else {})
        error = response.json["error"]
        answers[cause] = (response.status_code, error["code"], error["message"], error["fields"])

    assert answers == dict.fromkeys(refused_secrets, (401, "unauthorized", REFUSAL, []))


def test_a_scope_to_read_does_not_write(new_caller: NewCaller) -> None:
    reader = new_caller("admin:read")

    assert reader.get("/admin/dead-letters").status_code == 200
    assert reader.post("/admin/dead-letters/01a20260-2462-7cbf-b356-278420dc5b4c/discard").status_code == 403


def test_a_key_gives_no_scope_that_it_does_not_have(new_caller: NewCaller, session: Session) -> None:
    maker = new_caller("api_keys:write", "events:write")

    given = maker.post("/admin/api-keys", {"name": "sender", "scopes": ["events:write"]})
    for scopes in (["all"], ["events:write", "usage:read"]):
        refused = maker.post("/admin/api-keys", {"name": "more", "scopes": scopes})
        assert (refused.status_code, refused.json["error"]["fields"][0]["pointer"]) == (403, "/scopes")

    assert given.status_code == 201
    assert "more" not in session.scalars(select(ApiKey.name)).all()


def test_only_a_key_of_that_scope_and_of_no_account_looks_after_keys(
    new_caller: NewCaller, session: Session
) -> None:
    bound, reader = new_caller("all", account=make_account()), new_caller("api_keys:read")
    body = {"name": "mine", "scopes": ["events:write"]}

    assert [one.post("/admin/api-keys", body).status_code for one in (bound, reader)] == [403, 403]
    assert [one.get("/admin/api-keys").status_code for one in (bound, reader)] == [403, 200]
    assert "mine" not in session.scalars(select(ApiKey.name)).all()


def test_a_key_notes_when_it_was_used(client: FlaskClient, session: Session) -> None:
    key, secret = make_key()

    client.get("/api/v1/events", headers={"Authorization": f"Bearer {secret}"})

    assert key.last_used_at is not None


def test_a_secret_is_kept_only_as_a_keyed_hash(session: Session, app: Flask) -> None:
    key, secret = make_key()

    kept = bearers.find(secret)
    assert kept is key.secrets[0]
    assert (kept.ciphertext, kept.wrapped_key, len(kept.secret_hash or b"")) == (None, None, 32)
    assert secret.encode() not in (kept.secret_hash or b"")
    assert secret.startswith(f"otpb_{key.prefix}_")
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "api_key.created")).one()
    assert record.after == {"kind": "bearer", "scopes": ["usage:read"], "allowed_ips": []}


def test_a_malformed_id_and_an_unknown_address_are_404_in_json(caller: Caller) -> None:
    for path in ("/admin/dead-letters/not-an-id", "/nowhere"):
        response = caller.get(path)
        assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")


def test_an_address_above_all_doors_is_404_in_json_with_a_key_and_without(caller: Caller) -> None:
    for headers in (caller.headers, {}):
        for path in ("/api", "/api/", "/api/v9/events"):
            response = caller.client.get(path, headers=headers)
            assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")
        for path in ("/compat", "/compat/lago", "/compat/other/api/v1/events"):
            response = caller.client.get(path, headers=headers)
            assert (response.status_code, response.json["code"]) == (404, "not_found")


def test_a_method_that_an_address_does_not_take_is_405_in_json(caller: Caller) -> None:
    response = caller.client.delete("/api/v1/events", headers=caller.headers)

    assert (response.status_code, response.json["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


def test_the_id_of_a_request_is_taken_over_and_returned(caller: Caller) -> None:
    response = caller.client.get("/api/v1/nowhere", headers={"X-Request-Id": "trace-42"})

    assert (response.headers["X-Request-Id"], response.json["error"]["reference"]) == ("trace-42", "trace-42")


def test_what_nobody_foresaw_is_a_500_that_shows_only_its_reference(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("SELECT secret FROM everything")

    monkeypatch.setattr("app.services.explorer.list_query", fail)

    response = caller.get("/events")

    assert response.status_code == 500
    assert "secret" not in response.get_data(as_text=True)
    assert response.json["error"]["reference"] == response.headers["X-Request-Id"]


def test_a_remembered_key_stays_out_of_isolated_transactions(app: Flask) -> None:
    _, secret = make_key()

    assert bearers.recognise(secret, at=clock.now(), ip=None) is not None
    assert bearers.remembered(secret) is None
    assert not hasattr(g, "actor")
