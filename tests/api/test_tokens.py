"""JWTs of an issuer: a right one is let in with its scopes, and every other is the same 401."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.api.signing import REFUSAL
from app.gateways import jwks
from app.models import AuditRecord
from app.services.callers.tokens import ACCOUNT_CLAIM
from tests.factories import make_account

EVENTS = "/api/v1/events"
HS256 = b'{"alg":"HS256","kid":"k1"}'
ISSUER, AUDIENCE = "https://issuer.example/", "https://billing.example/api"


@cache
def rsa_key(kid: str, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


@dataclass
class Issuer:
    """Serves a JWKS on this machine and signs tokens."""

    url: str = ""
    kids: list[str] = field(default_factory=lambda: ["k1"])
    status: int = 200
    asked: int = 0

    @staticmethod
    def key(kid: str) -> RSAKey:
        return rsa_key(kid, 1024) if kid == "k1024" else rsa_key(kid)

    def document(self) -> bytes:
        return json.dumps({"keys": [self.key(kid).as_dict(private=False) for kid in self.kids]}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(clock.now().timestamp())
        good = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "crm@clients",
            "iat": now,
            "exp": now + 60,
            "scope": "usage:read catalog:write openid all",
        }
        return {name: value for name, value in {**good, **changed}.items() if value is not ...}

    def token(self, header: dict[str, Any] | None = None, key: Any = None, **changed: Any) -> str:
        head = {"alg": "RS256", "kid": "k1", "typ": "JWT", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=["RS256", "RS384", "HS256", "none"], strict_check_header=False)
        text = json.dumps(self.claims(**changed)).encode()
        return jws.serialize_compact(head, text, key or rsa_key("k1"), registry=registry)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(made.document())

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


Send = Callable[[str], Any]


@pytest.fixture
def send(app: Flask, client: FlaskClient, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Send:
    settings = replace(
        app.extensions["settings"], jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks_url=issuer.url
    )
    monkeypatch.setitem(app.extensions, "settings", settings)
    return lambda token: client.get(EVENTS, headers={"Authorization": f"Bearer {token}"})


def test_a_right_token_is_let_in_with_its_scopes_that_are_ours(
    send: Send, client: FlaskClient, issuer: Issuer, session: Session
) -> None:
    assert send(issuer.token()).status_code == 200
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    assert client.get("/api/v1/customers", headers=headers).status_code == 403
    body = {"code": "m.otp", "name": "OTP", "aggregation": "count", "unit": "message"}
    assert client.post("/api/v1/metrics", json=body, headers=headers).status_code == 201
    record = session.scalars(select(AuditRecord).where(AuditRecord.action == "metric.created")).one()
    assert (record.actor_kind, record.actor_id, record.role) == ("service_token", "crm@clients", "service")
    assert issuer.asked == 1


def test_the_audience_may_be_one_of_several(send: Send, issuer: Issuer) -> None:
    assert send(issuer.token(aud=["https://other.example", AUDIENCE])).status_code == 200


def test_a_token_is_narrowed_to_the_account_that_it_names(
    send: Send, client: FlaskClient, issuer: Issuer
) -> None:
    own, other = make_account(), make_account()
    headers = {"Authorization": f"Bearer {issuer.token(**{ACCOUNT_CLAIM: str(own.id)})}"}
    statuses = [
        client.get(EVENTS, query_string={"account_id": str(one.id)}, headers=headers).status_code
        for one in (own, other)
    ]
    assert statuses == [200, 404]


def forged_none(issuer: Issuer) -> str:
    _, body, _ = issuer.token().split(".")
    return ".".join((coded(b'{"alg":"none","kid":"k1"}'), body, ""))


def coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def hmac_with_public_key(issuer: Issuer) -> str:
    """The classic confusion: the public key, which everybody has, as the secret of an HMAC."""
    pem = rsa_key("k1").as_pem(private=False)
    signed = f"{coded(HS256)}.{coded(json.dumps(issuer.claims()).encode())}"
    return f"{signed}.{coded(hmac.digest(pem, signed.encode(), 'sha256'))}"


def with_own_key(issuer: Issuer) -> str:
    own = rsa_key("own")
    return issuer.token({"kid": "k1", "jwk": own.as_dict(private=False)}, own)


def with_embedded_key(issuer: Issuer) -> str:
    return issuer.token({"jwk": rsa_key("k1").as_dict(private=False)})


def with_a_changed_claim(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    body = coded(json.dumps(issuer.claims(sub="admin")).encode())
    return f"{head}.{body}.{signature}"


FORGED: dict[str, Callable[[Issuer], str]] = {
    "alg none": forged_none,
    "HS256 with the public key as its secret": hmac_with_public_key,
    "a key of its own, embedded": with_own_key,
    "the right key, embedded": with_embedded_key,
    "jku": lambda one: one.token({"jku": one.url}),
    "x5u": lambda one: one.token({"x5u": one.url}),
    "x5c": lambda one: one.token({"x5c": ["MIIB"]}),
    "RS384": lambda one: one.token({"alg": "RS384"}),
    "another key under a known id": lambda one: one.token(key=rsa_key("own")),
    "unknown kid": lambda one: one.token({"kid": "k9"}, rsa_key("own")),
    "no kid": lambda one: one.token({"kid": None}),
    "a changed claim": with_a_changed_claim,
    "no signature": lambda one: one.token().rpartition(".")[0] + ".",
    "cut short": lambda one: one.token()[:-4],
    "wrong aud": lambda one: one.token(aud="https://other.example"),
    "aud within another": lambda one: one.token(aud=AUDIENCE + "/more"),
    "wrong iss": lambda one: one.token(iss="https://issuer.example"),
    "expired": lambda one: one.token(exp=int(clock.now().timestamp()) - 1),
    "exp as text": lambda one: one.token(exp="9999999999"),
    "exp true": lambda one: one.token(exp=True),
    "issued in the future": lambda one: one.token(iat=int(clock.now().timestamp()) + 600),
    "not yet": lambda one: one.token(nbf=int(clock.now().timestamp()) + 600),
    "scope as a list": lambda one: one.token(scope=["usage:read"]),
    "no account": lambda one: one.token(**{ACCOUNT_CLAIM: "acme"}),
    "an account that is null": lambda one: one.token(**{ACCOUNT_CLAIM: None}),
    "empty sub": lambda one: one.token(sub=""),
    **{
        f"no {name}": lambda one, name=name: one.token(**{name: ...})
        for name in ("iss", "aud", "exp", "iat", "sub")
    },
    "no token": lambda one: "a.b.c",
    "dots": lambda one: "..",
}


@pytest.mark.parametrize("cause", FORGED)
def test_a_wrong_token_is_the_same_401_as_everything_else(send: Send, issuer: Issuer, cause: str) -> None:
    response = send(FORGED[cause](issuer))
    assert (response.status_code, response.json["error"]["message"]) == (401, REFUSAL)


def test_a_critical_header_is_refused(send: Send, issuer: Issuer) -> None:
    _, body, signature = issuer.token().split(".")
    critical = coded(b'{"alg":"RS256","kid":"k1","crit":["exp"],"exp":1}')
    assert send(f"{critical}.{body}.{signature}").status_code == 401


def test_where_no_issuer_is_set_no_token_is_taken_and_nobody_is_asked(
    client: FlaskClient, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    assert client.get(EVENTS, headers=headers).status_code == 401
    assert issuer.asked == 0


class Moved:
    """A monotonic clock that the test moves."""

    seconds = 1_000_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Moved:
    clock_ = Moved()
    monkeypatch.setattr(jwks, "time", clock_)
    return clock_


def test_an_unknown_key_id_asks_the_issuer_once_a_minute(send: Send, issuer: Issuer, moved: Moved) -> None:
    assert send(issuer.token()).status_code == 200
    issuer.kids = ["k1", "k2"]
    new = issuer.token({"kid": "k2"}, rsa_key("k2"))
    moved.seconds += 30
    assert [send(new).status_code for _ in range(5)] == [401] * 5
    assert issuer.asked == 1
    moved.seconds += 31
    assert [send(new).status_code for _ in range(5)] == [200] * 5
    assert issuer.asked == 2


def test_a_key_that_the_issuer_took_back_ends_within_the_hour(
    send: Send, issuer: Issuer, moved: Moved
) -> None:
    assert send(issuer.token()).status_code == 200
    issuer.kids = ["k2"]
    moved.seconds += jwks.FRESH_SECONDS + 1
    assert send(issuer.token()).status_code == 401


def test_while_the_issuer_is_away_its_last_keys_hold_for_a_day(
    send: Send, issuer: Issuer, moved: Moved
) -> None:
    assert send(issuer.token()).status_code == 200
    issuer.status = 500
    moved.seconds += jwks.FRESH_SECONDS + 1
    assert send(issuer.token()).status_code == 200
    assert issuer.asked == 2
    moved.seconds += jwks.KEPT_SECONDS
    assert send(issuer.token()).status_code == 503


def test_an_issuer_that_never_answered_makes_503(send: Send, issuer: Issuer) -> None:
    issuer.status = 500
    response = send(issuer.token())
    assert (response.status_code, response.json["error"]["code"]) == (503, "issuer_unavailable")


@pytest.mark.filterwarnings("ignore:.*:joserfc.errors.SecurityWarning")
def test_a_short_key_of_the_issuer_is_not_trusted(send: Send, issuer: Issuer) -> None:
    short = rsa_key("k1024", 1024)
    issuer.kids = ["k1", "k1024"]
    assert send(issuer.token({"kid": "k1024"}, short)).status_code == 401
    assert send(issuer.token()).status_code == 200
