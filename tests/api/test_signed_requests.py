"""Signed requests at the HTTP edge: what is let in, once, and that every other is the same 401."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app import clock
from app.api.signing import REFUSAL
from app.db import db
from app.gateways.key_service import KeyServiceUnavailable
from app.models import ApiKeySecret, AuditRecord, UsedNonce
from app.services import key_secrets, keys
from app.services.callers import nonces
from tests.api.signing import TEST, Sender, deliver, make_sender
from tests.factories import make_account

EVENTS = "/api/v1/events"
BODY = b'{"events": []}'


def told(response: TestResponse) -> tuple[int, str, str, list[Any]]:
    error = response.json["error"]
    return response.status_code, error["code"], error["message"], error["fields"]


REFUSED = (401, "unauthorized", REFUSAL, [])


def count_nonces() -> int:
    return db.session.scalar(select(func.count()).select_from(UsedNonce)) or 0


@pytest.fixture
def sender(app: Flask) -> Sender:
    return make_sender()[1]


def test_a_signed_request_is_let_in_as_its_key(client: FlaskClient, session: Session) -> None:
    account = make_account(external_id="acct-1")
    key, sender = make_sender(scopes=("usage:read",), account=account)

    response = sender.send(client, "GET", EVENTS, "limit=5&account_id=acct-1")

    assert response.status_code == 200
    assert key.last_used_at is not None
    assert count_nonces() == 1
    assert sender.send(client, "POST", EVENTS, body=BODY).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("GET", EVENTS, "", b"", 200),
        ("GET", EVENTS, "limit=5&x=m%2520n", b"", 400),
        ("GET", "/api/v1/customers/caf%C3%A9%201", "", b"", 404),
        ("GET", "/api/v1/nowhere", "a=&&=b", b"", 404),
        ("DELETE", EVENTS, "", b"", 405),
        ("POST", EVENTS, "results=errors", BODY, 400),
        ("POST", EVENTS, "", "\u0915\u094b\u0921".encode(), 400),
        ("POST", EVENTS, "", bytes(range(256)), 400),
        ("GET", "/healthz", "", b"", 200),
    ],
)
def test_whatever_is_sent_can_be_signed_and_a_changed_byte_of_it_is_401(
    client: FlaskClient, sender: Sender, method: str, path: str, query: str, body: bytes, status: int
) -> None:
    assert sender.send(client, method, path, query, body).status_code == status
    used = count_nonces()
    good = sender.headers(method, path, query, body)
    swapped = {"0": "1"}
    for name, value in good.items():
        for place in (3, len(value) // 2, len(value) - 1):
            other = value[:place] + swapped.get(value[place], "0") + value[place + 1 :]
            answer = deliver(client, method, path, query, body, {**good, name: other})
            assert told(answer) == REFUSED, (name, place)
    changes = [
        ("PUT", path, query, body),
        (method, path + "x", query, body),
        (method, "/x" + path[2:], query, body),
        (method, path, query + "&a", body),
        (method, path, query, body + b" "),
    ]
    for change in changes:
        assert told(deliver(client, *change, good)) == REFUSED, change
    assert count_nonces() == used
    assert deliver(client, method, path, query, body, good).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/%65vents",
        "/api/v1/event%73",
        "/api%2Fv1/events",
        "/api/v1//events",
        "//api/v1/events",
        "/api/v1/./events",
        "/api/v1/x/../events",
        "/api/v1/events/",
        "/api/v1/events;a=1",
        "/api/v1/Events",
    ],
)
def test_another_writing_of_a_signed_path_is_401(client: FlaskClient, sender: Sender, path: str) -> None:
    good = sender.headers("GET", EVENTS)
    assert told(deliver(client, "GET", path, "", b"", good)) == REFUSED
    assert count_nonces() == 0
    assert deliver(client, "GET", EVENTS, "", b"", good).status_code == 200


def test_the_case_of_an_encoded_byte_is_signed(client: FlaskClient, sender: Sender) -> None:
    capitals, small = "/api/v1/customers/caf%C3%A9", "/api/v1/customers/caf%c3%a9"
    for signed, sent, status in (
        (capitals, capitals, 404),
        (small, small, 404),
        (capitals, small, 401),
        (small, capitals, 401),
    ):
        answer = deliver(client, "GET", sent, "", b"", sender.headers("GET", signed))
        assert answer.status_code == status, (signed, sent)


def test_a_server_that_does_not_tell_the_path_as_it_was_sent_lets_nobody_in(
    app: Flask, client: FlaskClient, sender: Sender
) -> None:
    inner = app.wsgi_app

    def decoded_only(environ: dict[str, Any], start: Any) -> Any:
        del environ["RAW_URI"]
        return inner(environ, start)

    app.wsgi_app = decoded_only  # type: ignore[method-assign]
    try:
        assert sender.send(client, "GET", EVENTS).status_code == 500
    finally:
        app.wsgi_app = inner  # type: ignore[method-assign]
    assert count_nonces() == 0


def test_a_query_may_come_in_another_order_and_not_in_another_writing(
    client: FlaskClient, sender: Sender
) -> None:
    good = sender.headers("GET", EVENTS, "x=a%20b&limit=5")
    for query in ("x=a+b&limit=5", "x=a%20b", "limit=5&x=a%20b&", "x=a%20b&limit=%35"):
        assert told(deliver(client, "GET", EVENTS, query, b"", good)) == REFUSED, query
    assert deliver(client, "GET", EVENTS, "limit=5&x=a%20b", b"", good).status_code == 400


def test_a_body_that_was_cut_short_is_refused_and_nothing_is_stored(
    client: FlaskClient, sender: Sender
) -> None:
    good = sender.headers("POST", EVENTS, body=BODY)
    for body in (BODY[:-1], b"", BODY + BODY):
        assert told(deliver(client, "POST", EVENTS, "", body, good)) == REFUSED
    assert count_nonces() == 0


def test_a_body_over_the_limit_is_too_large_before_it_is_anything_else(
    client: FlaskClient, sender: Sender
) -> None:
    body = b"x" * (1024 * 1024 + 1)
    assert sender.send(client, "POST", EVENTS, body=body).status_code == 413


@pytest.mark.parametrize(("seconds", "status"), [(-310, 401), (-290, 200), (290, 200), (310, 401)])
def test_a_request_is_taken_for_five_minutes_around_its_timestamp(
    client: FlaskClient, sender: Sender, seconds: int, status: int
) -> None:
    answer = sender.send(client, "GET", EVENTS, late=timedelta(seconds=seconds))
    assert answer.status_code == status
    assert count_nonces() == (status == 200)


def test_a_nonce_is_used_once_per_key_also_after_a_flush_of_redis(
    client: FlaskClient, sender: Sender, redis: Redis
) -> None:
    good = sender.headers("GET", EVENTS, nonce="n-1")
    assert deliver(client, "GET", EVENTS, "", b"", good).status_code == 200
    assert told(deliver(client, "GET", EVENTS, "", b"", good)) == REFUSED
    redis.flushall()
    assert told(deliver(client, "GET", EVENTS, "", b"", good)) == REFUSED
    assert told(sender.send(client, "POST", EVENTS, body=BODY, nonce="n-1")) == REFUSED

    _, other = make_sender()
    assert other.send(client, "GET", EVENTS, nonce="n-1").status_code == 200


def test_a_nonce_is_forgotten_only_when_its_request_is_too_old(client: FlaskClient, sender: Sender) -> None:
    assert sender.send(client, "GET", EVENTS).status_code == 200
    sent = clock.now()
    assert nonces.forget_nonces(sent + timedelta(seconds=350)) == 0
    assert nonces.forget_nonces(sent + timedelta(seconds=370)) == 1


@pytest.fixture
def refused_senders(app: Flask) -> dict[str, Sender]:
    now = clock.now()
    _, good = make_sender()
    revoked, of_revoked = make_sender()
    keys.revoke(revoked, actor=TEST, at=now)
    expired, of_expired = make_sender(expires_at=now + timedelta(hours=1))
    expired.expires_at = now - timedelta(seconds=1)
    rotated, of_rotated = make_sender()
    keys.rotate(rotated, overlap=timedelta(0), actor=TEST, at=now)
    bearer, bearer_secret = keys.create("bearer", scopes=["all"], actor=TEST, at=now)
    elsewhere = make_sender(allowed_ips=["203.0.113.0/24"])[1]
    return {
        "unknown": Sender("0199d3a0-51b2-7c44-8f7e-2b6d5c1a9e01", good.secret),
        "no id": Sender("no id", good.secret),
        "another secret": Sender(good.key_id, of_revoked.secret),
        "revoked": of_revoked,
        "expired": of_expired,
        "the secret before": of_rotated,
        "a bearer key": Sender(str(bearer.id), bearer_secret),
        "from elsewhere": elsewhere,
    }


def test_every_wrong_sender_gets_the_same_401(
    client: FlaskClient, refused_senders: dict[str, Sender]
) -> None:
    answers = {cause: told(one.send(client, "GET", EVENTS)) for cause, one in refused_senders.items()}
    assert answers == dict.fromkeys(refused_senders, REFUSED)
    assert count_nonces() == 0


def test_the_four_headers_come_together_and_alone(client: FlaskClient, sender: Sender) -> None:
    good = sender.headers("GET", EVENTS)
    for name in good:
        some = {key: value for key, value in good.items() if key != name}
        assert client.get(EVENTS, headers=some).status_code == 401, name
    _, bearer = keys.create("bearer", scopes=["all"], actor=TEST, at=clock.now())
    both = {**good, "Authorization": f"Bearer {bearer}"}
    assert told(deliver(client, "GET", EVENTS, "", b"", both)) == REFUSED
    assert client.get(EVENTS, headers={"Authorization": f"Bearer {sender.secret}"}).status_code == 401


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["203.0.113.0/24"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.114.9", 401),
        (["203.0.113.0/24", "2001:db8::/32"], "2001:db8::7", 200),
        (["2001:db8::/32"], "2001:db9::7", 401),
        (["203.0.113.7"], "::ffff:203.0.113.7", 200),
        (["203.0.113.7"], "203.0.113.8", 401),
    ],
)
@pytest.mark.parametrize("kind", ["hmac", "bearer"])
def test_a_key_is_good_only_from_its_networks(
    client: FlaskClient, kind: str, networks: list[str], address: str, status: int
) -> None:
    values = {"scopes": ["all"], "allowed_ips": networks, "actor": TEST, "at": clock.now()}
    key, secret = keys.create("sender", kind=kind, **values)
    signed = Sender(str(key.id), secret).headers("GET", EVENTS)
    headers = signed if kind == "hmac" else {"Authorization": f"Bearer {secret}"}
    answer = client.get(EVENTS, headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status


def test_both_secrets_work_during_a_rotation_and_a_third_is_refused(
    client: FlaskClient, session: Session
) -> None:
    key, first = make_sender()
    _, secret = keys.rotate(key, overlap=timedelta(hours=2), actor=TEST, at=clock.now())
    second = Sender(first.key_id, secret)
    assert [one.send(client, "GET", EVENTS).status_code for one in (first, second)] == [200, 200]

    key.secrets[0].expires_at = clock.now() - timedelta(seconds=1)
    assert [one.send(client, "GET", EVENTS).status_code for one in (first, second)] == [401, 200]


def test_a_stored_secret_opens_for_its_own_key_only(app: Flask, session: Session) -> None:
    key, sender = make_sender()
    (kept,) = key.secrets
    sealed = key_secrets.Sealed.of(kept)
    assert key_secrets.reveal(sealed) == sender.secret
    assert sender.secret.encode() not in sealed.ciphertext + sealed.wrapped_key
    assert sender.secret not in repr(session.scalars(select(AuditRecord)).all())

    other, _ = make_sender()
    moved = replace(sealed, key_id=str(other.id))
    with pytest.raises(KeyServiceUnavailable):
        key_secrets.reveal(moved)


def test_a_secret_that_cannot_be_opened_lets_nobody_in(client: FlaskClient, session: Session) -> None:
    key, sender = make_sender()
    key.secrets[0].wrapped_key = bytes(60)
    answer = sender.send(client, "GET", EVENTS)
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "key_service_unavailable")
    assert count_nonces() == 0


def test_all_secrets_are_wrapped_anew(client: FlaskClient, session: Session) -> None:
    key, sender = make_sender()
    before = key.secrets[0].wrapped_key
    assert key_secrets.rewrap() == 1
    kept = session.scalars(select(ApiKeySecret)).one()
    assert kept.wrapped_key != before
    assert sender.send(client, "GET", EVENTS).status_code == 200


def test_a_signed_caller_leaves_who_and_where_in_the_audit(client: FlaskClient, session: Session) -> None:
    key, sender = make_sender(scopes=("catalog:write",))
    body = b'{"code": "m.otp", "name": "OTP", "aggregation": "count", "unit": "message"}'
    assert sender.send(client, "POST", "/api/v1/metrics", body=body).status_code == 201
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "metric.created")).one()
    assert (record.actor_kind, record.actor_id, record.ip) == ("api_key", str(key.id), "127.0.0.1")
